/** Waiting in bounded time, for people who end their wish and for nodes that hang. */
import { TetradError } from "../errors.ts";

/**
 * Runs `ask` with a signal that aborts with `signal` and after `limitMs`; then `late` is what comes of it.
 * Not AbortSignal.any: a garbage collection made the combined signal miss the abort of its sources.
 */
export const within = async <T>(
  signal: AbortSignal | undefined,
  limitMs: number,
  ask: (signal: AbortSignal) => Promise<T>,
  late: () => T,
): Promise<T> => {
  signal?.throwIfAborted();
  const asking = new AbortController();
  const abort = (): void => asking.abort(signal?.reason);
  signal?.addEventListener("abort", abort, { once: true });
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    asking.abort();
  }, limitMs);
  try {
    return await ask(asking.signal);
  } catch (error) {
    signal?.throwIfAborted();
    // A refusal by the node that came in time is one, whatever the timer did meanwhile.
    const told = error instanceof TetradError && error.code !== "cli.unreachable";
    if (isLate && !told) return late();
    throw error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
};

/** Resolves after the time, or at once when the signal aborts: look at it afterwards. */
export const pause = (ms: number, signal: AbortSignal | undefined): Promise<void> =>
  new Promise((resolve) => {
    if (signal?.aborted === true) return resolve();
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener("abort", end, { once: true });
  });

/** How long a proof may lag behind what the node says it has: a block or two. */
export const LAG_MS = 15_000;
const POLL_MS = 100;

/** Waits as long as `check` has no answer, but not longer than proofs may lag. */
export const withinLag = async <T>(
  signal: AbortSignal | undefined,
  check: () => Promise<T | undefined>,
  late: () => T,
): Promise<T> => {
  const end = performance.now() + LAG_MS;
  for (;;) {
    const found = await check();
    if (found !== undefined) return found;
    if (performance.now() > end) return late();
    await pause(POLL_MS, signal);
    signal?.throwIfAborted();
  }
};

/** What a promise gives, or the signal's reason as soon as it aborts: what is waited for goes on unseen. */
export const abortable = async <T>(
  waiting: Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> => {
  if (signal === undefined) return waiting;
  let stop = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
  try {
    return await Promise.race([waiting, aborted]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
};
