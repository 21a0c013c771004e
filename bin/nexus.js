#!/usr/bin/env node
// The `nexus` command. Plain JavaScript, because an older Node cannot even parse what it imports: the
// version is checked here, and only then is TypeScript (in a checkout) or the build (installed) loaded.
import { existsSync } from "node:fs";
import module from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const NEEDED_MAJOR = 24;

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const major = Number.parseInt(process.versions.node, 10);

if (!(major >= NEEDED_MAJOR)) {
  const bundled = join(root, "node_modules", ".bin", "node");
  const hint = existsSync(bundled)
    ? "npm run brings the right one: use `npm start`, `npx nexus …` or `npm run nexus -- …` in this folder."
    : `install Node ${NEEDED_MAJOR} or newer (https://nodejs.org), or run \`npm ci\` in the checkout, which brings one on Linux x64.`;
  process.stderr.write(
    `nexus: Node ${NEEDED_MAJOR} or newer is needed; this is ${process.version} (${process.execPath}).\nWhat to do: ${hint}\n`,
  );
  process.exitCode = 1;
} else {
  const source = join(root, "src", "cli", "main.ts");
  const built = join(root, "dist", "src", "cli", "main.js");
  const entry = existsSync(source) ? source : built;
  // Four validators and every command parse the same files: the cache of compiled code halves their start.
  module.enableCompileCache?.();
  const { main } = await import(pathToFileURL(entry).href);
  await main(process.argv);
}
