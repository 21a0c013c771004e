/** The genesis file of a node. */
import { readFileSync } from "node:fs";
import { TetradError } from "../errors.ts";
import { type ParsedGenesis, parseGenesis } from "../ledger/genesis.ts";

/** Reads the genesis file. Throws config.genesis. */
export const readGenesis = (path: string): ParsedGenesis => {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "?";
    throw new TetradError("config.genesis", `${path} cannot be read (${code})`);
  }
  const parsed = parseGenesis(text);
  if (!parsed.ok) throw new TetradError("config.genesis", `${path}: ${parsed.detail}`);
  return parsed.value;
};
