// Draws docs/scale.svg and makes the table in docs/scale.md from what the network model said:
//
//     npm run bench -- sim --capacity > rows.jsonl
//     node scripts/scale-plot.mjs rows.jsonl
import { readFileSync, writeFileSync } from "node:fs";

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

const WIDTH = 400;
const HEIGHT = 260;
const LEFT = 56;
const TOP = 34;

/** One panel: logarithmic on both axes. Lines are [label, class, [[n, value], …]]. */
const panel = (x0, title, unit, low, high, ticks, lines) => {
  const x = (n) => x0 + LEFT + (Math.log(n / 3.5) / Math.log(115 / 3.5)) * WIDTH;
  const y = (value) => TOP + HEIGHT - (Math.log(value / low) / Math.log(high / low)) * HEIGHT;
  const at = (number) => number.toFixed(1);
  const out = [`<text class="title" x="${x0 + LEFT}" y="18">${title}</text>`];
  for (const tick of ticks) {
    out.push(
      `<line class="grid" x1="${x0 + LEFT}" x2="${x0 + LEFT + WIDTH}" y1="${at(y(tick))}" y2="${at(y(tick))}"/>`,
      `<text class="tick" text-anchor="end" x="${x0 + LEFT - 6}" y="${at(y(tick) + 4)}">${tick}</text>`,
    );
  }
  for (const n of [4, 7, 25, 50, 100]) {
    out.push(
      `<text class="tick" text-anchor="middle" x="${at(x(n))}" y="${TOP + HEIGHT + 18}">${n}</text>`,
    );
  }
  out.push(
    `<text class="tick" text-anchor="middle" x="${x0 + LEFT + WIDTH / 2}" y="${TOP + HEIGHT + 36}">validators; ${unit}</text>`,
  );
  lines.forEach(([label, name, points], i) => {
    const path = points.map(([n, value]) => `${at(x(n))},${at(y(value))}`).join(" ");
    out.push(`<polyline class="${name}" points="${path}"/>`);
    for (const [n, value] of name.includes("bound") ? [] : points) {
      out.push(`<circle class="${name}" cx="${at(x(n))}" cy="${at(y(value))}" r="3"/>`);
    }
    const row = TOP + HEIGHT - 12 - (lines.length - 1 - i) * 18;
    out.push(
      `<line class="${name}" x1="${x0 + LEFT + WIDTH - 270}" x2="${x0 + LEFT + WIDTH - 246}" y1="${row}" y2="${row}"/>`,
      `<text class="tick" x="${x0 + LEFT + WIDTH - 240}" y="${row + 4}">${label}</text>`,
    );
  });
  return out.join("\n");
};

const points = (places, what) =>
  found.filter((one) => one.places === places).map((one) => [one.n, one[what]]);
const egress = "egress a node and view, mean";
const left = panel(
  0,
  "Egress of a node and view",
  "kB",
  5,
  1000,
  [10, 30, 100, 300, 1000],
  [
    ["three places", "one", points(3, egress)],
    ["twelve places", "two", points(12, egress)],
    [
      "of it votes and proposals, twelve places",
      "two thin",
      found
        .filter((one) => one.places === 12)
        .map((one) => [one.n, one["of the mean votes"] + one["of the mean proposals"]]),
    ],
    [
      "bound at 100: 400 kB",
      "bound",
      [
        [3.5, 400],
        [115, 400],
      ],
    ],
  ],
);
const right = panel(
  LEFT + WIDTH + 24,
  "Finality, from hand-over to synced",
  "ms",
  50,
  2000,
  [50, 100, 200, 500, 1000, 2000],
  [
    ["three places, p50", "one", points(3, "finality p50")],
    ["three places, p99", "one thin", points(3, "finality p99")],
    ["twelve places, p50", "two", points(12, "finality p50")],
    ["twelve places, p99", "two thin", points(12, "finality p99")],
  ],
);

const STYLE = `
  svg { background: #ffffff; font: 12px system-ui, sans-serif; }
  text { fill: #1c2024; } .title { font-size: 14px; font-weight: 600; }
  .grid { stroke: #d5d9de; } polyline, line { fill: none; stroke-width: 2; }
  .one { stroke: #0b62c4; } .two { stroke: #b3400e; } .bound { stroke: #6b7280; stroke-dasharray: 6 4; }
  .thin { stroke-width: 1.4; stroke-dasharray: 2 3; } circle { stroke: none; }
  circle.one { fill: #0b62c4; } circle.two { fill: #b3400e; } .grid { stroke-width: 1; }
  @media (prefers-color-scheme: dark) {
    svg { background: #0f1419; } text { fill: #e6e9ed; } .grid { stroke: #333b44; }
    .one { stroke: #6cb0ff; } .two { stroke: #ff9d66; } .bound { stroke: #9aa3ad; }
    circle.one { fill: #6cb0ff; stroke: none; } circle.two { fill: #ff9d66; stroke: none; }
  }
`;
const total = 2 * (LEFT + WIDTH) + 24 + 16;
writeFileSync(
  new URL("../docs/scale.svg", import.meta.url),
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${total} ${TOP + HEIGHT + 48}" role="img" aria-label="Egress and finality by the number of validators">
<style>${STYLE}</style>
${left}
${right}
</svg>
`,
);
