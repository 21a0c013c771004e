/**
 * `npm run bench -- NAME [options]` runs bench/NAME.ts, which reads its options from the command line.
 * Without a name it lists what there is.
 */
import { readdirSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

const PARTS = new Set(["main", "report"]);

const names = readdirSync(dirname(fileURLToPath(import.meta.url)))
  .filter((file) => file.endsWith(".ts"))
  .map((file) => file.slice(0, -3))
  .filter((name) => !PARTS.has(name));

const [name] = process.argv.splice(2, 1);
if (name === undefined || !names.includes(name)) {
  process.stderr.write(`usage: npm run bench -- NAME [options]\nnames: ${names.join(", ")}\n`);
  process.exitCode = 1;
} else {
  await import(`./${name}.ts`);
}
