/**
 * Which projection a wrong state root is of. A header commits to one root over all projections, so the root
 * alone does not say. Whoever serves the log also states the root of each projection; where those hash to the
 * wrong root, the ones that execution gives otherwise are the projections, and the first height at which the
 * statements part from execution is where it began.
 */
import { equalBytes } from "../../crypto/bytes.ts";
import type { Hasher } from "../../crypto/hash.ts";
import { TetradError } from "../../errors.ts";
import type { Finding } from "../../ledger/audit/finding.ts";
import type { ExecutionRecord } from "../../ledger/records.ts";
import type { Hash } from "../../ledger/types.ts";
import { rootOfProjections } from "../../ledger/verify/claims.ts";

/** The roots of the projections at a height as somebody states them. Nothing of it is believed. */
export type StatedRoots = readonly { readonly name: string; readonly root: Uint8Array }[];

export type Telling = {
  readonly hasher: Hasher;
  /** What execution gave. */
  readonly own: (height: number) => ExecutionRecord | undefined;
  /** Undefined where nothing is stated. */
  readonly stated: (height: number) => Promise<StatedRoots | undefined>;
};

/** Names of own projections that are stated with another root; undefined when the lists do not match. */
const differing = (own: ExecutionRecord, stated: StatedRoots): readonly string[] | undefined => {
  const { projections } = own;
  if (projections.some(({ name }, at) => stated[at]?.name !== name)) return undefined;
  if (stated.length !== projections.length) return undefined;
  return projections
    .filter(({ root }, at) => !equalBytes(root, stated[at]?.root ?? new Uint8Array(0)))
    .map(({ name }) => name);
};

const rootOf = (hasher: Hasher, own: ExecutionRecord, stated: StatedRoots): Hash =>
  rootOfProjections(
    hasher,
    stated.map(({ name, root }, at) => ({
      name,
      root,
      schemaVersion: own.schemaVersions[at] ?? 0,
    })),
  );

/** Stated roots are hints: a source that gives none, or that fails now, leaves the finding as it is. */
const asked = async (
  telling: Telling,
  height: number,
): Promise<
  | {
      readonly own: ExecutionRecord;
      readonly names: readonly string[];
      readonly stated: StatedRoots;
    }
  | undefined
> => {
  const own = telling.own(height);
  let stated: StatedRoots | undefined;
  try {
    stated = await telling.stated(height);
  } catch (error) {
    if (!(error instanceof TetradError)) throw error;
  }
  const names = own === undefined || stated === undefined ? undefined : differing(own, stated);
  if (own === undefined || stated === undefined || names === undefined) return undefined;
  return { own, names, stated };
};

/**
 * The finding of a wrong state root with the projection that it is of and the first height, between that of
 * the finding and `height`, at which the projection differs. `stateRoot` is what was stated for `height`.
 * Where it cannot be told the detail says why.
 */
export const tellProjection = async (
  finding: Finding,
  place: { readonly height: number; readonly stateRoot: Uint8Array },
  telling: Telling,
): Promise<Finding> => {
  const { height, stateRoot } = place;
  const last = await asked(telling, height);
  const say = (why: string): Finding => ({ ...finding, detail: `${finding.detail}; ${why}` });
  if (last === undefined) return say("no roots of its projections are stated for this height");
  if (last.names.length === 0) {
    return say("the roots stated for its projections are right, so it is the root of none of them");
  }
  if (!equalBytes(rootOf(telling.hasher, last.own, last.stated), stateRoot)) {
    return say("the roots stated for its projections do not hash to it, so none can be named");
  }
  let first = { height, names: last.names };
  for (let at = height - 1; at >= (finding.height ?? height); at--) {
    const below = await asked(telling, at);
    if (below === undefined || below.names.length === 0) break;
    first = { height: at, names: below.names };
  }
  const [projection = ""] = first.names;
  const named = `projection ${first.names.join(", ")}`;
  const why = `the root of ${named} is another one from height ${first.height} on, and the stated roots hash to it`;
  return { ...say(why), height: first.height, projection };
};
