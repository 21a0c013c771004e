/**
 * CPU of one event on its way through one node without network and signatures: decode, check, append,
 * execute, both writes synced in a LevelDB store of a temporary folder. Prints JSON lines.
 *
 *   npm run bench -- execution [blocks = 200] [batches a block = 16] [events a batch = 64] [store options as JSON]
 *
 * The first quarter of the blocks warms up and is not counted.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { utf8 } from "../src/crypto/codec.ts";
import type { Result } from "../src/errors.ts";
import { buildBatch, decodeBatch, sealBatch } from "../src/ledger/batch.ts";
import type { GenesisInput } from "../src/ledger/genesis.ts";
import { formatGenesis, parseGenesis } from "../src/ledger/genesis.ts";
import { batchKey } from "../src/ledger/keys.ts";
import type { Store, StoreOp } from "../src/ledger/ports.ts";
import { recordPut } from "../src/ledger/projections/events.ts";
import { appendOps } from "../src/ledger/replica/block-store.ts";
import { type LevelStoreOptions, openLevelStore } from "../src/ledger/store/level.ts";
import type { Batch, Block } from "../src/ledger/types.ts";
import { checkEvents } from "../src/ledger/validity.ts";
import { LIMITS } from "../src/limits.ts";
import { DEFAULT_PARAMETERS } from "../src/node/make-genesis.ts";
import { productOptions } from "../src/node/product.ts";
import { threadCpuMs } from "../src/node/signing/thread-cpu.ts";
import { cpuSince, type ThreadCpu, threadCpu, writtenBytes } from "./ledger/process-stats.ts";
import { createReport } from "./report.ts";

const [blocks = 200, batchesPerBlock = 16, eventsPerBatch = 64] = process.argv
  .slice(2, 5)
  .map(Number);
const storeOptions = JSON.parse(process.argv[5] ?? "{}") as Partial<LevelStoreOptions>;
const EVENT_BYTES = 200;

const unwrap = <T>(result: Result<T>): T => {
  if (!result.ok) throw new Error(result.detail);
  return result.value;
};

const key = new Uint8Array(LIMITS.falconPublicKeyBytes).fill(10);
const input: GenesisInput = {
  chainId: "bench-execution",
  timeMs: 1_700_000_000_000,
  insecure: true,
  parameters: DEFAULT_PARAMETERS,
  validators: [
    {
      name: "v",
      publicKey: key,
      weight: 1n,
      tlsPin: new Uint8Array(32),
      address: "[::1]:4440",
      ed25519Key: new Uint8Array(LIMITS.ed25519PublicKeyBytes),
      mlDsa44Key: new Uint8Array(LIMITS.mlDsa44PublicKeyBytes),
    },
  ],
  actors: [{ name: "operator", publicKey: key, permissions: ["*"] }],
};
const { genesis, hasher, hash } = unwrap(parseGenesis(formatGenesis(input)));
const actor = genesis.actors[0]?.id ?? hash;
const options = productOptions({ name: "v", genesis, hasher, verifySignature: () => true });

let laneSeq = 0;
let head: Uint8Array = new Uint8Array(32);
let written = 0;
const signature = new Uint8Array(LIMITS.falconSignatureBytes);

const encodeOne = (): Uint8Array => {
  const events = Array.from({ length: eventsPerBatch }, () => {
    const name = `key-${String(written++).padStart(9, "0")}`;
    const empty = recordPut.encode({ topic: "bench", key: name, body: new Uint8Array(0) });
    const body = utf8(`${name} `.padEnd(EVENT_BYTES - empty.bytes.length, "x"));
    return recordPut.encode({ topic: "bench", key: name, body });
  });
  laneSeq += 1;
  const batch = buildBatch(hasher, {
    actor,
    laneSeq,
    prevBatchId: head,
    refHeight: 0,
    refHash: hash,
    events,
  });
  head = batch.id;
  return sealBatch(hasher, batch, signature).bytes;
};

const write = (store: Store, ops: readonly StoreOp[]): Promise<void> =>
  new Promise((resolve, reject) => {
    store.write(ops, { sync: true }, (failure) => {
      if (failure === undefined) resolve();
      else reject(new Error(failure.detail));
    });
  });

const spentUs = new Map<string, number>();
let counting = false;
let markUs = 0;
let threadsBefore: ThreadCpu = new Map();
const cpuUs = (): number => 1000 * threadCpuMs();
/** Charges what was spent since the last mark. */
const mark = (part: string): void => {
  const nowUs = cpuUs();
  if (counting) spentUs.set(part, (spentUs.get(part) ?? 0) + nowUs - markUs);
  markUs = nowUs;
};

const report = createReport("execution");
const folder = mkdtempSync(join(tmpdir(), "tetrad-bench-"));
const store = await openLevelStore(join(folder, "store"), {
  logger: { log: () => {} },
  ...storeOptions,
});
const { executor } = options;
const first = executor.executeGenesis(genesis);
await write(store, first.ops);
let roots = first.roots;
const warm = Math.floor(blocks / 4);
for (let height = 1; height <= blocks; height++) {
  counting = height > warm;
  if (height === warm + 1) threadsBefore = threadCpu(process.pid);
  const encoded = Array.from({ length: batchesPerBlock }, encodeOne);
  mark("make");
  const batches: Batch[] = encoded.map((bytes) => unwrap(decodeBatch(hasher, bytes)));
  mark("decode");
  for (const batch of batches) {
    const failure = checkEvents(options.registry, batch);
    if (failure !== undefined) throw new Error(failure.detail);
  }
  mark("check");
  const header = { height, timeMs: genesis.timeMs + height };
  const block = { header, hash } as Block;
  const ops = appendOps(block, batches);
  for (const { digest, bytes } of batches) {
    ops.push({ type: "put", key: batchKey(digest), value: bytes });
  }
  await write(store, ops);
  mark("append");
  const result = executor.executeBlock({ header, batches }, (at) => store.get(at), roots);
  roots = result.roots;
  mark("execute");
  await write(store, result.ops);
  mark("write");
}
const events = (blocks - warm) * batchesPerBlock * eventsPerBatch;
for (const [part, us] of spentUs) {
  report.row("execution", `CPU of an event, main thread: ${part}`, us / events, "us", events);
}
for (const [role, ms] of cpuSince(threadsBefore, threadCpu(process.pid))) {
  if (role === "main") continue;
  report.row("execution", `CPU of an event, ${role}`, (1000 * ms) / events, "us", events);
}
report.row(
  "execution",
  "storage writes of an event",
  writtenBytes(process.pid) / written,
  "bytes",
  written,
);
report.row("execution", "RSS at the end", process.memoryUsage.rss() / 2 ** 20, "MiB", 1);
await new Promise<void>((resolve) => store.close(resolve));
rmSync(folder, { recursive: true });
