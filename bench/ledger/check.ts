/**
 * Whether what the validators of a benchmark have written is right: a real audit, and one state on all. A figure
 * of a network whose nodes have come to differ is worth nothing.
 */
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { toHex } from "../../src/crypto/bytes.ts";
import { rangeOfArea } from "../../src/ledger/keys.ts";
import { decodeExecutionRecord, readExecution } from "../../src/ledger/records.ts";
import { type LevelStore, openLevelStore } from "../../src/ledger/store/level.ts";
import { readRange, rowsOf } from "../../src/node/audit/compare.ts";
import type { AuditReport } from "../../src/node/audit/report.ts";
import { auditRules } from "../../src/node/audit/rules.ts";
import { auditFolder } from "../../src/node/audit/run-folder.ts";
import { nodePaths } from "../../src/node/folder.ts";
import { readGenesis } from "../../src/node/read-genesis.ts";
import { selectVerifier } from "../../src/node/signing/select-verifier.ts";
import type { NodeVerifier } from "../../src/node/signing/types.ts";
import { createVerifier } from "../../src/node/signing/verifier.ts";
import type { Report } from "../report.ts";
import type { BenchNetwork } from "./network.ts";

const silent = { log: () => {} };

/**
 * Audits the folder of one stopped node from its genesis, as `nexus audit` does; `work` is a folder for the audit's
 * own files. Throws for any finding.
 */
export const auditNode = async (
  network: BenchNetwork,
  name: string,
  verifier: NodeVerifier,
  work: string,
): Promise<AuditReport> => {
  const selection = await selectVerifier();
  const genesis = readGenesis(join(network.dir, "genesis.json"));
  const scratch = await openLevelStore(join(work, "scratch"), { logger: silent });
  try {
    const report = await auditFolder({
      rules: auditRules(genesis, selection.verifier.verify),
      db: nodePaths(join(network.dir, name)).db,
      name,
      work: join(work, "copy"),
      scratch,
      signaturesFrom: 1,
      verifier,
      logger: silent,
      signal: new AbortController().signal,
      nowMs: () => performance.now(),
    });
    if (report.result === "clean") return report;
    const [first] = report.findings;
    throw new Error(
      `the audit of node ${name} has ${report.findingsTotal} findings: ${JSON.stringify(first)}`,
    );
  } finally {
    await new Promise<void>((resolve) => scratch.close(resolve));
  }
};

type Held = {
  readonly name: string;
  readonly height: number;
  readonly stateRoot: string;
  /** What the rows and the nodes of their trees hash to. */
  readonly rows: string;
};

const withNode = async <T>(
  network: BenchNetwork,
  name: string,
  use: (store: LevelStore) => Promise<T>,
): Promise<T> => {
  const store = await openLevelStore(nodePaths(join(network.dir, name)).db, { logger: silent });
  try {
    return await use(store);
  } finally {
    await new Promise<void>((resolve) => store.close(resolve));
  }
};

const heldIn = async (store: LevelStore, name: string): Promise<Held> => {
  const [last] = await readRange(store, { ...rangeOfArea("x"), limit: 1, reverse: true });
  const record = last === undefined ? undefined : decodeExecutionRecord(last[1]);
  if (record?.ok !== true) throw new Error(`node ${name} has executed nothing`);
  const hash = createHash("sha256");
  for (const area of ["r", "n"] as const) {
    for await (const [key, value] of rowsOf(store, rangeOfArea(area))) {
      const head = Buffer.alloc(8);
      head.writeUInt32BE(key.length);
      head.writeUInt32BE(value.length, 4);
      hash.update(head).update(key).update(value);
    }
  }
  const { height, stateRoot } = record.value;
  return { name, height, stateRoot: toHex(stateRoot), rows: hash.digest("hex") };
};

const rootsIn = async (store: LevelStore, height: number): Promise<string> => {
  const found = readExecution((key) => store.get(key), height);
  return found === undefined ? "none" : `${toHex(found.logRoot)} ${toHex(found.stateRoot)}`;
};

/** Throws where stopped nodes differ in a root at the last height that all have, or in the rows of one state. */
export const compareNodes = async (network: BenchNetwork): Promise<void> => {
  const names = network.record.nodes.map(({ name }) => name);
  const held: Held[] = [];
  for (const name of names) held.push(await withNode(network, name, (s) => heldIn(s, name)));
  const common = Math.min(...held.map(({ height }) => height));
  const roots: string[] = [];
  for (const name of names) roots.push(await withNode(network, name, (s) => rootsIn(s, common)));
  const byState = new Map(held.map(({ stateRoot, rows }) => [stateRoot, rows]));
  const sameRows = held.every(({ stateRoot, rows }) => byState.get(stateRoot) === rows);
  if (sameRows && new Set(roots).size === 1) return;
  throw new Error(
    `the nodes differ, roots at height ${common}: ${JSON.stringify({ roots, held }, null, 1)}`,
  );
};

/** Audits the named nodes of a stopped network, and compares all. Throws unless everything is clean. */
export const checkNetwork = async (
  network: BenchNetwork,
  names: readonly string[],
  report: Report,
): Promise<void> => {
  await compareNodes(network);
  report.note("the four nodes have the same roots and rows");
  const verifier = await createVerifier({ logger: silent });
  try {
    for (const name of names) {
      const work = mkdtempSync(join(tmpdir(), "tetrad-bench-audit-"));
      try {
        const { counts, height, seconds } = await auditNode(network, name, verifier, work);
        report.note(`node ${name} to height ${height}: clean, ${Math.round(seconds)} s`);
        report.row("audit", `full audit of node ${name}, clean`, counts.events, "events", height);
      } finally {
        rmSync(work, { recursive: true, force: true });
      }
    }
  } finally {
    await verifier.close();
  }
};
