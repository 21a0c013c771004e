/** What the network model charges, measured on this machine: microseconds of one core. */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CpuCosts } from "../../sim/capacity.ts";
import { createChain } from "../../sim/genesis.ts";
import { scenario } from "../../sim/scenario.ts";
import { KeyRing } from "../../sim/signer.ts";
import { FALCON_SEED_BYTES, falconSign } from "../../src/crypto/falcon.ts";
import { expandFalconKey } from "../../src/crypto/falcon-expanded-key.ts";
import { falconSignExpanded } from "../../src/crypto/falcon-sign.ts";
import { loadFalconWasm } from "../../src/crypto/falcon-wasm.ts";
import { sha256 } from "../../src/crypto/hash.ts";
import type { Result } from "../../src/errors.ts";
import { buildBatch, decodeBatch, sealBatch } from "../../src/ledger/batch.ts";
import type { Store, StoreOp } from "../../src/ledger/ports.ts";
import { recordPut } from "../../src/ledger/projections/events.ts";
import { appendOps } from "../../src/ledger/replica/block-store.ts";
import { openLevelStore } from "../../src/ledger/store/level.ts";
import type { Block } from "../../src/ledger/types.ts";
import { checkEvents } from "../../src/ledger/validity.ts";
import { productOptions } from "../../src/node/product.ts";

const WARM = 200;

/** CPU of one call, microseconds, after a warm-up; about a second of them. */
const cpuOf = (step: () => void): number => {
  for (let i = 0; i < WARM; i++) step();
  const untilMs = performance.now() + 1000;
  const cpu = process.cpuUsage();
  let n = 0;
  for (; performance.now() < untilMs; n++) step();
  const { user, system } = process.cpuUsage(cpu);
  return (user + system) / n;
};

const unwrap = <T>(result: Result<T>): T => {
  if (!result.ok) throw new Error(result.detail);
  return result.value;
};

const write = (store: Store, ops: readonly StoreOp[]): Promise<void> =>
  new Promise((resolve, reject) => {
    store.write(ops, { sync: true }, (failure) => {
      if (failure === undefined) resolve();
      else reject(new Error(failure.detail));
    });
  });

/** Blocks of one batch of one event, as a node appends, executes and writes them. */
const ledgerCosts = async (
  folder: string,
  bodyBytes: number,
): Promise<Pick<CpuCosts, "execute" | "writeRow">> => {
  const ring = new KeyRing(1);
  const chain = createChain(
    scenario("costs", {
      workload: { clients: 1, batchesPerSecond: 1, eventsPerBatch: 1, bodyBytes, untilMs: 1 },
    }),
    ring,
  );
  const { genesis, hasher, hash } = chain;
  const options = productOptions({ name: "v0", genesis, hasher, verifySignature: () => true });
  const actor = chain.clientIds[0] ?? hash;
  const store = await openLevelStore(join(folder, "store"), { logger: { log: () => {} } });
  const first = options.executor.executeGenesis(genesis);
  await write(store, first.ops);
  let { roots } = first;
  let head: Uint8Array = new Uint8Array(32);
  const spent = { executeUs: 0, writeUs: 0, events: 0, rows: 0 };
  const blocks = 1500;
  for (let height = 1; height <= blocks; height++) {
    const key = `key-${String(height).padStart(8, "0")}`;
    const event = recordPut.encode({ topic: "bench", key, body: new Uint8Array(bodyBytes) });
    const unsigned = buildBatch(hasher, {
      actor,
      laneSeq: height,
      prevBatchId: head,
      refHeight: 0,
      refHash: hash,
      events: [event],
    });
    head = unsigned.id;
    const { bytes } = sealBatch(hasher, unsigned, new Uint8Array(1280));
    const before = process.cpuUsage();
    const batch = unwrap(decodeBatch(hasher, bytes));
    if (checkEvents(options.registry, batch) !== undefined) throw new Error("an invalid event");
    const header = { height, timeMs: genesis.timeMs + height };
    const appended = appendOps({ header, hash } as Block, [batch]);
    const result = options.executor.executeBlock(
      { header, batches: [batch] },
      (at) => store.get(at),
      roots,
    );
    roots = result.roots;
    const executed = process.cpuUsage(before);
    const between = process.cpuUsage();
    await write(store, appended);
    await write(store, result.ops);
    const written = process.cpuUsage(between);
    if (height <= blocks / 3) continue;
    spent.executeUs += executed.user + executed.system;
    spent.writeUs += written.user + written.system;
    spent.events += 1;
    spent.rows += appended.length + result.ops.length;
  }
  await new Promise<void>((resolve) => store.close(resolve));
  return { execute: spent.executeUs / spent.events, writeRow: spent.writeUs / spent.rows };
};

/** Measures for some seconds. */
export const measureCosts = async (bodyBytes: number): Promise<CpuCosts> => {
  const wasm = await loadFalconWasm();
  const { publicKey, secretKey } = wasm.keygen();
  const key = expandFalconKey(secretKey);
  const message = new Uint8Array(97);
  const entropy = (): Uint8Array => randomBytes(FALCON_SEED_BYTES);
  const signature = falconSign(message, secretKey, entropy());
  const sign = cpuOf(() => void falconSignExpanded(message, key, entropy()));
  const verify = cpuOf(() => {
    if (!wasm.verify(signature, message, publicKey)) throw new Error("does not verify");
  });
  const block = new Uint8Array(1024);
  const hashKiB = cpuOf(() => void sha256(block));
  const folder = mkdtempSync(join(tmpdir(), "tetrad-costs-"));
  try {
    return { sign, verify, hashKiB, ...(await ledgerCosts(folder, bodyBytes)) };
  } finally {
    rmSync(folder, { recursive: true });
  }
};
