import { defineConfig, type ViteUserConfig } from "vitest/config";

/**
 * What computes and leaves nothing behind: these files run one after the other in the same worker, where what one has
 * made V8 compile is fast for the next. All others, and those of them that replace a module, have a worker each.
 */
const SHARED = [
  "assets",
  "ca",
  "client",
  "crypto",
  "detect",
  "golden",
  "ledger",
  "model",
  "proofs",
  "sim",
];
const shared = SHARED.map((folder) => `test/${folder}/**/*.test.ts`);
const REPLACING = ["test/ledger/store-copies.test.ts", "test/ledger/replica/hashing.test.ts"];

/**
 * Tests on whole networks of processes have configurations of their own (npm run e2e, npm run faults), and floods of a
 * node's sockets, which take seconds each, run with the faults.
 */
const ELSEWHERE = ["test/e2e/**", "test/faults/**", "test/transport/abuse/**"];

// Three workers: the suite must fit a two-core machine, on which every fifth second of two would be spent on waiting.
const config: ViteUserConfig = defineConfig({
  test: {
    maxWorkers: 3,
    passWithNoTests: false,
    projects: [
      {
        extends: true,
        test: { name: "shared", include: shared, exclude: REPLACING, isolate: false },
      },
      {
        extends: true,
        test: {
          name: "apart",
          include: ["test/**/*.test.ts"],
          exclude: [...ELSEWHERE, ...shared],
        },
      },
      { extends: true, test: { name: "replacing", include: REPLACING } },
    ],
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});

export default config;
