/** A batch that was signed elsewhere: its bytes are sent as they are, and nothing is kept or signed here. */
import { resolve } from "node:path";
import type { Submitted } from "../client/submit.ts";
import { createHasher } from "../crypto/hash.ts";
import { TetradError } from "../errors.ts";
import { decodeBatch } from "../ledger/batch.ts";
import type { WaitLevel } from "../ledger/handle.ts";
import { LIMITS } from "../limits.ts";
import type { CliContext } from "./context.ts";
import { readFile } from "./events-input.ts";

/** Throws cli.usage for a file, the code of the table for bytes that are no batch, and what a node refuses. */
export const submitSigned = async (
  context: CliContext,
  path: string,
  wait: WaitLevel,
  timeoutSeconds: number,
): Promise<Submitted> => {
  const file = resolve(context.cwd, path);
  const bytes = new Uint8Array(readFile(file));
  if (bytes.length > LIMITS.batchBytesMax) {
    throw new TetradError("batch.too-large", `${file} has ${bytes.length} bytes`);
  }
  const client = context.client();
  const { chainId } = await client.status(context.signal);
  const decoded = decodeBatch(createHasher(chainId), bytes);
  if (!decoded.ok) throw TetradError.from(decoded);
  const waitMs = Math.min(LIMITS.httpWaitMsMax, timeoutSeconds * 1000);
  const receipt = await client.submit(bytes, wait, context.signal, waitMs);
  return { batch: decoded.value, receipt, interrupted: false };
};
