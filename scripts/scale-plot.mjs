// Draws docs/scale.svg and makes the table in docs/scale.md from what the network model said:
//
//     npm run bench -- sim --capacity --measured 60,60,60,30,15 > rows.jsonl
//     node scripts/scale-plot.mjs rows.jsonl
import { readFileSync, writeFileSync } from "node:fs";
import { drawPanels } from "../bench/plot/panels.ts";
import { figureOf, readNetworks, scaleTable } from "../bench/sim/scale-table.ts";

const file = process.argv[2];
if (file === undefined) throw new Error("usage: node scripts/scale-plot.mjs FILE.jsonl");

const found = readNetworks(readFileSync(file, "utf8"));
const table = scaleTable(found);

const BEGIN = "<!-- table: made by `node scripts/scale-plot.mjs` -->";
const END = "<!-- end of table -->";
const page = new URL("../docs/scale.md", import.meta.url);
const text = readFileSync(page, "utf8");
const [before, rest] = text.split(BEGIN);
writeFileSync(page, `${before}${BEGIN}\n\n${table}\n\n${rest.slice(rest.indexOf(END))}`);

const points = (places, what) =>
  found.filter((one) => one.places === places).map((one) => [one.n, figureOf(one, what)]);
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
          .map((one) => [
            one.n,
            figureOf(one, "of the mean votes") + figureOf(one, "of the mean proposals"),
          ]),
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
