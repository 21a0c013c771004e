import { defineConfig, type ViteUserConfig } from "vitest/config";

/**
 * With FAULTS=short, what every change is held against: kills, syncs, full disks and backups, in shorter faults (SHORT
 * in support/clock.ts). What takes longest and has its rules in the simulator or in tests of its own waits for the
 * night: partitions, pauses, relays, damaged folders, LevelDB by itself, and floods of sockets.
 */
const isShort = process.env["FAULTS"] === "short";
const AT_NIGHT = ["partition", "pause", "relay", "folders", "snapshots"].map(
  (name) => `test/faults/${name}.test.ts`,
);
const FLOODS = "test/transport/abuse/**/*.test.ts";

// One file at a time: every file runs a whole network of processes. In the short form two: what it does is wait, for
// what is far from its limit. Limits are far above what the tests take: they bound a hang, and a slow machine must
// not fail.
const config: ViteUserConfig = defineConfig({
  test: {
    root: new URL("../..", import.meta.url).pathname,
    include: ["test/faults/**/*.test.ts", ...(isShort ? [] : [FLOODS])],
    exclude: isShort ? AT_NIGHT : [],
    fileParallelism: isShort,
    maxWorkers: 2,
    testTimeout: 300_000,
    hookTimeout: 180_000,
    teardownTimeout: 30_000,
    passWithNoTests: false,
  },
});

export default config;
