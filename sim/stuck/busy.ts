/** Nodes that are busy for nothing: what the last events of a run were, by kind and by node. */
import { labelOfType } from "../message-names.ts";
import type { TraceEvent } from "../trace.ts";
import { type Stuck, slotList, tableOf } from "./model.ts";

/** Of so many events a share below this says nothing. */
const SHARE_TOLD = 0.2;
const NODES_SHOWN = 10;

const nameOf = ({ kind, type }: TraceEvent): string =>
  type < 0 ? kind : `${kind} ${labelOfType(type).kind}`;

const percent = (part: number, all: number): string => `${Math.round((100 * part) / all)} %`;

/** Of a run that had no end: the newest events that it has kept, counted. */
export const busyOf = (events: readonly TraceEvent[]): Stuck => {
  const counts = new Map<string, Map<number, number>>();
  const ofNodes = new Map<number, number>();
  for (const event of events) {
    const name = nameOf(event);
    const row = counts.get(name) ?? new Map<number, number>();
    counts.set(name, row.set(event.node, (row.get(event.node) ?? 0) + 1));
    ofNodes.set(event.node, (ofNodes.get(event.node) ?? 0) + 1);
  }
  const total = (row: ReadonlyMap<number, number>): number =>
    [...row.values()].reduce((sum, count) => sum + count, 0);
  const kinds = [...counts].sort(([, a], [, b]) => total(b) - total(a));
  const nodes = [...ofNodes].sort(([a, x], [b, y]) => y - x || a - b).map(([slot]) => slot);
  const shown = nodes.slice(0, NODES_SHOWN).sort((a, b) => a - b);
  const spanUs = (events.at(-1)?.atUs ?? 0) - (events[0]?.atUs ?? 0);
  const told = kinds
    .filter(([, row]) => total(row) >= SHARE_TOLD * events.length)
    .map(
      ([name, row]) => `${percent(total(row), events.length)} ${name} (${slotList(row.keys())})`,
    );
  const span = `the last ${events.length} events took ${(spanUs / 1_000).toFixed(1)} ms of virtual time`;
  return {
    causes: [told.length === 0 ? span : `${span}: ${told.join(", ")}`],
    tables: [
      tableOf(
        `The last ${events.length} events`,
        ["what", "all", ...shown.map((slot) => (slot < 0 ? "none" : `n${slot}`))],
        kinds.map(([name, row]) => [
          ...[name, String(total(row))],
          ...shown.map((slot) => String(row.get(slot) ?? 0)),
        ]),
      ),
    ],
  };
};
