/** Waiting for what processes do: always by asking, never by a fixed pause alone, and never without end. */

export const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

export type UntilOptions = {
  /** Milliseconds after which the wait has failed: far above what a slow machine needs. */
  readonly limitMs?: number;
  readonly everyMs?: number;
  /** What to add to the message when the wait has failed. */
  readonly explain?: () => string | Promise<string>;
};

/** Asks until the answer is not undefined and not false, and gives it; throws after the limit. */
export const until = async <T>(
  what: string,
  check: () => Promise<T | undefined | false> | T | undefined | false,
  options: UntilOptions = {},
): Promise<T> => {
  const limitMs = options.limitMs ?? 90_000;
  const end = Date.now() + limitMs;
  for (;;) {
    const answer = await check();
    if (answer !== undefined && answer !== false) return answer;
    if (Date.now() > end) {
      const more = options.explain === undefined ? "" : `\n${await options.explain()}`;
      throw new Error(`waited ${limitMs} ms in vain: ${what}${more}`);
    }
    await pause(options.everyMs ?? 100);
  }
};

/** Checks that something stays true for a time; throws with what was seen when it does not. */
export const stays = async (
  what: string,
  forMs: number,
  check: () => Promise<boolean> | boolean,
): Promise<void> => {
  const end = Date.now() + forMs;
  while (Date.now() < end) {
    if (!(await check())) throw new Error(`did not stay: ${what}`);
    await pause(200);
  }
};

/** The long form is for people and the night; CI runs the short one. */
export const SHORT: boolean = process.env["FAULTS"] === "short";
