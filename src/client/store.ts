/** Where a client keeps what it must remember from one run to the next: a text, replaced as a whole. */

/** A place for one text. In Node `fileStore` (tetrad/client/node); in a browser a key of localStorage. */
export type TextStore = {
  /** What was saved last; undefined when nothing was. */
  load(): string | undefined | Promise<string | undefined>;
  /** A crash must leave the old text or the new one. */
  save(text: string): void | Promise<void>;
};

/** Remembers as long as the program runs. */
export const memoryStore = (): TextStore => {
  let kept: string | undefined;
  return {
    load: () => kept,
    save(text) {
      kept = text;
    },
  };
};

/** One after the other, however many ask at the same time. */
export const createQueue = (): (<T>(job: () => Promise<T>) => Promise<T>) => {
  let last: Promise<unknown> = Promise.resolve();
  return (job) => {
    const next = last.then(job, job);
    last = next.catch(() => undefined);
    return next;
  };
};
