/**
 * I17: two runs of one seed have one trace, and see the same. They are compared once both have ended, so this is
 * no checker of one run.
 */

export type Ended = {
  readonly traceHash: string;
  readonly steps: number;
  readonly virtualMs: number;
};

/** What two runs of one seed differ in; undefined where they are alike. */
export const differenceOf = (first: Ended, second: Ended): string | undefined => {
  if (first.traceHash !== second.traceHash) {
    return `traces ${first.traceHash} and ${second.traceHash} of one seed`;
  }
  if (first.steps !== second.steps) return `${first.steps} and ${second.steps} tasks of one seed`;
  return first.virtualMs === second.virtualMs
    ? undefined
    : `${first.virtualMs} and ${second.virtualMs} ms of one seed`;
};
