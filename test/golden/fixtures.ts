/**
 * One fixed example of every encoded type, for the golden file and as building stones for other tests.
 * Keys and signatures have the right lengths and recognisable bytes; nothing here verifies them.
 */
import { toHex, ZERO_HASH } from "../../src/crypto/bytes.ts";
import { createHasher, type Hasher } from "../../src/crypto/hash.ts";
import { actorId, type BatchInput, buildBatch, sealBatch } from "../../src/ledger/batch.ts";
import { batchesRoot, encodeBlock, PROTOCOL_VERSION, proofsHash } from "../../src/ledger/block.ts";
import { defineEvent, field, NAME_TEXT } from "../../src/ledger/event-schema.ts";
import type { GenesisInput, GenesisValidator } from "../../src/ledger/genesis.ts";
import type {
  Batch,
  Block,
  Certificate,
  Hash,
  Header,
  Statement,
  Validator,
  ValidatorSet,
  Vote,
} from "../../src/ledger/types.ts";
import { createValidatorSet } from "../../src/ledger/validator-set.ts";
import { LIMITS } from "../../src/limits.ts";

export const hasher: Hasher = createHasher("golden-1");

export const hashOf = (byte: number): Hash => new Uint8Array(32).fill(byte);

export const keyOf = (seed: number): Uint8Array => {
  const key = new Uint8Array(LIMITS.falconPublicKeyBytes).fill(0x0a);
  new DataView(key.buffer).setUint32(0, seed);
  return key;
};

export const signatureOf = (byte: number): Uint8Array =>
  new Uint8Array(LIMITS.falconSignatureBytes).fill(byte);

export const recordPut = defineEvent({
  type: "record.put",
  version: 1,
  fields: [
    field.string("topic", 64, NAME_TEXT),
    field.string("key", 256),
    field.bytes("body", 56 * 1024),
  ],
});

/** One field of every kind. */
export const everyField = defineEvent({
  type: "test.every-field",
  version: 1,
  fields: [
    field.u8("a"),
    field.u16("b"),
    field.u32("c"),
    field.u64("d"),
    field.u64big("e"),
    field.bool("f"),
    field.hash("g"),
    field.fixed("h", 3),
    field.bytes("i", 16),
    field.string("j", 16),
    field.list("k", 4, field.u16("item")),
    field.list("l", 3, field.record("item", [field.string("name", 8), field.u8("count")])),
  ],
});

export const putOf = (body: number, length = 4) =>
  recordPut.encode({ topic: "t", key: "k", body: new Uint8Array(length).fill(body) });

export const batchOf = (input: Partial<BatchInput> & { readonly actor: Hash }): Batch => {
  const unsigned = buildBatch(hasher, {
    laneSeq: 1,
    prevBatchId: ZERO_HASH,
    refHeight: 0,
    refHash: hashOf(9),
    events: [putOf(1)],
    ...input,
  });
  return sealBatch(hasher, unsigned, signatureOf(7));
};

/** `count` batches of one lane from laneSeq `first` on, each naming the one before it. */
export const laneOf = (
  actor: Hash,
  count: number,
  rest: Partial<BatchInput> & { readonly salt?: number } = {},
): Batch[] => {
  const { salt = 0, laneSeq = 1, prevBatchId = ZERO_HASH, ...input } = rest;
  const lane: Batch[] = [];
  for (let i = 0; i < count; i++) {
    lane.push(
      batchOf({
        events: [putOf(salt)],
        ...input,
        actor,
        laneSeq: laneSeq + i,
        prevBatchId: lane[i - 1]?.id ?? prevBatchId,
      }),
    );
  }
  return lane;
};

export const validatorOf = (seed: number, weight = 1n): Validator => ({
  id: actorId(hasher, keyOf(seed)),
  name: `v${seed}`,
  publicKey: keyOf(seed),
  weight,
  tlsPin: hashOf(seed),
  address: `[::1]:${9000 + seed}`,
});

export const genesisValidatorOf = (seed: number, weight = 1n): GenesisValidator => ({
  ...validatorOf(seed, weight),
  ed25519Key: keyOf(seed).slice(0, LIMITS.ed25519PublicKeyBytes),
  mlDsa44Key: keyOf(seed).slice(0, LIMITS.mlDsa44PublicKeyBytes),
});

export const setOf = (weights: readonly bigint[], epoch = 0): ValidatorSet =>
  createValidatorSet(
    hasher,
    epoch,
    weights.map((weight, i) => validatorOf(i + 1, weight)),
  );

export const headerOf = (changes: Partial<Header> = {}): Header => ({
  protocolVersion: PROTOCOL_VERSION,
  chainHash: hasher.chainHash,
  epoch: 3,
  view: 70_000,
  height: 2 ** 40,
  parentView: 69_999,
  parentHash: hashOf(1),
  timeMs: 1_700_000_000_000,
  batchesRoot: ZERO_HASH,
  batchCount: 0,
  executedHeight: 2 ** 40 - 2,
  logSize: 123_456,
  logRoot: hashOf(2),
  stateRoot: hashOf(3),
  proofsHash: proofsHash(hasher),
  nextSetHash: ZERO_HASH,
  proposer: 2,
  ...changes,
});

export const blockOf = (digests: readonly Hash[], changes: Partial<Header> = {}): Block => {
  const root = batchesRoot(hasher, digests);
  const header = headerOf({ batchesRoot: root, batchCount: digests.length, ...changes });
  return encodeBlock(hasher, header, digests);
};

export const voteOf = (statement: Statement, signer = 0): Vote => ({
  statement,
  signer,
  signature: signatureOf(signer + 1),
});

export const certificateOf = (statement: Statement, signers: readonly number[]): Certificate => ({
  statement,
  signers,
  signatures: signers.map((signer) => signatureOf(signer + 1)),
});

export const genesisInput: GenesisInput = {
  chainId: "golden-1",
  timeMs: 1_700_000_000_000,
  insecure: true,
  parameters: {
    epochMs: 86_400_000,
    idleMs: 1000,
    t0Ms: 200,
    precisionMs: 500,
    messageDelayMs: 2000,
  },
  validators: [1, 2, 3, 4].map((seed) => genesisValidatorOf(seed, BigInt(seed))),
  actors: [
    { name: "operator", publicKey: keyOf(90), permissions: ["record.*", "actor.registered"] },
    { name: "scanner", publicKey: keyOf(91), permissions: ["asset.*"] },
  ],
};

export const hex = (bytes: Uint8Array): string => toHex(bytes);
