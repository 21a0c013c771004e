/** The shapes of the answers. Hashes are lower-case hex, times are milliseconds and ISO 8601. */
import { toHex } from "../../crypto/bytes.ts";
import { type Failure, fail } from "../../errors.ts";
import type { BatchReceipt, EpochPower, LaneState, NodeStatus } from "../../ledger/handle.ts";
import type { DriverFigures } from "../../ledger/ports.ts";
import type { LogEntry, Outcome } from "../../ledger/types.ts";
import { isoTime } from "../../ledger/verify/iso-time.ts";
import type { Formats, Json } from "./context.ts";

const outcomeJson = (outcome: Outcome): { readonly [key: string]: Json } =>
  outcome.kind === "accepted" ? { kind: "accepted" } : { kind: "refused", code: outcome.code };

/** Amounts as text, as the genesis has them: no reader of JSON rounds those. */
const workJson = ({ beacon, price, parameters, times }: NonNullable<NodeStatus["work"]>): Json => ({
  beacon: toHex(beacon),
  price: price.toString(),
  pricedUnits: parameters.price.pricedUnits.toString(),
  puzzle: { ...parameters.puzzle },
  times,
});

/** What is wrong with the driver of sessions now: what was is told by its figures. */
export const driverProblems = (driver: DriverFigures | undefined): readonly Failure[] =>
  driver?.state === "down"
    ? [fail("transport.driver-failed", driver.lastFault?.detail ?? "it is not open yet")]
    : [];

const driverJson = ({ driver, state, restarts, lastFault }: DriverFigures): Json => ({
  ...{ driver, state, restarts },
  lastFault: lastFault === undefined ? null : { ...lastFault },
});

export const statusJson = (
  status: NodeStatus,
  version: string,
  driver?: DriverFigures | undefined,
): Json => ({
  version,
  chainId: status.chainId,
  genesisHash: toHex(status.genesisHash),
  nodeId: status.nodeId,
  name: status.name,
  validatorIndex: status.validatorIndex ?? null,
  epoch: status.epoch,
  view: status.view,
  leader: status.leader,
  voting: status.voting,
  problems: [...status.problems, ...driverProblems(driver)].map(({ code, detail, data }) => ({
    ...{ code, detail },
    data: data ?? {},
  })),
  driver: driver === undefined ? null : driverJson(driver),
  finalHeight: status.finalHeight,
  finalHash: toHex(status.finalHash),
  finalTimeMs: status.finalTimeMs,
  finalTime: isoTime(status.finalTimeMs),
  executedHeight: status.executedHeight,
  logSize: status.logSize,
  logRoot: toHex(status.logRoot),
  stateRoot: toHex(status.stateRoot),
  refHeight: status.refHeight,
  refHash: toHex(status.refHash),
  work: status.work === undefined ? null : workJson(status.work),
  beacon:
    status.beacon === undefined
      ? null
      : { value: toHex(status.beacon.value), epochSeed: toHex(status.beacon.epochSeed) },
  peers: status.peers,
  mempoolBytes: status.mempoolBytes,
  mempoolBatches: status.mempoolBatches,
  viewTimeMs: status.viewTimeMs,
  stake: status.stake === undefined ? null : powerJson(status.stake),
  checkpoint:
    status.checkpoint === undefined
      ? null
      : { size: status.checkpoint.size, time: isoTime(status.checkpoint.timeS * 1000) },
});

const powerJson = ({ degraded, power, stake }: EpochPower): Json => ({
  degraded,
  power: power.toString(),
  stake: stake.toString(),
});

export const receiptJson = (receipt: BatchReceipt): Json => ({
  batchId: toHex(receipt.batchId),
  level: receipt.level,
  height: receipt.height,
  firstIndex: receipt.firstIndex,
  outcomes: receipt.outcomes?.map(outcomeJson),
});

export const laneJson = (lane: LaneState): Json => ({
  actor: toHex(lane.actor),
  laneSeq: lane.laneSeq,
  batchId: toHex(lane.batchId),
  pendingSeq: lane.pendingSeq,
  pendingId: toHex(lane.pendingId),
});

/** `data` is the payload for people; `payload` is always the bytes, so nothing is lost to an old node. */
export const entryJson = (
  entry: LogEntry,
  formats: Formats,
  timeOf: (height: number) => number | undefined,
): Json => {
  const timeMs = timeOf(entry.height);
  return {
    index: entry.index,
    height: entry.height,
    time: timeMs === undefined ? undefined : isoTime(timeMs),
    batchId: toHex(entry.batchId),
    position: entry.position,
    type: entry.event.type,
    version: entry.event.version,
    outcome: outcomeJson(entry.outcome),
    effectsHash: toHex(entry.effectsHash),
    data: formats.event(entry.event),
    payload: Buffer.from(entry.event.payload).toString("base64url"),
  };
};
