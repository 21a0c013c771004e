/** Fixed examples of what the four proofs and the beacon put into batches, blocks, events and rows. */
import { Writer } from "../../src/crypto/codec.ts";
import { sha256 } from "../../src/crypto/hash.ts";
import { buildBatch, sealBatch } from "../../src/ledger/batch.ts";
import { workSlot } from "../../src/ledger/batch-work.ts";
import { encodeBlock, proofsHash } from "../../src/ledger/block.ts";
import { encodeBlockProofs } from "../../src/ledger/block-proofs.ts";
import { encodeGenesis, type Genesis } from "../../src/ledger/genesis.ts";
import { NO_PROOFS } from "../../src/ledger/genesis-proofs.ts";
import { encodeLocationMessage } from "../../src/ledger/location-messages.ts";
import type { EventContext, Projection, ProjectionTx } from "../../src/ledger/projection.ts";
import { beacon, beaconKeyRegistered } from "../../src/ledger/projections/beacon.ts";
import { capabilities, capabilityId } from "../../src/ledger/projections/capabilities.ts";
import { capabilityGranted, capabilityRevoked } from "../../src/ledger/projections/events.ts";
import {
  NO_PROVER_ROW,
  proverRow,
  sectorCommitted,
  sectorDropped,
  sectorProven,
  sectorRow,
  space,
  windowProven,
} from "../../src/ledger/projections/space/index.ts";
import { time } from "../../src/ledger/projections/time.ts";
import {
  timeRunCommitted,
  timeRunProven,
  timeRunShared,
} from "../../src/ledger/projections/time-events.ts";
import { work } from "../../src/ledger/projections/work.ts";
import { workSharesCommitted, workSharesProven } from "../../src/ledger/projections/work-events.ts";
import { zoneCertified } from "../../src/ledger/projections/zone-events.ts";
import { zones } from "../../src/ledger/projections/zones.ts";
import { hostSlot } from "../../src/ledger/space-openings.ts";
import type { EncodedEvent } from "../../src/ledger/types.ts";
import { LOCATION_DEFAULT } from "../../src/proofs/location/parameters.ts";
import { receiptMessage, roundsHash } from "../../src/proofs/location/receipt.ts";
import { witnessChallenges } from "../../src/proofs/space/challenges.ts";
import { STAKE_PROFILES } from "../../src/proofs/stake/parameters.ts";
import { WORK_PROFILES } from "../../src/proofs/work/index.ts";
import {
  batchOf,
  genesisInput,
  hasher,
  hashOf,
  headerOf,
  hex,
  setOf,
  signatureOf,
} from "./fixtures.ts";

const sum = (bytes: Uint8Array): string => hex(sha256(bytes));

const SPACE = {
  ...{ lgNodes: 12, layers: 4, admissionChallenges: 16, responseMs: 5_000 },
  ...{ sectorOpenings: 2, epochOpenings: 8, blockOpenings: 2, eventOpenings: 1 },
};
const TIME = { tailBlocks: 16, leavesLog2Max: 20, challenges: 32, selfChallenges: 64 };

const withId = <T extends { readonly publicKey: Uint8Array }>(one: T) => ({
  ...one,
  id: hasher.ht("id", one.publicKey),
});

const witnesses = setOf([1n, 2n, 3n], 1);

const asking = (): Genesis => ({
  ...{ ...genesisInput, format: 2 },
  validators: genesisInput.validators.map(withId),
  actors: genesisInput.actors.map(withId),
  proofs: {
    ...{ beacon: { depth: 3 }, work: WORK_PROFILES.dev, space: SPACE, time: TIME },
    stake: STAKE_PROFILES.dev,
  },
  provers: genesisInput.validators.map((_, i) => ({
    ivrfRoot: hashOf(40 + i),
    sectors: [{ number: i, commC: hashOf(50 + i), commRl: hashOf(60 + i) }],
  })),
});

const context: EventContext = {
  ...{ height: 77, timeMs: 1_700_000_009_000, index: 5, position: 0, hasher },
  ...{ batchId: hashOf(3), actor: hashOf(4), verifySignature: () => true },
  epoch: { number: 1, firstHeight: 70, startMs: 1_700_000_008_000, seed: hashOf(5) },
  beaconAt: (height) => hashOf(height),
  validatorSet: () => witnesses,
};

/** Digest of all rows of a projection, in the order of their keys, after a genesis and one event. */
const rowsAfter = (projection: Projection, event: EncodedEvent, genesis = asking()): string => {
  const rows = new Map<string, Uint8Array>();
  const tx: ProjectionTx = {
    get: (key) => rows.get(hex(key)),
    put: (key, value) => void rows.set(hex(key), value.slice()),
    del: (key) => void rows.delete(hex(key)),
  };
  projection.genesis?.(tx, genesis, { hasher });
  const owner = projection.owns.find(({ definition }) => definition.type === event.type);
  const decoded = owner?.definition.decode(event.payload);
  if (owner === undefined || decoded?.ok !== true) throw new Error(`${event.type} does not decode`);
  owner.apply(tx, decoded.value, context);
  const writer = new Writer();
  for (const [key, value] of [...rows].sort(([a], [b]) => (a < b ? -1 : 1))) {
    writer.string(key).bytes(value);
  }
  return sum(writer.finish());
};

const events = (): Record<string, EncodedEvent> => ({
  "space sector committed": sectorCommitted.encode({
    ...{ number: 7, beaconHeight: 64, commC: hashOf(1), commRl: hashOf(2) },
  }),
  "space sector proven": sectorProven.encode({ number: 7, from: 8, openings: hashOf(3) }),
  "space sector dropped": sectorDropped.encode({ number: 7 }),
  "space window proven": windowProven.encode({ epoch: 2, from: 3, openings: hashOf(4) }),
  "time run committed": timeRunCommitted.encode({
    ...{ epoch: 1, leaves: 4_096, phi: hashOf(5), members: [hashOf(6), hashOf(7)] },
  }),
  "time run proven": timeRunProven.encode({ epoch: 2, part: 1, proof: hashOf(8) }),
  "time run shared": timeRunShared.encode({ timekeeper: hashOf(9), epoch: 2 }),
  "work shares committed": workSharesCommitted.encode({ epoch: 1, count: 800, root: hashOf(1) }),
  "work shares proven": workSharesProven.encode({ epoch: 2, part: 3, shares: hashOf(2) }),
  "capability granted": capabilityGranted.encode({
    ...{ holder: hashOf(1), parent: hashOf(2), delegable: true, notAfterMs: 1_800_000_000_000 },
    ...{ actions: ["record.put"], resource: "record/free/" },
  }),
  "capability revoked": capabilityRevoked.encode({ capability: hashOf(3) }),
});

const inBatchesAndBlocks = (): Record<string, string> => {
  const statement = {
    ...{ validatorId: hashOf(20), sectorNo: 7, beacon: hashOf(21), lgNodes: 12, layers: 4 },
    ...{ commC: hashOf(22), commRl: hashOf(23) },
  };
  const slot = hostSlot(statement, new Uint8Array(416).fill(24));
  const batch = batchOf({ actor: hashOf(4) });
  const slots = [workSlot(new Uint8Array(88).fill(25)), slot];
  const hosted = sealBatch(hasher, buildBatch(hasher, batch), signatureOf(7), slots);
  const proofs = { ...NO_PROOFS, beacon: { depth: 3 }, space: SPACE };
  const openings = new Uint8Array(832).fill(26);
  const opened = encodeBlockProofs(proofs, { reveal: new Uint8Array(0), openings });
  const header = headerOf({ proofsHash: proofsHash(hasher, opened) });
  return {
    "batch slot of a host": sum(slot.bytes),
    "batch envelope with work and a host": sum(hosted.bytes),
    "batch digest with work and a host": hex(hosted.digest),
    "proof section with openings alone": sum(opened.bytes),
    "hash of that section": hex(proofsHash(hasher, opened)),
    "block with openings": sum(encodeBlock(hasher, header, [], opened).bytes),
    "genesis that asks for all proofs": sum(encodeGenesis(asking())),
  };
};

const rows = (): Record<string, string> => {
  const made = events();
  const after = (projection: Projection, name: string): string => {
    const event = made[name];
    if (event === undefined) throw new Error(`no example ${name}`);
    return rowsAfter(projection, event);
  };
  const sectors = [{ number: 7, fromEpoch: 3, endEpoch: 9 }];
  const registered = beaconKeyRegistered.encode({ root: hashOf(9), firstHeight: 100 });
  return {
    "space prover row": sum(
      proverRow.encode({ ...NO_PROVER_ROW, provenEpoch: 4, hasLost: true, lostUpTo: 6, sectors }),
    ),
    "space sector row": sum(
      sectorRow.encode({
        ...{ beacon: hashOf(1), beaconHeight: 64, commC: hashOf(2), commRl: hashOf(3) },
        ...{ committedHeight: 70, committedEpoch: 1, seed: hashOf(4), done: 8 },
      }),
    ),
    "space rows": after(space, "space sector committed"),
    "time rows": after(time, "time run committed"),
    "time rows of a member": after(time, "time run shared"),
    "work rows": after(work, "work shares committed"),
    "capability rows": after(capabilities, "capability granted"),
    "beacon rows": rowsAfter(beacon, registered),
    "capability id": hex(capabilityId(hasher, hashOf(1), 3)),
  };
};

const locating = (): Genesis => {
  const genesis = asking();
  return { ...genesis, proofs: { ...genesis.proofs, location: LOCATION_DEFAULT } };
};

/** Network location: receipts, the certificate, and the messages of a measurement. */
const location = (): Record<string, string> => {
  const [first, second] = witnesses.validators.map(({ id }) => id);
  if (first === undefined || second === undefined) throw new Error("no witnesses");
  const rounds = roundsHash(hasher, [hashOf(1), hashOf(2)]);
  const receipt = { rttUs: 4_321, rounds, signature: signatureOf(5) };
  const claim = { epoch: 2, prover: hashOf(4), witness: first, sector: 7, ...receipt };
  const certified = zoneCertified.encode({
    ...{ epoch: 1, sector: 7, zone: "metro", from: 0 },
    receipts: [
      { ...receipt, witness: first },
      { ...receipt, witness: second, rttUs: 5_000 },
    ],
  });
  const statement = {
    ...{ validatorId: hashOf(20), sectorNo: 7, beacon: hashOf(21), lgNodes: 12, layers: 4 },
    ...{ commC: hashOf(22), commRl: hashOf(23) },
  };
  const question = { witness: first, epoch: 2, challenge: hashOf(3) };
  const labels = witnessChallenges(hasher, 8, statement, question).map(({ node }) => node);
  const of = { epoch: 2, sector: 7 };
  const openings = new Uint8Array(8 * 416).fill(9);
  return {
    "genesis that asks for location": sum(encodeGenesis(locating())),
    "zone certified": sum(certified.bytes),
    "zone rows": rowsAfter(zones, certified, locating()),
    "receipt message": hex(receiptMessage(hasher, claim)),
    "labels that a witness asks for": labels.join(" "),
    "location request": sum(encodeLocationMessage({ type: "location-request", ...of })),
    "location challenge": sum(
      encodeLocationMessage({ type: "location-challenge", ...of, challenge: hashOf(3) }),
    ),
    "location answer": sum(
      encodeLocationMessage({ type: "location-answer", challenge: hashOf(3), openings }),
    ),
    "location receipt": sum(encodeLocationMessage({ type: "location-receipt", ...of, ...receipt })),
  };
};

/** By name, for the golden file. */
export const proofExamples = (): Record<string, string> => ({
  ...location(),
  ...inBatchesAndBlocks(),
  ...Object.fromEntries(Object.entries(events()).map(([name, { bytes }]) => [name, sum(bytes)])),
  ...rows(),
});
