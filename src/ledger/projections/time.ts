/**
 * Elapsed time of validators (docs/proofs.md, Time). Rows: tag 0 -> what the chain asks for; tag 1, id -> the
 * runs of a timekeeper in this epoch and the one before; tag 2, id -> the run that a member shared last.
 *
 * A run begins from the seed of its epoch, is committed in that epoch, and is proven when every part of the
 * answer to its challenge is accepted. Nobody but its timekeeper writes about it, so nobody can spoil it.
 */
import { equalBytes, toHex } from "../../crypto/bytes.ts";
import { LIMITS } from "../../limits.ts";
import { areMembers, membersRoot } from "../../proofs/time/members.ts";
import { leavesRequired, type TimeParameters } from "../../proofs/time/parameters.ts";
import { timePart, timeParts } from "../../proofs/time/parts.ts";
import { verifyRun } from "../../proofs/time/verify.ts";
import { field, type Json } from "../event-schema.ts";
import type { Genesis } from "../genesis.ts";
import {
  type Decide,
  defineProjection,
  own,
  type Projection,
  type ProjectionRead,
  type ProjectionTx,
  refuse,
} from "../projection.ts";
import type { ReadStore } from "../records.ts";
import { defineRow, hashPart, keyOf, readRow, tagPart } from "../row.ts";
import type { Hash } from "../types.ts";
import {
  afterRefusal,
  CLAIMS_KEPT,
  type ClaimCodes,
  challengeHeight,
  claimFields,
  claimOf,
  countsFor,
  decideAnswer,
  decideClaim,
  newClaim,
  PROVEN,
  partsAccepted,
  stateName,
  withClaim,
  withPart,
} from "./claims.ts";
import {
  type TimeRunCommitted,
  type TimeRunProven,
  type TimeRunShared,
  timeRunCommitted,
  timeRunProven,
  timeRunShared,
} from "./time-events.ts";

export const TIME = "time";
const ASKED = tagPart(0);

/** Prefixes of the rows of timekeepers, and of members. */
export const timeRunsPrefix: Uint8Array = tagPart(1);
const SHARED = tagPart(2);

const CODES: ClaimCodes = {
  unknown: "time.unknown",
  stale: "time.stale",
  early: "time.early",
  repeated: "time.repeated",
  failed: "time.failed",
  fatal: ["time.proof-malformed", "time.proof-invalid"],
};

const askedRow = defineRow(
  field.u32("tailBlocks"),
  field.u8("leavesLog2Max"),
  field.u32("challenges"),
  field.u32("selfChallenges"),
  field.u64("epochMs"),
);

const runsRow = defineRow(
  field.list(
    "runs",
    CLAIMS_KEPT,
    field.record("run", [
      ...claimFields,
      field.u64("leaves"),
      field.hash("phi"),
      field.list("members", LIMITS.timeMembersMax, field.hash("member")),
    ] as const),
  ),
);

const sharedRow = defineRow(
  field.hash("timekeeper"),
  field.u64("epoch"),
  field.u64("settledEpoch"),
);

export type TimeClaim = ReturnType<typeof runsRow.decode>["runs"][number];

/** Key of the runs of a timekeeper. */
export const timeRunsRowKey = (id: Hash): Uint8Array => keyOf(timeRunsPrefix, hashPart(id));
const sharedKey = (id: Hash): Uint8Array => keyOf(SHARED, hashPart(id));

const askedBy = (read: ProjectionRead): TimeParameters & { readonly epochMs: number } => {
  const row = read.get(ASKED);
  if (row === undefined) throw new RangeError("the chain asks for no time");
  return askedRow.decode(row);
};

const runsOf = (read: ProjectionRead, id: Hash): readonly TimeClaim[] => {
  const row = read.get(timeRunsRowKey(id));
  return row === undefined ? [] : runsRow.decode(row).runs;
};

const putRun = (tx: ProjectionTx, id: Hash, run: TimeClaim, now: number): void =>
  tx.put(timeRunsRowKey(id), runsRow.encode({ runs: withClaim(runsOf(tx, id), run, now) }));

const decideCommitted: Decide<TimeRunCommitted> = (read, value, context) => {
  const { actor } = context;
  const parameters = askedBy(read);
  const refusal = decideClaim(CODES, runsOf(read, actor), value.epoch, context);
  if (refusal !== undefined) return refusal;
  if (value.leaves > 2 ** parameters.leavesLog2Max) {
    return refuse("time.commitment", `a run has at most 2^${parameters.leavesLog2Max} leaves`);
  }
  const least = leavesRequired(parameters, parameters.epochMs);
  if (value.leaves < least) return refuse("time.short", `a run of an epoch has ${least} leaves`);
  const others = value.members.every((member) => !equalBytes(member, actor));
  return areMembers(value.members) && others
    ? undefined
    : refuse("event.invalid", "members ascend, without repeats and without the timekeeper");
};

const decideProven: Decide<TimeRunProven> = (read, value, context) => {
  const { actor, hasher } = context;
  const parameters = askedBy(read);
  const parts = timeParts(parameters);
  const answer = decideAnswer(CODES, runsOf(read, actor), value, () => parts, context);
  if (answer.refusal !== undefined) return answer.refusal;
  const { epoch, seed, leaves, phi, members } = answer.claim;
  const statement = { epoch, seed, timekeeper: actor, members: membersRoot(hasher, members) };
  const input = { hasher, parameters, statement, commitment: { leaves, phi } };
  const challenges = timePart(parameters, value.part);
  const verdict = verifyRun(input, answer.challenge, challenges, value.proof);
  return verdict.ok ? undefined : refuse(verdict.code, verdict.detail);
};

const decideShared: Decide<TimeRunShared> = (read, { timekeeper, epoch }, context) => {
  const run = claimOf(runsOf(read, timekeeper), epoch);
  if (run === undefined || run.state !== PROVEN) {
    return refuse(CODES.unknown, `no proven run of epoch ${epoch}`);
  }
  const { number } = context.epoch;
  if (run.settledEpoch !== number) return refuse(CODES.stale, `proven before epoch ${number}`);
  if (!run.members.some((member) => equalBytes(member, context.actor))) {
    return refuse("time.not-member", "the run was not begun for this member");
  }
  const row = read.get(sharedKey(context.actor));
  return row !== undefined && sharedRow.decode(row).settledEpoch === number
    ? refuse(CODES.repeated, `a run is shared in epoch ${number}`)
    : undefined;
};

const writeGenesis = (tx: ProjectionTx, { proofs, parameters }: Genesis): void => {
  if (proofs.time === null) return;
  tx.put(ASKED, askedRow.encode({ ...proofs.time, epochMs: parameters.epochMs }));
};

const runJson = (run: TimeClaim): Json => ({
  epoch: run.epoch,
  state: stateName(run.state),
  leaves: run.leaves,
  phi: toHex(run.phi),
  members: run.members.map(toHex),
  committedHeight: run.committedHeight,
  challengeHeight: challengeHeight(run),
  partsAccepted: partsAccepted(run),
  countsForEpoch: run.state === PROVEN ? run.settledEpoch : null,
  fault: run.fault === "" ? null : run.fault,
});

const format = (key: Uint8Array, value: Uint8Array): Json => {
  if (key.length === 1) return askedRow.toJson(askedRow.decode(value));
  const who = toHex(key.subarray(1));
  if (key[0] === SHARED[0]) {
    const { timekeeper, epoch, settledEpoch } = sharedRow.decode(value);
    return { member: who, timekeeper: toHex(timekeeper), epoch, countsForEpoch: settledEpoch };
  }
  const { runs } = runsRow.decode(value);
  return { timekeeper: who, runs: runs.map(runJson) };
};

export const time: Projection = defineProjection({
  name: TIME,
  schemaVersion: 1,
  owns: [
    own(timeRunCommitted, {
      decide: decideCommitted,
      apply: (tx, { leaves, phi, members }, context) => {
        const run = { ...newClaim(context), leaves, phi, members };
        putRun(tx, context.actor, run, context.epoch.number);
      },
    }),
    own(timeRunProven, {
      decide: decideProven,
      apply: (tx, { epoch, part }, context) => {
        const run = claimOf(runsOf(tx, context.actor), epoch);
        if (run === undefined) throw new RangeError("the run that was answered is not there");
        const { number } = context.epoch;
        putRun(tx, context.actor, withPart(run, part, timeParts(askedBy(tx)), number), number);
      },
      refused: (tx, { epoch }, context, { code }) => {
        const { number } = context.epoch;
        const run = claimOf(runsOf(tx, context.actor), epoch);
        const failed = afterRefusal(CODES, run, code, number);
        if (failed !== undefined) putRun(tx, context.actor, failed, number);
      },
    }),
    own(timeRunShared, {
      decide: decideShared,
      apply: (tx, { timekeeper, epoch }, context) => {
        const row = { timekeeper, epoch, settledEpoch: context.epoch.number };
        tx.put(sharedKey(context.actor), sharedRow.encode(row));
      },
    }),
  ],
  genesis: writeGenesis,
  format,
});

/** The runs in a row. Throws DecodeError. */
export const timeRunsOf = (row: Uint8Array): readonly TimeClaim[] => runsRow.decode(row).runs;

/** The runs of a timekeeper as the store has them. Throws "store.corrupt". */
export const timeRunsAt = (read: ReadStore, id: Hash): readonly TimeClaim[] => {
  const row = readRow(read, TIME, timeRunsRowKey(id));
  return row === undefined ? [] : runsRow.decode(row.value).runs;
};

/** Whether a validator's time was proven in that epoch, by a run of its own or one that it shares. */
export const timeProvenAt = (read: ReadStore, id: Hash, epoch: number): boolean => {
  if (timeRunsAt(read, id).some((run) => countsFor(run, epoch))) return true;
  const row = readRow(read, TIME, sharedKey(id));
  return row !== undefined && sharedRow.decode(row.value).settledEpoch === epoch;
};
