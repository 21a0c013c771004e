/** What docs/scale.md prints of the network model's rows (`npm run bench -- sim --capacity`). */

export type ScaleNetwork = {
  readonly n: number;
  readonly places: number;
  /** By what a row says of the network: its value, and how many samples that stands on. */
  readonly rows: ReadonlyMap<string, { readonly value: number; readonly samples: number }>;
};

/** With fewer batches than this the 99th percentile by rank is the slowest batch. */
export const P99_SAMPLES_MIN = 100;

const WHAT = /^n = (\d+), (\d+) places: +(.*)$/;

/** The networks in the rows that the bench wrote, those on one map together and by their size. */
export const readNetworks = (jsonl: string): readonly ScaleNetwork[] => {
  const found = new Map<string, ScaleNetwork & { readonly rows: Map<string, unknown> }>();
  for (const line of jsonl.split("\n")) {
    if (line === "") continue;
    const { name, what, value, n: samples } = JSON.parse(line);
    const [, n, places, text = ""] = name === "capacity" ? (WHAT.exec(what) ?? []) : [];
    if (n === undefined) continue;
    const key = `${n}/${places}`;
    const network = found.get(key) ?? { n: Number(n), places: Number(places), rows: new Map() };
    network.rows.set(text, { value, samples });
    found.set(key, network);
  }
  return [...found.values()].sort((a, b) => a.places - b.places || a.n - b.n);
};

/** One value of a network; throws where the rows are of a bench that does not tell it. */
export const figureOf = ({ n, places, rows }: ScaleNetwork, text: string): number => {
  const row = rows.get(text);
  if (row === undefined) throw new Error(`n = ${n}, ${places} places: no row says "${text}"`);
  return row.value;
};

const P99 = "finality p99";

/** The 99th percentile, and that it is the slowest batch where it is. */
const slowest = (network: ScaleNetwork): string => {
  const value = figureOf(network, P99);
  return batches(network) < P99_SAMPLES_MIN ? `${value} (slowest)` : String(value);
};

const batches = ({ rows }: ScaleNetwork): number => rows.get(P99)?.samples ?? 0;

type Column = readonly [head: string, cell: string | ((network: ScaleNetwork) => string)];

const COLUMNS: readonly Column[] = [
  ["virtual s", "measured"],
  ["egress, kB", "egress a node and view, mean"],
  ["of it votes", "of the mean votes"],
  ["proposals", "of the mean proposals"],
  ["batches", "of the mean batches"],
  ["cosignatures", "of the mean cosignatures"],
  ["all else", "of the mean all else"],
  ["signed", "signed a node and view"],
  ["verified", "verified a node and view"],
  ["views a second", "views a second"],
  ["batches final", (network) => String(batches(network))],
  ["finality p50, ms", "finality p50"],
  ["p99", slowest],
  ["processor, %", "processor busy, mean"],
];

/** The table of the page. */
export const scaleTable = (networks: readonly ScaleNetwork[]): string =>
  [
    `| n | places | ${COLUMNS.map(([head]) => head).join(" | ")} |`,
    `|${"---|".repeat(COLUMNS.length + 2)}`,
    ...networks.map((network) => {
      const cells = COLUMNS.map(([, cell]) =>
        typeof cell === "string" ? figureOf(network, cell) : cell(network),
      );
      return `| ${network.n} | ${network.places} | ${cells.join(" | ")} |`;
    }),
  ].join("\n");
