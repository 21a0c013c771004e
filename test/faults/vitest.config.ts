import { defineConfig, type ViteUserConfig } from "vitest/config";

// One file at a time: every file runs a whole network of processes. Limits are far above what the tests
// take: they bound a hang, and a slow machine must not fail.
const config: ViteUserConfig = defineConfig({
  test: {
    root: new URL("../..", import.meta.url).pathname,
    include: ["test/faults/**/*.test.ts"],
    fileParallelism: false,
    testTimeout: 300_000,
    hookTimeout: 180_000,
    teardownTimeout: 30_000,
    passWithNoTests: false,
  },
});

export default config;
