// Compiles what `nexus` runs as, at the end of `npm ci`, so that the first `npm start` does not have four validators
// strip the types of the same files: Node keeps compiled code in the folder for temporary files. It only saves time:
// whatever goes wrong is passed over, and where the cache is lost `nexus dev` makes it again (src/cli/dev/prime.ts).
import { existsSync, readdirSync } from "node:fs";
import module from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const NEEDED_MAJOR = 24;
const source = join(dirname(fileURLToPath(import.meta.url)), "..", "src");

const load = async (file) => {
  try {
    await import(pathToFileURL(join(source, file)).href);
  } catch {
    // The entry of a thread says that it is none of the main thread, when all that it imports is there.
  }
};

if (Number.parseInt(process.versions.node, 10) >= NEEDED_MAJOR && existsSync(source)) {
  module.enableCompileCache();
  for (const file of ["cli/main.ts", "cli/verbs/dev.ts", "cli/verbs/start.ts"]) await load(file);
  const threads = readdirSync(source, { recursive: true }).filter((file) =>
    /-(worker|thread)\.ts$/.test(file),
  );
  for (const file of threads.sort()) await load(file);
  module.flushCompileCache();
  process.exit(0);
}
