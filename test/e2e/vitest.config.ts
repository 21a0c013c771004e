import { defineConfig, type ViteUserConfig } from "vitest/config";
import { COMMAND_MS_MAX } from "./support.ts";

/**
 * With E2E=ci, what every change is held against: a user's first minutes, and the ways in which the log is read and
 * written by programs and installed, in the short form where a file has one (SHORT in support.ts). The rest is for
 * `npm run e2e`, which the nightly runs and which takes several times as long; with E2E=proofs, what runs over ends
 * of epochs of the four proofs.
 */
const CI = ["smoke", "package", "sdk", "browser", "api"];
const PROOFS = ["all-proofs", "all-asleep", "damaged-sector", "epochs", "claims"];
const SETS: Readonly<Record<string, readonly string[]>> = { ci: CI, proofs: PROOFS };
const set = SETS[process.env["E2E"] ?? ""];
const chosen = set === undefined ? "*" : `{${set.join(",")}}`;

// One file at a time: every file runs whole networks, and two of them would measure each other. Nothing of E2E=ci
// measures time, and most of it waits for blocks: there, two at a time.
const config: ViteUserConfig = defineConfig({
  test: {
    root: new URL("../..", import.meta.url).pathname,
    include: [`test/e2e/${chosen}.test.ts`],
    fileParallelism: set === CI,
    maxWorkers: 2,
    // Longer than a command is given, and a network to be ready: what hangs is told with what it has said.
    testTimeout: COMMAND_MS_MAX + 30_000,
    hookTimeout: COMMAND_MS_MAX + 30_000,
    passWithNoTests: false,
  },
});

export default config;
