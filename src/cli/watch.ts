/** `-w`: a verb that reads is run again and again, and what it prints is shown when it has changed. */
import { setTimeout } from "node:timers/promises";
import { TetradError } from "../errors.ts";
import { CliContext } from "./context.ts";
import type { Terminal } from "./output.ts";

export type WatchOptions = { readonly watch?: boolean };

/** Between two looks. */
const PAUSE_MS = 1_000;

/** To the corner of the screen, and nothing below: less flicker than clearing it first. */
const HOME = "\x1b[H";
const REST_OF_LINE = "\x1b[K";
const REST_OF_SCREEN = "\x1b[J";

const redrawn = (text: string): string =>
  `${HOME}${text.replaceAll("\n", `${REST_OF_LINE}\n`)}${REST_OF_SCREEN}`;

/** The verb's output as one text, instead of on the terminal. */
const collect = async (
  context: CliContext,
  once: (context: CliContext) => Promise<void>,
): Promise<{ readonly out: string; readonly err: string }> => {
  let out = "";
  let err = "";
  const terminal: Terminal = {
    ...context.terminal,
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
  };
  const { options, env, cwd, signal } = context;
  // "next: …" would be said each second.
  await once(new CliContext({ ...terminal, outIsTerminal: false }, options, env, cwd, signal));
  return { out, err };
};

/** Resolves after the time, or when the signal comes, and leaves no timer that keeps the process. */
export const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  setTimeout(ms, undefined, { signal }).catch(() => undefined);

/**
 * Runs `once`, and with --watch again each second until the signal: redrawn in place on a terminal, else
 * printed whenever it is not what was printed last. The first run may fail; later a node that does not
 * answer is told once and waited for.
 */
export const watching = async (
  context: CliContext,
  options: WatchOptions,
  once: (context: CliContext) => Promise<void>,
): Promise<void> => {
  if (options.watch !== true) return once(context);
  const { terminal, signal } = context;
  let before: string | undefined;
  let failed = "";
  while (!signal.aborted) {
    try {
      const { out, err } = await collect(context, once);
      if (out !== before || failed !== "") {
        const drawn = terminal.outIsTerminal && context.format === "table";
        terminal.out(drawn ? redrawn(out + err) : out);
        if (!drawn && err !== "" && out !== before) terminal.err(err);
      }
      before = out;
      failed = "";
    } catch (error) {
      if (signal.aborted) return;
      const passing = error instanceof TetradError && error.spec.retryable;
      if (before === undefined || !passing) throw error;
      if (failed !== error.message) context.note(`${error.code}: ${error.message}; trying again`);
      failed = error.message;
    }
    await pause(PAUSE_MS, signal);
  }
};
