/**
 * Some readers or one writer, by turns. Who waits is let in when the other kind has ended: a writer waits for the
 * readers that are in, at most READERS_MAX, and as many readers as that come in between two writers.
 */

/** More at a time would only wait for each other: their reads are made by four threads. */
export const READERS_MAX = 8;

export class Turns {
  #readers = 0;
  #writing = false;
  readonly #waitingReaders: (() => void)[] = [];
  readonly #waitingWriters: (() => void)[] = [];

  /** Runs `work` while nobody writes; with others that read. */
  async read<T>(work: () => Promise<T>): Promise<T> {
    const waits = this.#waitingReaders.length > 0 || this.#waitingWriters.length > 0;
    if (waits || this.#writing || this.#readers >= READERS_MAX) {
      await new Promise<void>((enter) => this.#waitingReaders.push(enter));
    } else this.#readers += 1;
    try {
      return await work();
    } finally {
      this.#readers -= 1;
      if (this.#waitingWriters.length === 0) this.#letReadersIn();
      this.#letWriterIn();
    }
  }

  /** Runs `work` while nobody else reads or writes. */
  async write<T>(work: () => Promise<T>): Promise<T> {
    if (this.#writing || this.#readers > 0) {
      await new Promise<void>((enter) => this.#waitingWriters.push(enter));
    } else this.#writing = true;
    try {
      return await work();
    } finally {
      this.#writing = false;
      this.#letReadersIn();
      this.#letWriterIn();
    }
  }

  /** Counted here and not when each goes on, so that nobody slips in between. */
  #letReadersIn(): void {
    for (const enter of this.#waitingReaders.splice(0, READERS_MAX - this.#readers)) {
      this.#readers += 1;
      enter();
    }
  }

  #letWriterIn(): void {
    if (this.#readers > 0) return;
    const enter = this.#waitingWriters.shift();
    if (enter === undefined) return;
    this.#writing = true;
    enter();
  }
}
