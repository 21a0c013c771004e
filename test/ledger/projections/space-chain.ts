/** A chain of nothing but space: rows in memory, beacons drawn from their heights, events one at a time. */
import { toHex } from "../../../src/crypto/bytes.ts";
import { Writer } from "../../../src/crypto/codec.ts";
import { createHasher, type Hasher } from "../../../src/crypto/hash.ts";
import type { Genesis } from "../../../src/ledger/genesis.ts";
import { NO_PROOFS } from "../../../src/ledger/genesis-proofs.ts";
import { rowKey } from "../../../src/ledger/keys.ts";
import type { EventContext, ProjectionTx } from "../../../src/ledger/projection.ts";
import { genesisSectorBeacon, space } from "../../../src/ledger/projections/space/index.ts";
import type { ReadStore } from "../../../src/ledger/records.ts";
import { encodeRow } from "../../../src/ledger/row.ts";
import type { EncodedEvent, Hash } from "../../../src/ledger/types.ts";
import { LIMITS } from "../../../src/limits.ts";
import { makeAdmission } from "../../../src/proofs/space/admission.ts";
import { admissionNodes, epochChallenges } from "../../../src/proofs/space/challenges.ts";
import { makeOpenings } from "../../../src/proofs/space/openings.ts";
import type { SpaceParameters } from "../../../src/proofs/space/parameters.ts";
import type { SectorSource } from "../../../src/proofs/space/statement.ts";
import { type MemorySector, memorySector } from "../../proofs/space/support.ts";
import { genesis as plain } from "../execution-support.ts";

export const CHAIN = "execution-test-1";

/** Few nodes; admissions of 12 challenges are two events, and openings of an epoch one. */
export const PARAMETERS: SpaceParameters = {
  ...{ lgNodes: 8, layers: 3, admissionChallenges: 12, responseMs: 5_000 },
  ...{ sectorOpenings: 2, epochOpenings: 5, blockOpenings: 3, eventOpenings: 1 },
};

export const EPOCH_MS = 60_000;
export const EPOCH_HEIGHTS = 100;

export const beaconOf = (hasher: Hasher, height: number): Hash =>
  hasher.ht("test/beacon", new Writer(8).u64(height).finish());

export class SpaceChain {
  readonly hasher: Hasher;
  readonly genesis: Genesis;
  readonly rows = new Map<string, Uint8Array>();
  /** Of the next event. */
  height = 1;
  epoch = 0;
  /** Since the start of the epoch. */
  sinceMs = 0;
  position = 0;

  constructor(chainId = CHAIN, sectors: readonly MemorySector[] = []) {
    this.hasher = createHasher(chainId);
    this.genesis = {
      ...plain,
      ...{ chainId, format: 2, proofs: { ...NO_PROOFS, beacon: { depth: 4 }, space: PARAMETERS } },
      provers: plain.validators.map(({ id }) => ({
        ivrfRoot: id,
        sectors: sectors
          .map(({ statement }) => statement)
          .filter(({ validatorId }) => toHex(validatorId) === toHex(id))
          .map(({ sectorNo, commC, commRl }) => ({ number: sectorNo, commC, commRl })),
      })),
    };
    space.genesis?.(this.tx(), this.genesis, { hasher: this.hasher });
  }

  tx(): ProjectionTx {
    return {
      get: (key) => this.rows.get(toHex(key)),
      put: (key, value) => void this.rows.set(toHex(key), value.slice()),
      del: (key) => void this.rows.delete(toHex(key)),
    };
  }

  /** The rows as a store has them. */
  readonly read: ReadStore = (key) => {
    for (const [row, value] of this.rows) {
      const id = Uint8Array.from(Buffer.from(row, "hex"));
      if (toHex(rowKey("space", id)) === toHex(key)) return encodeRow(0, value);
    }
    return undefined;
  };

  get firstHeight(): number {
    return this.epoch * EPOCH_HEIGHTS + 1;
  }

  /** Goes to a height of an epoch. */
  at(epoch: number, heights = 2, sinceMs = 1_000): void {
    this.epoch = epoch;
    this.height = this.firstHeight + heights;
    this.sinceMs = sinceMs;
  }

  context(actor: Hash): EventContext {
    const startMs = this.genesis.timeMs + this.epoch * EPOCH_MS;
    const { hasher, height } = this;
    return {
      ...{ height, timeMs: startMs + this.sinceMs, index: 0, batchId: actor, actor, hasher },
      ...{ position: this.position, verifySignature: () => false },
      epoch: {
        ...{ number: this.epoch, firstHeight: this.firstHeight, startMs },
        seed: beaconOf(hasher, Math.max(0, this.firstHeight - 16)),
      },
      validatorSet: () => {
        throw new RangeError("nothing of space asks for the set");
      },
      beaconAt: (asked) =>
        asked >= 0 && asked < height && asked >= height - LIMITS.beaconHistory
          ? beaconOf(hasher, asked)
          : undefined,
    };
  }

  /** What comes of an event: a code, or accepted. */
  write(actor: Hash, event: EncodedEvent): string {
    const owner = space.owns.find(({ definition }) => definition.type === event.type);
    const decoded = owner?.definition.decode(event.payload);
    if (owner === undefined || decoded?.ok !== true) return "event.bad-payload";
    const context = this.context(actor);
    const refusal = owner.decide?.(this.tx(), decoded.value, context);
    if (refusal !== undefined) return refusal.code;
    owner.apply(this.tx(), decoded.value, context);
    return "accepted";
  }
}

/** A sector of the genesis of this chain. */
export const genesisSector = (validatorId: Hash, sectorNo = 0, chainId = CHAIN): MemorySector =>
  memorySector(chainId, {
    ...{ validatorId, sectorNo, lgNodes: PARAMETERS.lgNodes, layers: PARAMETERS.layers },
    beacon: genesisSectorBeacon(createHasher(chainId), plain.timeMs),
  });

/** A sector that is begun from the beacon of a height. */
export const laterSector = (
  validatorId: Hash,
  sectorNo: number,
  beaconHeight: number,
  change: (source: SectorSource) => SectorSource = (source) => source,
): MemorySector =>
  memorySector(
    CHAIN,
    change({
      ...{ validatorId, sectorNo, lgNodes: PARAMETERS.lgNodes, layers: PARAMETERS.layers },
      beacon: beaconOf(createHasher(CHAIN), beaconHeight),
    }),
  );

export const admissionPart = (
  { hasher, hashes, graph, reader, statement }: MemorySector,
  seed: Uint8Array,
  from: number,
  to: number,
  parameters = PARAMETERS,
): Uint8Array => {
  const nodes = admissionNodes(hasher, parameters, statement, seed, { from, to });
  return makeAdmission(hashes, graph, reader, parameters.layers, nodes);
};

export const windowOpenings = (
  sectors: readonly MemorySector[],
  seed: Uint8Array,
  validatorId?: Uint8Array,
): Uint8Array => {
  const [first] = sectors;
  if (first === undefined) return new Uint8Array(0);
  const id = validatorId ?? first.statement.validatorId;
  const asked = epochChallenges(first.hasher, PARAMETERS, id, sectors.length, seed);
  return makeOpenings(
    first.hashes,
    sectors.map(({ reader }) => reader.stored),
    asked,
  );
};
