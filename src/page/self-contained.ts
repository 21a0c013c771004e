/**
 * Pages that hold all that they need: style, data and script in one file, which asks no network and whose
 * policy forbids it any. What a page shows lies in data blocks that its script reads, and is never part of the
 * markup. The proof that verifies itself and the picture of a simulated run are such pages.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

/** How a page's script is made of its modules; scripts/build.mjs does the same for the package. */
export const SCRIPT_BUILD = {
  bundle: true,
  minify: true,
  format: "iife",
  platform: "browser",
  target: "es2022",
  charset: "ascii",
  legalComments: "none",
} as const;

/**
 * The script that lies beside a module, bundled; `url` is the module's import.meta.url, `name` the script's file
 * without its ending. A package holds the bundle ready; in a checkout it is made from the source.
 */
export const scriptBeside = async (url: string, name: string): Promise<string> => {
  if (!url.endsWith(".ts")) return readFile(new URL(`./${name}.bundle.js`, url), "utf8");
  const { build } = await import("esbuild");
  const { outputFiles } = await build({
    ...SCRIPT_BUILD,
    entryPoints: [fileURLToPath(new URL(`./${name}.ts`, url))],
    write: false,
  });
  const text = outputFiles[0]?.text;
  if (text === undefined) throw new Error("esbuild has made nothing");
  return text;
};

const digest = (text: string): string =>
  `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

/** The policy of a page with this script and this style, and nothing else that runs or is fetched. */
export const policyOf = (script: string, style: string): string =>
  `default-src 'none'; script-src ${digest(script)}; style-src ${digest(style)}; ` +
  "base-uri 'none'; form-action 'none'";

/** JSON in a data block: no "<" can end the block or begin a comment. */
export const dataBlock = (id: string, json: string): string =>
  `<script type="application/json" id="${id}">${json.trim().replaceAll("<", "\\u003c")}</script>\n`;
