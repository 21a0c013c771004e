/** `nexus completion SHELL`: a script that completes verbs, flags, values and projections. */
import type { Command } from "commander";
import { TetradError } from "../../errors.ts";
import { FORMATS } from "../../node/formats.ts";
import { completionScript, SHELLS } from "../completion.ts";
import { DEV_NODES } from "../dev/record.ts";
import type { Verb } from "../verb.ts";

/** The verb for the program whose verbs are to be completed. */
export const completionOf =
  (program: Command): Verb<object> =>
  async (context, _options, shell) => {
    const known = SHELLS.find((one) => one === shell);
    const names = { projections: FORMATS.projections, nodes: DEV_NODES };
    if (known === undefined) throw new TetradError("cli.usage", `no completion for ${shell}`);
    context.terminal.out(completionScript(known, program, names));
  };
