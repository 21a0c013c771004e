/**
 * Shares of work of validators (docs/proofs.md, Work). Rows: tag 0 -> what the chain asks for; tag 1, id -> the
 * shares of a validator in this epoch and the one before.
 */
import { toHex } from "../../crypto/bytes.ts";
import { LIMITS } from "../../limits.ts";
import { shareParts, verifySharePart, workUnits } from "../../proofs/work/index.ts";
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
import { forgeryJson, noteForgeries, noteForgery } from "./forgeries.ts";
import {
  type WorkSharesCommitted,
  type WorkSharesProven,
  workSharesCommitted,
  workSharesProven,
} from "./work-events.ts";

export const WORK = "work";
const ASKED = tagPart(0);

/** Prefix of the rows of validators. */
export const workSharesPrefix: Uint8Array = tagPart(1);

const CODES: ClaimCodes = {
  unknown: "work.unknown",
  stale: "work.stale",
  early: "work.early",
  repeated: "work.repeated",
  failed: "work.failed",
  fatal: ["work.malformed", "work.shares"],
};

const askedRow = defineRow(
  field.u32("scryptN"),
  field.u32("difficulty"),
  field.u64("triesPerUnit"),
);

const sharesRow = defineRow(
  field.list(
    "shares",
    CLAIMS_KEPT,
    field.record("shares", [
      ...claimFields,
      field.u32("count"),
      field.hash("root"),
      field.u64("units"),
    ] as const),
  ),
);

export type WorkClaim = ReturnType<typeof sharesRow.decode>["shares"][number];

/** Key of the shares of a validator. */
export const workSharesRowKey = (id: Hash): Uint8Array => keyOf(workSharesPrefix, hashPart(id));

const askedBy = (read: ProjectionRead): ReturnType<typeof askedRow.decode> => {
  const row = read.get(ASKED);
  if (row === undefined) throw new RangeError("the chain asks for no shares");
  return askedRow.decode(row);
};

const sharesOf = (read: ProjectionRead, id: Hash): readonly WorkClaim[] => {
  const row = read.get(workSharesRowKey(id));
  return row === undefined ? [] : sharesRow.decode(row).shares;
};

const putShares = (tx: ProjectionTx, id: Hash, claim: WorkClaim, now: number): void =>
  tx.put(
    workSharesRowKey(id),
    sharesRow.encode({ shares: withClaim(sharesOf(tx, id), claim, now) }),
  );

const decideCommitted: Decide<WorkSharesCommitted> = (read, { epoch, count }, context) => {
  const refusal = decideClaim(CODES, sharesOf(read, context.actor), epoch, context);
  if (refusal !== undefined) return refusal;
  return count >= 1 && count <= LIMITS.workSharesMax
    ? undefined
    : refuse("event.invalid", `shares are 1 to ${LIMITS.workSharesMax}`);
};

const decideProven: Decide<WorkSharesProven> = (read, value, context) => {
  const { actor, hasher } = context;
  const parameters = askedBy(read);
  const partsOf = ({ count }: WorkClaim): number => shareParts(parameters, count);
  const answer = decideAnswer(CODES, sharesOf(read, actor), value, partsOf, context);
  if (answer.refusal !== undefined) return answer.refusal;
  const { claim, challenge } = answer;
  const verdict = verifySharePart(
    hasher,
    parameters,
    { epochSeed: claim.seed, validator: actor },
    claim,
    challenge,
    { number: value.part, bytes: value.shares },
  );
  if (verdict.ok) return undefined;
  const refusal = refuse(verdict.code, verdict.detail);
  return verdict.data?.["forged"] === true ? { ...refusal, forged: true } : refusal;
};

const writeGenesis = (tx: ProjectionTx, { proofs }: Genesis): void => {
  if (proofs.work === null) return;
  tx.put(ASKED, askedRow.encode(proofs.work.shares));
  noteForgeries(tx, { proofs });
};

const sharesJson = (claim: WorkClaim): Json => ({
  epoch: claim.epoch,
  state: stateName(claim.state),
  shares: claim.count,
  units: claim.units,
  root: toHex(claim.root),
  committedHeight: claim.committedHeight,
  challengeHeight: challengeHeight(claim),
  partsAccepted: partsAccepted(claim),
  countsForEpoch: claim.state === PROVEN ? claim.settledEpoch : null,
  fault: claim.fault === "" ? null : claim.fault,
});

export const work: Projection = defineProjection({
  name: WORK,
  schemaVersion: 1,
  owns: [
    own(workSharesCommitted, {
      decide: decideCommitted,
      apply: (tx, { count, root }, context) => {
        const units = workUnits(askedBy(tx), count);
        const claim = { ...newClaim(context), count, root, units };
        putShares(tx, context.actor, claim, context.epoch.number);
      },
    }),
    own(workSharesProven, {
      decide: decideProven,
      apply: (tx, { epoch, part }, context) => {
        const claim = claimOf(sharesOf(tx, context.actor), epoch);
        if (claim === undefined) throw new RangeError("the shares that were opened are not there");
        const { number } = context.epoch;
        const parts = shareParts(askedBy(tx), claim.count);
        putShares(tx, context.actor, withPart(claim, part, parts, number), number);
      },
      refused: (tx, { epoch }, context, refusal) => {
        const { number } = context.epoch;
        const claim = claimOf(sharesOf(tx, context.actor), epoch);
        const failed = afterRefusal(CODES, claim, refusal.code, number);
        if (failed !== undefined) putShares(tx, context.actor, failed, number);
        noteForgery(tx, context, refusal);
      },
    }),
  ],
  genesis: writeGenesis,
  format: (key, value) =>
    forgeryJson(key, value) ??
    (key.length === 1
      ? askedRow.toJson(askedRow.decode(value))
      : {
          validator: toHex(key.subarray(1)),
          shares: sharesRow.decode(value).shares.map(sharesJson),
        }),
});

/** The shares in a row. Throws DecodeError. */
export const workSharesOf = (row: Uint8Array): readonly WorkClaim[] => sharesRow.decode(row).shares;

/** The shares of a validator as the store has them. Throws "store.corrupt". */
export const workSharesAt = (read: ReadStore, id: Hash): readonly WorkClaim[] => {
  const row = readRow(read, WORK, workSharesRowKey(id));
  return row === undefined ? [] : sharesRow.decode(row.value).shares;
};

/** Units of work that a validator has proven in that epoch: the most of one commitment. */
export const workProvenAt = (read: ReadStore, id: Hash, epoch: number): bigint =>
  workSharesAt(read, id)
    .filter((claim) => countsFor(claim, epoch))
    .reduce((most, { units }) => (BigInt(units) > most ? BigInt(units) : most), 0n);
