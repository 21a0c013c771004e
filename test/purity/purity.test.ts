/**
 * No core reaches a real clock, a random source or I/O, through whatever imports: so what runs in the
 * simulator is what runs in production, and what it does follows from its ports alone.
 */
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import {
  DRIVERS,
  PURE,
  PURE_FILES,
  PURE_FOLDERS,
  SESSION,
  SESSION_FOLDER,
  SIM_FILES,
  SIM_FOLDERS,
  SIMULATED,
} from "./policy.ts";
import { type Finding, reach } from "./reach.ts";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const TIMEOUT_MS = 120_000;

const filesOf = (folder: string): string[] =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => `${folder}/${name}`)
    .sort();

const isDriver = (file: string): boolean => DRIVERS.some((driver) => file.startsWith(driver));

const PURE_ROOTS = [...PURE_FOLDERS.flatMap(filesOf), ...PURE_FILES].filter(
  (file) => !isDriver(file),
);

const shown = ({ at, what, path }: Finding): string => `${at} ${what} (${path.join(" -> ")})`;

describe("pure code", () => {
  it(
    "reaches no clock, chance, promise, disk or network",
    () => {
      const { findings, files, used } = reach(ROOT, PURE_ROOTS, PURE);
      expect(findings.map(shown)).toEqual([]);
      expect(files).toBeGreaterThanOrEqual(PURE_ROOTS.length);
      // An exception that nothing needs would only hide the next one.
      const granted = [...PURE.exceptions].flatMap(([file, whats]) =>
        [...whats].map((what) => `${file} ${what}`),
      );
      expect([...used].sort()).toEqual(granted.sort());
    },
    TIMEOUT_MS,
  );

  it(
    "in the simulator is all that a world is made of",
    () => {
      const roots = [...SIM_FOLDERS.flatMap(filesOf), ...SIM_FILES];
      expect(reach(ROOT, roots, SIMULATED).findings.map(shown)).toEqual([]);
    },
    TIMEOUT_MS,
  );

  it(
    "in the transport are objects: tree, messages and the schedule of a fetch",
    () => {
      const roots = filesOf("src/transport/objects");
      expect(reach(ROOT, roots, PURE).findings.map(shown)).toEqual([]);
    },
    TIMEOUT_MS,
  );

  it(
    "in the transport is the post-quantum session",
    () => {
      const roots = filesOf(SESSION_FOLDER);
      expect(reach(ROOT, roots, SESSION).findings.map(shown)).toEqual([]);
    },
    TIMEOUT_MS,
  );
});

/** What is planted, and what must be reported for it. */
const PLANTED: readonly (readonly [code: string, what: string])[] = [
  ["export const a = Date.now();", "Date"],
  ["export const a = new Date();", "Date"],
  ["const clock = Date;\nexport const a = clock.now();", "Date"],
  ["export const a = performance.now();", "performance"],
  ["export const a = process.hrtime.bigint();", "process"],
  ["export const a = globalThis.Date.now();", "globalThis"],
  ['export const a = globalThis["Date"];', "globalThis"],
  ["export const a = Math.random();", "Math.random"],
  ["export const { random } = Math;", "Math"],
  ['export const a = Math["random"]();', "Math.random"],
  ['export const a = "a"["localeCompare"]("b");', "String.localeCompare"],
  ['export const { localeCompare } = "a";', "*.localeCompare"],
  ["export const a = crypto.randomUUID();", "crypto"],
  ["export const a = crypto.getRandomValues(new Uint8Array(1));", "crypto"],
  ["setTimeout(() => {}, 1);", "setTimeout"],
  ["setInterval(() => {}, 1);", "setInterval"],
  ["setImmediate(() => {});", "setImmediate"],
  ["queueMicrotask(() => {});", "queueMicrotask"],
  ["export const a = Promise.resolve(1);", "Promise"],
  ["export const f = async (): Promise<number> => 1;", "async"],
  ["export const f = async () => {\n  await null;\n};", "await"],
  [
    "export async function f(all: AsyncIterable<number>) {\n  for await (const x of all) x;\n}",
    "for await",
  ],
  ['export const a = fetch("http://[::1]/");', "fetch"],
  ['import { readFileSync } from "node:fs";\nexport const a = readFileSync("a");', "node:fs"],
  ['import * as net from "node:net";\nexport const a = net;', "node:net"],
  ['export { hostname } from "node:os";', "node:os"],
  ['import "node:worker_threads";\nexport const a = 1;', "node:worker_threads"],
  ['export const a = import("node:fs");', "import()"],
  ["export const a = import.meta.url;", "import.meta"],
  ['export const a = new Function("return 1");', "Function"],
  ['export const a = eval("1");', "eval"],
  ['export const a = (() => 1).constructor("return Date.now()");', "Object.constructor"],
  ["export const a = Intl.DateTimeFormat();", "Intl"],
  ['export const a = "a".localeCompare("b");', "String.localeCompare"],
  ["export const a = new WeakRef({});", "WeakRef"],
  ['console.log("a");', "console"],
  [
    'import { ed25519 } from "@noble/curves/ed25519.js";\nexport const a = ed25519.keygen();',
    "@noble/curves/ed25519.js ed25519.keygen",
  ],
  [
    'import { ed25519 as e } from "@noble/curves/ed25519.js";\nexport const a = [e];',
    "@noble/curves/ed25519.js ed25519",
  ],
  [
    'import { randomBytes } from "@noble/hashes/utils.js";\nexport const a = randomBytes(1);',
    "@noble/hashes/utils.js",
  ],
];

/** What looks alike and is none: our own name, a type, a member of ours. */
const INNOCENT: readonly string[] = [
  "const Date = { now: (): number => 1 };\nexport const a = Date.now();",
  'import type { Stats } from "node:fs";\nexport type A = Stats | Date | Promise<number>;',
  "export const f = (fetch: () => number): number => fetch();",
  "type P = { random(): number; await: number };\nexport const f = (p: P) => p.random() + p.await;",
];

describe("a planted violation", () => {
  // All at once, behind two imports of a file that every core knows: parsing costs more than looking.
  const plant = "src/ledger/planted";
  const codes = [...PLANTED.map(([code]) => code), ...INNOCENT];
  const entry = "src/ledger/block.ts";
  const overlay = new Map([
    [entry, `import "./planted/index.ts";\nexport const nothing = 0;\n`],
    [`${plant}/index.ts`, codes.map((_, i) => `import "./p${i}.ts";\n`).join("")],
    ...codes.map((code, i) => [`${plant}/p${i}.ts`, `${code}\n`] as const),
  ]);
  let findings: readonly Finding[] = [];
  beforeAll(() => {
    findings = reach(ROOT, [entry], PURE, overlay).findings;
  }, TIMEOUT_MS);
  const of = (i: number): readonly Finding[] =>
    findings.filter(({ path }) => path.at(-1) === `${plant}/p${i}.ts`);

  it.each(PLANTED.map(([code, what], i) => [code, what, i] as const))(
    "%s",
    (_code, what, i) => {
      expect(of(i).map((one) => one.what)).toContain(what);
      expect(of(i)[0]?.path).toEqual([entry, `${plant}/index.ts`, `${plant}/p${i}.ts`]);
    },
    TIMEOUT_MS,
  );

  it.each(INNOCENT.map((code, i) => [code, PLANTED.length + i] as const))(
    "but not: %s",
    (_code, i) => {
      expect(of(i)).toEqual([]);
    },
    TIMEOUT_MS,
  );
});
