/** Where the states of nodes differ: roots height by height, and rows and entries where a run was audited. */
import type { Dump, Row, Status } from "./checkers/types.ts";

export type NodeRoots = {
  readonly slot: number;
  readonly height: number;
  readonly logSize: number;
  readonly logRoot: string;
  readonly stateRoot: string;
};

/** One place where nodes hold different things: by value, who holds it. */
export type Difference = {
  readonly what: string;
  readonly values: readonly { readonly value: string; readonly slots: readonly number[] }[];
};

export type RootDiff = {
  /** The newest that each node has executed. */
  readonly nodes: readonly NodeRoots[];
  /** The highest height that at least two nodes have executed with equal roots; -1 for none. */
  readonly equalUpTo: number;
  /** The first height with different roots, and rows and entries that differ; empty when nothing does. */
  readonly differences: readonly Difference[];
};

const HEIGHTS_KEPT = 4_000;
const DIFFERENCES_MAX = 12;
const VALUE_CHARACTERS = 96;

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

const clip = (text: string): string =>
  text.length <= VALUE_CHARACTERS ? text : `${text.slice(0, VALUE_CHARACTERS)}...`;

/** Text as it is, other bytes in hex. */
export const printable = (bytes: Uint8Array): string => {
  const text = Buffer.from(bytes).toString("utf8");
  return /^[\x20-\x7e]+$/.test(text) ? text : hex(bytes);
};

/** Groups slots by what they hold; undefined when all hold the same. */
const differ = (what: string, held: ReadonlyMap<number, string>): Difference | undefined => {
  const slotsOf = new Map<string, number[]>();
  for (const [slot, value] of held) {
    const slots = slotsOf.get(value);
    if (slots === undefined) slotsOf.set(value, [slot]);
    else slots.push(slot);
  }
  if (slotsOf.size < 2) return undefined;
  return { what, values: [...slotsOf].map(([value, slots]) => ({ value: clip(value), slots })) };
};

const rowDifferences = (dumps: readonly Dump[]): Difference[] => {
  const out: Difference[] = [];
  for (const projection of new Set(dumps.flatMap(({ rows }) => [...rows.keys()]))) {
    const tables = dumps.map(({ slot, rows }) => {
      const table = rows.get(projection) ?? [];
      const byKey = new Map(table.map((row: Row) => [hex(row.key), row]));
      return { slot, byKey };
    });
    for (const key of new Set(tables.flatMap(({ byKey }) => [...byKey.keys()]))) {
      const rows = tables.map(({ slot, byKey }) => ({ slot, row: byKey.get(key) }));
      const held = new Map(
        rows.map(({ slot, row }) => [slot, row === undefined ? "(absent)" : hex(row.value)]),
      );
      const name = printable(Buffer.from(key, "hex"));
      const found = differ(`${projection} ${name}`, held);
      if (found !== undefined) out.push(found);
      if (out.length >= DIFFERENCES_MAX) return out;
    }
  }
  return out;
};

const entryDifferences = (dumps: readonly Dump[]): Difference[] => {
  const most = Math.max(0, ...dumps.map(({ entries }) => entries.length));
  for (let index = 0; index < most; index++) {
    const held = new Map(
      dumps.map(({ slot, entries }) => {
        const entry = entries[index];
        const text =
          entry === undefined
            ? "(absent)"
            : `height ${entry.height}, ${entry.eventType}, ${entry.refusedWith || "accepted"}, ` +
              `effects ${hex(entry.effectsHash).slice(0, 16)}`;
        return [slot, text] as const;
      }),
    );
    const found = differ(`entry ${index}`, held);
    if (found !== undefined) return [found];
  }
  return [];
};

/** Collects what nodes say of themselves in a run; `slots` are those that are to be compared. */
export class RootWatch {
  readonly #bySlot = new Map<number, Map<number, Status>>();
  #dumps: readonly Dump[] = [];

  status(slot: number, status: Status): void {
    let heights = this.#bySlot.get(slot);
    if (heights === undefined) {
      heights = new Map();
      this.#bySlot.set(slot, heights);
    }
    heights.set(status.executedHeight, status);
    if (heights.size <= HEIGHTS_KEPT) return;
    for (const height of heights.keys()) {
      heights.delete(height);
      break;
    }
  }

  end(dumps: readonly Dump[]): void {
    this.#dumps = dumps;
  }

  diff(slots: (slot: number) => boolean): RootDiff {
    const compared = [...this.#bySlot].filter(([slot]) => slots(slot)).sort(([a], [b]) => a - b);
    const nodes = compared.map(([slot, heights]): NodeRoots => {
      const height = Math.max(...heights.keys());
      const { logSize = 0, logRoot = "", stateRoot = "" } = heights.get(height) ?? {};
      return { slot, height, logSize, logRoot, stateRoot };
    });
    let equalUpTo = -1;
    const differences: Difference[] = [];
    const heights = new Set(compared.flatMap(([, known]) => [...known.keys()]));
    for (const height of [...heights].sort((a, b) => a - b)) {
      const held = compared.flatMap(([slot, known]) => {
        const status = known.get(height);
        return status === undefined ? [] : [{ slot, status }];
      });
      if (held.length < 2) continue;
      for (const root of ["logRoot", "stateRoot"] as const) {
        const values = new Map(held.map(({ slot, status }) => [slot, status[root]]));
        const name = root === "logRoot" ? "log root" : "state root";
        const found = differ(`${name} at height ${height}`, values);
        if (found !== undefined) differences.push(found);
      }
      if (differences.length > 0) break;
      equalUpTo = height;
    }
    const dumps = this.#dumps.filter(({ slot }) => slots(slot));
    differences.push(...entryDifferences(dumps), ...rowDifferences(dumps));
    return { nodes, equalUpTo, differences };
  }
}
