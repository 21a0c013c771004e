/** Reads the file of a proof, which may be anything. */
import { createReadStream } from "node:fs";
import { resolve } from "node:path";
import { TetradError } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import type { CliContext } from "../context.ts";

const readBounded = async (path: string): Promise<string> => {
  const pieces: Buffer[] = [];
  let bytes = 0;
  const stream = path === "-" ? process.stdin : createReadStream(path);
  for await (const piece of stream as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes > LIMITS.timeFileCharactersMax) {
      const detail = `${path} is over ${LIMITS.timeFileCharactersMax} bytes`;
      throw new TetradError("time.proof-malformed", detail);
    }
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString("utf8");
};

/** Its text; "-" is standard input. Throws proof.unreadable, and time.proof-malformed past the limit. */
export const readProofText = async (context: CliContext, path: string): Promise<string> => {
  try {
    return await readBounded(path === "-" ? path : resolve(context.cwd, path));
  } catch (error) {
    if (error instanceof TetradError) throw error;
    const { code = String(error) } = error as NodeJS.ErrnoException;
    throw new TetradError("proof.unreadable", `${path} cannot be read (${code})`);
  }
};
