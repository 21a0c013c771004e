/**
 * How wide a text is on a terminal, in cells, and cutting and padding by that: letters of East Asian
 * scripts and emoji take two cells, marks that combine with the letter before them none.
 */

const graphemes = new Intl.Segmenter("en", { granularity: "grapheme" });

/** Wide and fullwidth of Unicode's EastAsianWidth, in runs; gaps that hold nothing are not left out. */
const WIDE_BASIC =
  "\\u1100-\\u115f\\u2e80-\\u303e\\u3041-\\u4dbf\\u4e00-\\ua4cf\\ua960-\\ua97f\\uac00-\\ud7a3" +
  "\\uf900-\\ufaff\\ufe10-\\ufe19\\ufe30-\\ufe6f\\uff01-\\uff60\\uffe0-\\uffe6";
const WIDE_FURTHER =
  "\\u{16fe0}-\\u{18dff}\\u{1b000}-\\u{1b2ff}\\u{1f200}-\\u{1f265}\\u{20000}-\\u{3fffd}";
const WIDE = new RegExp(`^(?:[${WIDE_BASIC}${WIDE_FURTHER}]|\\p{Emoji_Presentation})`, "u");

/** What most texts are made of: a cell for each character, and none joins the one before it. */
const PLAIN = /^[\x20-\x7e\u00a0-\u02ff…→]*$/;

const cellsOf = (grapheme: string): number =>
  /^[\p{Mn}\p{Me}]+$/u.test(grapheme)
    ? 0
    : WIDE.test(grapheme) || grapheme.includes("\ufe0f")
      ? 2
      : 1;

export const widthOf = (text: string): number => {
  if (PLAIN.test(text)) return text.length;
  let cells = 0;
  for (const { segment } of graphemes.segment(text)) cells += cellsOf(segment);
  return cells;
};

export const padEnd = (text: string, cells: number): string =>
  text + " ".repeat(Math.max(0, cells - widthOf(text)));

export const padStart = (text: string, cells: number): string =>
  " ".repeat(Math.max(0, cells - widthOf(text))) + text;

/** The text, or as much of its beginning as fits with an ellipsis; never a part of a character. */
export const short = (text: string, cells = 12): string => {
  if (widthOf(text) <= cells) return text;
  let kept = "";
  let used = 1;
  for (const { segment } of graphemes.segment(text)) {
    used += cellsOf(segment);
    if (used > cells) break;
    kept += segment;
  }
  return `${kept}…`;
};

const COLOR = new RegExp(`(${String.fromCharCode(27)}\\[[0-9;]*m)`);

/** As `short`, of a text with colour codes: they take no cells, and all of them stay, so none is left on. */
export const shortPainted = (text: string, cells: number): string => {
  const pieces = text.split(COLOR);
  const letters = pieces.filter((_, i) => i % 2 === 0).join("");
  const kept = short(letters, cells);
  if (kept === letters) return text;
  let left = kept.length - 1;
  let ended = false;
  return pieces
    .map((piece, i) => {
      if (i % 2 === 1 || ended) return i % 2 === 1 ? piece : "";
      ended = piece.length > left;
      const part = ended ? `${piece.slice(0, left)}…` : piece;
      left -= piece.length;
      return part;
    })
    .join("");
};
