/**
 * The linter's rules for the architecture, tried on samples: a rule with a wrong path or pattern is
 * silent, and nobody would notice that it guards nothing.
 */
import { spawnSync } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const folder = mkdtempSync(join(tmpdir(), "tetrad-lint-"));
afterAll(() => rmSync(folder, { recursive: true }));

type Sample = readonly [path: string, code: string, rules: readonly string[]];

const use = (path: string): string => `import { x } from "${path}";\nexport const y = x;\n`;
const IMPORTS = "noRestrictedImports";

const SAMPLES: readonly Sample[] = [
  // Directions.
  ["src/crypto/s1.ts", use("../ledger/types.ts"), [IMPORTS]],
  ["src/crypto/s2.ts", use("../limits.ts"), []],
  ["src/proofs/s1.ts", use("../ledger/types.ts"), [IMPORTS]],
  ["src/proofs/s2.ts", use("../crypto/hash.ts"), []],
  ["src/ledger/s1.ts", use("../node/config.ts"), [IMPORTS]],
  ["src/ledger/s2.ts", use("../assets/index.ts"), [IMPORTS]],
  ["src/ledger/replica/s3.ts", use("../../transport/mesh.ts"), [IMPORTS]],
  ["src/ledger/s4.ts", use("../crypto/hash.ts"), []],
  ["src/ledger/store/s5.ts", use("../../cli/main.ts"), [IMPORTS]],
  ["src/transport/s1.ts", use("../ledger/ports.ts"), []],
  ["src/transport/s2.ts", use("../ledger/types.ts"), []],
  ["src/transport/s3.ts", use("../ledger/handle.ts"), [IMPORTS]],
  ["src/assets/s1.ts", use("../detect/index.ts"), [IMPORTS]],
  ["src/assets/s2.ts", use("../ledger/projection.ts"), []],
  ["src/detect/s1.ts", use("../ca/index.ts"), [IMPORTS]],
  ["src/ca/s1.ts", use("../assets/index.ts"), [IMPORTS]],
  ["src/node/s1.ts", use("../cli/main.ts"), [IMPORTS]],
  ["src/node/api/s2.ts", use("../../transport/mesh.ts"), [IMPORTS]],
  ["src/node/s3.ts", use("../transport/mesh.ts"), []],
  ["src/client/s1.ts", use("../node/config.ts"), [IMPORTS]],
  ["src/client/s2.ts", use("node:fs"), [IMPORTS]],
  ["src/client/s3.ts", use("../ledger/store/level.ts"), [IMPORTS]],
  ["src/client/s4.ts", use("./node.ts"), [IMPORTS]],
  ["src/client/s5.ts", use("../ledger/projections/records.ts"), []],
  ["src/client/node-s6.ts", use("node:fs"), []],
  ["src/cli/s1.ts", use("../../sim/world.ts"), [IMPORTS]],
  ["src/cli/s3.ts", use("../../sim/index.ts"), []],
  ["src/cli/s2.ts", use("../node/node.ts"), []],
  ["sim/checkers/s1.ts", use("../../src/ledger/types.ts"), [IMPORTS]],
  ["sim/checkers/s2.ts", use("../../src/crypto/hash.ts"), [IMPORTS]],
  ["sim/checkers/s2b.ts", use("../stake.ts"), [IMPORTS]],
  ["sim/checkers/s2c.ts", use("./oracle.ts"), []],
  ["sim/s3.ts", use("../src/node/real-ports.ts"), [IMPORTS]],
  ["sim/s4.ts", use("../src/node/product.ts"), []],
  ["sim/s5.ts", use("../src/node/quarantine-watch.ts"), []],
  // One package, one importer.
  ["src/ledger/p1.ts", use("level"), [IMPORTS]],
  ["src/ledger/store/p2.ts", use("level"), []],
  ["src/node/p3.ts", use("fastify"), [IMPORTS]],
  ["src/node/api/p4.ts", use("fastify"), []],
  ["src/node/p5.ts", use("@matrixai/quic/native/quiche.js"), [IMPORTS]],
  ["src/node/p5b.ts", use("@currentspace/http3"), [IMPORTS]],
  ["src/transport/p6.ts", use("@matrixai/quic/native/quiche.js"), []],
  ["src/cli/p7.ts", use("systeminformation"), [IMPORTS]],
  ["src/assets/p8.ts", use("systeminformation"), []],
  ["src/node/p9.ts", use("pino"), [IMPORTS]],
  // Pure code.
  ["src/ledger/g1.ts", "export const a = Date.now();\n", ["noRestrictedGlobals"]],
  ["src/ledger/g2.ts", "export const a = Math.random();\n", ["noJsRestrictedProperties"]],
  ["src/ledger/g3.ts", "setTimeout(() => {}, 1);\nexport const a = 1;\n", ["noRestrictedGlobals"]],
  ["src/crypto/g4.ts", "export const a = performance.now();\n", ["noRestrictedGlobals"]],
  ["src/proofs/g5.ts", "export const a = process.hrtime();\n", ["noRestrictedGlobals"]],
  ["src/ledger/g6.ts", "export const a = globalThis.Date;\n", ["noJsRestrictedProperties"]],
  ["src/ledger/g7.ts", use("node:crypto"), [IMPORTS]],
  ["src/ledger/g8.ts", "setInterval(() => {}, 1);\nexport const a = 1;\n", ["noRestrictedGlobals"]],
  ["src/ca/g11.ts", "export const a = Promise.resolve(1);\n", ["noRestrictedGlobals"]],
  ["src/assets/g12.ts", "export const a = new WeakRef({});\n", ["noRestrictedGlobals"]],
  ["src/assets/probe.ts", "export const a = Date.now();\n", []],
  [
    "src/detect/g13.ts",
    "queueMicrotask(() => {});\nexport const a = 1;\n",
    ["noRestrictedGlobals"],
  ],
  ["src/ledger/g14.ts", "export const a = globalThis.process;\n", ["noJsRestrictedProperties"]],
  ["src/crypto/falcon-wasm.ts", "export const a = Promise.resolve(1);\n", []],
  ["sim/checkers/g15.ts", "export const a = Math.random();\n", ["noJsRestrictedProperties"]],
  ["src/ledger/store/g9.ts", "export const a = Date.now();\n", []],
  ["src/node/g10.ts", "export const a = Date.now();\n", []],
  // The rest.
  ["src/cli/r1.ts", "const a = 1;\nexport default a;\n", ["noDefaultExport"]],
  ["vite.config.ts", "const a = 1;\nexport default a;\n", []],
  [
    "src/cli/r2.ts",
    'import { b } from "./r3.ts";\nexport const a = () => b;\n',
    ["noImportCycles"],
  ],
  [
    "src/cli/r3.ts",
    'import { a } from "./r2.ts";\nexport const b = () => a;\n',
    ["noImportCycles"],
  ],
  [
    "src/cli/r4.ts",
    `export const f = (): void => {\n${"  Math.max(1, 2);\n".repeat(75)}};\n`,
    ["noExcessiveLinesPerFunction"],
  ],
  ["src/cli/r5.ts", "export const f = (a: unknown) => a as any;\n", ["noExplicitAny"]],
  [
    "src/node/r6.ts",
    "const f = async (): Promise<void> => {};\nexport const g = (): void => {\n  f();\n};\n",
    ["noFloatingPromises"],
  ],
];

type Diagnostic = { readonly category: string; readonly location: { readonly path: unknown } };

let found: Map<string, Set<string>>;

beforeAll(() => {
  const config = JSON.parse(readFileSync(join(root, "biome.json"), "utf8"));
  config.vcs = { enabled: false };
  writeFileSync(join(folder, "biome.json"), JSON.stringify(config));
  cpSync(join(root, "tsconfig.json"), join(folder, "tsconfig.json"));
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  for (const [path, code] of SAMPLES) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), code);
  }
  const biome = join(root, "node_modules", ".bin", "biome");
  const args = [
    "lint",
    "--reporter=json",
    "--max-diagnostics=none",
    "src",
    "sim",
    "vite.config.ts",
  ];
  const run = spawnSync(biome, args, { cwd: folder, encoding: "utf8", maxBuffer: 1 << 26 });
  const report = JSON.parse(run.stdout) as { readonly diagnostics: readonly Diagnostic[] };
  found = new Map();
  for (const { category, location } of report.diagnostics) {
    const path = typeof location.path === "string" ? location.path : JSON.stringify(location.path);
    const rules = found.get(path) ?? new Set();
    rules.add(category.split("/").at(-1) ?? category);
    found.set(path, rules);
  }
}, 60_000);

describe("lint rules", () => {
  it.each(SAMPLES)("%s", (path, _code, rules) => {
    const hit = [...found].find(([reported]) => reported.includes(path))?.[1] ?? new Set();
    const ours = [...hit].filter((rule) => RULES.has(rule));
    expect(ours.sort()).toEqual([...rules].sort());
  });
});

/** The rules that the samples are about; a sample may well break others. */
const RULES: ReadonlySet<string> = new Set(SAMPLES.flatMap(([, , rules]) => rules));
