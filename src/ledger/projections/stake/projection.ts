/**
 * Stake: what it is bonded to, who may be a validator, and the sets that follow. A chain has it where its
 * genesis asks for stake; on others the set of the genesis stays for ever.
 *
 * Stake comes into being by the genesis, where a validator's weight is its bond, and by those who may write
 * `stake.granted`. It is free, bonded to a validator, on its way out of one, or slashed. Amounts are whole.
 * Nothing here changes who may vote now: sets are decided at the end of an epoch for the one after the next.
 */
import { compareBytes, toHex } from "../../../crypto/bytes.ts";
import { TetradError } from "../../../errors.ts";
import type { Json } from "../../event-schema.ts";
import type { Genesis } from "../../genesis.ts";
import {
  defineProjection,
  type GenesisContext,
  listenTo,
  type Projection,
  type ProjectionTx,
} from "../../projection.ts";
import { KeyReader, type RowSchema } from "../../row.ts";
import { MEMBERSHIP, putCandidate } from "./membership.ts";
import { MOVEMENTS } from "./movements.ts";
import {
  accountRow,
  candidatesRow,
  downRow,
  epochRow,
  identityRow,
  KEYS,
  NEW_STANDING,
  parametersRow,
  rateRow,
  STAKE,
  standingRow,
  takenRow,
  totalsRow,
  turnsRow,
} from "./rows.ts";
import { onEvidence } from "./slashing.ts";

const writeGenesis = (tx: ProjectionTx, genesis: Genesis, { hasher }: GenesisContext): void => {
  const { proofs, timeMs } = genesis;
  if (proofs.stake === null) throw new TetradError("internal", "the genesis asks for no stake");
  tx.put(KEYS.parameters, parametersRow.encode(proofs.stake));
  const validators = genesis.validators.toSorted((a, b) => compareBytes(a.id, b.id));
  const granted = validators.reduce((sum, { weight }) => sum + weight, 0n);
  const totals = { granted, slashed: 0n, newestEpoch: 1, oldestEpoch: 0 };
  tx.put(KEYS.totals, totalsRow.encode(totals));
  for (const validator of validators) {
    const { id, weight: amount } = validator;
    const identity = { ...validator, owner: id, registeredHeight: 0 };
    const standing = { ...NEW_STANDING, bonds: [{ holder: id, amount }] };
    putCandidate(tx, hasher, id, identity, standing);
  }
  tx.put(KEYS.candidates, candidatesRow.encode({ ids: validators.map(({ id }) => id) }));
  const members = validators.map(({ id, weight }) => ({ id, power: weight }));
  const row = { decidedMs: timeMs, degraded: false, stake: granted, total: granted, members };
  // R9 begins with the third: the first two sets are those of the genesis.
  for (const epoch of [0, 1]) tx.put(KEYS.epoch(epoch), epochRow.encode({ ...row, culprits: [] }));
};

/** A row of one kind as people see it. */
const shown =
  <T>(schema: RowSchema<T>) =>
  (value: Uint8Array): Json =>
    schema.toJson(schema.decode(value));

/** By tag. */
const SHOWN: readonly ((value: Uint8Array) => Json)[] = [
  shown(parametersRow),
  shown(totalsRow),
  shown(accountRow),
  shown(identityRow),
  shown(standingRow),
  shown(candidatesRow),
  shown(takenRow),
  shown(epochRow),
  shown(turnsRow),
  shown(downRow),
  shown(rateRow),
];

/** What the key of a row of each tag says. */
const keyJson = (tag: number, reader: KeyReader): Record<string, Json> => {
  if (tag === 2) return { actor: toHex(reader.hash()) };
  if (tag === 3 || tag === 4) return { validator: toHex(reader.hash()) };
  if (tag === 6) return { kind: reader.tag(), hash: toHex(reader.hash()) };
  return tag === 7 || tag === 10 ? { epoch: reader.u64() } : {};
};

const formatRow = (key: Uint8Array, value: Uint8Array): Json => {
  const reader = new KeyReader(key);
  const tag = reader.tag();
  const show = SHOWN[tag];
  if (show === undefined) throw new RangeError(`no row of stake has tag ${tag}`);
  const named = keyJson(tag, reader);
  reader.end();
  const json = show(value);
  return typeof json === "object" && json !== null && !Array.isArray(json)
    ? { ...named, ...json }
    : json;
};

export const stake: Projection = defineProjection({
  name: STAKE,
  schemaVersion: 3,
  owns: [...MOVEMENTS, ...MEMBERSHIP],
  listens: [listenTo("detect.evidence.committed", onEvidence)],
  genesis: writeGenesis,
  format: formatRow,
});
