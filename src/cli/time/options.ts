/** Options that several verbs of `nexus time` have. */
import { fromHex } from "../../crypto/bytes.ts";
import { TetradError } from "../../errors.ts";
import { CHAIN_ID } from "../../ledger/genesis.ts";
import { LIMITS } from "../../limits.ts";
import type { CliContext } from "../context.ts";

/** 32 bytes of an option. Throws cli.usage. */
export const hashOption = (flag: string, text: string): Uint8Array => {
  if (/^[0-9a-f]{64}$/.test(text)) return fromHex(text);
  throw new TetradError("cli.usage", `${flag} must be 32 bytes as lower-case hex`);
};

/** The chain that is meant: the option, the folder's genesis, the node's. Throws cli.usage. */
export const chainIdOf = async (context: CliContext, flag: string | undefined): Promise<string> => {
  if (flag !== undefined) {
    if (CHAIN_ID.test(flag) && flag.length <= LIMITS.chainIdBytesMax) return flag;
    throw new TetradError("cli.usage", `--chain-id ${flag} is no name of a chain`);
  }
  return context.signedChain()?.chainId ?? (await context.client().status(context.signal)).chainId;
};
