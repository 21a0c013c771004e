/** Which code a run was of: the commit of a checkout, the version of a package. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { VERSION } from "../../node/version.ts";

/** The folder of package.json: above src in a checkout, above dist in a package. */
export const packageRoot = (): string => {
  const here = dirname(fileURLToPath(import.meta.url));
  return join(here, import.meta.url.endsWith(".ts") ? "../../.." : "../../../..");
};

const git = (...args: readonly string[]): string => {
  const done = spawnSync("git", [...args], { cwd: packageRoot(), encoding: "utf8" });
  return done.status === 0 ? done.stdout.trim() : "";
};

/** "9f32876c1a2b", with "-changed" where the tree differs; "v0.1.0" where there is no repository. */
export const codeVersion = (): string => {
  if (!existsSync(join(packageRoot(), ".git"))) return `v${VERSION}`;
  const commit = git("rev-parse", "--short=12", "HEAD");
  if (commit === "") return `v${VERSION}`;
  return git("status", "--porcelain", "src", "sim") === "" ? commit : `${commit}-changed`;
};
