// Draws docs/scale.svg and makes the table in docs/scale.md from what the network model said:
//
//     npm run bench -- sim --capacity > rows.jsonl
//     node scripts/scale-plot.mjs rows.jsonl
import { readFileSync, writeFileSync } from "node:fs";
import { drawPanels } from "../bench/plot/panels.ts";

const file = process.argv[2];
if (file === undefined) throw new Error("usage: node scripts/scale-plot.mjs FILE.jsonl");

/** By "n/places": the rows of one network, by what they say. */
const networks = new Map();
for (const line of readFileSync(file, "utf8").split("\n")) {
  if (line === "") continue;
  const { name, what, value } = JSON.parse(line);
  if (name !== "capacity") continue;
  const [, n, places, text] = /^n = (\d+), (\d+) places: +(.*)$/.exec(what);
  const key = `${n}/${places}`;
  const found = networks.get(key) ?? { n: Number(n), places: Number(places) };
  found[text] = value;
  networks.set(key, found);
}
const found = [...networks.values()].sort((a, b) => a.places - b.places || a.n - b.n);

const COLUMNS = [
  ["egress, kB", "egress a node and view, mean"],
  ["of it votes", "of the mean votes"],
  ["proposals", "of the mean proposals"],
  ["batches", "of the mean batches"],
  ["cosignatures", "of the mean cosignatures"],
  ["all else", "of the mean all else"],
  ["signed", "signed a node and view"],
  ["verified", "verified a node and view"],
  ["views a second", "views a second"],
  ["finality p50, ms", "finality p50"],
  ["p99", "finality p99"],
  ["processor, %", "processor busy, mean"],
];
const table = [
  `| n | places | ${COLUMNS.map(([head]) => head).join(" | ")} |`,
  `|${"---|".repeat(COLUMNS.length + 2)}`,
  ...found.map(
    (one) => `| ${one.n} | ${one.places} | ${COLUMNS.map(([, text]) => one[text]).join(" | ")} |`,
  ),
].join("\n");

const BEGIN = "<!-- table: made by `node scripts/scale-plot.mjs` -->";
const END = "<!-- end of table -->";
const page = new URL("../docs/scale.md", import.meta.url);
const text = readFileSync(page, "utf8");
const [before, rest] = text.split(BEGIN);
writeFileSync(page, `${before}${BEGIN}\n\n${table}\n\n${rest.slice(rest.indexOf(END))}`);

const points = (places, what) =>
  found.filter((one) => one.places === places).map((one) => [one.n, one[what]]);
const x = { low: 3.5, high: 115, ticks: [4, 7, 25, 50, 100] };
const egress = "egress a node and view, mean";
const panels = [
  {
    title: "Egress of a node and view",
    caption: "validators; kB",
    x,
    y: { low: 5, high: 1000, ticks: [10, 30, 100, 300, 1000] },
    legend: "corner",
    lines: [
      { label: "three places", name: "one", points: points(3, egress) },
      { label: "twelve places", name: "two", points: points(12, egress) },
      {
        label: "of it votes and proposals, twelve places",
        name: "two thin",
        points: found
          .filter((one) => one.places === 12)
          .map((one) => [one.n, one["of the mean votes"] + one["of the mean proposals"]]),
      },
      {
        label: "bound at 100: 400 kB",
        name: "bound",
        points: [
          [x.low, 400],
          [x.high, 400],
        ],
      },
    ],
  },
  {
    title: "Finality, from hand-over to synced",
    caption: "validators; ms",
    x,
    y: { low: 50, high: 2000, ticks: [50, 100, 200, 500, 1000, 2000] },
    legend: "corner",
    lines: [
      { label: "three places, p50", name: "one", points: points(3, "finality p50") },
      { label: "three places, p99", name: "one thin", points: points(3, "finality p99") },
      { label: "twelve places, p50", name: "two", points: points(12, "finality p50") },
      { label: "twelve places, p99", name: "two thin", points: points(12, "finality p99") },
    ],
  },
];
writeFileSync(
  new URL("../docs/scale.svg", import.meta.url),
  drawPanels("Egress and finality by the number of validators", panels),
);
