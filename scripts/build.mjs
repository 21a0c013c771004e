// Makes dist/: JavaScript and .d.ts of src and sim by tsc, and beside them what is read at run time and is
// no code (scenarios as JSON, pages, WebAssembly). What the package holds is dist, bin and the documents
// (`files` in package.json): Node strips no types from files under node_modules.
import { spawnSync } from "node:child_process";
import { cpSync, globSync, mkdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const ASSETS = "{src,sim}/**/*.{json,html,css,wasm}";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const dist = join(root, "dist");
const tsc = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin");

rmSync(dist, { recursive: true, force: true });
const args = [join(tsc, "tsc"), "-p", join(root, "tsconfig.build.json")];
const { status } = spawnSync(process.execPath, args, { stdio: "inherit" });
if (status !== 0) process.exit(status ?? 1);
// The verifier as one script, for the page of `nexus proof get --html`.
const { PAGE_BUILD } = await import(join(dist, "src/cli/proof/page.js"));
await build({
  ...PAGE_BUILD,
  entryPoints: [join(root, "src/cli/proof/page-script.ts")],
  outfile: join(dist, "src/cli/proof/page-script.bundle.js"),
  logLevel: "error",
});
// And what draws the pictures of simulated runs.
const { PICTURE_BUILD } = await import(join(dist, "sim/picture/page.js"));
await build({
  ...PICTURE_BUILD,
  entryPoints: [join(root, "sim/picture/script.ts")],
  outfile: join(dist, "sim/picture/script.bundle.js"),
  logLevel: "error",
});
for (const asset of globSync(ASSETS, { cwd: root })) {
  mkdirSync(dirname(join(dist, asset)), { recursive: true });
  cpSync(join(root, asset), join(dist, asset));
}
