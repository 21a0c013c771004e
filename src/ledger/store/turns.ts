/**
 * Many readers or one writer, by turns: whoever waits is let in when the other kind has ended, so neither can
 * keep the other out for longer than one of its turns.
 */
export class Turns {
  #readers = 0;
  #writing = false;
  readonly #waitingReaders: (() => void)[] = [];
  readonly #waitingWriters: (() => void)[] = [];

  /** Runs `work` while nobody writes; with others that read. */
  async read<T>(work: () => Promise<T>): Promise<T> {
    if (this.#writing || this.#waitingWriters.length > 0) {
      await new Promise<void>((enter) => this.#waitingReaders.push(enter));
    } else this.#readers += 1;
    try {
      return await work();
    } finally {
      this.#readers -= 1;
      if (this.#readers === 0) this.#letWriterIn();
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
      if (this.#waitingReaders.length > 0) this.#letReadersIn();
      else this.#letWriterIn();
    }
  }

  #letReadersIn(): void {
    const entering = this.#waitingReaders.splice(0);
    // Counted here and not when each goes on, so that no writer slips in between.
    this.#readers += entering.length;
    for (const enter of entering) enter();
  }

  #letWriterIn(): void {
    const enter = this.#waitingWriters.shift();
    if (enter === undefined) return;
    this.#writing = true;
    enter();
  }
}
