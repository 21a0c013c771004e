/** The description of every kind of fault; what each does stands at its type (scenario.ts). */
import type { CrashPoint } from "./host.ts";
import type { DiskName, Fault, FaultKind } from "./scenario.ts";
import type { ChoiceShape, Field, Fields, FieldsOf, IntegerShape, ObjectShape } from "./shape.ts";
import {
  count,
  down,
  flag,
  flows,
  list,
  milliseconds,
  moment,
  offset,
  ppm,
  SCENARIO_LIMITS,
  slot,
  slots,
  until,
} from "./shape-words.ts";
import type { StatementKind } from "./statements.ts";

const choice = <T extends string>(about: string, of: Readonly<Record<T, true>>): ChoiceShape => ({
  type: "choice",
  of: Object.keys(of),
  about,
});

const POINT = choice<CrashPoint>("Before which action; signed and synced: right after it.", {
  sign: true,
  signed: true,
  write: true,
  synced: true,
  send: true,
  deliver: true,
});
const DISK = choice<DiskName>("The ledger's data, or the own votes.", { data: true, votes: true });
const STATEMENT = choice<StatementKind>("A kind of vote.", {
  notarize: true,
  nullify: true,
  finalize: true,
});

const at = { atMs: moment("When.") };
const lasting = { ...at, untilMs: until("Until when, at most until the heal.") };
const node = { node: slot("Which node.") };
const downMs = down("How long the process stays down.");
const power = flag("A power cut, which also takes what is not synced; else a kill.");
const nth = (what: string): Field =>
  count(`The n-th ${what} from then on.`, 1, SCENARIO_LIMITS.nthMax, [1, 30]);
const drift = count(
  "How much faster.",
  -SCENARIO_LIMITS.driftPpmMax,
  SCENARIO_LIMITS.driftPpmMax,
  [-500, 500],
);
const factor = count("How many times as slow.", 1, SCENARIO_LIMITS.factorMax, [2, 400]);
const view = (about: string): IntegerShape => ({
  ...count(about, 0, SCENARIO_LIMITS.viewMax, [1, 60]),
  mild: "none",
});
const bytesPerMs = { ...flows("Bytes a millisecond."), mild: "most" } as const;
const from = slot("The sender.");
const to = slot("The receiver.");
const optional = <T extends Field>(field: T): T & { readonly optional: true } => ({
  ...field,
  optional: true,
});

type CaseOf<Kind extends FaultKind> = FieldsOf<Extract<Fault, { kind: Kind }>, "kind">;

const FIELDS: { readonly [Kind in FaultKind]: CaseOf<Kind> } = {
  partition: {
    ...lasting,
    groups: list(slots("A group."), "Groups that hear only themselves.", SCENARIO_LIMITS.groupsMax),
  },
  "one-way": { ...lasting, from: slots("Senders."), to: slots("Who does not hear them.") },
  bridge: { ...lasting, middle: slot("Where the halves meet.") },
  ring: lasting,
  isolate: { ...lasting, ...node },
  "isolate-leader": { ...lasting, follow: flag("In each view who leads it; else the first only.") },
  clog: { ...lasting, from, to },
  swizzle: {
    ...lasting,
    clogged: slots("Nodes in the order in which they are clogged."),
    freed: slots("The same nodes in the order in which they are freed."),
  },
  loss: { ...lasting, ppm: ppm("Frames lost.") },
  duplicate: { ...lasting, ppm: ppm("Frames that arrive twice.") },
  reorder: { ...lasting, ppm: ppm("Frames that may be overtaken.") },
  corrupt: { ...lasting, ppm: ppm("Frames with a flipped bit.") },
  delay: {
    ...lasting,
    ...node,
    extraMs: milliseconds("Added to each way.", 0, SCENARIO_LIMITS.sessionMsMax, [0, 800]),
  },
  jitter: {
    ...lasting,
    upToMs: milliseconds(
      "The most that is added to a frame.",
      0,
      SCENARIO_LIMITS.sessionMsMax,
      [0, 800],
    ),
    from: optional(from),
    to: optional(to),
  },
  replay: { ...lasting, ...node },
  bandwidth: { ...lasting, bytesPerMs },
  uplink: { ...lasting, ...node, bytesPerMs },
  downlink: { ...lasting, ...node, bytesPerMs },
  "queue-overflow": {
    ...lasting,
    ...node,
    bytes: {
      ...count("What a queue holds.", 0, SCENARIO_LIMITS.bytesMax, [0, 20_000]),
      mild: "most",
    },
  },
  "drop-type": {
    ...lasting,
    type: { ...count("First byte of the message.", 0, 255, [1, 20]), mild: "none" },
    ppm: ppm("How many of them."),
    from: optional(from),
    to: optional(to),
  },
  "drop-statement": {
    ...lasting,
    view: optional(view("Of this view only.")),
    statement: optional(STATEMENT),
    from: optional(from),
    to: optional(to),
  },
  reset: { ...at, a: slot("One end."), b: slot("The other end.") },
  crash: { ...at, ...node, downMs, power },
  "crash-at": { ...at, ...node, downMs, point: POINT, nth: nth("such action"), power },
  "crash-in-write": {
    ...at,
    ...node,
    downMs,
    ppm: { ...count("How much of it is over.", 0, 999_999), mild: "none" },
    power,
  },
  "crash-after-vote": {
    ...at,
    ...node,
    downMs,
    view: view("The view of the vote."),
    statement: STATEMENT,
    power,
    wipe: flag("Its data is gone too."),
  },
  "crash-all": { ...at, downMs, power },
  pause: { ...lasting, ...node },
  "slow-cpu": { ...lasting, ...node, factor },
  wipe: { ...at, ...node, downMs, votes: flag("Its votes are gone too.") },
  restore: {
    ...at,
    ...node,
    downMs,
    takenMs: moment("The moment whose disk comes back, before atMs."),
    votes: flag("Its votes come back as they were too."),
  },
  "disk-full": { ...lasting, ...node },
  "disk-error": { ...at, ...node, disk: DISK, nth: nth("write") },
  "read-error": { ...at, ...node, disk: DISK, nth: nth("read") },
  "lost-writes": { ...lasting, ...node, disk: DISK },
  "misdirected-write": { ...at, ...node, disk: DISK, nth: nth("write") },
  rot: {
    ...at,
    ...node,
    disk: DISK,
    bytes: count("How many neighbouring bytes.", 1, SCENARIO_LIMITS.bytesMax, [1, 20_000]),
  },
  "slow-disk": { ...lasting, ...node, factor },
  clock: { ...lasting, ...node, offsetMs: offset("Added to the wall clock.") },
  "clock-periodic": {
    ...lasting,
    ...node,
    amplitudeMs: milliseconds("How far it swings.", 1, SCENARIO_LIMITS.dayMsMax, [1, 2_000]),
    periodMs: {
      ...milliseconds("From peak to peak.", 100, SCENARIO_LIMITS.dayMsMax, [200, 10_000]),
      mild: "most",
    },
  },
  drift: { ...at, ...node, ppm: drift },
  twin: { ...at, ...node },
};

/** What each kind does, in a sentence. */
const ABOUT: Readonly<Record<FaultKind, string>> = {
  partition: "Groups of nodes hear only themselves; nodes in no group are one of their own.",
  "one-way": "Some nodes are not heard by others, but hear them.",
  bridge: "Two halves meet in one node only.",
  ring: "Each node hears its two neighbours only.",
  isolate: "One node hears nobody and is heard by nobody.",
  "isolate-leader": "Who leads hears nobody and is heard by nobody from when it proposes.",
  clog: "What would arrive over one link arrives at the end of the fault, in order.",
  swizzle: "Nodes are clogged one after the other, then freed in another order.",
  loss: "Frames are lost.",
  duplicate: "Frames arrive twice.",
  reorder: "Frames are overtaken.",
  corrupt: "A bit of a frame is flipped.",
  delay: "What goes to and from a node takes longer.",
  jitter: "Each frame takes longer by an amount of its own; within a class they stay in order.",
  replay: "A member says again what it has heard and said to who begins a later session with it.",
  bandwidth: "Every link is narrow; streams share it by max-min fairness.",
  uplink: "What a node sends goes through a narrow place.",
  downlink: "What a node receives goes through a narrow place.",
  "queue-overflow": "A node's queues of frames to send are short; what comes on top is refused.",
  "drop-type": "Messages of one type are lost.",
  "drop-statement":
    "Proposals, votes and certificates of a view, a kind of vote or a link are lost.",
  reset: "The session between two nodes breaks.",
  crash: "A process dies, and starts again after a while.",
  "crash-at": "A process dies at its n-th signature, write, sync, frame sent or frame received.",
  "crash-in-write": "A process dies while its next write or sync is under way.",
  "crash-after-vote": "A process dies as soon as its vote of a view has gone to everybody.",
  "crash-all": "All processes die at once.",
  pause: "A process stands still, as by SIGSTOP.",
  "slow-cpu": "Signatures take this many times as long, and each turn 20 microseconds times this.",
  wipe: "Power is cut and the data folder is empty; with votes, the votes are gone too.",
  restore: "Power is cut and the disk of an earlier moment comes back.",
  "disk-full": "No write that needs room succeeds.",
  "disk-error": "A write fails.",
  "read-error": "A read fails.",
  "lost-writes": "Syncs return before anything is durable: a power cut takes from all of it.",
  "misdirected-write":
    "A write lands elsewhere: neither place can be read once the store is opened again.",
  rot: "Neighbouring rows fail their checksums, until they are written anew.",
  "slow-disk": "Every write and sync takes many times as long.",
  clock: "The wall clock is off, by hours if need be.",
  "clock-periodic": "The wall clock swings about the right time.",
  drift: "Local time runs faster or slower from then on.",
  twin: "A second process starts with the key of a node and a copy of its disks.",
};

export const FAULT_KINDS: readonly FaultKind[] = Object.keys(FIELDS) as FaultKind[];

const shapeOf = (about: string, fields: Fields): ObjectShape => ({ type: "object", about, fields });

export const FAULT_SHAPES: Readonly<Record<FaultKind, ObjectShape>> = Object.fromEntries(
  FAULT_KINDS.map((kind) => [kind, shapeOf(ABOUT[kind], FIELDS[kind])] as const),
) as Readonly<Record<FaultKind, ObjectShape>>;
