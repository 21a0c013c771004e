/** What the subscribers of the stream share: messages that were made a moment ago, and a bound on what waits. */
import { LIMITS } from "../../limits.ts";

export type StreamPage = {
  readonly bytes: Uint8Array;
  /** Index behind the last event that was looked at. */
  readonly next: number;
};

/**
 * The last pages that were read. All who follow live ask for the same ones within a moment, so each is read
 * and written as text once. What stands at an index never changes: a page is right for ever, and only ends
 * where the log ended when it was read.
 */
export class RecentPages {
  readonly #pages = new Map<string, Promise<StreamPage>>();

  /** `list` is all that decides the bytes but the position. A page that failed, or is empty, is not kept. */
  get(list: string, from: number, read: () => Promise<StreamPage>): Promise<StreamPage> {
    const name = `${list}/${from}`;
    const known = this.#pages.get(name);
    if (known !== undefined) return known;
    const [oldest] = this.#pages.keys();
    if (this.#pages.size >= LIMITS.httpStreamPagesMax && oldest !== undefined) {
      this.#pages.delete(oldest);
    }
    const page = read();
    this.#pages.set(name, page);
    const forget = (): void => {
      if (this.#pages.get(name) === page) this.#pages.delete(name);
    };
    page.then(({ next }) => next === from && forget(), forget);
    return page;
  }
}

/**
 * Subscribers whose sockets are full, by how they are dropped, the one that has waited longest first. When
 * they hold more than LIMITS.httpStreamBytesMax that one goes: one that reads is never there for long.
 */
export class Stalled {
  readonly #bytes = new Map<() => void, number>();
  #total = 0;

  get total(): number {
    return this.#total;
  }

  /** `drop` must call remove. */
  add(drop: () => void, bytes: number): void {
    this.#bytes.set(drop, bytes);
    this.#total += bytes;
    for (const oldest of this.#bytes.keys()) {
      if (this.#total <= LIMITS.httpStreamBytesMax) break;
      oldest();
    }
  }

  remove(drop: () => void): void {
    this.#total -= this.#bytes.get(drop) ?? 0;
    this.#bytes.delete(drop);
  }
}
