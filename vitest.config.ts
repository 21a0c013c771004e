import { defineConfig, type ViteUserConfig } from "vitest/config";

// Two workers: the suite must fit a two-core machine, and several tests start processes of their own.
const config: ViteUserConfig = defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/e2e/**"],
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    passWithNoTests: false,
  },
});

export default config;
