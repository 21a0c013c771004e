/**
 * The bytes of protocol version 1. A change of any hash here is a change of the protocol: old logs would
 * no longer verify. `npm run golden` (UPDATE_GOLDEN=1) writes the file anew, for a new version only.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { sha256 } from "../../src/crypto/hash.ts";
import { evidenceWithKey } from "../../src/detect/index.ts";
import { buildBatch, sealBatch } from "../../src/ledger/batch.ts";
import { workedBatch, workSlot, workSubject } from "../../src/ledger/batch-work.ts";
import { encodeBlock, encodeHeader, proofsHash } from "../../src/ledger/block.ts";
import { encodeBlockProofs, NO_BLOCK_PROOFS } from "../../src/ledger/block-proofs.ts";
import { encodePoint, genesisPoint, pointAfter } from "../../src/ledger/chain-point.ts";
import {
  encodeGenesis,
  firstValidators,
  formatGenesis,
  parseGenesis,
} from "../../src/ledger/genesis.ts";
import { NO_PROOFS, NO_PROVER } from "../../src/ledger/genesis-proofs.ts";
import { encodeLeaf, hashLeaf } from "../../src/ledger/leaf.ts";
import { beaconKeyRegistered } from "../../src/ledger/projections/beacon.ts";
import { epochKeyMessage, epochKeysRegistered } from "../../src/ledger/projections/epoch-keys.ts";
import {
  possessionMessage,
  stakeBonded,
  stakeDelegated,
  stakeGranted,
  stakeUnbonded,
  stakeWithdrawn,
  validatorJailed,
  validatorLeft,
  validatorRegistered,
  validatorRejoined,
} from "../../src/ledger/projections/stake/events.ts";
import {
  downRow,
  epochRow,
  NEW_STANDING,
  rateRow,
  standingRow,
  turnsRow,
} from "../../src/ledger/projections/stake/rows.ts";
import { priceOps } from "../../src/ledger/replica/price-store.ts";
import {
  encodeCertificate,
  encodeEvidence,
  encodeVote,
  evidenceOf,
  finalize,
  notarize,
  nullify,
  statementBytes,
} from "../../src/ledger/statement.ts";
import { createLeaderSchedule, createValidatorSet } from "../../src/ledger/validator-set.ts";
import { orderBatches } from "../../src/ledger/validity.ts";
import { LIMITS } from "../../src/limits.ts";
import { createIvrfKey, ivrfKeySecret } from "../../src/proofs/beacon/ivrf.ts";
import { STAKE_PROFILES } from "../../src/proofs/stake/parameters.ts";
import { workChallenge } from "../../src/proofs/work/challenge.ts";
import { encodeWorkProof, WORK_PROFILES } from "../../src/proofs/work/index.ts";
import {
  batchOf,
  blockOf,
  certificateOf,
  everyField,
  genesisInput,
  hasher,
  hashOf,
  headerOf,
  hex,
  putOf,
  setOf,
  voteOf,
} from "./fixtures.ts";
import { proofExamples } from "./proofs.ts";

const FILE = new URL("encodings.json", import.meta.url);

const sum = (bytes: Uint8Array): string => hex(sha256(bytes));

const everyValue = {
  a: 255,
  b: 65_535,
  c: 4_294_967_295,
  d: Number.MAX_SAFE_INTEGER,
  e: 2n ** 64n - 1n,
  f: true,
  g: hashOf(5),
  h: Uint8Array.of(1, 2, 3),
  i: Uint8Array.of(4, 5),
  j: "läufer",
  k: [1, 2],
  l: [{ name: "x", count: 3 }],
};

const stakeExamples = (): Record<string, string> => {
  const identity = {
    name: "e",
    publicKey: new Uint8Array(LIMITS.falconPublicKeyBytes).fill(10),
    tlsPin: hashOf(2),
    address: "[2001:db8::e]:4440",
    ed25519Key: hashOf(3),
    mlDsa44Key: new Uint8Array(LIMITS.mlDsa44PublicKeyBytes).fill(4),
  };
  const possession = new Uint8Array(LIMITS.falconSignatureBytes).fill(5);
  const of = { validator: hashOf(1) };
  const part = { holder: hashOf(6), amount: 2n ** 60n };
  return {
    "stake granted": sum(stakeGranted.encode({ to: hashOf(1), amount: 5n }).bytes),
    "stake bonded": sum(stakeBonded.encode({ ...of, amount: 5n }).bytes),
    "stake delegated": sum(stakeDelegated.encode({ ...of, amount: 5n }).bytes),
    "stake unbonded": sum(stakeUnbonded.encode({ ...of, amount: 5n }).bytes),
    "stake withdrawn": sum(stakeWithdrawn.encode(of).bytes),
    "validator registered": sum(validatorRegistered.encode({ ...identity, possession }).bytes),
    "validator possession": hex(possessionMessage(hasher, hashOf(7), identity)),
    "validator left": sum(validatorLeft.encode(of).bytes),
    "validator jailed": sum(validatorJailed.encode({ ...of, reason: "silent" }).bytes),
    "validator rejoined": sum(validatorRejoined.encode(of).bytes),
    "stake standing row": sum(
      standingRow.encode({
        ...{ ...NEW_STANDING, slashedBps: 500, faultEpochs: [2], bonds: [part] },
        leaving: [{ ...part, lastEpoch: 3, slashedBps: 500 }],
      }),
    ),
    "stake rate row": sum(rateRow.encode({ slashedBps: 500 })),
    "stake epoch row": sum(
      epochRow.encode({
        ...{ decidedMs: 9, degraded: true, stake: 8n, total: 7n },
        members: [{ id: hashOf(1), power: 7n }],
        culprits: [hashOf(1)],
      }),
    ),
    "stake turns row": sum(
      turnsRow.encode({ members: [{ id: hashOf(1), turns: 9, missed: 2 ** 40 }] }),
    ),
    "stake down row": sum(downRow.encode({ ids: [hashOf(1), hashOf(2)] })),
  };
};

const epochKeyExamples = (): Record<string, string> => {
  const keyOf = (byte: number) => new Uint8Array(LIMITS.falconPublicKeyBytes).fill(byte);
  const possession = new Uint8Array(LIMITS.falconSignatureBytes).fill(5);
  const key = { epoch: 3, publicKey: keyOf(21) };
  const vote = { hash: hashOf(1), signature: possession };
  const rotating = parseGenesis(
    formatGenesis({
      ...genesisInput,
      format: 2,
      proofs: { ...NO_PROOFS, stake: STAKE_PROFILES.production, epochKeys: true },
      provers: [1, 2, 3, 4].map((byte) => ({ ...NO_PROVER, epochKey: keyOf(byte + 30) })),
    }),
  );
  if (!rotating.ok) throw new Error(rotating.detail);
  const { genesis } = rotating.value;
  const set = createValidatorSet(hasher, 0, firstValidators(genesis), { rotates: true });
  const keys = [{ ...key, possession }];
  return {
    "epoch keys registered": sum(epochKeysRegistered.encode({ keys }).bytes),
    "epoch key possession": hex(epochKeyMessage(hasher, hashOf(7), key)),
    "evidence with a key": sum(
      evidenceWithKey.encode({
        ...{ validator: hashOf(1), epoch: 3, view: 7, publicKey: keyOf(21) },
        first: { kind: 1, ...vote },
        second: { kind: 1, ...vote, hash: hashOf(2) },
      }).bytes,
    ),
    "genesis with epoch keys": sum(encodeGenesis(genesis)),
    "validator set hash with epoch keys": hex(set.hash),
  };
};

const beaconExamples = (): Record<string, string> => {
  const proofs = { ...NO_PROOFS, beacon: { depth: 3 } };
  const key = createIvrfKey(hasher, ivrfKeySecret(hasher, hashOf(11), 1), 3);
  const section = encodeBlockProofs(proofs, { reveal: key.reveal(5), openings: hashOf(12) });
  const header = headerOf({ proofsHash: proofsHash(hasher, section) });
  const first = genesisPoint(hasher, hashOf(13), { proofs, timeMs: 1_700_000_000_000 });
  const at = { height: 1, timeMs: 1_700_000_000_500, nextSetHash: hashOf(14) };
  const one = { header: at, proofs: section };
  const bare = { header: at, proofs: NO_BLOCK_PROOFS };
  const after = (block: typeof one) =>
    encodePoint(pointAfter(hasher, proofs, first, block, () => first.beacon));
  const registered = { root: key.root, firstHeight: 65_537 };
  return {
    "beacon key registered": sum(beaconKeyRegistered.encode(registered).bytes),
    "ivrf root": hex(key.root),
    "ivrf reveal": sum(key.reveal(5)),
    "proof section with a reveal": sum(section.bytes),
    "block with a proof section": sum(encodeBlock(hasher, header, [], section).bytes),
    "point of the genesis": hex(encodePoint(first)),
    "point after a reveal": hex(after(one)),
    "point after no reveal": hex(after(bare)),
  };
};

const examples = (): Record<string, string> => {
  const input = {
    actor: hashOf(4),
    laneSeq: 2,
    prevBatchId: hashOf(6),
    refHeight: 160,
    events: [putOf(1), putOf(2, 200), everyField.encode(everyValue)],
  };
  const batch = batchOf(input);
  const parsed = parseGenesis(formatGenesis(genesisInput));
  if (!parsed.ok) throw new Error(parsed.detail);
  const n1 = notarize(3, 7, hashOf(1));
  const set = setOf([1n, 2n, 3n, 4n], 3);
  const evidence = evidenceOf(voteOf(notarize(3, 7, hashOf(2)), 1), voteOf(n1, 1));
  if (evidence === undefined) throw new Error("no evidence");
  const block = blockOf([batch.digest, hashOf(8), hashOf(9)]);
  const entry = {
    index: 70_000,
    height: 300,
    batchId: batch.id,
    position: 2,
    outcome: { kind: "refused", code: "event.conflict" },
    effectsHash: hashOf(3),
    event: putOf(1),
  } as const;
  const work = { effort: 3, nonce: hashOf(5).slice(16), solution: new Uint8Array(68).fill(6) };
  const proof = encodeWorkProof({ kind: "equihash-96-5" }, work);
  const opening = { kind: 2, version: 1, bytes: new Uint8Array(100).fill(8) };
  const proofs = [workSlot(proof), opening];
  const proven = sealBatch(hasher, buildBatch(hasher, batch), batch.signature, proofs);
  const terms = { beacon: hashOf(0xbe), price: 65_536n };
  const subject = workSubject(workedBatch(batch), terms);
  const first = { header: headerOf({ height: 1 }) };
  const run = [{ block: first, batches: [batch] }];
  const [priced] = priceOps(() => undefined, WORK_PROFILES.production, run);
  const lanes = [1, 2, 3, 4, 5].map((byte) => batchOf({ actor: hashOf(byte) }));
  return {
    event: sum(putOf(1).bytes),
    "event of every field": sum(everyField.encode(everyValue).bytes),
    "batch core": sum(buildBatch(hasher, batch).core),
    "batch id": hex(batch.id),
    "batch signing message": hex(buildBatch(hasher, batch).signingMessage),
    "batch events root": hex(batch.eventsRoot),
    "batch envelope": sum(batch.bytes),
    "batch digest": hex(batch.digest),
    "batch envelope with proofs": sum(proven.bytes),
    "batch digest with proofs": hex(proven.digest),
    "work challenge": hex(workChallenge(hasher, subject, 3, work.nonce)),
    "price of a height": hex(priced?.type === "put" ? priced.value : new Uint8Array(0)),
    header: sum(encodeHeader(headerOf())),
    block: sum(block.bytes),
    "block hash": hex(block.hash),
    "batches root": hex(block.header.batchesRoot),
    "log leaf": sum(encodeLeaf({ ...entry, outcome: { kind: "accepted" } })),
    "log leaf of a refused event": sum(encodeLeaf(entry)),
    "log leaf hash": hex(hashLeaf(entry)),
    "statement notarize": sum(statementBytes(hasher, n1)),
    "statement nullify": sum(statementBytes(hasher, nullify(3, 7))),
    "statement finalize": sum(statementBytes(hasher, finalize(3, 7, hashOf(1)))),
    vote: sum(encodeVote(voteOf(n1, 1))),
    certificate: sum(encodeCertificate(certificateOf(n1, [0, 2, 3]), 4)),
    evidence: sum(encodeEvidence(evidence)),
    "validator set hash": hex(set.hash),
    "leader turns": Array.from(createLeaderSchedule(hasher, hashOf(7), set).turns).join(" "),
    "lane order": orderBatches(hasher, hashOf(1), lanes)
      .map((one) => one.actor[0])
      .join(" "),
    genesis: sum(encodeGenesis(parsed.value.genesis)),
    "genesis hash": hex(parsed.value.hash),
    ...stakeExamples(),
    ...epochKeyExamples(),
    ...beaconExamples(),
    ...proofExamples(),
  };
};

describe("golden encodings", () => {
  if (Object.hasOwn(process.env, "UPDATE_GOLDEN")) {
    writeFileSync(FILE, `${JSON.stringify(examples(), undefined, 2)}\n`);
  }

  it("are those of the golden file", () => {
    const golden: unknown = JSON.parse(readFileSync(FILE, "utf8"));
    expect(examples()).toEqual(golden);
  });

  it("are all different", () => {
    const values = Object.values(examples());
    expect(new Set(values).size).toBe(values.length);
  });
});
