/**
 * Which of several paths to a peer carries what this node sends: pure, so that what is claimed of it is tested
 * for every course of measurements (docs/protocol.md, "Paths").
 *
 * A path costs its round trip, more where packets are lost, and twice where a relay is on it. Another path is
 * taken at leisure only when it has cost four fifths of the current one, or less, for `holdMs` on end, and not
 * within `dwellMs` of the last change. So a path that comes and goes does not take the traffic with it, and
 * costs that stay within a factor of 1.2 of what they were can move it at most once to each path. A path that
 * is gone or silent is left at once for the cheapest that is not.
 */

/** The direct path, or the id of the relay that is on it. */
export type PathKey = string;
export const DIRECT: PathKey = "direct";

export type PathSample = {
  readonly key: PathKey;
  readonly rttMs: number;
  /** Part of the packets that were lost lately, 0 to 1. */
  readonly loss: number;
  /** How long nothing has come, although something was asked. */
  readonly silentMs: number;
};

export type PathLimits = {
  readonly holdMs: number;
  readonly dwellMs: number;
  readonly silentMs: number;
};

export type PathState = {
  readonly current: PathKey | undefined;
  /** When the current path was taken. */
  readonly sinceMs: number;
  /** A path that is better for now, and since when it has been. */
  readonly rival: { readonly key: PathKey; readonly sinceMs: number } | undefined;
};

export const NO_PATH: PathState = { current: undefined, sinceMs: 0, rival: undefined };

/** "lost": the current one is gone, or there was none. "silent": nothing comes over it. "better": at leisure. */
export type PathChange = "lost" | "silent" | "better";

/** Below it a difference of round trips is noise: QUIC's clock of them has whole milliseconds. */
const BASE_MS = 5;
/** One packet lost in twenty doubles the cost. */
const LOSS_WEIGHT = 20;
const RELAYED_FACTOR = 2;
const MARGIN = 0.8;

export const pathCost = ({ key, rttMs, loss }: PathSample): number =>
  (rttMs + BASE_MS) * (1 + LOSS_WEIGHT * loss) * (key === DIRECT ? 1 : RELAYED_FACTOR);

const cheapest = (samples: readonly PathSample[]): PathSample | undefined => {
  let best: PathSample | undefined;
  for (const sample of samples) {
    if (best === undefined || pathCost(sample) < pathCost(best)) best = sample;
  }
  return best;
};

const moved = (
  key: PathKey,
  nowMs: number,
  change: PathChange,
): { readonly state: PathState; readonly change: PathChange } => ({
  state: { current: key, sinceMs: nowMs, rival: undefined },
  change,
});

/** The next state, and why the path changed if it did. `samples` are the paths that are up. */
export const choosePath = (
  state: PathState,
  samples: readonly PathSample[],
  nowMs: number,
  limits: PathLimits,
): { readonly state: PathState; readonly change: PathChange | undefined } => {
  const current = samples.find(({ key }) => key === state.current);
  const others = samples.filter(({ key }) => key !== state.current);
  // Twice as quick to be thought alive as to be thought dead, so that two silent paths do not alternate.
  const alive = others.filter(({ silentMs }) => silentMs * 2 < limits.silentMs);
  if (current === undefined) {
    const next = cheapest(alive) ?? cheapest(others);
    return next === undefined
      ? { state: NO_PATH, change: undefined }
      : moved(next.key, nowMs, "lost");
  }
  if (current.silentMs >= limits.silentMs) {
    const next = cheapest(alive);
    if (next !== undefined) return moved(next.key, nowMs, "silent");
  }
  const better = alive.filter((sample) => pathCost(sample) <= MARGIN * pathCost(current));
  const held = better.find(({ key }) => key === state.rival?.key);
  const rival = held ?? cheapest(better);
  if (rival === undefined) return { state: { ...state, rival: undefined }, change: undefined };
  const sinceMs = held === undefined ? nowMs : (state.rival?.sinceMs ?? nowMs);
  if (nowMs - sinceMs >= limits.holdMs && nowMs - state.sinceMs >= limits.dwellMs) {
    return moved(rival.key, nowMs, "better");
  }
  return { state: { ...state, rival: { key: rival.key, sinceMs } }, change: undefined };
};
