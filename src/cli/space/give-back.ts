/** `nexus space give-back`: a validator says on the chain that a sector of its is no longer there. */
import { TetradError } from "../../errors.ts";
import { sectorDropped } from "../../ledger/projections/space/index.ts";
import type { CliContext } from "../context.ts";
import { type AppendOptions, writeEvents } from "../verbs/append.ts";

type WriteOptions = Pick<AppendOptions, "wait" | "key" | "timeout">;

const numberOf = (text: string): number => {
  const number = /^(0|[1-9][0-9]{0,12})$/.test(text) ? Number(text) : Number.NaN;
  if (number <= 2 ** 40) return number;
  throw new TetradError("cli.usage", `"${text}" is no number of a sector`);
};

/** Whose sector it is, is who signs. Throws what a node refuses: space.sector-unknown. */
export const giveBack = async (
  context: CliContext,
  options: WriteOptions,
  wanted: string,
): Promise<void> => {
  const number = numberOf(wanted);
  await writeEvents(context, options, () => [sectorDropped.encode({ number })]);
  context.note(`sector ${number} is asked for until the epoch ends: keep its file so long`);
  context.note("its node makes another, unless space_sectors in its configuration asks for fewer");
  context.suggest("nexus space ls");
};
