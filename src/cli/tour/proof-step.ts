/** The step of the tour about proofs: one of the tour's own event, and the same with one letter changed. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { notShown, type Stage } from "./stage.ts";

/** The text with one letter of its longest word changed: a word of base64url stays one. */
export const withOneLetterChanged = (text: string): string => {
  let best = "";
  for (const [word] of text.matchAll(/[A-Za-z0-9_-]+/g)) if (word.length > best.length) best = word;
  if (best === "") throw new RangeError("no word to change");
  const at = text.indexOf(best) + (best.length >> 1);
  return `${text.slice(0, at)}${text[at] === "A" ? "B" : "A"}${text.slice(at + 1)}`;
};

export const proveEvent = async (stage: Stage, index: number, id: string): Promise<string> => {
  const [proof, changed] = ["proof", "changed"].map((name) =>
    join(stage.dir, `${name}-${id}.json`),
  );
  const genesis = join(stage.dir, "genesis.json");
  if (proof === undefined || changed === undefined) throw notShown("no name for the file");
  try {
    await stage.succeeds(["proof", "get", String(index), "--out", proof]);
    await stage.succeeds(["proof", "verify", proof, "--trust", genesis]);
    writeFileSync(changed, withOneLetterChanged(readFileSync(proof, "utf8")), { mode: 0o600 });
    stage.say("  forged: the same proof with one letter of the file changed:");
    const ran = await stage.nexus(["proof", "verify", changed, "--trust", genesis]);
    const code = /\b(proof\.[a-z-]+): /.exec(ran.stderr)?.[1];
    if (ran.code !== 2 || code === undefined) {
      throw notShown(`the forged proof was not refused as one (exit ${ran.code})`);
    }
    return (
      `the proof of event ${index} holds offline, asking no node; forged by one letter it is refused with ` +
      `${code}, exit code 2`
    );
  } finally {
    for (const file of [proof, changed]) rmSync(file, { force: true });
  }
};
