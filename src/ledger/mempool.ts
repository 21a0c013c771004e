/**
 * The mempool: admitted batches that are not final yet, in a queue a lane. A pure data structure; who
 * may enter (signature, actor, reference) is checked before `add`.
 *
 * Within a lane the batches held form chains: a batch never stands next to one that names another
 * predecessor. A lane is *ready* while the batch after its finalized head is held; only ready lanes are
 * looked at for a proposal, and each batch taken sends its lane to the back of the ready queue. So lanes
 * take turns within a proposal and over proposals, and a lane that was passed over stays in front.
 *
 * A batch behind a gap may never be included, so what is held of such has a small share of its own; and
 * a validator's own lane, which carries evidence, has room and the first turn where it is short.
 *
 * **Effort.** Where the chain asks for work a batch has a level: k where its work shows 2^k times what is asked
 * for. Half of a proposal is filled by turns, the other half by levels, the highest first: nobody who pays what is
 * asked for is left out for ever, and who pays more is in sooner. And the fuller the pool, the higher the level
 * that it still takes (`floor`): at most 0 fills half of it, 1 half of what is left, and so on. So a flood of cheap
 * work leaves room to whoever shows twice its effort. What was taken is never thrown out for something dearer:
 * its client was told that it is held, and would wait for a block that nobody builds any more.
 */
import { equalBytes, toHex } from "../crypto/bytes.ts";
import type { Hasher } from "../crypto/hash.ts";
import { type Failure, fail } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { BATCH_BYTES_MIN, type LaneHead } from "./batch.ts";
import type { Batch, Hash } from "./types.ts";
import { checkLane, isExpired, orderBatches } from "./validity.ts";

export type MempoolLimits = {
  /** All bytes held; of these, room for batches behind a gap, and room that only validators may use. */
  readonly bytesMax: number;
  readonly gapBytesMax: number;
  readonly reserveBytes: number;
  readonly laneGapBytesMax: number;
  readonly reserveLaneBytes: number;
  readonly laneBytesMax: number;
  readonly laneBatchesMax: number;
  readonly laneAheadMax: number;
  readonly levelMax: number;
};

export const MEMPOOL_LIMITS: MempoolLimits = {
  bytesMax: LIMITS.mempoolBytesMax,
  gapBytesMax: LIMITS.mempoolGapBytesMax,
  reserveBytes: LIMITS.mempoolReserveBytes,
  laneGapBytesMax: LIMITS.mempoolLaneGapBytesMax,
  reserveLaneBytes: LIMITS.mempoolReserveLaneBytes,
  laneBytesMax: LIMITS.mempoolLaneBytesMax,
  laneBatchesMax: LIMITS.mempoolLaneBatchesMax,
  laneAheadMax: LIMITS.mempoolLaneAheadMax,
  levelMax: LIMITS.mempoolLevelMax,
};

/** The level of a batch: k where its work shows at least 2^k times the effort that is asked for. */
export const levelOf = (effort: number, required: number): number => {
  const times = Math.max(1, Math.floor(effort / required));
  return Math.min(LIMITS.mempoolLevelMax, 31 - Math.clz32(times));
};

export type SelectArgs = {
  readonly hasher: Hasher;
  /** What the canonical order is drawn from (validity.ts). */
  readonly orderSeed: Hash;
  /** Head of a lane along the ancestor chain of the proposal. */
  laneHead(actor: Hash): LaneHead;
  /** Whether the batch may be in this proposal (its reference, its actor); a lane stops at the first no. */
  includable(batch: Batch): boolean;
  /** The chain asks for work: half of the proposal goes by levels. */
  readonly byEffort?: boolean;
  readonly batchesMax?: number;
  readonly bytesMax?: number;
  readonly eventsMax?: number;
  /** What the checks of a batch may take, and those of the proposal. */
  checkUnitsOf?(batch: Batch): number;
  readonly checkUnitsMax?: number;
};

export type Mempool = {
  readonly bytes: number;
  /** Of these, behind a gap in their lane. */
  readonly gapBytes: number;
  readonly count: number;
  /** The least level of what is taken now of those who are no validators. */
  readonly floor: number;
  /**
   * Holds a batch; nothing changes when its id is held already. `laneHead` is the finalized head;
   * `byValidator` says that the batch's actor is a validator; `level` is absent where the chain asks for no work.
   * Codes: batch.lane-replay, batch.lane-fork, batch.lane-gap (too far ahead, or too much behind the
   * gap), node.overloaded.
   */
  add(batch: Batch, laneHead: LaneHead, byValidator?: boolean, level?: number): Failure | undefined;
  /**
   * Puts another envelope of a batch that is held in its place. What is signed is the same, and so are its lane, its
   * reference and its level. Nothing changes where its id is not held.
   */
  replace(batch: Batch): void;
  has(digest: Hash): boolean;
  getByDigest(digest: Hash): Batch | undefined;
  getById(id: Hash): Batch | undefined;
  /** The last batch held without a gap behind the head, or the head: where the author goes on. */
  laneTail(actor: Hash, laneHead: LaneHead): LaneHead;
  /**
   * Drops everything of the lane at or below the new head, and what can never follow it. Returns the
   * dropped batches that are known to have lost their place to another (batch.lane-fork).
   */
  onFinalized(actor: Hash, head: LaneHead): readonly Batch[];
  /**
   * Drops what is expired at the final height and time, and what follows it in its lane, and returns
   * it: those clients are told. Call after onFinalized of the same block.
   */
  expire(
    height: number,
    timeMs: number,
    timeAt: (height: number) => number | undefined,
  ): readonly Batch[];
  /** Batches for a proposal, in canonical order; lanes take turns over successive calls. */
  select(args: SelectArgs): readonly Batch[];
  /** Whether `select` would find a batch, size aside. */
  hasWork(args: Pick<SelectArgs, "laneHead" | "includable">): boolean;
};

type Lane = {
  readonly key: string;
  readonly actor: Hash;
  readonly bySeq: Map<number, Batch>;
  /** The finalized head as this pool last heard. */
  head: LaneHead;
  /** The last place that is held without a gap after the head; the head's own when there is none. */
  tailSeq: number;
  bytes: number;
  /** Bytes of what is held above the tail. */
  gapBytes: number;
};

type Pool = {
  readonly limits: MempoolLimits;
  readonly lanes: Map<string, Lane>;
  /** In the order of their turns. */
  readonly ready: Map<string, Lane>;
  /** Lanes of validators: the first in each proposal, while they are short; in the order of these turns. */
  readonly ofValidators: Set<Lane>;
  readonly byDigest: Map<string, Batch>;
  readonly byId: Map<string, Batch>;
  /** Of batches of a chain that asks for work. */
  readonly levels: WeakMap<Batch, number>;
  /** By refHeight: what expires together. */
  readonly byReference: Map<number, Set<Batch>>;
  bytes: number;
  gapBytes: number;
};

/** An empty mempool. */
export const createMempool = (limits: MempoolLimits = MEMPOOL_LIMITS): Mempool => {
  const pool: Pool = {
    limits,
    lanes: new Map(),
    ready: new Map(),
    ofValidators: new Set(),
    byDigest: new Map(),
    byId: new Map(),
    levels: new WeakMap(),
    byReference: new Map(),
    bytes: 0,
    gapBytes: 0,
  };
  return {
    get bytes() {
      return pool.bytes;
    },
    get gapBytes() {
      return pool.gapBytes;
    },
    get count() {
      return pool.byId.size;
    },
    get floor() {
      return floorOf(pool);
    },
    add: (batch, laneHead, byValidator = false, level) =>
      add(pool, batch, laneHead, byValidator, level),
    replace: (batch) => replace(pool, batch),
    has: (digest) => pool.byDigest.has(toHex(digest)),
    getByDigest: (digest) => pool.byDigest.get(toHex(digest)),
    getById: (id) => pool.byId.get(toHex(id)),
    laneTail: (actor, laneHead) => {
      const lane = pool.lanes.get(toHex(actor));
      if (lane === undefined || lane.tailSeq <= laneHead.seq) return laneHead;
      const tail = lane.bySeq.get(lane.tailSeq);
      return tail === undefined ? laneHead : { seq: tail.laneSeq, id: tail.id };
    },
    onFinalized: (actor, head) => {
      const lane = pool.lanes.get(toHex(actor));
      return lane === undefined ? [] : advance(pool, lane, head);
    },
    expire: (height, timeMs, timeAt) => expire(pool, { height, timeMs, timeAt }),
    select: (args) => select(pool, args),
    hasWork: (args) => {
      for (const lane of pool.ready.values()) {
        const batch = following(lane, args.laneHead(lane.actor));
        if (batch !== undefined && args.includable(batch)) return true;
      }
      return false;
    },
  };
};

function add(
  pool: Pool,
  batch: Batch,
  laneHead: LaneHead,
  byValidator: boolean,
  level: number | undefined,
): Failure | undefined {
  const id = toHex(batch.id);
  if (pool.byId.has(id)) return undefined;
  const key = toHex(batch.actor);
  const held = pool.lanes.get(key);
  // What is finalized is dropped by onFinalized, which also reports what lost; a head that is older or
  // newer than the pool's only decides about this batch.
  const head = held !== undefined && held.head.seq > laneHead.seq ? held.head : laneHead;
  const failure =
    checkPlace(batch, head, held) ??
    checkLaneRoom(pool, batch, head, held) ??
    checkRoom(pool, batch, head, held, byValidator, level);
  if (failure !== undefined) return failure;
  const lane = held ?? newLane(key, batch.actor, head);
  pool.lanes.set(key, lane);
  if (byValidator) pool.ofValidators.add(lane);
  lane.bySeq.set(batch.laneSeq, batch);
  lane.bytes += batch.bytes.length;
  pool.bytes += batch.bytes.length;
  if (level !== undefined) pool.levels.set(batch, level);
  // Until its lane is settled, which finds out whether it stands behind the tail.
  gap(pool, lane, batch.bytes.length);
  pool.byId.set(id, batch);
  pool.byDigest.set(toHex(batch.digest), batch);
  const together = pool.byReference.get(batch.refHeight) ?? new Set<Batch>();
  pool.byReference.set(batch.refHeight, together.add(batch));
  settle(pool, lane);
  return undefined;
}

/** It may be longer by a proof, and past a limit by that: what was taken is not thrown out for it. */
function replace(pool: Pool, batch: Batch): void {
  const held = pool.byId.get(toHex(batch.id));
  const lane = held === undefined ? undefined : pool.lanes.get(toHex(held.actor));
  if (held === undefined || lane === undefined) return;
  const more = batch.bytes.length - held.bytes.length;
  lane.bySeq.set(held.laneSeq, batch);
  lane.bytes += more;
  pool.bytes += more;
  if (held.laneSeq > lane.tailSeq) gap(pool, lane, more);
  const level = pool.levels.get(held);
  if (level !== undefined) pool.levels.set(batch, level);
  pool.byId.set(toHex(batch.id), batch);
  pool.byDigest.delete(toHex(held.digest));
  pool.byDigest.set(toHex(batch.digest), batch);
  pool.byReference.get(held.refHeight)?.delete(held);
  pool.byReference.get(held.refHeight)?.add(batch);
}

const newLane = (key: string, actor: Hash, head: LaneHead): Lane => ({
  key,
  actor,
  bySeq: new Map(),
  head,
  tailSeq: head.seq,
  bytes: 0,
  gapBytes: 0,
});

const gap = (pool: Pool, lane: Lane, bytes: number): void => {
  lane.gapBytes += bytes;
  pool.gapBytes += bytes;
};

/** Whether the batch would stand behind a gap of its lane. */
const isBehindGap = (batch: Batch, head: LaneHead, lane: Lane | undefined): boolean =>
  batch.laneSeq > Math.max(head.seq, lane?.tailSeq ?? 0) + 1;

/** Whether the place in the lane is free and its neighbours, where held, agree. */
function checkPlace(batch: Batch, head: LaneHead, lane: Lane | undefined): Failure | undefined {
  const { laneSeq } = batch;
  if (laneSeq <= head.seq + 1) {
    const failure = checkLane(batch, head);
    if (failure !== undefined) return failure;
  }
  const before = lane?.bySeq.get(laneSeq - 1);
  const after = lane?.bySeq.get(laneSeq + 1);
  const fork =
    lane?.bySeq.has(laneSeq) === true ||
    (before !== undefined && !equalBytes(before.id, batch.prevBatchId)) ||
    (after !== undefined && !equalBytes(after.prevBatchId, batch.id));
  return fork
    ? fail("batch.lane-fork", `another batch is held for place ${laneSeq}`, { laneSeq })
    : undefined;
}

/** Gaps have their share and nothing else; all others leave that share and the validators' reserve free. */
function checkRoom(
  pool: Pool,
  batch: Batch,
  head: LaneHead,
  lane: Lane | undefined,
  byValidator: boolean,
  level: number | undefined,
): Failure | undefined {
  const { limits } = pool;
  const size = batch.bytes.length;
  const full = (): Failure => fail("node.overloaded", "the mempool is full", { bytes: pool.bytes });
  if (isBehindGap(batch, head, lane)) {
    const bytes = lane?.gapBytes ?? 0;
    if (bytes + size > limits.laneGapBytesMax) {
      const detail = `${bytes} bytes of this lane wait for what is missing before them`;
      return fail("batch.lane-gap", detail, { laneSeq: batch.laneSeq, head: head.seq });
    }
    const left = limits.bytesMax - limits.reserveBytes - pool.bytes;
    return pool.gapBytes + size > limits.gapBytesMax || size > left ? full() : undefined;
  }
  if (byValidator && (lane?.bytes ?? 0) + size <= limits.reserveLaneBytes) {
    return pool.bytes + size > limits.bytesMax ? full() : undefined;
  }
  const floor = level === undefined ? 0 : floorOf(pool);
  if (level !== undefined && level < floor) {
    const detail = `the mempool takes only work of ${2 ** floor} times the effort asked for now`;
    return fail("node.overloaded", detail, { bytes: pool.bytes, times: 2 ** floor });
  }
  const left = limits.bytesMax - limits.reserveBytes - pool.bytes;
  return pool.bytes - pool.gapBytes + size > roomOf(limits) || size > left ? full() : undefined;
}

/** What all who are no validators may fill without a gap. */
const roomOf = ({ bytesMax, reserveBytes, gapBytesMax }: MempoolLimits): number =>
  bytesMax - reserveBytes - gapBytesMax;

/** 0 while half of the room is free, and 1 more each time that half of what was left is full. */
const floorOf = (pool: Pool): number => {
  const room = roomOf(pool.limits);
  const left = Math.max(0, room - (pool.bytes - pool.gapBytes));
  let floor = 0;
  while (floor < pool.limits.levelMax && left * 2 ** (floor + 1) < room) floor += 1;
  return floor;
};

function checkLaneRoom(
  pool: Pool,
  batch: Batch,
  head: LaneHead,
  lane: Lane | undefined,
): Failure | undefined {
  const { limits } = pool;
  const size = batch.bytes.length;
  const laneBytes = lane?.bytes ?? 0;
  if (laneBytes + size > limits.laneBytesMax) {
    return fail("node.overloaded", "the lane's share of the mempool is full", { bytes: laneBytes });
  }
  const count = lane?.bySeq.size ?? 0;
  if (count >= limits.laneBatchesMax) {
    return fail("node.overloaded", `${count} batches of this lane wait`, { count });
  }
  if (batch.laneSeq > head.seq + limits.laneAheadMax) {
    const detail = `place ${batch.laneSeq} is over ${limits.laneAheadMax} ahead of ${head.seq}`;
    return fail("batch.lane-gap", detail, { laneSeq: batch.laneSeq, head: head.seq });
  }
  return undefined;
}

/**
 * Moves the lane's head. Going down from the new head by prevBatchId tells which of the dropped batches
 * were included; one that stands at a place whose id is known to be another has lost.
 */
function advance(pool: Pool, lane: Lane, head: LaneHead): Batch[] {
  if (head.seq <= lane.head.seq) return [];
  const lost: Batch[] = [];
  let expected: Hash | undefined = head.id;
  for (let seq = head.seq; seq > lane.head.seq && expected !== undefined; seq--) {
    const batch: Batch | undefined = lane.bySeq.get(seq);
    const included: boolean = batch !== undefined && equalBytes(batch.id, expected);
    if (batch !== undefined && !included) lost.push(batch);
    expected = included ? batch?.prevBatchId : undefined;
  }
  dropUpTo(pool, lane, head.seq);
  lane.head = head;
  const next = lane.bySeq.get(head.seq + 1);
  if (next !== undefined && !equalBytes(next.prevBatchId, head.id)) {
    lost.push(...removeChain(pool, lane, head.seq + 1));
  }
  settle(pool, lane);
  return lost;
}

/** Every place held is above the lane's head: walk the fewer of places passed and places held. */
function dropUpTo(pool: Pool, lane: Lane, last: number): void {
  if (last - lane.head.seq <= lane.bySeq.size) {
    for (let seq = lane.head.seq + 1; seq <= last; seq++) remove(pool, lane, seq);
    return;
  }
  for (const seq of [...lane.bySeq.keys()]) if (seq <= last) remove(pool, lane, seq);
}

function expire(
  pool: Pool,
  at: {
    readonly height: number;
    readonly timeMs: number;
    timeAt(height: number): number | undefined;
  },
): Batch[] {
  const dropped: Batch[] = [];
  for (const [refHeight, together] of [...pool.byReference]) {
    if (isExpired(refHeight, at) !== true) continue;
    for (const batch of [...together]) {
      const lane = pool.lanes.get(toHex(batch.actor));
      // A batch of this group may be gone already, with an expired one that it followed.
      if (lane === undefined || !together.has(batch)) continue;
      dropped.push(...removeChain(pool, lane, batch.laneSeq));
      settle(pool, lane);
    }
  }
  return dropped;
}

/** What a proposal has so far, and how much more it may have. */
type Filling = {
  readonly args: SelectArgs;
  readonly heads: Map<string, LaneHead>;
  readonly selected: Batch[];
  bytes: number;
  events: number;
  checkUnits: number;
};

type Room = {
  readonly batches: number;
  readonly bytes: number;
  readonly events: number;
  readonly checkUnits: number;
};

function select(pool: Pool, args: SelectArgs): Batch[] {
  const room: Room = {
    batches: args.batchesMax ?? LIMITS.blockBatchesMax,
    bytes: args.bytesMax ?? LIMITS.blockBytesMax,
    events: args.eventsMax ?? LIMITS.blockEventsMax,
    checkUnits: args.checkUnitsMax ?? LIMITS.blockCheckUnitsMax,
  };
  const nothing = { bytes: 0, events: 0, checkUnits: 0 };
  const filling: Filling = { args, heads: new Map(), selected: [], ...nothing };
  if (args.byEffort !== true) fillByTurns(pool, filling, room, room);
  else {
    const { batches, bytes, events, checkUnits } = room;
    const half = {
      ...{ batches: batches / 2, bytes: bytes / 2 },
      ...{ events: events / 2, checkUnits: checkUnits / 2 },
    };
    fillByTurns(pool, filling, half, room);
    fillByLevels(pool, filling, room);
  }
  return orderBatches(args.hasher, args.orderSeed, filling.selected);
}

/** The batch that comes next in a lane, where it may be in the proposal. */
const nextOf = ({ args, heads }: Filling, lane: Lane): Batch | undefined => {
  const batch = following(lane, heads.get(lane.key) ?? args.laneHead(lane.actor));
  return batch !== undefined && args.includable(batch) ? batch : undefined;
};

const isFull = ({ selected, bytes, events }: Filling, room: Room): boolean =>
  selected.length >= room.batches || room.bytes - bytes < BATCH_BYTES_MIN || events >= room.events;

const fits = ({ bytes, events }: Filling, batch: Batch, room: Room): boolean =>
  bytes + batch.bytes.length <= room.bytes && events + batch.events.length <= room.events;

/** Its checks have to wait for another block. There is room yet for whatever asks for none. */
const isTooCostly = ({ args, checkUnits }: Filling, batch: Batch, room: Room): boolean => {
  const units = args.checkUnitsOf?.(batch) ?? 0;
  return units > 0 && checkUnits + units > room.checkUnits;
};

const take = (filling: Filling, lane: Lane, batch: Batch): void => {
  filling.selected.push(batch);
  filling.bytes += batch.bytes.length;
  filling.events += batch.events.length;
  filling.checkUnits += filling.args.checkUnitsOf?.(batch) ?? 0;
  filling.heads.set(lane.key, { seq: batch.laneSeq, id: batch.id });
};

/**
 * Up to `room`; the first batch may take all of the `whole`, so that a large one has its turn too. What validators
 * say first has half of the checks: the most that one batch may ask for, and as much is left for everybody else.
 */
function fillByTurns(pool: Pool, filling: Filling, room: Room, whole: Room): void {
  const inFirstTurns: Room = { ...whole, checkUnits: whole.checkUnits / 2 };
  let misfits = 0;
  // A lane that gives a batch goes to the back, where this loop meets it again for its next one; a lane
  // that gives none is not met again. So the work is what is selected plus the lanes that were blocked.
  for (const { lane, isFirst } of turns(pool)) {
    if (isFull(filling, room)) break;
    const batch = nextOf(filling, lane);
    const left = filling.selected.length === 0 ? whole : room;
    if (batch === undefined || isTooCostly(filling, batch, isFirst ? inFirstTurns : left)) continue;
    if (!fits(filling, batch, left)) {
      misfits += 1;
      if (misfits >= LIMITS.mempoolMisfitsMax) break;
      continue;
    }
    take(filling, lane, batch);
    toBack(pool, lane, isFirst);
  }
}

/** A lane that gave a batch waits for its next turn, a validator's also for its next first one. */
const toBack = (pool: Pool, lane: Lane, wasFirst: boolean): void => {
  pool.ready.delete(lane.key);
  pool.ready.set(lane.key, lane);
  if (!wasFirst) return;
  pool.ofValidators.delete(lane);
  pool.ofValidators.add(lane);
};

/**
 * The rest of the room, the highest level first, and of one level by turns. A lane stands at the level of its next
 * batch; it keeps its turn.
 */
function fillByLevels(pool: Pool, filling: Filling, room: Room): void {
  const { levelMax } = pool.limits;
  const waiting = Array.from({ length: levelMax + 1 }, (): [Lane, Batch][] => []);
  const wait = (lane: Lane, atMost: number): void => {
    const batch = nextOf(filling, lane);
    if (batch === undefined) return;
    const level = Math.min(atMost, pool.levels.get(batch) ?? 0);
    waiting[level]?.push([lane, batch]);
  };
  if (isFull(filling, room)) return;
  for (const lane of pool.ready.values()) wait(lane, levelMax);
  let misfits = 0;
  for (let level = levelMax; level >= 0; level--) {
    // It grows while it is gone through: a lane whose next batch is of this level too waits at its end.
    for (const [lane, batch] of waiting[level] ?? []) {
      if (isFull(filling, room)) return;
      if (isTooCostly(filling, batch, room)) continue;
      if (fits(filling, batch, room)) {
        take(filling, lane, batch);
        wait(lane, level);
      } else if (++misfits >= LIMITS.mempoolMisfitsMax) return;
    }
  }
}

type Turn = { readonly lane: Lane; readonly isFirst: boolean };

/** A validator's lane while it is short, then every lane in its turn. */
function* turns(pool: Pool): Generator<Turn> {
  // As they stand: one that gives a batch goes to the back, and has one first turn in a proposal.
  for (const lane of [...pool.ofValidators]) {
    const isShort = lane.bytes <= pool.limits.reserveLaneBytes;
    if (isShort && pool.ready.has(lane.key)) yield { lane, isFirst: true };
  }
  for (const lane of pool.ready.values()) yield { lane, isFirst: false };
}

/** The batch that continues a lane from this head, if it is held and names that head. */
function following(lane: Lane, head: LaneHead): Batch | undefined {
  const batch = lane.bySeq.get(head.seq + 1);
  return batch !== undefined && equalBytes(batch.prevBatchId, head.id) ? batch : undefined;
}

/** Removes a batch and all that follow it without a gap: they name what will never be included. */
function removeChain(pool: Pool, lane: Lane, from: number): Batch[] {
  const removed: Batch[] = [];
  for (let seq = from; ; seq++) {
    const batch = remove(pool, lane, seq);
    if (batch === undefined) return removed;
    removed.push(batch);
  }
}

function remove(pool: Pool, lane: Lane, seq: number): Batch | undefined {
  const batch = lane.bySeq.get(seq);
  if (batch === undefined) return undefined;
  lane.bySeq.delete(seq);
  lane.bytes -= batch.bytes.length;
  pool.bytes -= batch.bytes.length;
  pool.byId.delete(toHex(batch.id));
  pool.byDigest.delete(toHex(batch.digest));
  const together = pool.byReference.get(batch.refHeight);
  together?.delete(batch);
  if (together?.size === 0) pool.byReference.delete(batch.refHeight);
  if (seq > lane.tailSeq) {
    gap(pool, lane, -batch.bytes.length);
    return batch;
  }
  // What followed it stands behind a gap now.
  for (let after = seq + 1; after <= lane.tailSeq; after++) {
    gap(pool, lane, lane.bySeq.get(after)?.bytes.length ?? 0);
  }
  lane.tailSeq = seq - 1;
  return batch;
}

/** After a change of the lane: its tail, whether it is ready, whether it is needed at all. */
function settle(pool: Pool, lane: Lane): void {
  lane.tailSeq = Math.max(lane.tailSeq, lane.head.seq);
  for (;;) {
    const next = lane.bySeq.get(lane.tailSeq + 1);
    if (next === undefined) break;
    lane.tailSeq += 1;
    gap(pool, lane, -next.bytes.length);
  }
  if (lane.tailSeq === lane.head.seq) pool.ready.delete(lane.key);
  else if (!pool.ready.has(lane.key)) pool.ready.set(lane.key, lane);
  if (lane.bySeq.size > 0) return;
  pool.lanes.delete(lane.key);
  pool.ofValidators.delete(lane);
}
