/**
 * A full audit of a folder that four real validators have written: every signature, certificate, hash and
 * event, and every stored row. Beside it, in the same run, the floor: nothing but as many signature checks,
 * by the same threads. docs/benchmarks.md says what each row means.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import {
  SELF_TEST_MESSAGE,
  SELF_TEST_PUBLIC_KEY,
  SELF_TEST_SIGNATURE,
} from "../src/crypto/falcon-self-test.ts";
import type { AuditReport } from "../src/node/audit/report.ts";
import type { NodeVerifier } from "../src/node/signing/types.ts";
import { createVerifier } from "../src/node/signing/verifier.ts";
import { auditNode } from "./ledger/check.ts";
import { Lanes } from "./ledger/lanes.ts";
import { sendAll } from "./ledger/load.ts";
import { BenchNetwork } from "./ledger/network.ts";
import { SigningPool } from "./ledger/signing.ts";
import { createReport, type Report } from "./report.ts";

const USAGE = `usage: npm run bench -- audit [options]
  --batches N    batches in each log (default 1500)
  --events LIST  events in a batch, a log for each (default 64,1)
  --total N      events in each log; the batches are then as many as that takes
  --threads LIST threads that check signatures; 0 is none of their own (default 0 and one less than cores)
`;

const silent = { log: () => {} };
/**
 * Batches must reach a block while they are fresh, and take memory until they do, so they are signed and sent
 * by these: how many batches at most, and how many events.
 */
const SEGMENT = 500;
const SEGMENT_EVENTS = 32_000;
const IN_FLIGHT = 128;
const MIB = 1024 * 1024;
/** Memory of the process's own: tables of a store are mapped files, which the system drops when it wants to. */
const ownBytes = (): number => {
  try {
    const kib = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
    if (kib !== undefined) return Number(kib) * 1024;
  } catch {
    // Not Linux.
  }
  return process.memoryUsage.rss();
};
/** Between two looks at the resident size. */
const LOOK_MS = 100;

const numbers = (text: string): number[] => {
  const list = text.split(",").map(Number);
  if (list.some((value) => !Number.isInteger(value) || value < 0)) throw new Error(text);
  return list;
};

type Options = {
  /** In a log of batches of so many events. */
  readonly batches: (events: number) => number;
  readonly events: readonly number[];
  readonly threads: readonly number[];
};

const readOptions = (): Options => {
  const { values } = parseArgs({
    options: {
      batches: { type: "string", default: "1500" },
      events: { type: "string", default: "64,1" },
      total: { type: "string" },
      threads: { type: "string" },
    },
  });
  const spare = Math.max(1, availableParallelism() - 1);
  const events = numbers(values.events);
  if (events.includes(0)) throw new Error("a batch has events");
  const [batches = 1] = numbers(values.batches);
  const [total] = values.total === undefined ? [] : numbers(values.total);
  return {
    batches: (each) => (total === undefined ? batches : Math.ceil(total / each)),
    events,
    threads: values.threads === undefined ? [0, spare] : numbers(values.threads),
  };
};

/** As many checks of one signature as an audit made; seconds. */
const bareChecks = async (verifier: NodeVerifier, count: number): Promise<number> => {
  const job = {
    message: SELF_TEST_MESSAGE,
    signature: SELF_TEST_SIGNATURE,
    publicKey: SELF_TEST_PUBLIC_KEY,
  };
  const started = performance.now();
  const chunk = 4_096;
  for (let left = count; left > 0; left -= chunk) {
    const jobs = Array.from({ length: Math.min(chunk, left) }, () => job);
    const valid = await new Promise<readonly boolean[]>((resolve) => {
      verifier.verify(jobs, "sync", resolve);
    });
    if (valid.includes(false)) throw new Error("the self-test's signature does not verify");
  }
  return (performance.now() - started) / 1000;
};

type Measured = {
  readonly report: AuditReport;
  readonly cpuMs: number;
  readonly verifyMs: number;
  readonly rssBefore: number;
  readonly rssPeak: number;
  readonly ownBefore: number;
  readonly ownPeak: number;
};

const audit = async (
  network: BenchNetwork,
  verifier: NodeVerifier,
  work: string,
): Promise<Measured> => {
  const cpu = process.cpuUsage();
  const before = verifier.cpuMs();
  globalThis.gc?.();
  const rssBefore = process.memoryUsage.rss();
  const ownBefore = ownBytes();
  let rssPeak = rssBefore;
  let ownPeak = ownBefore;
  const looking = setInterval(() => {
    rssPeak = Math.max(rssPeak, process.memoryUsage.rss());
    ownPeak = Math.max(ownPeak, ownBytes());
  }, LOOK_MS);
  try {
    const report = await auditNode(network, "a", verifier, work);
    const { user, system } = process.cpuUsage(cpu);
    const verifyMs = verifier.cpuMs() - before;
    return {
      report,
      cpuMs: (user + system) / 1000,
      verifyMs,
      rssBefore,
      rssPeak,
      ownBefore,
      ownPeak,
    };
  } finally {
    clearInterval(looking);
  }
};

const measure = async (
  report: Report,
  name: string,
  network: BenchNetwork,
  threads: number,
): Promise<void> => {
  const verifier = await createVerifier({ logger: silent, workers: threads });
  const work = mkdtempSync(join(tmpdir(), "tetrad-bench-audit-"));
  try {
    const { report: done, cpuMs, verifyMs, ...rss } = await audit(network, verifier, work);
    const { counts, seconds } = done;
    const with_ = threads === 0 ? "checks on the main thread" : `${threads} checking threads`;
    const { events, signatures } = counts;
    report.row(name, `full audit, ${with_}`, events / seconds, "events/s", events);
    report.row(name, "  signatures checked", signatures / seconds, "/s", signatures);
    report.row(name, "  heights", counts.blocks / seconds, "/s", counts.blocks);
    report.row(
      name,
      "  signature checks, part of all CPU",
      (100 * verifyMs) / cpuMs,
      "%",
      signatures,
    );
    report.row(name, "  CPU of an event", (cpuMs * 1000) / events, "us", events);
    report.row(name, "  resident before", rss.rssBefore / MIB, "MiB", 1);
    report.row(name, "  resident at most", rss.rssPeak / MIB, "MiB", counts.blocks);
    report.row(name, "  without mapped files, before", rss.ownBefore / MIB, "MiB", 1);
    report.row(name, "  without mapped files, at most", rss.ownPeak / MIB, "MiB", counts.blocks);
    const floor = await bareChecks(verifier, signatures);
    report.row(name, `floor: only the checks, ${with_}`, events / floor, "events/s", signatures);
    report.row(name, "  signatures checked", signatures / floor, "/s", signatures);
  } finally {
    await verifier.close();
    rmSync(work, { recursive: true });
  }
};

const fill = async (
  network: BenchNetwork,
  pool: SigningPool,
  batches: number,
  events: number,
): Promise<void> => {
  const lanes = await Lanes.open(network, pool);
  const segment = Math.max(1, Math.min(SEGMENT, Math.floor(SEGMENT_EVENTS / events)));
  for (let left = batches; left > 0; left -= segment) {
    const signed = await lanes.prepare(network, Math.min(segment, left), events);
    await sendAll(network, signed, IN_FLIGHT);
  }
};

const run = async (options: Options): Promise<void> => {
  const report = createReport("audit");
  const pool = new SigningPool();
  try {
    for (const events of options.events) {
      const network = await BenchNetwork.create();
      try {
        await network.start();
        const batches = options.batches(events);
        report.note(`writing ${batches} batches of ${events}`);
        const started = performance.now();
        await fill(network, pool, batches, events);
        const seconds = (performance.now() - started) / 1000;
        report.note(
          `written in ${seconds.toFixed(0)} s, ${Math.round((batches * events) / seconds)} events/s`,
        );
        await network.stop();
        for (const threads of options.threads) {
          await measure(report, `audit${events}`, network, threads);
        }
      } finally {
        await network.stop();
        network.remove();
      }
    }
  } finally {
    await pool.close();
  }
};

let options: Options | undefined;
try {
  options = readOptions();
} catch (error) {
  const reason = error instanceof Error ? error.message : "";
  process.stderr.write(`${reason}\n${USAGE}`);
  process.exitCode = 1;
}
if (options !== undefined) await run(options);
