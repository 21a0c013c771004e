/**
 * Which sectors validators have committed to, which of them are admitted, and which epochs they answered.
 * Every replica checks every proof: nothing is taken on anybody's word.
 *
 * - A sector is begun from the beacon of a grid height, committed to, and admitted when the openings of all
 *   its challenges are on the log. Their seed is the beacon `spaceAdmissionDelay` heights after the
 *   commitment. The end of the next epoch is the last moment for it.
 * - It counts from the epoch after its admission, for `spaceSectorEpochsMax` epochs after its commitment.
 * - In every epoch from 1 on a validator opens nodes of all sectors that count in it. The seed is the beacon
 *   of the first block of the epoch, and the last part is in a block at most responseMs after its start.
 * - Sectors of the genesis count from the start. They are begun from Ht("space/genesis", u64 time of the
 *   genesis), the seed of their admission is b_0, and who has not admitted them by the end of epoch 1 loses them.
 */
import { toHex } from "../../../crypto/bytes.ts";
import { Writer } from "../../../crypto/codec.ts";
import type { Hasher } from "../../../crypto/hash.ts";
import type { Genesis } from "../../genesis.ts";
import { genesisHash } from "../../genesis.ts";
import {
  defineProjection,
  type GenesisContext,
  own,
  type Projection,
  type ProjectionTx,
} from "../../projection.ts";
import { KeyReader } from "../../row.ts";
import type { Hash } from "../../types.ts";
import { forgeryJson, noteForgeries, noteForgery } from "../forgeries.ts";
import { sectorCommitted, sectorDropped, sectorProven, windowProven } from "./events.ts";
import {
  NO_EPOCH,
  NO_PROVER_ROW,
  PARAMETERS_KEY,
  parametersRow,
  proverRow,
  putProver,
  SPACE,
  sectorKey,
  sectorRow,
} from "./rows.ts";
import {
  applyCommitted,
  applyDropped,
  applyProven,
  decideCommitted,
  decideDropped,
  decideProven,
} from "./sectors.ts";
import { applyWindow, decideWindow } from "./window.ts";

/** What the sectors of a genesis are begun from: nothing of a chain is known before its time is. */
export const genesisSectorBeacon = (hasher: Hasher, timeMs: number): Hash =>
  hasher.ht("space/genesis", new Writer(8).u64(timeMs).finish());

/** The last epoch in which sectors of the genesis count without having been admitted. */
const GENESIS_GRACE_EPOCH = 1;

const writeGenesis = (tx: ProjectionTx, genesis: Genesis, { hasher }: GenesisContext): void => {
  const { proofs, provers, validators, timeMs } = genesis;
  if (proofs.space === null) return;
  tx.put(PARAMETERS_KEY, parametersRow.encode(proofs.space));
  noteForgeries(tx, { proofs });
  const beacon = genesisSectorBeacon(hasher, timeMs);
  const seed = hasher.ht("beacon/0", genesisHash(hasher, genesis));
  for (const [i, { id }] of validators.entries()) {
    const sectors = provers[i]?.sectors ?? [];
    if (sectors.length === 0) continue;
    for (const { number, commC, commRl } of sectors) {
      const begun = { beacon, beaconHeight: 0, commC, commRl };
      const row = { ...begun, committedHeight: 0, committedEpoch: 0, seed, done: 0 };
      tx.put(sectorKey(id, number), sectorRow.encode(row));
    }
    const entries = sectors.map(({ number }) => ({
      ...{ number, fromEpoch: 0, endEpoch: GENESIS_GRACE_EPOCH },
    }));
    putProver(tx, id, { ...NO_PROVER_ROW, sectors: entries }, 0);
  }
};

const epochOrNull = (epoch: number): number | null => (epoch === NO_EPOCH ? null : epoch);

const format: Projection["format"] = (key, value) => {
  const forgery = forgeryJson(key, value);
  if (forgery !== undefined) return forgery;
  const reader = new KeyReader(key);
  const tag = reader.tag();
  if (tag === 0) return parametersRow.toJson(parametersRow.decode(value));
  const validator = toHex(reader.hash());
  if (tag === 1) {
    const { sectors, ...row } = proverRow.decode(value);
    return {
      ...{ validator, provenEpoch: row.provenEpoch, proven: row.proven, missed: row.missed },
      ...{ windowEpoch: row.windowEpoch, windowDone: row.windowDone },
      sectors: sectors.map(({ number, fromEpoch, endEpoch }) => ({
        ...{ number, fromEpoch: epochOrNull(fromEpoch), endEpoch },
      })),
    };
  }
  const { beacon, commC, commRl, seed, ...row } = sectorRow.decode(value);
  return {
    ...{ validator, number: reader.u64(), beacon: toHex(beacon), beaconHeight: row.beaconHeight },
    ...{ commC: toHex(commC), commRl: toHex(commRl), committedHeight: row.committedHeight },
    ...{ committedEpoch: row.committedEpoch, seed: toHex(seed), done: row.done },
  };
};

export const space: Projection = defineProjection({
  name: SPACE,
  schemaVersion: 1,
  owns: [
    own(sectorCommitted, { decide: decideCommitted, apply: applyCommitted }),
    own(sectorProven, {
      decide: decideProven,
      apply: applyProven,
      refused: (tx, _value, context, refusal) => noteForgery(tx, context, refusal),
    }),
    own(sectorDropped, { decide: decideDropped, apply: applyDropped }),
    own(windowProven, { decide: decideWindow, apply: applyWindow }),
  ],
  genesis: writeGenesis,
  format,
});
