/** What the subscribers of the stream share: the messages for the newest events, and a bound on what waits. */
import { LIMITS } from "../../limits.ts";

export type StreamPage = {
  readonly bytes: Uint8Array;
  /** Index behind the last event that was looked at. */
  readonly next: number;
};

/**
 * Pages at the end of the log. All who follow live ask for the same one at the same moment, so it is read
 * and written as text once; when the log has grown nobody asks for it any more.
 */
export class NewestPages {
  readonly #pages = new Map<string, Promise<StreamPage>>();
  #logSize = -1;

  /** `name` is the position and all that decides the bytes. A page that cannot be read is not kept. */
  get(logSize: number, name: string, read: () => Promise<StreamPage>): Promise<StreamPage> {
    if (logSize !== this.#logSize) this.#pages.clear();
    this.#logSize = logSize;
    const known = this.#pages.get(name);
    if (known !== undefined) return known;
    const [oldest] = this.#pages.keys();
    if (this.#pages.size >= LIMITS.httpStreamPagesMax && oldest !== undefined) {
      this.#pages.delete(oldest);
    }
    const page = read();
    this.#pages.set(name, page);
    page.catch(() => {
      if (this.#pages.get(name) === page) this.#pages.delete(name);
    });
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
