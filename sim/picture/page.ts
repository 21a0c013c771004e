/** Writes the picture of a run as one page: markup, style, data and the script that draws, which shows data as text. */
import { dataBlock, policyOf, scriptBeside } from "../../src/page/self-contained.ts";
import { PICTURE_BODY, PICTURE_STYLE } from "./markup.ts";
import type { PictureData } from "./model.ts";

/** The page. */
export const picturePage = async (data: PictureData): Promise<string> => {
  const script = await scriptBeside(import.meta.url, "script");
  const policy = policyOf(script, PICTURE_STYLE);
  return (
    '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n' +
    `<meta http-equiv="Content-Security-Policy" content="${policy}">\n` +
    '<meta name="viewport" content="width=device-width"><title>Tetrad simulation</title>\n' +
    `<style>${PICTURE_STYLE}</style></head>\n<body>${PICTURE_BODY}\n` +
    dataBlock("data", JSON.stringify(data)) +
    `<script>${script}</script></body></html>\n`
  );
};
