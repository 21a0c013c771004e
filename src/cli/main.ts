/**
 * The `nexus` command. Data on stdout, all else on stderr; exit codes are those of the error table:
 * 0 ok, 1 usage or refused, 2 verification failed, 3 cannot verify, 4 unreachable, 5 conflict, 70 a bug.
 */
import { type Command, CommanderError, Option } from "commander";
import { VERSION } from "../node/version.ts";
import { addVerbs } from "./commands.ts";
import { CliContext, DEFAULT_API, DEFAULT_DIR, type GlobalOptions } from "./context.ts";
import { NexusCommand } from "./nexus-command.ts";
import { createTerminal, explainError, FORMATS, paint, type Terminal } from "./output.ts";
import type { RunVerb } from "./verb.ts";

const EXAMPLES = `
Examples:
  nexus dev                                     four validators on this machine
  nexus append notes/first "hello"              write a record
  nexus tail                                    follow the log
  nexus ls records                              what the log says now
  nexus append --type record.put --data '{"topic":"notes","key":"a","body":{"text":"hi"}}'

Exit codes:
  0 done   1 usage or refused   2 verification failed   3 cannot verify
  4 unreachable   5 conflict   70 internal error
  10 crash   11 liveness lost   12 correctness lost (simulator)
`;

/** Runs the command line and sets process.exitCode. Never throws. */
export const main = async (argv: readonly string[]): Promise<void> => {
  const plain = argv.includes("--no-color");
  const terminal = createTerminal(process.env, !plain);
  ignoreClosedPipes();
  const interrupt = listenForSignals();
  try {
    await createProgram(terminal, interrupt.signal).parseAsync([...argv]);
  } catch (error) {
    report(error, terminal, interrupt.signal);
  } finally {
    interrupt.release();
  }
};

const report = (error: unknown, terminal: Terminal, signal: AbortSignal): void => {
  if (error instanceof CommanderError) {
    // The parser has printed its own message; help and version are no failures.
    process.exitCode = error.exitCode === 0 ? 0 : 1;
    return;
  }
  if (signal.aborted && error === signal.reason) {
    process.exitCode = 130;
    return;
  }
  const { text, exitCode } = explainError(error, terminal);
  terminal.err(text);
  process.exitCode = exitCode;
};

/** `nexus … | head` closes our stdout early: that is the reader's wish, not an error. */
const ignoreClosedPipes = (): void => {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EPIPE") process.exit(process.exitCode ?? 0);
      throw error;
    });
  }
};

type Interrupt = { readonly signal: AbortSignal; release(): void };

/** The first SIGINT or SIGTERM ends the verb in order; a second one ends the process at once. */
const listenForSignals = (): Interrupt => {
  const controller = new AbortController();
  const onSignal = (name: NodeJS.Signals): void => {
    if (controller.signal.aborted) process.exit(name === "SIGINT" ? 130 : 143);
    controller.abort(new Error(name));
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  return {
    signal: controller.signal,
    release() {
      process.off("SIGINT", onSignal);
      process.off("SIGTERM", onSignal);
    },
  };
};

export const createProgram = (terminal: Terminal, signal: AbortSignal): Command => {
  const program = new NexusCommand("nexus");
  program
    .description("Tetrad: one event log that organisations keep together, trusting no single one")
    .version(VERSION, "-V, --version", "print the version")
    .addOption(new Option("-o, --output <format>", "how data is printed").choices([...FORMATS]))
    .option("--api <url>", `node to ask (NEXUS_API, default ${DEFAULT_API})`)
    .option(
      "--dir <folder>",
      `folder of the development network (NEXUS_DIR, default ${DEFAULT_DIR})`,
    )
    .option("--no-color", "no colours (also NO_COLOR)")
    .option("-q, --quiet", "no notes on stderr")
    .addHelpText("after", EXAMPLES)
    .configureOutput({
      writeOut: (text) => terminal.out(text),
      writeErr: (text) => terminal.err(text),
      getOutHasColors: () => terminal.colorOut,
      getErrHasColors: () => terminal.colorErr,
      outputError: (text, write) => write(usageError(text, terminal)),
    })
    .configureHelp({
      showGlobalOptions: true,
      styleTitle: (title) => paint(terminal.colorOut, "bold", title),
    })
    .showSuggestionAfterError(true)
    .exitOverride();
  const run: RunVerb =
    (load) =>
    async (...args) => {
      // The parser gives arguments, then options, then the command itself.
      const command = args.at(-1) as Command;
      const options = args.at(-2);
      const values = args.slice(0, -2).flat() as string[];
      const globals = command.optsWithGlobals() as GlobalOptions;
      const context = new CliContext(terminal, globals, process.env, process.cwd(), signal);
      const verb = await load();
      await verb(context, options as Parameters<typeof verb>[1], ...values);
    };
  addVerbs(program, run);
  inheritSettings(program);
  return program;
};

/** The parser's message as this program's errors look: with the code of the table. */
const usageError = (text: string, terminal: Terminal): string => {
  const error = paint(terminal.colorErr, "red", "error");
  return text
    .replace(/^error: /, `${error} cli.usage: `)
    .replace(
      /command-argument value '([^']*)' is invalid for argument '([^']*)'\./,
      '"$1" is no $2.',
    )
    .replace(/\n\((Did you mean .*)\)\n$/, (_, hint: string) => ` — ${lowerFirst(hint)}\n`);
};

const lowerFirst = (text: string): string => `${text.charAt(0).toLowerCase()}${text.slice(1)}`;

/** Subcommands made by `.command()` copy settings that were set before; exitOverride among them. */
const inheritSettings = (program: Command): void => {
  for (const command of program.commands) {
    command.copyInheritedSettings(program);
    inheritSettings(command);
  }
};
