/** What this machine can do at most, measured in the same run: the figures to hold the others against. */
import { randomBytes } from "node:crypto";
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FALCON_SEED_BYTES, falconSign } from "../../src/crypto/falcon.ts";
import { expandFalconKey, wipeFalconKey } from "../../src/crypto/falcon-expanded-key.ts";
import { falconSignExpanded } from "../../src/crypto/falcon-sign.ts";
import { loadFalconWasm } from "../../src/crypto/falcon-wasm.ts";
import { sha256 } from "../../src/crypto/hash.ts";
import type { StoreOp } from "../../src/ledger/ports.ts";
import { openLevelStore } from "../../src/ledger/store/level.ts";
import { percentile, type Report } from "../report.ts";

const SECONDS = 2;

/** Runs `step` for two seconds; operations a second of wall time, and CPU microseconds each. */
const repeat = (
  step: (i: number) => void,
): { readonly perSecond: number; readonly cpuUs: number; readonly n: number } => {
  const started = performance.now();
  const cpu = process.cpuUsage();
  let n = 0;
  let nowMs = started;
  for (; nowMs - started < SECONDS * 1000; nowMs = performance.now()) step(n++);
  const { user, system } = process.cpuUsage(cpu);
  return { perSecond: (n * 1000) / (nowMs - started), cpuUs: (user + system) / n, n };
};

export const measureCeilings = async (report: Report): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), "tetrad-ceilings-"));
  try {
    disk(report, folder);
    await falcon(report);
    sha(report);
    await leveldb(report, folder);
    await echo(report);
  } finally {
    rmSync(folder, { recursive: true });
  }
};

const disk = (report: Report, folder: string): void => {
  const file = openSync(join(folder, "disk"), "w");
  const small = new Uint8Array(4096);
  const synced = repeat(() => {
    writeSync(file, small);
    fdatasyncSync(file);
  });
  report.row("ceiling", "4 KiB appended and fdatasync", synced.perSecond, "/s", synced.n);
  const large = new Uint8Array(1024 * 1024);
  const written = repeat(() => {
    writeSync(file, large);
    fdatasyncSync(file);
  });
  report.row("ceiling", "1 MiB appended and fdatasync", written.perSecond, "MiB/s", written.n);
  closeSync(file);
};

const falcon = async (report: Report): Promise<void> => {
  const wasm = await loadFalconWasm();
  const { publicKey, secretKey } = wasm.keygen();
  const message = new Uint8Array(32);
  const key = expandFalconKey(secretKey);
  const entropy = (): Uint8Array => randomBytes(FALCON_SEED_BYTES);
  const signature = falconSign(message, secretKey, entropy());
  const signed = repeat(() => falconSignExpanded(message, key, entropy()));
  report.row("ceiling", "FALCON-1024 sign, one thread", signed.perSecond, "/s", signed.n);
  report.row("ceiling", "FALCON-1024 sign, CPU", signed.cpuUs / 1000, "ms", signed.n);
  const noble = repeat(() => falconSign(message, secretKey, entropy()));
  report.row("ceiling", "FALCON-1024 sign by noble, CPU", noble.cpuUs / 1000, "ms", noble.n);
  const made = repeat(() => wipeFalconKey(expandFalconKey(secretKey)));
  report.row("ceiling", "FALCON-1024 key expanded, CPU", made.cpuUs / 1000, "ms", made.n);
  const verified = repeat(() => {
    if (!wasm.verify(signature, message, publicKey)) throw new Error("does not verify");
  });
  report.row("ceiling", "FALCON-1024 verify, one thread", verified.perSecond, "/s", verified.n);
};

const sha = (report: Report): void => {
  const input = new Uint8Array(200);
  const hashed = repeat(() => sha256(input));
  report.row("ceiling", "SHA-256 of 200 bytes, one thread", hashed.perSecond, "/s", hashed.n);
};

/** The rows of one batch of 64 events, as the log and the records have them, synced, in one process. */
const leveldb = async (report: Report, folder: string): Promise<void> => {
  const store = await openLevelStore(join(folder, "level"), { logger: { log: () => {} } });
  const value = new Uint8Array(290);
  let seq = 0;
  const rows = (): StoreOp[] =>
    Array.from({ length: 128 }, () => {
      const key = new Uint8Array(20);
      new DataView(key.buffer).setUint32(0, Math.imul(seq++, 2_654_435_761));
      return { type: "put", key, value };
    });
  const write = (ops: readonly StoreOp[]): Promise<void> =>
    new Promise((resolve, reject) => {
      store.write(ops, { sync: true }, (failure) => {
        if (failure === undefined) resolve();
        else reject(new Error(failure.detail));
      });
    });
  const started = performance.now();
  const cpu = process.cpuUsage();
  let n = 0;
  while (performance.now() - started < SECONDS * 1000) {
    await write(rows());
    n += 64;
  }
  const seconds = (performance.now() - started) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  report.row("ceiling", "LevelDB: events (2 rows each) in batches of 64", n / seconds, "/s", n);
  report.row("ceiling", "LevelDB: CPU of an event (2 rows)", (user + system) / n, "us", n);
  await new Promise<void>((resolve) => store.close(resolve));
};

const echo = async (report: Report): Promise<void> => {
  const server = createServer((socket) => socket.pipe(socket));
  await new Promise<void>((resolve) => server.listen({ host: "::1", port: 0 }, resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const socket = connect({ host: "::1", port });
  socket.setNoDelay(true);
  const samples: number[] = [];
  const body = new Uint8Array(1500);
  for (let i = 0; i < 2000; i++) {
    const sentMs = performance.now();
    await new Promise<void>((resolve) => {
      let left = body.length;
      const take = (part: Uint8Array): void => {
        left -= part.length;
        if (left > 0) return;
        socket.off("data", take);
        resolve();
      };
      socket.on("data", take);
      socket.write(body);
    });
    samples.push(performance.now() - sentMs);
  }
  socket.destroy();
  server.close();
  report.row(
    "ceiling",
    "loopback TCP echo of 1500 bytes, p50",
    percentile(samples, 0.5),
    "ms",
    samples.length,
  );
};
