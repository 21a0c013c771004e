import { defineConfig, type ViteUserConfig } from "vitest/config";

// One file at a time: every file runs whole networks, and two of them would measure each other.
const config: ViteUserConfig = defineConfig({
  test: {
    root: new URL("../..", import.meta.url).pathname,
    include: ["test/e2e/**/*.test.ts"],
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    passWithNoTests: false,
  },
});

export default config;
