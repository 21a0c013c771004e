#!/usr/bin/env node
// The `nexus` command. Plain JavaScript, because an older Node cannot even parse what it imports: the
// version is checked here, and only then is TypeScript (in a checkout) or the build (installed) loaded.
import { existsSync } from "node:fs";
import module from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const NEEDED_MAJOR = 24;

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
/** The Node that npm installed beside this package, in its own node_modules or those around it. */
const bundledNode = () => {
  for (let folder = root; ; folder = dirname(folder)) {
    const candidate = join(folder, "node_modules", ".bin", "node");
    if (existsSync(candidate)) return candidate;
    if (dirname(folder) === folder) return undefined;
  }
};
const major = Number.parseInt(process.versions.node, 10);

if (!(major >= NEEDED_MAJOR)) {
  const bundled = bundledNode();
  const hint =
    bundled !== undefined
      ? "npm has brought the right one: use `npx nexus …` or an npm script in this folder."
      : `install Node ${NEEDED_MAJOR} or newer (https://nodejs.org), or install this package with its optional dependencies, which bring one on Linux x64.`;
  process.stderr.write(
    `nexus: Node ${NEEDED_MAJOR} or newer is needed; this is ${process.version} (${process.execPath}).\nWhat to do: ${hint}\n`,
  );
  process.exitCode = 1;
} else {
  // An installed package has no src, and Node would strip no types under node_modules if it had.
  const source = join(root, "src", "cli", "main.ts");
  const built = join(root, "dist", "src", "cli", "main.js");
  const entry = existsSync(source) ? source : built;
  // Four validators and every command parse the same files: the cache of compiled code halves their start.
  module.enableCompileCache?.();
  const { main } = await import(pathToFileURL(entry).href);
  await main(process.argv);
}
