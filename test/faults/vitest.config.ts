import { defineConfig, type ViteUserConfig } from "vitest/config";

/**
 * With FAULTS=short, what every change is held against: shorter faults (SHORT in support/clock.ts), and without those
 * of relays, which test/transport/relay has between sessions in one process. The night runs everything.
 */
const isShort = process.env["FAULTS"] === "short";

// One file at a time: every file runs a whole network of processes. In the short form two: what it does is wait, for
// what is far from its limit. Limits are far above what the tests take: they bound a hang, and a slow machine must
// not fail.
const config: ViteUserConfig = defineConfig({
  test: {
    root: new URL("../..", import.meta.url).pathname,
    include: ["test/faults/**/*.test.ts"],
    exclude: isShort ? ["test/faults/relay.test.ts"] : [],
    fileParallelism: isShort,
    maxWorkers: 2,
    testTimeout: 300_000,
    hookTimeout: 180_000,
    teardownTimeout: 30_000,
    passWithNoTests: false,
  },
});

export default config;
