/**
 * Rows of the projection `stake`:
 *
 *     tag 0                   the parameters of the chain, in the order of StakeParameters
 *     tag 1                   totals: what was ever granted, what was slashed, which epochs have a row
 *     tag 2, actor            free stake
 *     tag 3, id               who a validator is; never changes
 *     tag 4, id               how it stands, who is bonded to it, and what is leaving
 *     tag 5                   the ids of all candidates, ascending
 *     tag 6, u8 kind, hash    a name, pin, address or key that is taken, and by whom
 *     tag 7, u64 epoch        the set of an epoch: powers, whether degraded, who has equivocated in it
 *     tag 8                   turns to lead of the running set's members, and how many of them were passed over
 *     tag 9                   who is in jail because it was down, ascending
 *     tag 10, u64 epoch       what its culprits lose, once there are any
 *
 * Stake is whole numbers: granted = free + bonded + leaving + slashed, after every event.
 */
import { equalBytes } from "../../../crypto/bytes.ts";
import { TetradError } from "../../../errors.ts";
import { LIMITS } from "../../../limits.ts";
import type { StakeParameters } from "../../../proofs/stake/parameters.ts";
import { field } from "../../event-schema.ts";
import type { ProjectionRead, ProjectionTx } from "../../projection.ts";
import type { ReadStore } from "../../records.ts";
import {
  defineRow,
  hashPart,
  keyOf,
  type RowSchema,
  readRow,
  tagPart,
  u64Part,
} from "../../row.ts";
import type { Hash } from "../../types.ts";

export const STAKE = "stake";

const big = field.u64big;

export const parametersRow = defineRow(
  big("stakePerSpaceUnit"),
  big("stakePerWorkUnit"),
  big("equivocationBps"),
  big("correlationFactor"),
  big("downtimeBps"),
  big("forgeryBps"),
  field.u64("windowBlocks"),
  big("votedBpsMin"),
  field.u64("downtimeJailMs"),
  field.u64("unbondingMs"),
  field.u64("evidenceMs"),
  field.u64("trustingMs"),
);

export const totalsRow = defineRow(
  big("granted"),
  big("slashed"),
  /** The newest epoch whose set is decided, and the oldest whose row is kept in the run of rows. */
  field.u64("newestEpoch"),
  field.u64("oldestEpoch"),
);
export type Totals = ReturnType<typeof totalsRow.decode>;

export const accountRow = defineRow(big("free"));

export const identityRow = defineRow(
  field.string("name", LIMITS.nameBytesMax),
  field.bytes("publicKey", LIMITS.falconPublicKeyBytes),
  field.hash("tlsPin"),
  field.string("address", LIMITS.addressBytesMax),
  field.fixed("ed25519Key", LIMITS.ed25519PublicKeyBytes),
  field.fixed("mlDsa44Key", LIMITS.mlDsa44PublicKeyBytes),
  /** The actor that acts for the validator; of a validator of the genesis it is its own key. */
  field.hash("owner"),
  field.u64("registeredHeight"),
);
export type Identity = ReturnType<typeof identityRow.decode>;

const holding = [field.hash("holder"), big("amount")] as const;

export const standingRow = defineRow(
  field.bool("left"),
  field.bool("jailed"),
  /** Ledger time before which a jailed validator cannot rejoin. */
  field.u64("jailedUntilMs"),
  field.bool("tombstoned"),
  /** What of every bond was taken, in 1/10,000: all are liable for whatever it did, so they lose the same. */
  field.u16("slashedBps"),
  /** The epochs whose culprit it is, in the order in which that was found. */
  field.list("faultEpochs", LIMITS.stakeFaultEpochsMax, field.u64("epoch")),
  /** By holder, in the order in which they came; the owner's own is what is "bonded". */
  field.list("bonds", LIMITS.stakeHoldersMax + 1, field.record("bond", holding)),
  /**
   * `lastEpoch`: the last epoch whose set counts it. In order of that. Each has its own `slashedBps`, because
   * it is liable for the faults of that epoch and of earlier ones, and for no later ones.
   */
  field.list(
    "leaving",
    LIMITS.stakeLeavingMax + LIMITS.stakeLeavingPerHolderMax,
    field.record("part", [...holding, field.u64("lastEpoch"), field.u16("slashedBps")]),
  ),
);
export type Standing = ReturnType<typeof standingRow.decode>;
export type Holding = Standing["bonds"][number];
export type Leaving = Standing["leaving"][number];

export const candidatesRow = defineRow(
  field.list("ids", LIMITS.stakeCandidatesMax, field.hash("id")),
);

export const takenRow = defineRow(field.hash("validator"));

export const epochRow = defineRow(
  /** Ledger time of the boundary block before which the set was decided: the end of the epoch two before. */
  field.u64("decidedMs"),
  /** The floor rule has kept powers of before. */
  field.bool("degraded"),
  /** Stake of all who might have held power: what the powers would add up to if only stake counted. */
  big("stake"),
  big("total"),
  field.list(
    "members",
    LIMITS.validatorsMax,
    field.record("member", [field.hash("id"), big("power")]),
  ),
  field.list("culprits", LIMITS.validatorsMax, field.hash("culprit")),
);
export type EpochRow = ReturnType<typeof epochRow.decode>;

export const turnsRow = defineRow(
  /** In order of id; `turns` are of the epochs that are over, `missed` of the running one as well. */
  field.list(
    "members",
    LIMITS.validatorsMax,
    field.record("member", [field.hash("id"), field.u64("turns"), field.u64("missed")]),
  ),
);
export type Turns = ReturnType<typeof turnsRow.decode>["members"][number];

export const downRow = defineRow(field.list("ids", LIMITS.stakeCandidatesMax, field.hash("id")));

/** In 1/10,000. Beside the row of the epoch, which is far longer, as it is read whenever a culprit's stake moves. */
export const rateRow = defineRow(field.u16("slashedBps"));

export const KEYS = {
  parameters: tagPart(0),
  totals: tagPart(1),
  account: (actor: Hash) => keyOf(tagPart(2), hashPart(actor)),
  identity: (id: Hash) => keyOf(tagPart(3), hashPart(id)),
  standing: (id: Hash) => keyOf(tagPart(4), hashPart(id)),
  candidates: tagPart(5),
  taken: (kind: number, hash: Hash) => keyOf(tagPart(6), tagPart(kind), hashPart(hash)),
  epoch: (epoch: number) => keyOf(tagPart(7), u64Part(epoch)),
  turns: tagPart(8),
  down: tagPart(9),
  rate: (epoch: number) => keyOf(tagPart(10), u64Part(epoch)),
} as const;

/** What all validators' standings begin with. */
export const NEW_STANDING: Standing = {
  left: false,
  jailed: false,
  jailedUntilMs: 0,
  tombstoned: false,
  slashedBps: 0,
  faultEpochs: [],
  bonds: [],
  leaving: [],
};

/** A row that may be missing. */
export const find = <T>(
  read: ProjectionRead,
  key: Uint8Array,
  schema: RowSchema<T>,
): T | undefined => {
  const value = read.get(key);
  return value === undefined ? undefined : schema.decode(value);
};

/** A row that the genesis wrote or an earlier rule has found. */
export const need = <T>(read: ProjectionRead, key: Uint8Array, schema: RowSchema<T>): T => {
  const row = find(read, key, schema);
  if (row === undefined) throw new RangeError("a row of stake is missing");
  return row;
};

export const parametersOf = (read: ProjectionRead): StakeParameters =>
  need(read, KEYS.parameters, parametersRow);

export const totalsOf = (read: ProjectionRead): Totals => need(read, KEYS.totals, totalsRow);

export const freeOf = (read: ProjectionRead, actor: Hash): bigint =>
  find(read, KEYS.account(actor), accountRow)?.free ?? 0n;

export const putFree = (tx: ProjectionTx, actor: Hash, free: bigint): void =>
  tx.put(KEYS.account(actor), accountRow.encode({ free }));

export const putStanding = (tx: ProjectionTx, id: Hash, standing: Standing): void =>
  tx.put(KEYS.standing(id), standingRow.encode(standing));

export const sumOf = (parts: readonly { readonly amount: bigint }[]): bigint =>
  parts.reduce((sum, { amount }) => sum + amount, 0n);

/** Forgets a candidate that has left or was ended, once nothing of anybody's stake is with it. */
export const dropIfGone = (tx: ProjectionTx, id: Hash, standing: Standing): void => {
  const { left, tombstoned, bonds, leaving } = standing;
  if (!(left || tombstoned) || bonds.length + leaving.length > 0) return;
  const { ids } = need(tx, KEYS.candidates, candidatesRow);
  const rest = ids.filter((one) => !equalBytes(one, id));
  if (rest.length < ids.length) tx.put(KEYS.candidates, candidatesRow.encode({ ids: rest }));
};

/** The projection's rows as the store has them. Reads throw "store.corrupt" for a damaged row. */
export const storedRows = (read: ReadStore): ProjectionRead => ({
  get: (key) => readRow(read, STAKE, key)?.value,
});

/** The set of an epoch as the rows have it; undefined once it is too old, or not decided. */
export const epochRowAt = (read: ReadStore, epoch: number): EpochRow | undefined =>
  find(storedRows(read), KEYS.epoch(epoch), epochRow);

/** Who a candidate is, as the store has it. */
export const identityAt = (read: ReadStore, id: Hash): Identity | undefined =>
  find(storedRows(read), KEYS.identity(id), identityRow);

/** How a candidate stands, as the store has it. */
export const standingAt = (read: ReadStore, id: Hash): Standing | undefined =>
  find(storedRows(read), KEYS.standing(id), standingRow);

/** The ids of all candidates; none on a chain without stake. */
export const candidatesAt = (read: ReadStore): readonly Hash[] =>
  find(storedRows(read), KEYS.candidates, candidatesRow)?.ids ?? [];

/** Throws "store.corrupt": a list named a validator that has no rows. */
export const corruptCandidate = (id: string): TetradError =>
  new TetradError("store.corrupt", `candidate ${id} has no rows`);
