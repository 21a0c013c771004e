import { defineConfig, type ViteUserConfig } from "vitest/config";

// Two workers: the suite must fit a two-core machine, and several tests start processes of their own. Tests
// on whole networks of processes have configurations of their own (npm run e2e, npm run faults), and floods of a
// node's sockets, which take seconds each, run with the faults.
const config: ViteUserConfig = defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/e2e/**", "test/faults/**", "test/transport/abuse/**"],
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    passWithNoTests: false,
  },
});

export default config;
