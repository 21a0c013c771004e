/**
 * Proof bundles of random events and rows of a long log: bytes, and time to make and to verify one, beside
 * the bare signature checks in the same run, which are the floor of verifying. Prints JSON lines.
 *
 *   npm run bench -- proof [events = 1000000] [proofs = 200]
 *
 * The log is executed and stored as a node does it (LevelDB in a temporary folder, 8,000 events a block), but
 * without consensus: four keys of FALCON-1024 sign each header's certificate here. One epoch, three signers.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { utf8 } from "../src/crypto/codec.ts";
import { FALCON_SEED_BYTES, falconKeygen, falconVerify } from "../src/crypto/falcon.ts";
import { expandFalconKey } from "../src/crypto/falcon-expanded-key.ts";
import { falconSignExpanded } from "../src/crypto/falcon-sign.ts";
import { loadFalconWasm } from "../src/crypto/falcon-wasm.ts";
import { sha256 } from "../src/crypto/hash.ts";
import type { Result } from "../src/errors.ts";
import { buildBatch, sealBatch } from "../src/ledger/batch.ts";
import { batchesRoot, encodeBlock, proofsHash } from "../src/ledger/block.ts";
import { formatGenesis, parseGenesis } from "../src/ledger/genesis.ts";
import type { ProofOptions } from "../src/ledger/handle.ts";
import type { Store, StoreOp } from "../src/ledger/ports.ts";
import { recordPut } from "../src/ledger/projections/events.ts";
import { recordKey } from "../src/ledger/projections/records.ts";
import {
  appendOps,
  BlockStore,
  blockOps,
  certificateOp,
  finalizationOp,
  validatorSetOp,
} from "../src/ledger/replica/block-store.ts";
import type { Context } from "../src/ledger/replica/context.ts";
import { LogReader } from "../src/ledger/replica/log-reader.ts";
import { createProofs } from "../src/ledger/replica/proofs.ts";
import { finalize, statementBytes } from "../src/ledger/statement.ts";
import { openLevelStore } from "../src/ledger/store/level.ts";
import type { Batch, ExecutionRoots, Hash } from "../src/ledger/types.ts";
import { type Bundle, formatBundle, parseBundle } from "../src/ledger/verify/bundle.ts";
import { trustGenesis } from "../src/ledger/verify/trust.ts";
import { prepareBundle, verifyBundle } from "../src/ledger/verify/verify-bundle.ts";
import { LIMITS } from "../src/limits.ts";
import { DEFAULT_PARAMETERS } from "../src/node/make-genesis.ts";
import { productOptions } from "../src/node/product.ts";
import { createReport } from "./report.ts";

const [events = 1_000_000, proofs = 200] = process.argv.slice(2).map(Number);
const BATCH_EVENTS = 1000;
const BLOCK_BATCHES = 8;
const ZERO = new Uint8Array(32);

const unwrap = <T>(result: Result<T>): T => {
  if (!result.ok) throw new Error(result.detail);
  return result.value;
};

let drawn = 0;
/** Bytes that are the same in every run: keys and signatures of a benchmark guard nothing. */
const draw = (bytes: number): Uint8Array => {
  const out = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at += 32) {
    drawn += 1;
    out.set(sha256(utf8(`bench ${drawn}`)).subarray(0, Math.min(32, bytes - at)), at);
  }
  return out;
};

const createKey = () => {
  const { publicKey, secretKey } = falconKeygen(draw(FALCON_SEED_BYTES));
  const expanded = expandFalconKey(secretKey);
  const sign = (message: Uint8Array): Uint8Array =>
    falconSignExpanded(message, expanded, draw(FALCON_SEED_BYTES));
  return { publicKey, sign };
};

const keys = Array.from({ length: 4 }, createKey);
const author = createKey();
const { genesis, hasher, hash } = unwrap(
  parseGenesis(
    formatGenesis({
      chainId: "bench-proof",
      timeMs: 1_700_000_000_000,
      insecure: true,
      parameters: DEFAULT_PARAMETERS,
      validators: keys.map(({ publicKey }, i) => ({
        name: `v${i}`,
        publicKey,
        weight: 1n,
        tlsPin: draw(32),
        address: `[::1]:${4440 + i}`,
        ed25519Key: draw(LIMITS.ed25519PublicKeyBytes),
        mlDsa44Key: draw(LIMITS.mlDsa44PublicKeyBytes),
      })),
      actors: [{ name: "operator", publicKey: author.publicKey, permissions: ["*"] }],
    }),
  ),
);
const actor = hasher.ht("id", author.publicKey);
const options = productOptions({ name: "v", genesis, hasher, verifySignature: () => true });

const write = (target: Store, ops: readonly StoreOp[]): Promise<void> =>
  new Promise((resolve, reject) => {
    target.write(ops, { sync: false }, (failure) => {
      if (failure === undefined) resolve();
      else reject(new Error(failure.detail));
    });
  });

const report = createReport("proof");
const folder = mkdtempSync(join(tmpdir(), "tetrad-bench-"));
const store = await openLevelStore(join(folder, "store"), { logger: { log: () => {} } });
const read = (key: Uint8Array): Uint8Array | undefined => store.get(key);

let laneSeq = 0;
let lane: Hash = ZERO;
const makeBatch = (first: number, count: number): Batch => {
  laneSeq += 1;
  const unsigned = buildBatch(hasher, {
    ...{ actor, laneSeq, prevBatchId: lane, refHeight: 0, refHash: hash },
    events: Array.from({ length: count }, (_, i) =>
      recordPut.encode({
        topic: "bench",
        key: `row-${first + i}`,
        body: utf8(`body ${first + i}`),
      }),
    ),
  });
  lane = unsigned.id;
  return sealBatch(hasher, unsigned, author.sign(unsigned.signingMessage));
};

await write(store, options.executor.executeGenesis(genesis).ops);
const set = options.nextSet(read, 0);
await write(store, [validatorSetOp(set)]);
const signers = [0, 1, 2];
const byId = new Map(keys.map((key) => [hasher.ht("id", key.publicKey).join(), key]));

/** What of a replica proofs are made from. */
const replica = {
  context: { options, hasher, read, ports: { store }, log: () => {} } as unknown as Context,
  store: new BlockStore(read, hasher),
  genesisHash: hash,
  executedListeners: new Set<(height: number, logSize: number) => void>(),
  committer: { tip: { height: 0 }, executed: { height: 0, logSize: 0 } },
};
const source = createProofs(replica, new LogReader(hasher, store));

let roots: ExecutionRoots = options.executor.executeGenesis(genesis).roots;
let parent: Hash = hash;
const addBlock = async (height: number, batches: readonly Batch[]): Promise<void> => {
  const digests = batches.map(({ digest }) => digest);
  const block = encodeBlock(
    hasher,
    {
      ...{ protocolVersion: 1, chainHash: hasher.chainHash, epoch: 0, view: height, height },
      ...{ parentView: height - 1, parentHash: parent, timeMs: genesis.timeMs + height },
      ...{ batchesRoot: batchesRoot(hasher, digests), batchCount: digests.length },
      ...{ executedHeight: roots.height, logSize: roots.logSize, logRoot: roots.logRoot },
      ...{ stateRoot: roots.stateRoot, proofsHash: proofsHash(hasher), nextSetHash: ZERO },
      proposer: 0,
    },
    digests,
  );
  parent = block.hash;
  const statement = finalize(0, height, block.hash);
  const message = statementBytes(hasher, statement);
  const signatures = signers.map((at) => {
    const key = byId.get(set.validators[at]?.id.join() ?? "");
    if (key === undefined) throw new Error("a validator without a key");
    return key.sign(message);
  });
  await write(store, [
    ...blockOps(block, batches),
    ...appendOps(block, batches),
    certificateOp({ statement, signers, signatures }, set.validators.length),
    finalizationOp(height, 0, height),
  ]);
  replica.committer.tip = { height };
  const done = options.executor.executeBlock({ header: block.header, batches }, read, roots);
  await write(store, done.ops);
  roots = done.roots;
  replica.committer.executed = { height, logSize: roots.logSize };
  for (const listener of replica.executedListeners) listener(height, roots.logSize);
};

let height = 0;
for (let first = 0; first < events; ) {
  const batches: Batch[] = [];
  for (; batches.length < BLOCK_BATCHES && first < events; first += BATCH_EVENTS) {
    batches.push(makeBatch(first, Math.min(BATCH_EVENTS, events - first)));
  }
  height += 1;
  await addBlock(height, batches);
}
for (let i = 0; i < 2; i++) await addBlock(++height, []);
report.note(`a log of ${roots.logSize} events in ${height} blocks`);

const NOW: ProofOptions = { trustedEpoch: 0 };
const trust = trustGenesis({ genesis, hasher, hash });
const wasm = await loadFalconWasm();
const position = (i: number): number =>
  Number(
    `0x${Buffer.from(sha256(utf8(`at ${i}`)))
      .toString("hex")
      .slice(0, 12)}`,
  ) % events;

type Make = (i: number, done: (result: Result<Bundle>) => void) => void;
const KINDS: readonly (readonly [string, Make])[] = [
  ["event", (i, done) => source.event(position(i), NOW, done)],
  [
    "row",
    (i, done) => source.rows("records", [recordKey("bench", `row-${position(i)}`)], NOW, done),
  ],
  ["absent row", (i, done) => source.rows("records", [recordKey("bench", `no-${i}`)], NOW, done)],
];

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

for (const [kind, make] of KINDS) {
  let cpuMicros = 0;
  const ms = { make: [] as number[], read: [] as number[], noble: [] as number[] };
  const more = { wasm: [] as number[], floorNoble: [] as number[], floorWasm: [] as number[] };
  const bytes: number[] = [];
  const timed = <T>(list: number[], step: () => T): T => {
    const from = performance.now();
    const value = step();
    list.push(performance.now() - from);
    return value;
  };
  for (let i = 0; i < proofs; i++) {
    const cpu = process.cpuUsage();
    const from = performance.now();
    const bundle = unwrap(await new Promise<Result<Bundle>>((resolve) => make(i, resolve)));
    ms.make.push(performance.now() - from);
    const used = process.cpuUsage(cpu);
    cpuMicros += used.user + used.system;
    const text = formatBundle(bundle);
    bytes.push(text.length);
    const parsed = unwrap(timed(ms.read, () => parseBundle(text)));
    unwrap(timed(ms.noble, () => verifyBundle(parsed, trust, falconVerify)).result);
    unwrap(timed(more.wasm, () => verifyBundle(parsed, trust, wasm.verify)).result);
    const { jobs } = prepareBundle(parsed, trust);
    for (const [list, verify] of [
      [more.floorNoble, falconVerify],
      [more.floorWasm, wasm.verify],
    ] as const) {
      timed(list, () => {
        for (const job of jobs) verify(job.signature, job.message, job.publicKey);
      });
    }
  }
  report.row(kind, "bundle, median of its text", median(bytes), "bytes", proofs);
  report.row(kind, "bundle, largest text", Math.max(...bytes), "bytes", proofs);
  report.row(kind, "make, median", median(ms.make), "ms", proofs);
  report.row(kind, "make, CPU of all threads, mean", cpuMicros / 1000 / proofs, "ms", proofs);
  report.row(kind, "make, slowest", Math.max(...ms.make), "ms", proofs);
  report.row(kind, "parse, median", median(ms.read), "ms", proofs);
  report.row(kind, "verify in JavaScript, median", median(ms.noble), "ms", proofs);
  report.row(kind, "verify by WebAssembly, median", median(more.wasm), "ms", proofs);
  report.row(kind, "floor: signatures alone, JavaScript", median(more.floorNoble), "ms", proofs);
  report.row(kind, "floor: signatures alone, WebAssembly", median(more.floorWasm), "ms", proofs);
}
source.close();
await new Promise<void>((resolve) => store.close(resolve));
rmSync(folder, { recursive: true, force: true });
