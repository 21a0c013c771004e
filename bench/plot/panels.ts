/** Plots of docs/: panels with logarithmic axes, in one SVG that loads nothing and can be read on light and dark. */

export type Point = readonly [x: number, y: number];

export type Line = {
  readonly label: string;
  /** Classes of the style below: a colour, with "thin" for a second line of it; "bound" has no marks. */
  readonly name: string;
  readonly points: readonly Point[];
};

export type Axis = {
  readonly low: number;
  readonly high: number;
  readonly ticks: readonly number[];
};

export type Panel = {
  readonly title: string;
  /** Under the panel. */
  readonly caption: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly lines: readonly Line[];
  /** Where the lines are named: in the corner, or above the panel where lines go through that corner. */
  readonly legend: "corner" | "above";
};

const WIDTH = 400;
const HEIGHT = 260;
const LEFT = 56;
const GAP = 24;
const RIGHT = 16;
const TITLE = 34;
const BELOW = 48;
const LEGEND_ROW = 18;
const CORNER_LEGEND_WIDTH = 270;
const ABOVE_LEGEND_WIDTH = WIDTH / 2;

const STYLE = `
  svg { background: #ffffff; font: 12px system-ui, sans-serif; }
  text { fill: #1c2024; } .title { font-size: 14px; font-weight: 600; }
  .grid { stroke: #d5d9de; } polyline, line { fill: none; stroke-width: 2; }
  .one { stroke: #0b62c4; } .two { stroke: #b3400e; } .three { stroke: #1a7f37; } .four { stroke: #8250df; }
  .bound { stroke: #6b7280; stroke-dasharray: 6 4; }
  .thin { stroke-width: 1.4; stroke-dasharray: 2 3; } circle { stroke: none; }
  circle.one { fill: #0b62c4; } circle.two { fill: #b3400e; }
  circle.three { fill: #1a7f37; } circle.four { fill: #8250df; } .grid { stroke-width: 1; }
  @media (prefers-color-scheme: dark) {
    svg { background: #0f1419; } text { fill: #e6e9ed; } .grid { stroke: #333b44; }
    .one { stroke: #6cb0ff; } .two { stroke: #ff9d66; } .three { stroke: #56d364; } .four { stroke: #c69bff; }
    .bound { stroke: #9aa3ad; }
    circle.one { fill: #6cb0ff; stroke: none; } circle.two { fill: #ff9d66; stroke: none; }
    circle.three { fill: #56d364; stroke: none; } circle.four { fill: #c69bff; stroke: none; }
  }
`;

const at = (number: number): string => number.toFixed(1);

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");

const logScale = ({ low, high }: Axis, from: number, to: number) => {
  return (value: number): number =>
    from + (Math.log(value / low) / Math.log(high / low)) * (to - from);
};

/** The n-th name of a legend: a piece of the line, and what it is. */
const legendEntry = ({ label, name }: Line, x: number, y: number): readonly string[] => [
  `<line class="${name}" x1="${x}" x2="${x + 24}" y1="${y}" y2="${y}"/>`,
  `<text class="tick" x="${x + 30}" y="${y + 4}">${escaped(label)}</text>`,
];

const legendRows = ({ legend, lines }: Panel): number =>
  legend === "corner" ? 0 : Math.ceil(lines.length / 2);

const drawPanel = (panel: Panel, x0: number, top: number): string => {
  const { title, caption, lines } = panel;
  const left = x0 + LEFT;
  const bottom = top + HEIGHT;
  const x = logScale(panel.x, left, left + WIDTH);
  const y = logScale(panel.y, bottom, top);
  const out = [`<text class="title" x="${left}" y="18">${escaped(title)}</text>`];
  for (const tick of panel.y.ticks) {
    out.push(
      `<line class="grid" x1="${left}" x2="${left + WIDTH}" y1="${at(y(tick))}" y2="${at(y(tick))}"/>`,
      `<text class="tick" text-anchor="end" x="${left - 6}" y="${at(y(tick) + 4)}">${tick}</text>`,
    );
  }
  for (const tick of panel.x.ticks) {
    out.push(
      `<text class="tick" text-anchor="middle" x="${at(x(tick))}" y="${bottom + 18}">${tick}</text>`,
    );
  }
  out.push(
    `<text class="tick" text-anchor="middle" x="${left + WIDTH / 2}" y="${bottom + 36}">${escaped(caption)}</text>`,
  );
  for (const [i, line] of lines.entries()) {
    const { name, points } = line;
    const path = points.map(([px, py]) => `${at(x(px))},${at(y(py))}`).join(" ");
    out.push(`<polyline class="${name}" points="${path}"/>`);
    for (const [px, py] of name.includes("bound") ? [] : points) {
      out.push(`<circle class="${name}" cx="${at(x(px))}" cy="${at(y(py))}" r="3"/>`);
    }
    const entry =
      panel.legend === "corner"
        ? legendEntry(
            line,
            left + WIDTH - CORNER_LEGEND_WIDTH,
            bottom - 12 - (lines.length - 1 - i) * LEGEND_ROW,
          )
        : legendEntry(
            line,
            left + (i % 2) * ABOVE_LEGEND_WIDTH,
            TITLE + Math.floor(i / 2) * LEGEND_ROW,
          );
    out.push(...entry);
  }
  return out.join("\n");
};

/** The panels side by side. Points that an axis does not have are drawn outside: give axes that hold them. */
export const drawPanels = (label: string, panels: readonly Panel[]): string => {
  const top = TITLE + LEGEND_ROW * Math.max(0, ...panels.map(legendRows));
  const width = panels.length * (LEFT + WIDTH) + (panels.length - 1) * GAP + RIGHT;
  const drawn = panels.map((panel, i) => drawPanel(panel, i * (LEFT + WIDTH + GAP), top));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${top + HEIGHT + BELOW}" role="img" aria-label="${escaped(label)}">
<style>${STYLE}</style>
${drawn.join("\n")}
</svg>
`;
};
