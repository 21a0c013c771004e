/** What `nexus dev` shows: one line a node, redrawn in place on a terminal, now and then elsewhere. */
import type { StatusJson } from "../../client/api.ts";
import { paint, printable, type Terminal } from "../output.ts";
import { shortPainted } from "../width.ts";

export type NodeView = {
  readonly name: string;
  readonly api: string;
  readonly status: StatusJson | undefined;
  /** It has not answered yet since it was started with the network. */
  readonly starting: boolean;
  readonly eventsPerSecond: number;
};

/** Between two rounds of plain lines, and of lines that are redrawn: an idle chain has a block a second. */
const PLAIN_MS = 10_000;
const LIVE_MS = 1_000;

export const nodeLine = (
  view: NodeView,
  names: ReadonlyMap<string, string>,
  color: boolean,
): string => {
  const name = paint(color, "bold", view.name.padEnd(4));
  const { status } = view;
  if (status === undefined) {
    return `${name}  ${paint(color, "yellow", view.starting ? "starting" : "down")}`;
  }
  const voting =
    status.voting === "yes"
      ? paint(color, "green", "voting ")
      : paint(color, "yellow", printable(status.voting).padEnd(7));
  const leader = names.get(status.leader) ?? "-";
  return [
    name,
    voting,
    `height ${String(status.finalHeight).padStart(6)}`,
    `leader ${leader.padEnd(4)}`,
    `view ${String(Math.round(status.viewTimeMs)).padStart(5)} ms`,
    `${String(Math.round(view.eventsPerSecond)).padStart(6)} events/s`,
    `${status.peers.length} peers`,
    paint(color, "dim", view.api),
  ].join("  ");
};

export class Display {
  readonly #terminal: Terminal;
  readonly #nowMs: () => number;
  #drawn = 0;
  #plainAt = Number.NEGATIVE_INFINITY;

  constructor(terminal: Terminal, nowMs: () => number) {
    this.#terminal = terminal;
    this.#nowMs = nowMs;
  }

  show(views: readonly NodeView[]): void {
    const names = new Map<string, string>();
    for (const { name, status } of views) if (status !== undefined) names.set(status.nodeId, name);
    const lines = views.map((view) => nodeLine(view, names, this.#terminal.colorErr));
    if (this.#terminal.live) {
      this.clear();
      // A line that wraps takes two rows, of which only one would be taken back.
      const room = this.#terminal.columns() - 1;
      const drawn = lines.map((line) => shortPainted(line, room));
      this.#terminal.err(`${drawn.join("\n")}\n`);
      this.#drawn = lines.length;
      return;
    }
    const now = this.#nowMs();
    // Where lines stay, the seconds before anything runs are not worth any.
    if (this.#plainAt === Number.NEGATIVE_INFINITY && views.every((view) => !view.status)) return;
    if (now - this.#plainAt < PLAIN_MS) return;
    this.#plainAt = now;
    this.#terminal.err(`${lines.join("\n")}\n`);
  }

  /** How long nothing new is shown: what is asked of nodes before that costs them and is not seen. */
  get pauseMs(): number {
    if (this.#terminal.live || this.#plainAt === Number.NEGATIVE_INFINITY) return LIVE_MS;
    return Math.max(0, this.#plainAt + PLAIN_MS - this.#nowMs());
  }

  /** Prints a text that stays, above the lines. */
  say(print: () => void): void {
    this.clear();
    print();
  }

  clear(): void {
    if (this.#drawn === 0) return;
    // The terminal may have echoed a ^C, so the cursor need not stand at the beginning of a line.
    this.#terminal.err(`\r\x1b[${this.#drawn}A\x1b[0J`);
    this.#drawn = 0;
  }
}
