/**
 * CPU of one changed key in a state tree of a million rows, in memory and on LevelDB. Prints JSON lines.
 * Arguments: rows (default 1000000), changes a call (default 600), calls (default 40).
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { toHex } from "../src/crypto/bytes.ts";
import { utf8 } from "../src/crypto/codec.ts";
import { createHasher, sha256 } from "../src/crypto/hash.ts";
import type { Store, StoreOp } from "../src/ledger/ports.ts";
import { StateCache, type StateChange, updateStateTree } from "../src/ledger/state-tree.ts";
import { openLevelStore } from "../src/ledger/store/level.ts";
import { createMemoryStore } from "../src/ledger/store/memory.ts";

const [rows = 1_000_000, changesPerCall = 600, calls = 40] = process.argv.slice(2).map(Number);
const PREFIX = utf8("n/records/");
const hasher = createHasher("bench");

const print = (figure: Record<string, string | number>): void => {
  process.stdout.write(`${JSON.stringify({ bench: "state-tree", ...figure })}\n`);
};

const cpuUs = (): number => {
  const { user, system } = process.cpuUsage();
  return user + system;
};

const change = (row: number, version: number): StateChange => ({
  key: utf8(`topic/row-${row}`),
  value: utf8(`${version} `.padEnd(200, "x")),
});

const write = (store: Store, ops: readonly StoreOp[]): Promise<void> =>
  new Promise((resolve, reject) => {
    store.write(ops, { sync: true }, (failure) => {
      if (failure === undefined) resolve();
      else reject(new Error(failure.detail));
    });
  });

async function fill(store: Store): Promise<void> {
  const step = 20_000;
  for (let from = 0; from < rows; from += step) {
    const count = Math.min(step, rows - from);
    const changes = Array.from({ length: count }, (_, i) => change(from + i, 0));
    await write(store, updateStateTree(hasher, PREFIX, (key) => store.get(key), changes).ops);
  }
}

async function measure(kind: string, store: Store, share: "update" | "insert"): Promise<void> {
  const cache = new StateCache(4369);
  let treeUs = 0;
  let storeUs = 0;
  let reads = 0;
  let ops = 0;
  let bytes = 0;
  let root = "";
  const read = (key: Uint8Array): Uint8Array | undefined => {
    reads += 1;
    return store.get(key);
  };
  for (let call = -5; call < calls; call++) {
    const changes = Array.from({ length: changesPerCall }, (_, i) => {
      const n = (call + 6) * changesPerCall + i;
      const row = share === "insert" ? rows + n : Math.imul(n, 2_654_435_761) >>> 0;
      return change(share === "insert" ? row : row % rows, call + 10);
    });
    const started = cpuUs();
    const update = updateStateTree(hasher, PREFIX, read, changes, cache);
    const computed = cpuUs();
    await write(store, update.ops);
    // The first calls fill the cache and warm the compiler.
    if (call < 0) reads = 0;
    if (call < 0) continue;
    treeUs += computed - started;
    storeUs += cpuUs() - computed;
    ops += update.ops.length;
    for (const op of update.ops) bytes += op.type === "put" ? op.value.length : 0;
    root = toHex(update.root).slice(0, 16);
  }
  const keys = calls * changesPerCall;
  const each = (total: number): number => Math.round((100 * total) / keys) / 100;
  print({
    store: kind,
    rows,
    changesPerCall,
    kind: share,
    cpuUsPerKey: each(treeUs),
    storeCpuUsPerKey: each(storeUs),
    readsPerKey: each(reads),
    nodesPerKey: each(ops),
    nodeBytesPerKey: Math.round(bytes / keys),
    root,
  });
}

const input = new Uint8Array(128);
const before = cpuUs();
for (let i = 0; i < 200_000; i++) sha256(input);
print({ figure: "sha256 of 128 bytes", cpuUs: Math.round((cpuUs() - before) / 2000) / 100 });

const memory = createMemoryStore();
await fill(memory);
await measure("memory", memory, "update");
await measure("memory", memory, "insert");

const folder = mkdtempSync(join(tmpdir(), "tetrad-bench-"));
const level = await openLevelStore(join(folder, "store"), { logger: { log: () => {} } });
await fill(level);
await measure("level", level, "update");
await measure("level", level, "insert");
print({ figure: "resident MiB at the end", rss: Math.round(process.memoryUsage.rss() / 2 ** 20) });
await new Promise<void>((resolve) => level.close(resolve));
rmSync(folder, { recursive: true });
