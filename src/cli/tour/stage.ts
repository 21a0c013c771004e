/**
 * Where the tour tells what it does: it says a thing, types a command, runs that very command as a process
 * of its own, and shows what it printed.
 */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline/promises";
import { stripVTControlCharacters } from "node:util";
import { TetradError } from "../../errors.ts";
import type { CliContext } from "../context.ts";
import { binPath } from "../dev/child.ts";
import { paint, printable, type Style } from "../output.ts";

/** What a command printed, without the colours that it is shown in. */
export type Ran = {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
};

export type RunOptions = {
  /** As people would type it, where that is shorter than what is run. */
  readonly shown?: string;
  /** Lines of its output that are shown; the rest is counted. */
  readonly linesMax?: number;
};

/** The tour's own claim does not hold: the step has not shown what it is about. */
export const notShown = (detail: string): TetradError => new TetradError("tour.failed", detail);

const COLOR = new RegExp(`(${String.fromCharCode(27)}\\[[0-9;]*m)`);

/** Colour codes of our own commands stay; whatever else a terminal could obey is shown. */
const safeLine = (line: string): string =>
  line
    .split(COLOR)
    .map((piece, i) => (i % 2 === 1 ? piece : printable(piece)))
    .join("");

const quoted = (word: string): string =>
  /^[\w./:=@%+,[\]-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;

/** Of the caller's settings, those that the tour's commands must not have. */
const OWN_SETTINGS: readonly string[] = [
  "NEXUS_API",
  "NEXUS_DIR",
  "NEXUS_KEY",
  "NEXUS_PASSPHRASE",
  "FORCE_COLOR",
  "NO_COLOR",
];

/** Commands of the tour end within this time, or the step fails. */
const COMMAND_MS_MAX = 60_000;

export class Stage {
  readonly context: CliContext;
  /** Folder of the network that the tour runs on. */
  readonly dir: string;
  readonly #pauses: boolean;
  readonly #commands: string[] = [];

  constructor(context: CliContext, dir: string, pauses: boolean) {
    this.context = context;
    this.dir = dir;
    this.#pauses = pauses;
  }

  /** Programs get the report on stdout, and then the telling is beside it. */
  say(text = ""): void {
    const { terminal, format } = this.context;
    if (format === "table") terminal.out(`${text}\n`);
    else terminal.err(`${text}\n`);
  }

  style(style: Style, text: string): string {
    const { terminal, format } = this.context;
    return paint(format === "table" ? terminal.colorOut : terminal.colorErr, style, text);
  }

  title(text: string): void {
    this.say();
    this.say(this.style("bold", text));
  }

  shown(text: string): void {
    this.say(`  ${this.style("green", "✓")} ${text}`);
  }

  /** Commands since the last call, as they were typed. */
  takeCommands(): string[] {
    return this.#commands.splice(0);
  }

  /** Runs `nexus ARGS` on the network, shown as typed. */
  async nexus(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
    const typed = options.shown ?? `nexus ${args.map(quoted).join(" ")}`;
    this.#commands.push(typed);
    this.say(`  ${this.style("dim", "$")} ${this.style("cyan", typed)}`);
    const ran = await this.#spawn(args);
    const lines = `${ran.stdout}${ran.stderr}`.split("\n").filter((line) => line !== "");
    const most = options.linesMax ?? 12;
    for (const line of lines.slice(0, most)) this.say(`    ${safeLine(line)}`);
    if (lines.length > most) this.say(`    … ${lines.length - most} more`);
    return {
      code: ran.code,
      stdout: stripVTControlCharacters(ran.stdout),
      stderr: stripVTControlCharacters(ran.stderr),
    };
  }

  /** As above; another exit code than 0 fails the step. */
  async succeeds(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
    const ran = await this.nexus(args, options);
    if (ran.code !== 0) throw notShown(`nexus ${args.join(" ")} ended with ${ran.code}`);
    return ran;
  }

  #spawn(args: readonly string[]): Promise<Ran> {
    const { terminal, signal, env, cwd } = this.context;
    signal.throwIfAborted();
    const own = Object.entries(env).filter(([name]) => !OWN_SETTINGS.includes(name));
    const color = terminal.colorOut ? { FORCE_COLOR: "1" } : { NO_COLOR: "1" };
    const child = spawn(process.execPath, [binPath(), "--dir", this.dir, ...args], {
      cwd,
      env: { ...Object.fromEntries(own), ...color },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const timer = setTimeout(() => child.kill("SIGKILL"), COMMAND_MS_MAX);
    const abort = (): void => void child.kill("SIGTERM");
    signal.addEventListener("abort", abort, { once: true });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (piece) => {
      stdout += piece;
    });
    child.stderr.on("data", (piece) => {
      stderr += piece;
    });
    return new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code) => {
        clearTimeout(timer);
        signal.removeEventListener("abort", abort);
        if (signal.aborted) reject(signal.reason);
        else resolve({ code, stdout, stderr });
      });
    });
  }

  /** One screen a step: waits for Enter where a person is at the terminal. */
  async turn(): Promise<void> {
    if (!this.#pauses) return;
    const { signal } = this.context;
    const ask = createInterface({ input: process.stdin, output: process.stderr });
    try {
      await ask.question(this.style("dim", "  Enter goes on, Ctrl-C ends "), { signal });
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      ask.close();
    }
  }
}
