/** The facade of a replica (src/ledger/handle.ts): status and reads of what is final and executed. */
import { toHex, ZERO_HASH } from "../../crypto/bytes.ts";
import { fail, ok, type Result } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import { readItems } from "../audit/item.ts";
import type {
  EpochPower,
  EventPage,
  Finalization,
  LaneState,
  LedgerHandle,
  Network,
  NodeStatus,
} from "../handle.ts";
import { readTile, TILE_WIDTH } from "../log-tree.ts";
import { epochRowAt } from "../projections/stake/rows.ts";
import { readExecution } from "../records.ts";
import { readRow } from "../row.ts";
import type { Block, Hash } from "../types.ts";
import { weightOf } from "../validator-set.ts";
import { formatPolicy } from "../verify/checkpoint.ts";
import { isStoreFailure } from "./guard.ts";
import { LogReader } from "./log-reader.ts";
import type { Participant } from "./participant.ts";
import { readPrice } from "./price-store.ts";
import { createProofs, type Proofs } from "./proofs.ts";
import { readRowsOf } from "./read-rows.ts";
import { remembered } from "./remembered.ts";
import { lastExecuted } from "./startup.ts";
import { finalTerms } from "./work-terms.ts";

export const createHandle = (replica: Participant): LedgerHandle => {
  const { hasher, ports } = replica.context;
  const log = new LogReader(hasher, ports.store);
  let proofs: Proofs | undefined;
  return {
    ...handleOf(replica, log),
    proofs: () => {
      proofs ??= createProofs(replica, log);
      return proofs;
    },
    stop: (done) => {
      proofs?.close();
      replica.stop(done);
    },
  };
};

/** Times that are remembered: the heights of a long page are neighbours. */
const TIMES_KEPT = 4096;

type Reference = {
  readonly height: number;
  readonly hash: Hash;
  readonly work: Omit<NonNullable<NodeStatus["work"]>, "times"> | undefined;
};

/**
 * Reads a row for the status. One that is damaged or cannot be read stops the node, as it does when the replica
 * itself meets one; the status then says so, and is still given.
 */
const orStop = <T>(replica: Participant, read: () => T): T | undefined => {
  try {
    return read();
  } catch (error) {
    if (!isStoreFailure(error)) throw error;
    replica.context.fatal(fail(error.code, error.message, error.data));
    return undefined;
  }
};

/** The reference moves once in a grid of heights, and every request asks for it. */
const rememberReference = (replica: Participant): (() => Reference | undefined) => {
  const read = (): Reference | undefined =>
    orStop(replica, () => {
      const reference = replica.reference();
      if (reference === undefined) return undefined;
      return { ...reference, work: workAt(replica, reference.height) };
    });
  let known: Reference | undefined;
  return () => {
    const past = (replica.committer?.executed.height ?? 0) - (known?.height ?? 0);
    if (past < 0 || past >= LIMITS.gridHeights) known = undefined;
    known ??= read();
    return known;
  };
};

const workAt = ({ context }: Participant, height: number): Reference["work"] => {
  const parameters = context.options.genesis.proofs.work;
  const terms = finalTerms(context, height);
  return parameters === null || terms === undefined ? undefined : { ...terms, parameters };
};

/** Times of executed heights, which every event of a page asks for and which do not change. */
const rememberTimes = (replica: Participant): LedgerHandle["timeOf"] => {
  const times = new Map<number, number>();
  return (height) => {
    const known = times.get(height);
    if (known !== undefined) return known;
    const timeMs = readExecution(replica.context.read, height)?.timeMs;
    if (timeMs === undefined) return undefined;
    if (times.size >= TIMES_KEPT) times.clear();
    times.set(height, timeMs);
    return timeMs;
  };
};

const epochOf = ({ engine, committer }: Participant): number =>
  engine?.epoch ?? committer?.start.epoch ?? 0;

/** Rows change with the executed height, and the node itself asks for the status some ten times at each. */
const rememberPower = (replica: Participant): (() => EpochPower | undefined) =>
  remembered(
    () => replica.committer && `${epochOf(replica)} ${replica.committer.executed.height}`,
    () => orStop(replica, () => powerOf(replica, epochOf(replica))),
  );

const handleOf = (
  replica: Participant,
  log: LogReader,
  reference = rememberReference(replica),
  power = rememberPower(replica),
): Omit<LedgerHandle, "proofs" | "stop"> => ({
  status: () => statusOf(replica, reference(), power()),
  submit: (bytes, level, done) => replica.submissions.submit(bytes, level, done),
  receipt: (batchId) => replica.submissions.receiptOf(batchId),
  lane: (actor) => laneOf(replica, actor),
  events: (from, limit, done) => readEvents(replica, log, from, limit, done),
  block: (height) => blockAt(replica, height),
  finalization: (height) => finalizationFrom(replica, height),
  execution: (height) => readExecution(replica.context.read, height),
  beacon: (height) => beaconOf(replica, height).beacon?.value,
  workPrice: (height) => workPriceOf(replica, height),
  validatorSet: (epoch) => replica.store.validatorSet(epoch),
  network: (views) => networkOf(replica, views),
  timeOf: rememberTimes(replica),
  point: (height) => replica.store.point(height),
  rows: (projection, options, done) =>
    readRowsOf(replica.context.ports.store, projection, options, done),
  row: (projection, key) => readRow(replica.context.read, projection, key)?.value,
  finalBlocks: (from) => readItems(replica.store, from, finalHeightOf(replica)),
  checkpoint: () => replica.cosigner.served,
  checkpointPolicy: () => formatPolicy(replica.cosigner.policy),
  tile: (level, index, width) => tileOf(replica, level, index, width),
  write: (make, isUrgent) => replica.evidence?.lane.write(make, isUrgent),
  onExecuted: (listener) => {
    replica.executedListeners.add(listener);
    return () => replica.executedListeners.delete(listener);
  },
  onHalt: (listener) => {
    replica.haltListeners.add(listener);
    return () => replica.haltListeners.delete(listener);
  },
  ready: () => {
    const reasons = readiness(replica);
    return { ready: reasons.length === 0, reasons };
  },
});

const statusOf = (
  replica: Participant,
  reference: Reference | undefined,
  power: EpochPower | undefined,
): NodeStatus => {
  const { committer, engine, pool, context } = replica;
  // Before everything is loaded the store already says what is final here.
  // Null where nothing is final yet; undefined where that cannot be told, and then nothing is said of it.
  const tip = committer?.tip ?? orStop(replica, () => replica.store.tip() ?? null);
  const executed =
    tip === undefined
      ? undefined
      : (committer?.executed ?? orStop(replica, () => lastExecuted(context, tip?.height ?? 0)));
  const leader = engine === undefined ? undefined : engine.set.validators[engine.leader];
  return {
    chainId: context.options.genesis.chainId,
    genesisHash: replica.genesisHash,
    nodeId: toHex(replica.selfId),
    name: context.options.name,
    validatorIndex: replica.selfIndex,
    epoch: epochOf(replica),
    view: engine?.view ?? 0,
    leader: toHex(leader?.id ?? ZERO_HASH),
    finalHeight: tip?.height ?? 0,
    finalHash: tip === undefined ? ZERO_HASH : (tip?.hash ?? replica.genesisHash),
    finalTimeMs: tip?.timeMs ?? 0,
    executedHeight: executed?.height ?? 0,
    logSize: executed?.logSize ?? 0,
    logRoot: executed?.logRoot ?? ZERO_HASH,
    stateRoot: executed?.stateRoot ?? ZERO_HASH,
    refHeight: reference?.height ?? 0,
    refHash: reference?.hash ?? replica.genesisHash,
    ...(reference?.work === undefined
      ? {}
      : { work: { ...reference.work, times: 2 ** (pool?.mempool.floor ?? 0) } }),
    ...orStop(replica, () => beaconOf(replica, tip?.height ?? 0)),
    peers: replica.peers,
    voting: replica.voting,
    problems: replica.problems,
    mempoolBytes: pool?.mempool.bytes ?? 0,
    mempoolBatches: pool?.mempool.count ?? 0,
    viewTimeMs: replica.viewTimeMs,
    stake: power,
    checkpoint: replica.cosigner.served,
  };
};

/** Empty on a chain without a beacon, and for a height that is not final here. */
const beaconOf = (replica: Participant, height: number): Pick<NodeStatus, "beacon"> => {
  const { context, store } = replica;
  const isFinal = height >= 0 && height <= finalHeightOf(replica);
  if (context.options.genesis.proofs.beacon === null || !isFinal) return {};
  const point = store.point(height);
  return point === undefined
    ? {}
    : { beacon: { value: point.beacon, epochSeed: point.epoch.seed } };
};

/** Undefined where no work is asked for, and for a height that is not final here. */
const workPriceOf = ({ context }: Participant, height: number): bigint | undefined => {
  const { work } = context.options.genesis.proofs;
  return work === null ? undefined : readPrice(context.read, work, height);
};

/** Undefined on a chain without stake, and before the rows are there. */
const powerOf = ({ context }: Participant, epoch: number): EpochPower | undefined => {
  if (context.options.genesis.proofs.stake === null) return undefined;
  const row = epochRowAt(context.read, epoch);
  return row && { degraded: row.degraded, power: row.total, stake: row.stake };
};

const tileOf = (
  replica: Participant,
  level: number,
  index: number,
  width: number,
): Uint8Array | undefined => {
  const size = replica.committer?.executed.logSize ?? 0;
  const count = Math.floor(size / TILE_WIDTH ** level);
  if (width < 1 || width > TILE_WIDTH || index * TILE_WIDTH + width > count) return undefined;
  return readTile(replica.context.read, level, index, width);
};

const laneOf = (replica: Participant, actor: Hash): LaneState => {
  const head = replica.finalLaneHead(actor);
  const tail = replica.pool?.mempool.laneTail(actor, head) ?? head;
  return { actor, laneSeq: head.seq, batchId: head.id, pendingSeq: tail.seq, pendingId: tail.id };
};

const finalHeightOf = (replica: Participant): number =>
  (replica.committer?.tip ?? replica.store.tip())?.height ?? 0;

const blockAt = (replica: Participant, height: number): Block | undefined => {
  if (height < 1 || height > finalHeightOf(replica)) return undefined;
  const hash = replica.store.hashAt(height);
  return hash === undefined ? undefined : replica.store.block(hash);
};

const finalizationFrom = (replica: Participant, height: number): Finalization | undefined => {
  const { store } = replica;
  const from = Math.max(1, height);
  const last = Math.min(finalHeightOf(replica), from + 2 * LIMITS.certificateKeepEvery);
  for (let at = from; at <= last; at++) {
    const where = store.finalizationAt(at);
    if (where === undefined) continue;
    const certificate = store.certificate(where.epoch, where.view, "finalize");
    if (certificate !== undefined) return { height: at, certificate };
  }
  return undefined;
};

const networkOf = (replica: Participant, views: number): Network | undefined => {
  const { engine } = replica;
  if (engine === undefined) return undefined;
  const leaders = Array.from({ length: views }, (_, i) => engine.leaderOf(engine.view + i));
  return { set: engine.set, view: engine.view, leaders };
};

const readEvents = (
  replica: Participant,
  log: LogReader,
  from: number,
  limit: number,
  done: (result: Result<EventPage>) => void,
): void => {
  // As the status says it: what is executed can be read while a start still loads the rest.
  const executed =
    replica.committer?.executed ?? lastExecuted(replica.context, replica.store.tip()?.height ?? 0);
  const to = Math.min(executed?.logSize ?? 0, from + limit);
  if (from >= to) return done(ok({ entries: [], next: from }));
  log.page(from, to, (page) => done(page.ok ? ok({ entries: page.value, next: to }) : page));
};

/** Nothing can become final here while a quorum of the weight is not connected. */
const belowQuorum = (replica: Participant): string | undefined => {
  const { engine, peers } = replica;
  if (engine === undefined) return undefined;
  const { set } = engine;
  const near = new Set([...peers, toHex(replica.selfId)]);
  const reached = set.validators.flatMap(({ id }, index) => (near.has(toHex(id)) ? [index] : []));
  const weight = weightOf(set, reached);
  if (weight >= set.quorum) return undefined;
  return (
    `${reached.length} of ${set.validators.length} validators are connected, ` +
    `weight ${weight} where ${set.quorum} is needed`
  );
};

const readiness = (replica: Participant): string[] => {
  const reasons: string[] = [];
  if (replica.stopped) reasons.push("the node has stopped");
  if (replica.engine === undefined) reasons.push("consensus has not started");
  const alone = belowQuorum(replica);
  if (alone !== undefined) reasons.push(alone);
  if (replica.syncing) reasons.push("catching up with the network");
  if (replica.voting === "asking") reasons.push("asking peers for the latest own statement");
  if (replica.voting === "refused") reasons.push("node.not-voting: the node refuses to vote");
  const height = replica.committer?.tip.height ?? 0;
  if (height === 0) reasons.push("no block is final yet");
  for (const problem of replica.problems) reasons.push(`${problem.code}: ${problem.detail}`);
  return reasons;
};
