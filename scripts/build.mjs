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
// The scripts of pages: the verifier of `nexus proof get --html`, and what draws the pictures of runs.
const { SCRIPT_BUILD } = await import(join(dist, "src/page/self-contained.js"));
for (const script of ["src/cli/proof/page-script", "sim/picture/script"]) {
  await build({
    ...SCRIPT_BUILD,
    entryPoints: [join(root, `${script}.ts`)],
    outfile: join(dist, `${script}.bundle.js`),
    logLevel: "error",
  });
}
for (const asset of globSync(ASSETS, { cwd: root })) {
  mkdirSync(dirname(join(dist, asset)), { recursive: true });
  cpSync(join(root, asset), join(dist, asset));
}
