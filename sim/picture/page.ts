/**
 * Writes the picture of a run as one page: markup, style, data and the script that draws, with no network
 * and a policy that forbids it any. Nothing of the data is part of the markup: the script shows it as text.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { PICTURE_BODY, PICTURE_STYLE } from "./markup.ts";
import type { PictureData } from "./model.ts";

const digest = (text: string): string =>
  `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

/** How the script is made of its modules; scripts/build.mjs does the same. */
export const PICTURE_BUILD = {
  bundle: true,
  minify: true,
  format: "iife",
  platform: "browser",
  target: "es2022",
  charset: "ascii",
  legalComments: "none",
} as const;

/** The script: a package holds it ready, in a checkout it is made from the source. */
const pictureScript = async (): Promise<string> => {
  const here = import.meta.url;
  if (!here.endsWith(".ts")) return readFile(new URL("./script.bundle.js", here), "utf8");
  const { build } = await import("esbuild");
  const { outputFiles } = await build({
    ...PICTURE_BUILD,
    entryPoints: [fileURLToPath(new URL("./script.ts", here))],
    write: false,
  });
  const text = outputFiles[0]?.text;
  if (text === undefined) throw new Error("esbuild has made nothing");
  return text;
};

/** The page. JSON lies in a data block: no "<" can end the block or begin a comment. */
export const picturePage = async (data: PictureData): Promise<string> => {
  const script = await pictureScript();
  const policy =
    `default-src 'none'; script-src ${digest(script)}; style-src ${digest(PICTURE_STYLE)}; ` +
    "base-uri 'none'; form-action 'none'";
  const json = JSON.stringify(data).replaceAll("<", "\\u003c");
  return (
    '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n' +
    `<meta http-equiv="Content-Security-Policy" content="${policy}">\n` +
    '<meta name="viewport" content="width=device-width"><title>Tetrad simulation</title>\n' +
    `<style>${PICTURE_STYLE}</style></head>\n<body>${PICTURE_BODY}\n` +
    `<script type="application/json" id="data">${json}</script>\n` +
    `<script>${script}</script></body></html>\n`
  );
};
