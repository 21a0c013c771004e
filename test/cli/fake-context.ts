/** A context whose terminal keeps what is said. */
import { CliContext, type GlobalOptions } from "../../src/cli/context.ts";
import type { Terminal } from "../../src/cli/output.ts";

export const fakeContext = (
  options: GlobalOptions,
  outIsTerminal = false,
  signal: AbortSignal = new AbortController().signal,
): { readonly context: CliContext; readonly said: { out: string; err: string } } => {
  const said = { out: "", err: "" };
  const terminal: Terminal = {
    out: (text) => {
      said.out += text;
    },
    err: (text) => {
      said.err += text;
    },
    colorOut: false,
    colorErr: false,
    live: false,
    outIsTerminal,
    columns: () => 100,
  };
  return { context: new CliContext(terminal, options, {}, "/", signal), said };
};
