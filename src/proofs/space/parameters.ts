/**
 * The parameters of proofs of space, which a genesis fixes, and the rule that ties the time for an answer to
 * the time that making a sector anew takes. Sizes are powers of two: a sector has 2^lgNodes nodes of 32
 * bytes. The code is the same for every set of parameters; only these numbers make a proof weak.
 */
import { fail, ok, type Result } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";

export type SpaceParameters = {
  /** A sector has 2^lgNodes nodes. */
  readonly lgNodes: number;
  /** Layers of labels; the last one is what is stored. */
  readonly layers: number;
  /** Nodes whose labels an admission proof shows. */
  readonly admissionChallenges: number;
  /** Nodes of each sector that are opened every epoch. */
  readonly sectorOpenings: number;
  /** Nodes that a validator opens every epoch at least, over all its sectors. */
  readonly epochOpenings: number;
  /** Nodes that a proposer opens in a block. */
  readonly blockOpenings: number;
  /** Nodes that a host opens for a batch. */
  readonly eventOpenings: number;
  /** Time from the moment when a challenge is known to the moment when its answer must be on the chain. */
  readonly responseMs: number;
};

export type SpaceProfile = "dev" | "test" | "default" | "production";

/** 128 KiB, 2 MiB, 1 GiB and 32 GiB. What dev and test prove is that the code runs: see `deadline`. */
export const SPACE_PROFILES: Readonly<Record<SpaceProfile, SpaceParameters>> = {
  dev: {
    ...{ lgNodes: 12, layers: 4, admissionChallenges: 16, responseMs: 30_000 },
    ...{ sectorOpenings: 2, epochOpenings: 8, blockOpenings: 2, eventOpenings: 1 },
  },
  test: {
    ...{ lgNodes: 16, layers: 11, admissionChallenges: 64, responseMs: 5_000 },
    ...{ sectorOpenings: 4, epochOpenings: 16, blockOpenings: 4, eventOpenings: 1 },
  },
  default: {
    ...{ lgNodes: 25, layers: 11, admissionChallenges: 176, responseMs: 10_000 },
    ...{ sectorOpenings: 10, epochOpenings: 64, blockOpenings: 8, eventOpenings: 1 },
  },
  production: {
    ...{ lgNodes: 30, layers: 11, admissionChallenges: 176, responseMs: 300_000 },
    ...{ sectorOpenings: 10, epochOpenings: 64, blockOpenings: 16, eventOpenings: 1 },
  },
};

export const SPACE_PROFILE_NAMES: readonly SpaceProfile[] = [
  "dev",
  "test",
  "default",
  "production",
];

/** The profile with sectors of this shape; undefined where none has it. */
export const profileOf = (lgNodes: number, layers: number): SpaceProfile | undefined =>
  SPACE_PROFILE_NAMES.find((name) => {
    const profile = SPACE_PROFILES[name];
    return profile.lgNodes === lgNodes && profile.layers === layers;
  });

/** Bytes of a node, of a label and of a hash. */
export const NODE_BYTES = 32;

export const nodesOf = (lgNodes: number): number => 2 ** lgNodes;

export const sectorBytes = (lgNodes: number): number => NODE_BYTES * nodesOf(lgNodes);

/** A node and its path under the root of a sector. */
export const openingBytes = (lgNodes: number): number => NODE_BYTES * (1 + lgNodes);

/** Parents in the same layer, of which the first is the node before; and in the layer below. */
export const BASE_PARENTS = 6;
export const EXPANDER_PARENTS = 8;
export const PARENTS = BASE_PARENTS + EXPANDER_PARENTS;

/** The column of a challenged node and of each of its parents with their paths, and the path of the replica. */
export const admissionBytes = (lgNodes: number, layers: number, challenges: number): number =>
  challenges * NODE_BYTES * ((1 + PARENTS) * (layers + lgNodes) + lgNodes);

const isWithin = (value: number, [min, max]: readonly [number, number]): boolean =>
  Number.isSafeInteger(value) && value >= min && value <= max;

/** Host and number of the sector, before the openings for a batch. */
export const HOST_BYTES: number = 32 + 8;

/** Parameters that the code can work with, and whose proofs fit their limit. Code: space.parameters. */
export const checkSpaceParameters = (parameters: SpaceParameters): Result<SpaceParameters> => {
  const counts = [1, LIMITS.spaceOpeningsMax] as const;
  const ranges = {
    lgNodes: LIMITS.spaceLgNodes,
    layers: LIMITS.spaceLayers,
    admissionChallenges: counts,
    sectorOpenings: counts,
    epochOpenings: counts,
    blockOpenings: counts,
    eventOpenings: counts,
    responseMs: LIMITS.spaceResponseMs,
  } as const satisfies Record<keyof SpaceParameters, readonly [number, number]>;
  for (const name of Object.keys(ranges) as (keyof SpaceParameters)[]) {
    const [min, max] = ranges[name];
    if (isWithin(parameters[name], [min, max])) continue;
    return fail("space.parameters", `${name} is ${parameters[name]}, not in ${min}..${max}`);
  }
  const { lgNodes, layers, admissionChallenges } = parameters;
  const bytes = admissionBytes(lgNodes, layers, admissionChallenges);
  if (bytes > LIMITS.spaceProofBytesMax) {
    return fail("space.parameters", `an admission proof of ${bytes} bytes is over the limit`);
  }
  const opened = openingBytes(lgNodes);
  if (HOST_BYTES + parameters.eventOpenings * opened > LIMITS.batchProofBytesMax) {
    return fail("space.parameters", "the openings for a batch do not fit their place in it");
  }
  if (parameters.blockOpenings * opened > LIMITS.blockOpeningsBytesMax) {
    return fail("space.parameters", "the openings of a block do not fit their place in it");
  }
  return ok(parameters);
};

/**
 * Nanoseconds that a generous attacker needs for one label: 20 compressions of SHA-256, one after another.
 * A core with SHA instructions takes two to three times as long.
 */
export const ATTACKER_LABEL_NS = 300;

/** A sector must take this many times longer to make anew than an answer may take. */
export const DEADLINE_MARGIN = 10;

export type Deadline = {
  /** The least time in which a node of a sector that is not stored can be had, milliseconds. */
  readonly regenerationMs: number;
  /** What `responseMs` may be at most; 0 where a sector is too small for any. */
  readonly responseMsMax: number;
  /** Whether the parameters keep to it: else a chain with them must be marked insecure. */
  readonly isKept: boolean;
};

/**
 * The deadline rule: what makes it space, and not work. A label of the last layer follows, through the
 * expander, from nearly all of the layer below, and every layer is one chain from its first node to its
 * last. The last layer needs only be made up to the node that is asked for, so the time that is certain is
 * that of the layers below it: (layers - 1) * nodes labels, one after another.
 */
export const deadline = (parameters: SpaceParameters): Deadline => {
  const { lgNodes, layers, responseMs } = parameters;
  const ns = (layers - 1) * nodesOf(lgNodes) * ATTACKER_LABEL_NS;
  const responseMsMax = Math.floor(ns / (DEADLINE_MARGIN * 1_000_000));
  return {
    regenerationMs: Math.floor(ns / 1_000_000),
    responseMsMax,
    isKept: responseMs <= responseMsMax,
  };
};

/**
 * Openings that must be asked for at least. Who has a part e of the labels of a layer wrong is admitted with
 * (1 - e)^176: a twentieth with 1 part in 8,000. Who does not store a part e is not found by an epoch with (1 - e)^64,
 * a tenth with 1 part in 850; and a block of its own asks for 8 nodes more.
 */
export const SPACE_OPENINGS_MIN = {
  admissionChallenges: 176,
  epochOpenings: 64,
  blockOpenings: 8,
} as const satisfies Partial<SpaceParameters>;

/** How far the times of blocks may be off what they are about: parameters of the chain, milliseconds. */
export type BlockTimes = {
  readonly idleMs: number;
  readonly messageDelayMs: number;
  readonly precisionMs: number;
};

/**
 * Why the parameters prove no space on a chain of these times, in words for whoever chose them; undefined where they
 * keep the rules. Times: who leads the first blocks of an epoch knows its challenge a block or more sooner, and may
 * state times that are early (docs/proofs.md, Epochs): all of this must be within one answer.
 */
export const spaceWeakness = (
  parameters: SpaceParameters,
  { idleMs, messageDelayMs, precisionMs }: BlockTimes,
): string | undefined => {
  const { responseMs } = parameters;
  const { responseMsMax, regenerationMs, isKept } = deadline(parameters);
  if (!isKept) {
    return (
      `an answer may take ${responseMs} ms, and a sector is made again in ${regenerationMs} ms: ` +
      `the deadline rule allows ${responseMsMax} ms at most`
    );
  }
  for (const name of Object.keys(SPACE_OPENINGS_MIN) as (keyof typeof SPACE_OPENINGS_MIN)[]) {
    const least = SPACE_OPENINGS_MIN[name];
    if (parameters[name] >= least) continue;
    return `${name} is ${parameters[name]}, less than ${least}: what is not there is not found`;
  }
  const early = idleMs + messageDelayMs + precisionMs;
  return early > responseMs
    ? `idleMs, messageDelayMs and precisionMs are ${early} ms together, more than an answer may take, ${responseMs} ms`
    : undefined;
};
