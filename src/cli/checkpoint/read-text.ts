/** Files that the command reads whole, within a bound. */
import { readFileSync, statSync } from "node:fs";
import { TetradError } from "../../errors.ts";

/** A text file of at most `max` bytes. Throws cli.usage where it cannot be read. */
export const readText = (path: string, max: number): string => {
  try {
    const { size } = statSync(path);
    if (size > max) throw new TetradError("cli.usage", `${path} is over ${max} bytes`);
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof TetradError) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? "?";
    throw new TetradError("cli.usage", `${path} cannot be read (${code})`);
  }
};
