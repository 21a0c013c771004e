/**
 * A scenario is data: everything that happens to a simulated network, as JSON. The same scenario gives
 * the same run, and a failing one gets smaller by taking faults away.
 *
 * Times are milliseconds of virtual time. Nodes are slots 0..n-1; slot i runs the i-th validator of the
 * genesis as it was written (not the order by id). Chances are parts per million.
 */
import { CALM_DISK, type DiskKnobs } from "./disk.ts";
import type { CrashPoint } from "./host.ts";
import { CALM_NET, type NetKnobs } from "./links.ts";
import { FREE_SIGNER, type SignerKnobs } from "./signer.ts";
import type { StatementKind } from "./statements.ts";

export type Knobs = {
  readonly net: NetKnobs;
  readonly disk: DiskKnobs;
  readonly signer: SignerKnobs;
};

export const CALM: Knobs = { net: CALM_NET, disk: CALM_DISK, signer: FREE_SIGNER };

export type Workload = {
  /** Lanes: each is an actor of its own that submits one batch after the other. */
  readonly clients: number;
  readonly batchesPerSecond: number;
  readonly eventsPerBatch: number;
  readonly bodyBytes: number;
  /** Clients stop starting new batches then. */
  readonly untilMs: number;
  /** Batches of its lane that a client sends before the first of them is answered; 1 if not given. */
  readonly pipeline?: number;
  /** Clients also write what must be refused: machines of others, certificates twice (contest.ts). */
  readonly contested?: boolean;
  /** Others with few rights write too, and clients give and take these (rights.ts). */
  readonly rights?: boolean;
  /** The last client is no client: from this time on it hands every node so many large batches of cheap work. */
  readonly floodBatches?: number;
  readonly floodAtMs?: number;
};

export type DiskName = "data" | "votes";

type Lasting = { readonly atMs: number; readonly untilMs: number };
type At = { readonly atMs: number };
type Down = { readonly atMs: number; readonly node: number; readonly downMs: number };

type Rate<Kind> = Lasting & { readonly kind: Kind; readonly ppm: number };
type Capped<Kind> = Lasting & {
  readonly kind: Kind;
  readonly node: number;
  readonly bytesPerMs: number;
};
type OnDisk = { readonly node: number; readonly disk: DiskName };

export type Fault =
  /** Groups hear only themselves. `oneWay`: the first group is not heard by the others, but hears. */
  | (Lasting & { readonly kind: "partition"; readonly groups: readonly (readonly number[])[] })
  | (Lasting & {
      readonly kind: "one-way";
      readonly from: readonly number[];
      readonly to: readonly number[];
    })
  /** Two halves that meet only in one node. */
  | (Lasting & { readonly kind: "bridge"; readonly middle: number })
  /** Each node hears only its two neighbours. */
  | (Lasting & { readonly kind: "ring" })
  | (Lasting & { readonly kind: "isolate"; readonly node: number })
  /** Cut off is who leads the view when it proposes; with `follow` in each later view who leads that one instead. */
  | (Lasting & { readonly kind: "isolate-leader"; readonly follow: boolean })
  | (Lasting & { readonly kind: "clog"; readonly from: number; readonly to: number })
  | Rate<"loss">
  | Rate<"duplicate">
  | Rate<"reorder">
  | Rate<"corrupt">
  /** Nodes are clogged one after the other, then freed in another order (FoundationDB's swizzle). */
  | (Lasting & {
      readonly kind: "swizzle";
      readonly clogged: readonly number[];
      readonly freed: readonly number[];
    })
  | (Lasting & { readonly kind: "delay"; readonly node: number; readonly extraMs: number })
  /** Each frame of a link takes longer by an amount of its own, up to so much; within a class they stay in order. */
  | (Lasting & {
      readonly kind: "jitter";
      readonly upToMs: number;
      readonly from?: number;
      readonly to?: number;
    })
  /** A member keeps what it hears and says, and says it again to who begins a new session with it later. */
  | (Lasting & { readonly kind: "replay"; readonly node: number })
  /** Caps every link, or all that one node sends, or all that it receives. Who shares it gets a fair part. */
  | (Lasting & { readonly kind: "bandwidth"; readonly bytesPerMs: number })
  | Capped<"uplink">
  | Capped<"downlink">
  /** A node's queues of frames to send hold no more than this: what comes on top is refused. */
  | (Lasting & { readonly kind: "queue-overflow"; readonly node: number; readonly bytes: number })
  /** Frames of one message type (its first byte) are lost. */
  | (Lasting & {
      readonly kind: "drop-type";
      readonly type: number;
      readonly ppm: number;
      readonly from?: number;
      readonly to?: number;
    })
  /** Proposals, votes and certificates of a view, a kind of statement or a link are lost. */
  | (Lasting & {
      readonly kind: "drop-statement";
      readonly view?: number;
      readonly statement?: StatementKind;
      readonly from?: number;
      readonly to?: number;
    })
  | (At & { readonly kind: "reset"; readonly a: number; readonly b: number })
  | (Down & { readonly kind: "crash"; readonly power: boolean })
  /** Crashes at the n-th action of that kind after atMs. */
  | (Down & {
      readonly kind: "crash-at";
      readonly point: CrashPoint;
      readonly nth: number;
      readonly power: boolean;
    })
  /** Crashes while its next write or sync after atMs is under way, when so much of it is over. */
  | (Down & { readonly kind: "crash-in-write"; readonly ppm: number; readonly power: boolean })
  /** Crashes as soon as its own vote of that view has been sent to everybody; `wipe` takes its data too. */
  | (Down & {
      readonly kind: "crash-after-vote";
      readonly view: number;
      readonly statement: StatementKind;
      readonly power: boolean;
      readonly wipe: boolean;
    })
  | (At & { readonly kind: "crash-all"; readonly downMs: number; readonly power: boolean })
  | (Lasting & { readonly kind: "pause"; readonly node: number })
  /** Signatures take this many times as long, and each turn of the process 20 us times this. */
  | (Lasting & { readonly kind: "slow-cpu"; readonly node: number; readonly factor: number })
  /** Power cut with a lost data folder; `votes` too when it says so: then the node must not vote. */
  | (Down & { readonly kind: "wipe"; readonly votes: boolean })
  /** The disk of an earlier moment comes back: data, and votes when it says so. */
  | (Down & { readonly kind: "restore"; readonly takenMs: number; readonly votes: boolean })
  | (Lasting & { readonly kind: "disk-full"; readonly node: number })
  /** The n-th write from then on fails, or the n-th read does. */
  | (At & OnDisk & { readonly kind: "disk-error"; readonly nth: number })
  | (At & OnDisk & { readonly kind: "read-error"; readonly nth: number })
  /** Syncs return before anything is durable: a power cut takes from all that was written meanwhile. */
  | (Lasting & OnDisk & { readonly kind: "lost-writes" })
  /** The n-th write from then on lands elsewhere: neither place can be read once the store is reopened. */
  | (At & OnDisk & { readonly kind: "misdirected-write"; readonly nth: number })
  /** About that many neighbouring bytes can no longer be read: their checksums fail. */
  | (At & OnDisk & { readonly kind: "rot"; readonly bytes: number })
  | (Lasting & { readonly kind: "slow-disk"; readonly node: number; readonly factor: number })
  | (Lasting & { readonly kind: "clock"; readonly node: number; readonly offsetMs: number })
  | (At & { readonly kind: "drift"; readonly node: number; readonly ppm: number })
  /** The wall clock swings between plus and minus the amplitude. */
  | (Lasting & {
      readonly kind: "clock-periodic";
      readonly node: number;
      readonly amplitudeMs: number;
      readonly periodMs: number;
    })
  /** A second process with the key and the first disks' copy of this node. */
  | (At & { readonly kind: "twin"; readonly node: number });

export type FaultKind = Fault["kind"];

export const STRATEGIES = [
  "silent",
  "equivocate-proposal",
  "equivocate-vote",
  "skip-and-finalize",
  "subset-votes",
  "withhold-finalize",
  "withhold-payload",
  "nullify-only",
  "future-flood",
  "forge-certificates",
  "lying-sync",
  "wrong-roots",
  "stale",
  "last-word",
  "false-cosignatures",
  "censor",
  "timestamp-edge",
  "grind",
  "twins",
  "votes-to-some",
  "bend-certificates",
  "impersonate",
  "lying-snapshot",
] as const;

/** For directed scenarios only: of no use where nothing else is arranged for them. */
export const DIRECTED_STRATEGIES = [
  "vote-to-one",
  "lie-to-one",
  "skip-led",
  "two-faced",
  "out-of-turn",
  "other-parent",
  "forged-cosignatures",
  "false-work",
  "forge-reveals",
  "withhold-reveals",
  "false-claims",
  "delete-space",
  "borrow-space",
  "replay-space",
  "false-labels",
  "delay-space",
  "grind-space",
  "low-receipts",
  "early-answers",
] as const;
export type StrategyName = (typeof STRATEGIES)[number] | (typeof DIRECTED_STRATEGIES)[number];

/**
 * Parts of the four proofs that a simulated chain can ask for; with any of them but stake it has a beacon. With
 * stake the last two nodes are not in the genesis, and validators join, leave and are jailed (stake.ts). Keys of
 * epochs are only there together with stake, and location only with space.
 */
export const PROOF_PARTS = [
  "beacon",
  "work",
  "space",
  "time",
  "shares",
  "stake",
  "epoch-keys",
  "location",
] as const;
export type ProofPart = (typeof PROOF_PARTS)[number];

/** How many of the last nodes join later where a scenario asks for stake. */
export const JOINING = 2;

/** What a part is only there together with. */
export const PROOF_NEEDS: Readonly<Partial<Record<ProofPart, ProofPart>>> = {
  "epoch-keys": "stake",
  location: "space",
};

/** Of some parts those that n nodes can ask for: somebody is in the genesis, and none lacks what it needs. */
export const fittingProofs = (n: number, parts: readonly ProofPart[]): ProofPart[] => {
  const there = parts.filter((part) => part !== "stake" || n > JOINING);
  return there.filter((part) => {
    const needed = PROOF_NEEDS[part];
    return needed === undefined || there.includes(needed);
  });
};

export type AdversarySpec = {
  readonly node: number;
  readonly strategy: StrategyName;
  /**
   * For `vote-to-one` and `lie-to-one`: the view, and the only slot that sees it. For `out-of-turn`: the view from
   * which on the first that another leads is meant.
   */
  readonly view?: number;
  readonly to?: number;
  /** For `skip-led`: from when on it says nothing at all in views that it leads. */
  readonly muteFromMs?: number;
  readonly fromMs: number;
  readonly untilMs: number;
};

export type Expectation = {
  /** After heal, a new block is final within this. */
  readonly finalWithinMs: number;
  /** After heal, every honest node has what the furthest one had, within this. */
  readonly convergeWithinMs: number;
  /** Slots that may end up refusing to vote or stopped: they are not asked to converge. */
  readonly exempt: readonly number[];
  /** Slots without their votes: not to blame for what they forgot, but asked to converge all the same. */
  readonly follows?: readonly number[];
  /** Nothing may become final in these spans: less than a quorum is up. */
  readonly haltedMs?: readonly (readonly [fromMs: number, untilMs: number])[];
  /** Marks that must have been seen, so that the scenario shows what it is named for. */
  readonly marks?: readonly string[];
};

export type Scenario = {
  readonly name: string;
  /** What it shows, in a sentence. */
  readonly about?: string;
  readonly seed: number;
  readonly n: number;
  readonly weights: readonly number[];
  readonly epochMs: number;
  /** What the chain asks for; absent: nothing, and a genesis of format 1. */
  readonly proofs?: readonly ProofPart[];
  readonly knobs: Knobs;
  readonly workload: Workload;
  readonly faults: readonly Fault[];
  readonly adversaries: readonly AdversarySpec[];
  /**
   * What becomes of a fault that would take the last good copies of what is final (atlas.ts): "keep" spares
   * the disk, "report" lets it happen, and the result says so. Absent is "report".
   */
  readonly atlas?: "keep" | "report";
  /** All faults end here; what was down starts again. Adversaries go on if they say so. */
  readonly healMs: number;
  /**
   * Who is healed: everybody, or a random core of honest nodes that just has a quorum, while all others are
   * gone for good (core.ts). Absent is "all".
   */
  readonly heal?: "all" | "core";
  readonly expect: Expectation;
};

/** Faults after which a node may have forgotten what it has promised. */
const losesVotes = (fault: Fault): fault is Fault & { readonly node: number } => {
  switch (fault.kind) {
    case "wipe":
    case "restore":
      return fault.votes;
    case "lost-writes":
    case "misdirected-write":
    case "rot":
      return fault.disk === "votes";
    default:
      return false;
  }
};

/** Faults that can take what is final from a disk: those that ask the atlas. */
export const takesData = (fault: Fault): boolean => {
  switch (fault.kind) {
    case "wipe":
    case "restore":
      return true;
    case "crash-after-vote":
      return fault.wipe;
    case "lost-writes":
    case "misdirected-write":
    case "rot":
      return fault.disk === "data";
    default:
      return false;
  }
};

/** Slots that run an adversary, say again what others said, or share a key with a twin at any time of the scenario. */
export const faultySlots = (scenario: Scenario): Set<number> => {
  const slots = new Set(scenario.adversaries.map((adversary) => adversary.node));
  for (const fault of scenario.faults) {
    if (fault.kind === "twin" || fault.kind === "replay") slots.add(fault.node);
    // Without its votes a node cannot know what it promised: it is trusted to ask and refuse, not to be
    // free of blame for what an operator's restore made it forget.
    if (losesVotes(fault)) slots.add(fault.node);
  }
  return slots;
};

/** Slots: one a validator, then one a twin, each with the validator whose key it has. */
export const slotOwners = ({ n, faults, adversaries }: Scenario): number[] => {
  const owners = Array.from({ length: n }, (_, slot) => slot);
  for (const fault of faults) if (fault.kind === "twin") owners.push(fault.node);
  for (const { strategy, node } of adversaries) if (strategy === "twins") owners.push(node);
  return owners;
};

/**
 * What no chain can be asked on which the last `joining` nodes join later, with its place; undefined where all is
 * well. Adversaries sign from the first view on, as members of the genesis. And stake goes on moving after the heal,
 * also to who is gone for good then, so that no core is sure to stay a quorum.
 */
export const stakeFault = (
  { n, adversaries, heal }: Pick<Scenario, "n" | "adversaries" | "heal">,
  joining: number,
): string | undefined => {
  if (heal === "core") return "heal: on a chain with stake no core is sure to stay a quorum";
  const at = adversaries.findIndex(({ node }) => node >= n - joining);
  if (at < 0) return undefined;
  const who = `n${adversaries[at]?.node}`;
  return `adversaries[${at}].node: ${who} joins later, as the last ${joining} do where stake decides`;
};

/** A clock that is further off is wrong: blocks that it proposes are refused, and it refuses those of others. */
const WRONG_CLOCK_MS = 5_000;

/** The same, and slots whose clock is so wrong that nobody can count on them meanwhile. */
export const untrustedSlots = (scenario: Scenario): Set<number> => {
  const slots = faultySlots(scenario);
  for (const fault of scenario.faults) {
    if (fault.kind === "clock" && Math.abs(fault.offsetMs) > WRONG_CLOCK_MS) slots.add(fault.node);
  }
  return slots;
};

/** How much of the weight no one can count on, of how much: a third and more is more than the protocol promises for. */
export const untrustedWeight = (
  scenario: Scenario,
): { readonly weight: number; readonly total: number } => {
  const slots = untrustedSlots(scenario);
  const weigh = (sum: number, weight: number): number => sum + weight;
  return {
    weight: scenario.weights.filter((_, slot) => slots.has(slot)).reduce(weigh, 0),
    total: scenario.weights.reduce(weigh, 0),
  };
};

export const DEFAULT_EXPECT: Expectation = {
  finalWithinMs: 20_000,
  convergeWithinMs: 60_000,
  exempt: [],
};

export const DEFAULT_WORKLOAD: Workload = {
  clients: 3,
  batchesPerSecond: 6,
  eventsPerBatch: 2,
  bodyBytes: 48,
  untilMs: 1_000_000_000,
};

/** Fills in what a directed scenario leaves out. */
export const scenario = (
  name: string,
  parts: Partial<Omit<Scenario, "expect">> & { readonly expect?: Partial<Expectation> },
): Scenario => {
  const n = parts.n ?? 4;
  return {
    name,
    seed: parts.seed ?? 1,
    n,
    weights: parts.weights ?? new Array<number>(n).fill(1),
    epochMs: parts.epochMs ?? 3_600_000,
    ...(parts.proofs === undefined ? {} : { proofs: parts.proofs }),
    knobs: parts.knobs ?? CALM,
    workload: parts.workload ?? DEFAULT_WORKLOAD,
    faults: parts.faults ?? [],
    adversaries: parts.adversaries ?? [],
    ...(parts.about === undefined ? {} : { about: parts.about }),
    ...(parts.atlas === undefined ? {} : { atlas: parts.atlas }),
    healMs: parts.healMs ?? 10_000,
    ...(parts.heal === undefined ? {} : { heal: parts.heal }),
    expect: { ...DEFAULT_EXPECT, ...parts.expect },
  };
};
