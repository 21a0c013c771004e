import { defineConfig, type ViteUserConfig } from "vitest/config";

/**
 * With E2E=ci, what every change is held against: a user's first minutes and each way in which the log is
 * read, checked, written and installed. The rest is for `npm run e2e`, which takes twice as long.
 */
const CI = [
  ...["smoke", "verbs", "tour", "package", "proof", "audit", "sdk", "browser", "api", "tlog", "ca"],
  ...["audit-doc", "backup", "keys", "space", "time"],
];
const chosen = process.env["E2E"] === "ci" ? `{${CI.join(",")}}` : "*";

// One file at a time: every file runs whole networks, and two of them would measure each other.
const config: ViteUserConfig = defineConfig({
  test: {
    root: new URL("../..", import.meta.url).pathname,
    include: [`test/e2e/${chosen}.test.ts`],
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    passWithNoTests: false,
  },
});

export default config;
