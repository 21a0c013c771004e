/** What tests of execution share: a store in a map, a chain with three actors, and blocks of events. */

import { assets } from "../../src/assets/index.ts";
import { concatBytes, toHex, ZERO_HASH } from "../../src/crypto/bytes.ts";
import { utf8 } from "../../src/crypto/codec.ts";
import { createHasher, type Hasher, sha256 } from "../../src/crypto/hash.ts";
import { quarantine } from "../../src/detect/index.ts";
import { buildBatch, sealBatch } from "../../src/ledger/batch.ts";
import {
  genesisPoint,
  keepsPoints,
  pointAfter,
  pointOp,
  readPoint,
} from "../../src/ledger/chain-point.ts";
import { createExecutor, type Execution, type Executor } from "../../src/ledger/execution.ts";
import {
  type Genesis,
  type GenesisActor,
  type GenesisValidator,
  genesisHash,
} from "../../src/ledger/genesis.ts";
import { type GenesisProofs, WITHOUT_PROOFS } from "../../src/ledger/genesis-proofs.ts";
import { batchKey } from "../../src/ledger/keys.ts";
import type { StoreOp } from "../../src/ledger/ports.ts";
import { ownedDefinitions, type Projection } from "../../src/ledger/projection.ts";
import { actorPermissions, actors } from "../../src/ledger/projections/actors.ts";
import { records } from "../../src/ledger/projections/records.ts";
import { validators } from "../../src/ledger/projections/validators.ts";
import { createRegistry } from "../../src/ledger/registry.ts";
import type { BlockInput, RunnerOptions } from "../../src/ledger/runner.ts";
import type { Batch, EncodedEvent, ExecutionRoots, Hash } from "../../src/ledger/types.ts";
import { LIMITS } from "../../src/limits.ts";

export const hasher: Hasher = createHasher("execution-test-1");

export const ALL_PROJECTIONS: readonly Projection[] = [
  actors,
  validators,
  records,
  assets,
  quarantine,
];

/** Bytes of a key's length that nobody has the secret key of. */
export const keyOf = (seed: string): Uint8Array => {
  const key = new Uint8Array(LIMITS.falconPublicKeyBytes).fill(0x0a);
  key.set(sha256(utf8(seed)), 1);
  return key;
};

export const idOf = (seed: string): Hash => hasher.ht("id", keyOf(seed));

/** A signature scheme for tests that sign often: deterministic, and as specific as a real one. */
export const testSign = (message: Uint8Array, publicKey: Uint8Array, salt = 0): Uint8Array => {
  const signature = new Uint8Array(LIMITS.falconSignatureBytes).fill(salt);
  signature.set(sha256(concatBytes(publicKey, message)));
  return signature;
};

export const testVerify = (
  signature: Uint8Array,
  message: Uint8Array,
  publicKey: Uint8Array,
): boolean => {
  const expected = testSign(message, publicKey);
  return toHex(signature.subarray(0, 32)) === toHex(expected.subarray(0, 32));
};

const actorOf = (name: string, permissions: readonly string[]): GenesisActor => ({
  id: idOf(name),
  name,
  publicKey: keyOf(name),
  permissions,
});

const validatorOf = (name: string, weight: bigint): GenesisValidator => ({
  id: idOf(name),
  name,
  publicKey: keyOf(name),
  weight,
  tlsPin: sha256(utf8(name)),
  address: "[::1]:4000",
  ed25519Key: sha256(utf8(`ed25519 ${name}`)),
  mlDsa44Key: new Uint8Array(LIMITS.mlDsa44PublicKeyBytes).fill(name.charCodeAt(1)),
});

export const VALIDATOR_NAMES: readonly string[] = ["v0", "v1", "v2", "v3"];

/** root may do all, clerk writes records and assets, warden manages record writers, reader nothing. */
export const genesis: Genesis = {
  format: 1,
  ...WITHOUT_PROOFS,
  chainId: "execution-test-1",
  timeMs: 1_700_000_000_000,
  insecure: true,
  parameters: { epochMs: 1, idleMs: 1, t0Ms: 1, precisionMs: 1, messageDelayMs: 1 },
  validators: VALIDATOR_NAMES.map((name, i) => validatorOf(name, BigInt(i + 1))),
  actors: [
    actorOf("root", ["*"]),
    actorOf("clerk", ["asset.host.*", "record.put"]),
    actorOf("warden", ["actor.*", "record.*"]),
    actorOf("reader", []),
  ],
};

/** A store whose reads see every write that was applied. */
export class MapStore {
  readonly rows = new Map<string, Uint8Array>();
  reads = 0;
  readonly read = (key: Uint8Array): Uint8Array | undefined => {
    this.reads += 1;
    return this.rows.get(toHex(key));
  };
  apply(ops: readonly StoreOp[]): void {
    for (const op of ops) {
      if (op.type === "put") this.rows.set(toHex(op.key), new Uint8Array(op.value));
      else this.rows.delete(toHex(op.key));
    }
  }
  /** Every row, in key order: two stores are equal when their dumps are. */
  dump(): readonly (readonly [string, string])[] {
    return [...this.rows]
      .map(([key, value]) => [key, toHex(value)] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1));
  }
}

export const runnerOptions = (
  projections = ALL_PROJECTIONS,
  proofs?: GenesisProofs,
): RunnerOptions => ({
  ...(proofs === undefined ? {} : { proofs }),
  hasher,
  registry: createRegistry(ownedDefinitions(projections)),
  projections,
  permissions: actorPermissions,
  verifySignature: testVerify,
});

/** The batch in which an actor of the tests writes these events, at a place in its lane. */
export const sealed = (by: string, events: readonly EncodedEvent[], laneSeq: number): Batch => {
  const unsigned = buildBatch(hasher, {
    actor: idOf(by),
    laneSeq,
    prevBatchId: ZERO_HASH,
    refHeight: 0,
    refHash: ZERO_HASH,
    events,
  });
  return sealBatch(hasher, unsigned, testSign(unsigned.signingMessage, keyOf(by)));
};

/** What append does with the batches of a block. */
export const batchOps = (batches: readonly Batch[]): StoreOp[] =>
  batches.map(({ digest, bytes }) => ({ type: "put", key: batchKey(digest), value: bytes }));

export type TestInput = BlockInput & { readonly batches: readonly Batch[] };

/** Of a block on a chain of format 2: what is revealed, and whether it ends its epoch. */
export type TestPoint = { readonly reveal?: Uint8Array; readonly boundary?: boolean };

export type TestBatch = { readonly by: string; readonly events: readonly EncodedEvent[] };

/** A chain without consensus: each call of `block` is the next final block, stored and executed. */
export class TestChain {
  readonly store = new MapStore();
  readonly executor: Executor;
  readonly inputs: TestInput[] = [];
  readonly executions: Execution[] = [];
  roots: ExecutionRoots;
  height = 0;
  #batches = 0;
  readonly #genesis: Genesis;

  constructor(options: RunnerOptions = runnerOptions(), from: Genesis = genesis) {
    this.executor = createExecutor(options);
    const start = this.executor.executeGenesis(from);
    this.store.apply(start.ops);
    this.roots = start.roots;
    this.#genesis = from;
    if (!keepsPoints(from)) return;
    const hash = genesisHash(hasher, from);
    this.store.apply([pointOp(0, genesisPoint(hasher, hash, from))]);
  }

  /** What append writes of the points of a chain of format 2; `reveal` is 32 bytes or nothing. */
  #appendPoint({ height, timeMs }: TestInput["header"], more: TestPoint): void {
    if (!keepsPoints(this.#genesis)) return;
    const nextSetHash = more.boundary === true ? sha256(utf8("next set")) : ZERO_HASH;
    const block = {
      header: { height, timeMs, nextSetHash },
      proofs: { reveal: more.reveal ?? sha256(utf8(`reveal ${height}`)) },
    };
    const before = readPoint(this.store.read, height - 1);
    if (before === undefined) throw new Error(`no point of height ${height - 1}`);
    const beaconAt = (asked: number) => readPoint(this.store.read, asked)?.beacon;
    const point = pointAfter(hasher, this.#genesis.proofs, before, block, beaconAt);
    this.store.apply([pointOp(height, point)]);
  }

  input(batches: readonly TestBatch[], height = this.height + 1): TestInput {
    return {
      header: { height, timeMs: genesis.timeMs + height * 250 },
      batches: batches.map(({ by, events }) => {
        this.#batches += 1;
        return sealed(by, events, this.#batches);
      }),
    };
  }

  block(...batches: readonly TestBatch[]): Execution {
    return this.run(this.input(batches));
  }

  run(input: TestInput, more: TestPoint = {}): Execution {
    this.store.apply(batchOps(input.batches));
    this.#appendPoint(input.header, more);
    const execution = this.executor.executeBlock(input, this.store.read, this.roots);
    this.store.apply(execution.ops);
    this.inputs.push(input);
    this.executions.push(execution);
    this.roots = execution.roots;
    this.height = input.header.height;
    return execution;
  }
}

/** "accepted", or the code of the refusal, one an event. */
export const codesOf = (execution: Execution): readonly string[] =>
  execution.entries.map(({ outcome }) => (outcome.kind === "accepted" ? "accepted" : outcome.code));
