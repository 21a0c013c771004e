/** What runs in the page of a picture: reads the data, draws, and follows pointer and keys. */
import { kindColour, type Theme } from "./colours.ts";
import { element, make, type PageElement, type PageEvent, type Pen, page, view } from "./dom.ts";
import { drawMap, drawScene, type Scene } from "./draw.ts";
import {
  GUTTER,
  type Hit,
  hitAt,
  layoutOf,
  plotWidth,
  RIGHT,
  timeText,
  type Window,
  xPlace,
} from "./layout.ts";
import type { PictureData, Span } from "./model.ts";
import { squeezedScale, straightScale } from "./scale.ts";

const data = JSON.parse(element("data").textContent ?? "") as PictureData;
const chart = element("chart");
const map = element("map");
const tip = element("tip");
const detail = element("detail");

const CONSENSUS = /^(proposal|vote |certificate )/;
/** Messages in the first view: more are hard to tell apart. */
const FIRST_MESSAGES = Math.max(150, Math.round(data.nodes.length ** 2 * 2.2));
const LEAST = 20;

const penOf = (canvas: PageElement): Pen => {
  const pen = canvas.getContext("2d");
  if (pen === null) throw new Error("the browser has no canvas");
  return pen;
};
const chartPen = penOf(chart);
const mapPen = penOf(map);

const dark = view.matchMedia("(prefers-color-scheme: dark)");
let chosenTheme: Theme | undefined;
const theme = (): Theme => chosenTheme ?? (dark.matches ? "dark" : "light");

const isOn = data.kinds.map((kind) => CONSENSUS.test(kind));
let focusNode: number | undefined;
let hover: Hit | undefined;
let kept: Hit | undefined;
const straight = straightScale(data);
const squeezed = squeezedScale(data, (kind) => isOn[kind] === true);
let shownWindow: Window = { scale: squeezed, from: 0, to: squeezed.end };

const isShown = (index: number): boolean => {
  const message = data.messages[index];
  if (message === undefined || isOn[message[2]] !== true) return false;
  return focusNode === undefined || message[0] === focusNode || message[1] === focusNode;
};

const layoutNow = () => layoutOf(data, chart.clientWidth, Math.max(300, view.innerHeight - 300));
let layout = layoutNow();

const scene = (): Scene => ({
  ...{ data, layout, theme: theme(), isShown, focusNode, hover, kept },
  window: shownWindow,
});

let isWaiting = false;
const redraw = (): void => {
  if (isWaiting) return;
  isWaiting = true;
  view.requestAnimationFrame(() => {
    isWaiting = false;
    drawNow();
  });
};

/** Gives a canvas as many pixels as the screen has, and draws in CSS pixels. */
const fitCanvas = (canvas: PageElement, pen: Pen, width: number, height: number): void => {
  const scale = view.devicePixelRatio;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  pen.setTransform(scale, 0, 0, scale, 0, 0);
};

const drawNow = (): void => {
  page.documentElement.dataset["theme"] = theme();
  layout = layoutNow();
  chart.style["height"] = `${layout.height}px`;
  fitCanvas(chart, chartPen, layout.width, layout.height);
  const now = scene();
  const drawn = drawScene(chartPen, now);
  fitCanvas(map, mapPen, map.clientWidth, map.clientHeight);
  drawMap(mapPen, now, map.clientWidth, map.clientHeight);
  const { scale, from, to } = shownWindow;
  const [fromUs, toUs] = [Math.max(0, scale.us(from)), Math.min(data.endUs, scale.us(to))];
  const stepUs = Math.max(1, (toUs - fromUs) / 200);
  element("range").textContent =
    `${timeText(fromUs, stepUs)} \u2013 ${timeText(toUs, stepUs)}, ${drawn} messages`;
  chart.dataset["messages"] = String(drawn);
  chart.dataset["nodes"] = String(data.nodes.length);
};

/** Shows what is between two positions of the scale, as far as that is of the run. */
const setPlaces = (from: number, to: number): void => {
  const { scale } = shownWindow;
  const length = Math.min(Math.max(LEAST, to - from), scale.end * 1.15);
  // A little room behind the end, so that what is there can be seen.
  const most = scale.end + length * 0.06;
  const first = Math.min(Math.max(-length * 0.02, from), most - length);
  shownWindow = { scale, from: first, to: first + length };
  redraw();
};

const setTimes = (fromUs: number, toUs: number): void =>
  setPlaces(shownWindow.scale.at(fromUs), shownWindow.scale.at(toUs));

const zoom = (factor: number, around = (shownWindow.from + shownWindow.to) / 2): void => {
  const { from, to } = shownWindow;
  setPlaces(around - (around - from) * factor, around + (to - around) * factor);
};

const pan = (by: number): void => setPlaces(shownWindow.from + by, shownWindow.to + by);

/** Changes the scale and keeps the times that are shown. */
const switchScale = (): void => {
  const { scale, from, to } = shownWindow;
  const [fromUs, toUs] = [scale.us(from), scale.us(to)];
  const next = scale === squeezed ? straight : squeezed;
  shownWindow = { scale: next, from: next.at(fromUs), to: next.at(toUs) };
  element("scale").textContent = next === squeezed ? "True time" : "Squeeze rests";
  redraw();
};

/** The end, or the failure, with as many messages before it as can be told apart. */
const showEnd = (): void => {
  const endUs = Math.min(data.untilUs, data.failure?.atUs ?? data.untilUs);
  let seen = 0;
  let fromUs = data.messages.length === 0 ? 0 : data.fromUs;
  for (let i = data.messages.length - 1; i >= 0; i--) {
    const sentUs = data.messages[i]?.[3] ?? 0;
    if (sentUs > endUs || !isShown(i)) continue;
    seen += 1;
    fromUs = sentUs;
    if (seen >= FIRST_MESSAGES) break;
  }
  // Where all of them fit, so does what was before the first.
  if (seen < FIRST_MESSAGES) fromUs = data.leftOut.messages > 0 ? data.fromUs : 0;
  const { scale } = shownWindow;
  const [first, last] = [scale.at(fromUs), scale.at(endUs)];
  const length = Math.max(LEAST * 10, last - first);
  setPlaces(last - length * 1.04, last + length * 0.07);
};

const showAll = (): void => setPlaces(0, shownWindow.scale.end * 1.03);

const seconds = (us: number): string => `${(us / 1e6).toFixed(6)} s`;
const nameOf = (node: number): string => data.nodes[node]?.name ?? `n${node}`;
const FATES = [
  "",
  "lost on the way",
  "a copy that the network has made",
  "altered on the way",
  "had not arrived when the run ended",
];

const spanText = ({ text, fromUs, untilUs }: Span): string =>
  `${text}\n${seconds(fromUs)}${untilUs > fromUs ? ` to ${seconds(untilUs)}` : ""}`;

const describe = (hit: Hit): string => {
  if (hit.what === "span") return spanText(hit.span);
  if (hit.what === "node") {
    const node = data.nodes[hit.node];
    const role = node?.adversary === "" ? "honest" : `adversary: ${node?.adversary}`;
    return `${nameOf(hit.node)}, weight ${node?.weight}, ${role}\nclick to see its messages only`;
  }
  if (hit.what === "mark") {
    const [node, atUs, kind, text] = data.marks[hit.index] ?? [0, 0, "", ""];
    const [height = "", added] = text.slice(1).split(" +");
    const what =
      kind === "executed"
        ? `executed block ${height}${added === undefined ? ", without events" : `, events: ${added}`}`
        : `${kind} ${text}`.trim();
    return `${nameOf(node)}: ${what}\n${seconds(atUs)}`;
  }
  const message = data.messages[hit.index];
  if (message === undefined) return "";
  const [from, to, kind, sentUs, arrivedUs, bytes, number, fate] = message;
  const about = number >= 0 ? `, view ${number}` : "";
  const arrived =
    arrivedUs >= 0 && fate !== 1
      ? `arrived ${seconds(arrivedUs)}, after ${((arrivedUs - sentUs) / 1000).toFixed(3)} ms`
      : "";
  return [
    `${data.kinds[kind]}${about}`,
    `${nameOf(from)} \u2192 ${nameOf(to)}, ${bytes} bytes`,
    `sent ${seconds(sentUs)}`,
    arrived,
    FATES[fate] ?? "",
  ]
    .filter((line) => line !== "")
    .join("\n");
};

const showTip = (event: PageEvent): void => {
  if (hover === undefined) {
    tip.style["visibility"] = "hidden";
    return;
  }
  tip.textContent = describe(hover);
  tip.style["visibility"] = "visible";
  const x = Math.min(event.offsetX + 16, chart.clientWidth - tip.clientWidth - 8);
  const below = event.offsetY + 18;
  const fits = below + tip.clientHeight < chart.clientHeight;
  const y = fits ? below : Math.max(4, event.offsetY - tip.clientHeight - 12);
  tip.style["left"] = `${x}px`;
  tip.style["top"] = `${y}px`;
};

const keep = (hit: Hit | undefined): void => {
  kept = hit;
  detail.textContent = hit === undefined ? "" : describe(hit).replaceAll("\n", " \u00b7 ");
  redraw();
};

let drag: { readonly x: number; readonly window: Window; moved: boolean } | undefined;

const onMove = (event: PageEvent): void => {
  if (drag !== undefined) {
    const length = drag.window.to - drag.window.from;
    const by = ((drag.x - event.offsetX) / plotWidth(layout)) * length;
    if (Math.abs(drag.x - event.offsetX) > 3) drag.moved = true;
    setPlaces(drag.window.from + by, drag.window.to + by);
    return;
  }
  const shown = { message: isShown };
  hover = hitAt(data, layout, shownWindow, shown, event.offsetX, event.offsetY);
  showTip(event);
  redraw();
};

const onUp = (event: PageEvent): void => {
  chart.classList.toggle("drag", false);
  const moved = drag?.moved === true;
  drag = undefined;
  if (moved) return;
  const shown = { message: isShown };
  const hit = hitAt(data, layout, shownWindow, shown, event.offsetX, event.offsetY);
  if (hit?.what === "node") {
    focusNode = focusNode === hit.node ? undefined : hit.node;
    redraw();
  } else keep(hit);
};

const followPointer = (): void => {
  chart.addEventListener("pointerdown", (event) => {
    chart.setPointerCapture(event.pointerId);
    chart.classList.toggle("drag", true);
    drag = { x: event.offsetX, window: shownWindow, moved: false };
  });
  chart.addEventListener("pointermove", onMove);
  chart.addEventListener("pointerup", onUp);
  chart.addEventListener("pointerleave", (event) => {
    hover = undefined;
    showTip(event);
    redraw();
  });
  const active = { passive: false };
  chart.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const length = shownWindow.to - shownWindow.from;
      const sideways = event.shiftKey ? event.deltaY : event.deltaX;
      if (Math.abs(sideways) > Math.abs(event.deltaY) || event.shiftKey) {
        pan((sideways / plotWidth(layout)) * length);
      } else
        zoom(1.0015 ** event.deltaY, xPlace(layout, shownWindow, Math.max(GUTTER, event.offsetX)));
    },
    active,
  );
  let isMapDown = false;
  const centre = (event: PageEvent): void => {
    const part = (event.offsetX - GUTTER) / Math.max(1, map.clientWidth - GUTTER - RIGHT);
    const half = (shownWindow.to - shownWindow.from) / 2;
    const middle = shownWindow.scale.at(part * data.endUs);
    setPlaces(middle - half, middle + half);
  };
  map.addEventListener("pointerdown", (event) => {
    map.setPointerCapture(event.pointerId);
    isMapDown = true;
    centre(event);
  });
  map.addEventListener("pointermove", (event) => {
    if (isMapDown) centre(event);
  });
  map.addEventListener("pointerup", () => {
    isMapDown = false;
  });
};

const followKeys = (): void => {
  const length = (): number => shownWindow.to - shownWindow.from;
  const keys: Readonly<Record<string, () => void>> = {
    ArrowLeft: () => pan(-length() / 8),
    ArrowRight: () => pan(length() / 8),
    "+": () => zoom(0.6),
    "=": () => zoom(0.6),
    "-": () => zoom(1 / 0.6),
    f: showAll,
    e: showEnd,
    Escape: () => {
      focusNode = undefined;
      keep(undefined);
    },
  };
  page.addEventListener("keydown", (event) => {
    if (event.ctrlKey) return;
    const act = keys[event.key] ?? keys[event.key.toLowerCase()];
    if (act === undefined) return;
    event.preventDefault();
    act();
  });
};

const chips: PageElement[] = [];
const swatches: PageElement[] = [];

const paintChips = (): void => {
  for (const [kind, chip] of chips.entries()) {
    chip.setAttribute("aria-pressed", String(isOn[kind] === true));
    const swatch = swatches[kind];
    if (swatch !== undefined)
      swatch.style["background"] = kindColour(data.kinds[kind] ?? "", theme());
  }
  element("theme").textContent = theme() === "dark" ? "Light" : "Dark";
  redraw();
};

const switchKinds = (on: (kind: number) => boolean): void => {
  for (const kind of data.kinds.keys()) isOn[kind] = on(kind);
  paintChips();
};

const addChips = (): void => {
  const counts = new Array<number>(data.kinds.length).fill(0);
  for (const message of data.messages) counts[message[2]] = (counts[message[2]] ?? 0) + 1;
  for (const [kind, name] of data.kinds.entries()) {
    const chip = make("button", "", "chip");
    const swatch = make("i");
    swatches.push(swatch);
    chip.append(swatch, name, make("small", String(counts[kind])));
    chip.title = "click: show or hide; double click: this one only";
    chip.addEventListener("click", () => {
      isOn[kind] = isOn[kind] !== true;
      paintChips();
    });
    chip.addEventListener("dblclick", () => switchKinds((one) => one === kind));
    chips.push(chip);
  }
  const order = [...data.kinds.keys()].sort((a, b) => {
    const rank = (kind: number): string => {
      const name = data.kinds[kind] ?? "";
      const first = ["proposal", "vote", "cert"].findIndex((start) => name.startsWith(start));
      return `${CONSENSUS.test(name) ? first : 9}${name}`;
    };
    return rank(a) < rank(b) ? -1 : 1;
  });
  for (const kind of order) {
    const chip = chips[kind];
    // Of a kind with no message that is drawn there is nothing to show or hide.
    if (chip !== undefined && (counts[kind] ?? 0) > 0) element("kinds").append(chip);
  }
};

const addFacts = (): void => {
  const { failure } = data;
  page.title = failure === undefined ? data.title : `${failure.invariant}: ${data.title}`;
  element("badge").textContent = failure === undefined ? "NOTHING FAILED" : "FAIL";
  element("badge").dataset["ok"] = failure === undefined ? "yes" : "no";
  element("verdict").textContent = failure?.verdict ?? data.title;
  element("rule").textContent =
    failure === undefined || failure.sentence === ""
      ? ""
      : `${failure.invariant}: ${failure.sentence}`;
  const facts: readonly (readonly [string, string])[] = [
    ["scenario", data.title],
    ["seed", String(data.seed)],
    ["commit", data.commit],
    ["virtual time", seconds(data.endUs)],
  ];
  for (const [name, value] of facts) {
    const fact = make("span", `${name} `);
    fact.append(make("b", value));
    element("facts").append(fact);
  }
  const replay = make("span", "replay ");
  replay.append(make("code", data.replay));
  element("facts").append(replay);
  const { messages, events } = data.leftOut;
  const left = [
    messages > 0
      ? `${messages} messages outside ${seconds(data.fromUs)} to ${seconds(data.untilUs)} are not drawn`
      : "",
    events > 0 ? `${events} older events are not drawn` : "",
  ].filter((text) => text !== "");
  element("left").textContent = left.length === 0 ? "" : `Left out: ${left.join("; ")}.`;
  element("scenario").textContent = JSON.stringify(data.scenario, null, 2);
};

const cells = (texts: readonly string[]): PageElement => {
  const row = make("tr");
  for (const [i, text] of texts.entries()) row.append(make("td", text, i === 0 ? "n" : ""));
  return row;
};

const jump = (row: PageElement, fromUs: number, untilUs: number): PageElement => {
  row.tabIndex = 0;
  row.addEventListener("click", () => {
    const margin = Math.max(50_000, (untilUs - fromUs) * 0.2);
    setTimes(fromUs - margin, untilUs + margin);
  });
  return row;
};

const EVENTS_LISTED = 400;

const addTables = (): void => {
  const spans = [...data.faults, ...data.adversaries];
  element("faultbox").style["display"] = spans.length === 0 ? "none" : "";
  for (const { text, fromUs, untilUs } of spans) {
    const until = untilUs > fromUs ? `to ${seconds(untilUs)}` : "";
    element("faults").append(jump(cells([seconds(fromUs), until, text]), fromUs, untilUs));
  }
  for (const [node, atUs, kind, text] of data.marks.slice(-EVENTS_LISTED)) {
    element("events").append(jump(cells([seconds(atUs), nameOf(node), kind, text]), atUs, atUs));
  }
};

/** Sentences and tables of a run that is stuck, or that forks, where one is. */
const addCauses = (): void => {
  const why = data.failure?.stuck ?? data.failure?.fork ?? undefined;
  element("stuckbox").style["display"] = why === undefined ? "none" : "";
  if ((data.failure?.fork ?? undefined) !== undefined) {
    element("stuckname").textContent = "Who made the fork possible";
  }
  for (const cause of why?.causes ?? []) element("causes").append(make("li", cause));
  for (const { title, columns, rows, leftOut } of why?.tables ?? []) {
    const table = make("table");
    const head = make("tr");
    for (const column of columns) head.append(make("th", column));
    table.append(head);
    for (const row of rows) {
      const line = make("tr");
      for (const cell of row) line.append(make("td", cell));
      table.append(line);
    }
    element("stuck").append(make("h2", title), table);
    if (leftOut > 0) element("stuck").append(make("p", `and ${leftOut} more`));
  }
};

const start = (): void => {
  addFacts();
  addCauses();
  addChips();
  addTables();
  followPointer();
  followKeys();
  const buttons: Readonly<Record<string, () => void>> = {
    fit: showAll,
    focus: showEnd,
    in: () => zoom(0.6),
    out: () => zoom(1 / 0.6),
    scale: switchScale,
    all: () => switchKinds(() => true),
    votes: () => switchKinds((kind) => CONSENSUS.test(data.kinds[kind] ?? "")),
    theme: () => {
      chosenTheme = theme() === "dark" ? "light" : "dark";
      drawNow();
      paintChips();
    },
  };
  for (const [id, act] of Object.entries(buttons)) element(id).addEventListener("click", act);
  if (data.failure !== undefined) element("focus").textContent = "The failure";
  dark.addEventListener("change", paintChips);
  view.addEventListener("resize", redraw);
  page.documentElement.dataset["theme"] = theme();
  showEnd();
  paintChips();
  drawNow();
};

start();
