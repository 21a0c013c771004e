/** Draws the picture on a canvas. */
import {
  adversaryColour,
  faultColour,
  groupColour,
  type Ink,
  inkOf,
  kindColour,
  type Theme,
} from "./colours.ts";
import type { Pen } from "./dom.ts";
import {
  AXIS,
  FOOT,
  GUTTER,
  type Hit,
  isVisibleMark,
  LANE,
  type Layout,
  markOffset,
  messageLine,
  RIGHT,
  rowY,
  ticksOf,
  timeText,
  timeX,
  type Window,
} from "./layout.ts";
import type { Message, PictureData, Span } from "./model.ts";

export type Scene = {
  readonly data: PictureData;
  readonly layout: Layout;
  readonly window: Window;
  readonly theme: Theme;
  /** Whether a message is to be drawn: its kind is on, and its node is in focus. */
  isShown(index: number): boolean;
  readonly focusNode: number | undefined;
  readonly hover: Hit | undefined;
  readonly kept: Hit | undefined;
};

const SANS = "system-ui,-apple-system,'Segoe UI',sans-serif";
const MONO = "ui-monospace,SFMono-Regular,Menlo,Consolas,monospace";

const X = (scene: Scene, atUs: number): number => timeX(scene.layout, scene.window, atUs);

const rightOf = ({ layout }: Scene): number => layout.width - RIGHT;

/** Left and right of a span where it is on the canvas; undefined where it is not. */
const clipped = (
  scene: Scene,
  { fromUs, untilUs }: Span,
): readonly [number, number] | undefined => {
  const left = Math.max(GUTTER, X(scene, fromUs));
  const right = Math.min(rightOf(scene) + RIGHT, Math.max(X(scene, untilUs), X(scene, fromUs) + 2));
  return right <= GUTTER || left >= rightOf(scene) + RIGHT ? undefined : [left, right];
};

const drawBands = (pen: Pen, scene: Scene): void => {
  const { data, layout, theme } = scene;
  const fill = (span: Span, colour: (group: number) => string, alpha: number): void => {
    const at = clipped(scene, span);
    if (at === undefined) return;
    pen.globalAlpha = alpha;
    for (const [node, group] of span.nodes) {
      pen.fillStyle = colour(group);
      const y = layout.top + node * layout.rowHeight + 1;
      pen.fillRect(at[0], y, at[1] - at[0], layout.rowHeight - 2);
    }
    pen.globalAlpha = 1;
  };
  const strength = theme === "dark" ? 0.13 : 0.08;
  for (const span of data.adversaries) fill(span, () => adversaryColour(theme), strength);
  for (const span of data.faults) {
    const isGrouped = span.nodes.some(([, group]) => group > 0);
    fill(
      span,
      (group) => (isGrouped ? groupColour(group, theme) : faultColour(span.kind, theme)),
      // What concerns everybody would only make everything a little darker.
      span.nodes.length === data.nodes.length && !isGrouped ? strength / 2 : strength,
    );
  }
};

/** "+480 ms": how long nothing happened. */
const gapText = (us: number): string =>
  us >= 1e6 ? `+${(us / 1e6).toFixed(2)} s` : `+${(us / 1000).toFixed(us < 10_000 ? 1 : 0)} ms`;

const FLAG_FONT = `600 11.5px ${SANS}`;

type Flag = {
  readonly atUs: number;
  readonly text: string;
  readonly colour: "good" | "bad";
};

/** The times that are named above the axis: the end of all faults, and the failure. */
const flagsOf = ({ data }: Scene): readonly Flag[] => {
  const flags: Flag[] = [];
  if (data.healUs >= 0) flags.push({ atUs: data.healUs, text: "faults end", colour: "good" });
  if (data.failure !== undefined) {
    flags.push({ atUs: data.failure.atUs, text: data.failure.invariant, colour: "bad" });
  }
  return flags;
};

/** Where the name of a time stands; undefined where the time is out of the picture. */
const flagPlace = (
  pen: Pen,
  scene: Scene,
  { atUs, text }: Flag,
): { readonly x: number; readonly left: number; readonly width: number } | undefined => {
  const x = Math.round(X(scene, atUs)) + 0.5;
  if (x < GUTTER || x > scene.layout.width) return undefined;
  pen.font = FLAG_FONT;
  const width = pen.measureText(text).width + 12;
  return { x, left: Math.min(x, scene.layout.width - width - 2), width };
};

const drawGrid = (pen: Pen, scene: Scene, ink: Ink): void => {
  const { data, layout, window } = scene;
  const flags = flagsOf(scene).map((one) => flagPlace(pen, scene, one));
  pen.font = `11.5px ${SANS}`;
  pen.textBaseline = "middle";
  pen.textAlign = "center";
  pen.lineWidth = 1;
  for (const [fromUs, toUs] of window.scale.gaps) {
    const [left, right] = [X(scene, fromUs), X(scene, toUs)];
    if (right < GUTTER || left > layout.width || right - left < 3) continue;
    pen.fillStyle = ink.hair;
    pen.globalAlpha = 0.55;
    pen.fillRect(left, layout.top, right - left, layout.height);
    pen.globalAlpha = 1;
    const text = gapText(toUs - fromUs);
    if (right - left < pen.measureText(text).width + 8) continue;
    pen.fillStyle = ink.soft;
    pen.fillText(text, (left + right) / 2, layout.height - FOOT / 2 - 1);
  }
  for (const { atUs, x, stepUs } of ticksOf(layout, window)) {
    pen.strokeStyle = ink.hair;
    pen.beginPath();
    pen.moveTo(Math.round(x) + 0.5, AXIS - 4);
    pen.lineTo(Math.round(x) + 0.5, layout.height);
    pen.stroke();
    pen.fillStyle = ink.soft;
    if (x < GUTTER) continue;
    // The name of the first one is not to be cut by the names of the nodes, nor any by a flag.
    const text = timeText(atUs, stepUs);
    const centre = Math.max(x, GUTTER + 34);
    const half = pen.measureText(text).width / 2 + 3;
    const isCut = flags.some(
      (one) =>
        one !== undefined && centre + half > one.left && centre - half < one.left + one.width,
    );
    if (!isCut) pen.fillText(text, centre, AXIS / 2);
  }
  const startX = X(scene, data.fromUs);
  if (startX > GUTTER && data.leftOut.messages > 0) {
    pen.fillStyle = ink.hair;
    pen.globalAlpha = 0.75;
    pen.fillRect(
      GUTTER,
      layout.top,
      Math.min(startX, rightOf(scene) + RIGHT) - GUTTER,
      layout.height,
    );
    pen.globalAlpha = 1;
  }
};

const drawFaults = (pen: Pen, scene: Scene): void => {
  const { layout, theme } = scene;
  pen.font = `11px ${SANS}`;
  pen.textAlign = "left";
  pen.textBaseline = "middle";
  for (const { span, lane } of layout.lanes) {
    const at = clipped(scene, span);
    if (at === undefined) continue;
    const colour = faultColour(span.kind, theme);
    const y = AXIS + lane * LANE + 1;
    const width = Math.max(4, at[1] - at[0]);
    pen.fillStyle = colour;
    pen.globalAlpha = 0.18;
    pen.beginPath();
    pen.roundRect(at[0], y, width, LANE - 3, 3);
    pen.fill();
    pen.globalAlpha = 1;
    pen.fillRect(at[0], y, 3, LANE - 3);
    pen.save();
    pen.beginPath();
    // A short one has its words beside it, up to where they may be.
    pen.rect(at[0], y, Math.max(width, 190), LANE);
    pen.clip();
    pen.fillText(span.text, at[0] + 7, y + (LANE - 3) / 2 + 0.5);
    pen.restore();
  }
};

const drawViews = (pen: Pen, scene: Scene, ink: Ink, withNames: boolean): void => {
  const { data, layout } = scene;
  const thick = Math.min(7, Math.max(4, layout.rowHeight / 9));
  pen.font = `10.5px ${SANS}`;
  pen.textAlign = "left";
  pen.textBaseline = "middle";
  const nextUs = new Map<number, number>();
  for (let i = data.views.length - 1; i >= 0; i--) {
    const one = data.views[i];
    if (one === undefined) continue;
    const [node, atUs, number] = one;
    const untilUs = nextUs.get(node) ?? data.endUs;
    nextUs.set(node, atUs);
    const at = clipped(scene, { kind: "", text: "", fromUs: atUs, untilUs, nodes: [] });
    if (at === undefined) continue;
    const y = rowY(layout, node);
    pen.fillStyle = number % 2 === 0 ? ink.line : ink.soft;
    pen.globalAlpha = number % 2 === 0 ? 0.9 : 0.42;
    pen.fillRect(at[0], y - thick / 2, at[1] - at[0], thick);
    pen.globalAlpha = 1;
    const text = `v${number}`;
    const width = pen.measureText(text).width;
    if (!withNames || at[1] - at[0] < width + 8 || layout.rowHeight < 24) continue;
    // On a ground of their own: the names are read through the messages.
    pen.fillStyle = ink.panel;
    pen.globalAlpha = 0.75;
    pen.fillRect(at[0] + 2, y + thick / 2 + 1, width + 4, 12);
    pen.globalAlpha = 1;
    pen.fillStyle = ink.soft;
    pen.fillText(text, at[0] + 4, y + thick / 2 + 7.5);
  }
};

const drawLines = (pen: Pen, scene: Scene, ink: Ink): void => {
  const { data, layout } = scene;
  for (const node of data.nodes.keys()) {
    const y = Math.round(rowY(layout, node)) + 0.5;
    pen.strokeStyle = ink.line;
    pen.lineWidth = 1.5;
    pen.beginPath();
    pen.moveTo(GUTTER, y);
    pen.lineTo(rightOf(scene) + RIGHT, y);
    pen.stroke();
  }
  drawViews(pen, scene, ink, false);
  for (const span of data.down) {
    const at = clipped(scene, span);
    const node = span.nodes[0]?.[0];
    if (at === undefined || node === undefined) continue;
    const y = Math.round(rowY(layout, node)) + 0.5;
    pen.fillStyle = ink.panel;
    pen.fillRect(at[0], y - 6, at[1] - at[0], 12);
    pen.strokeStyle = ink.bad;
    pen.lineWidth = 1.5;
    pen.setLineDash([1.5, 5]);
    pen.beginPath();
    pen.moveTo(at[0], y);
    pen.lineTo(at[1], y);
    pen.stroke();
    pen.setLineDash([]);
  }
};

const head = (
  pen: Pen,
  [x1, y1, x2, y2]: readonly [number, number, number, number],
  size: number,
): void => {
  const angle = Math.atan2(y2 - y1, x2 - x1);
  pen.beginPath();
  pen.moveTo(x2, y2);
  pen.lineTo(x2 - size * Math.cos(angle - 0.42), y2 - size * Math.sin(angle - 0.42));
  pen.lineTo(x2 - size * Math.cos(angle + 0.42), y2 - size * Math.sin(angle + 0.42));
  pen.closePath();
  pen.fill();
};

const cross = (pen: Pen, x: number, y: number, size: number): void => {
  pen.beginPath();
  pen.moveTo(x - size, y - size);
  pen.lineTo(x + size, y + size);
  pen.moveTo(x - size, y + size);
  pen.lineTo(x + size, y - size);
  pen.stroke();
};

const drawMessage = (
  pen: Pen,
  scene: Scene,
  message: Message,
  withHead: boolean,
  wide: number,
): void => {
  const [, , kind, , , , , fate] = message;
  const name = scene.data.kinds[kind] ?? "";
  const colour = kindColour(name, scene.theme);
  const line = messageLine(scene.layout, scene.window, message);
  const [x1, y1, x2, y2] = line;
  pen.strokeStyle = colour;
  pen.fillStyle = colour;
  pen.lineWidth = wide * (name.startsWith("certificate") ? 1.9 : 1.1);
  if (fate === 2) {
    pen.beginPath();
    pen.arc(x2, y2, 3.5, 0, 7);
    pen.stroke();
    return;
  }
  if (fate !== 0) pen.setLineDash(fate === 4 ? [1, 3] : [4, 3]);
  pen.beginPath();
  pen.moveTo(x1, y1);
  pen.lineTo(x2, y2);
  pen.stroke();
  if (fate !== 0) pen.setLineDash([]);
  if (fate === 1) cross(pen, x2, y2, 3);
  else if (withHead && fate !== 4 && Math.hypot(x2 - x1, y2 - y1) > 10) head(pen, line, 6.5);
};

/** Draws all messages on the canvas; how many these were. */
const drawMessages = (pen: Pen, scene: Scene): number => {
  const { data, window } = scene;
  const visible: number[] = [];
  const [firstUs, lastUs] = [window.scale.us(window.from), window.scale.us(window.to)];
  for (const [index, [, , , sentUs, arrivedUs]] of data.messages.entries()) {
    if (sentUs > lastUs || Math.max(sentUs, arrivedUs) < firstUs) continue;
    if (scene.isShown(index)) visible.push(index);
  }
  const many = visible.length;
  pen.globalAlpha = many > 5_000 ? 0.16 : many > 2_000 ? 0.3 : many > 700 ? 0.5 : 0.85;
  const dims = scene.kept?.what === "message";
  if (dims) pen.globalAlpha *= 0.4;
  for (const index of visible) {
    const message = data.messages[index];
    if (message !== undefined) drawMessage(pen, scene, message, many < 2_500, 1);
  }
  pen.globalAlpha = 1;
  for (const hit of [scene.kept, scene.hover]) {
    if (hit?.what !== "message") continue;
    const message = data.messages[hit.index];
    if (message !== undefined) drawMessage(pen, scene, message, true, 2);
  }
  return many;
};

const drawMarks = (pen: Pen, scene: Scene, ink: Ink): void => {
  const { data, layout } = scene;
  pen.font = `10.5px ${SANS}`;
  pen.textAlign = "left";
  pen.textBaseline = "middle";
  const lastLabel = new Map<number, number>();
  for (const mark of data.marks) {
    if (!isVisibleMark(mark)) continue;
    const [node, atUs, kind, text] = mark;
    const x = X(scene, atUs);
    if (x < GUTTER || x > rightOf(scene) + RIGHT) continue;
    const y = rowY(layout, node) + markOffset(kind);
    pen.lineWidth = 2;
    if (kind === "executed") {
      pen.fillStyle = ink.ink;
      pen.beginPath();
      pen.moveTo(x, y - 4);
      pen.lineTo(x + 3.5, y);
      pen.lineTo(x, y + 4);
      pen.lineTo(x - 3.5, y);
      pen.closePath();
      pen.fill();
      if (layout.rowHeight < 26 || x < (lastLabel.get(node) ?? GUTTER)) continue;
      lastLabel.set(node, x + pen.measureText(text).width + 10);
      pen.fillText(text, x + 6, y - 1);
    } else if (kind === "boot") {
      pen.fillStyle = ink.good;
      pen.beginPath();
      pen.arc(x, y, 4.5, 0, 7);
      pen.fill();
    } else if (kind === "crash" || kind === "write-failed") {
      pen.strokeStyle = ink.bad;
      cross(pen, x, y, 4.5);
    } else {
      pen.strokeStyle = ink.soft;
      pen.lineWidth = 1.2;
      pen.beginPath();
      pen.moveTo(x, y - 4);
      pen.lineTo(x + 4, y + 3);
      pen.lineTo(x - 4, y + 3);
      pen.closePath();
      pen.stroke();
    }
  }
};

const drawFlag = (pen: Pen, scene: Scene, flag: Flag, ink: Ink): void => {
  const { layout } = scene;
  const place = flagPlace(pen, scene, flag);
  if (place === undefined) return;
  const { x, left, width } = place;
  pen.strokeStyle = ink[flag.colour];
  pen.lineWidth = 1.5;
  pen.beginPath();
  pen.moveTo(x, AXIS - 6);
  pen.lineTo(x, layout.height);
  pen.stroke();
  pen.font = FLAG_FONT;
  pen.textBaseline = "middle";
  pen.textAlign = "left";
  pen.fillStyle = ink[flag.colour];
  pen.beginPath();
  pen.roundRect(left, 4, width, 18, 4);
  pen.fill();
  pen.fillStyle = ink.panel;
  pen.fillText(flag.text, left + 6, 13.5);
};

const drawGutter = (pen: Pen, scene: Scene, ink: Ink): void => {
  const { data, layout, theme, focusNode } = scene;
  pen.fillStyle = ink.panel;
  pen.fillRect(0, 0, GUTTER - 1, layout.height);
  pen.strokeStyle = ink.line;
  pen.lineWidth = 1;
  pen.beginPath();
  pen.moveTo(GUTTER - 0.5, 0);
  pen.lineTo(GUTTER - 0.5, layout.height);
  pen.stroke();
  pen.textBaseline = "middle";
  const isUneven = new Set(data.nodes.map(({ weight }) => weight)).size > 1;
  for (const [index, node] of data.nodes.entries()) {
    const y = rowY(layout, index);
    const isDim = focusNode !== undefined && focusNode !== index;
    const hasRoom = layout.rowHeight >= 30 && node.adversary !== "";
    pen.globalAlpha = isDim ? 0.45 : 1;
    pen.textAlign = "left";
    pen.font = `600 13px ${MONO}`;
    pen.fillStyle = node.adversary === "" ? ink.ink : adversaryColour(theme);
    pen.fillText(node.name, 12, hasRoom ? y - 7 : y);
    pen.font = `11px ${SANS}`;
    if (hasRoom) pen.fillText(fitted(pen, node.adversary, GUTTER - 20), 12, y + 8);
    pen.fillStyle = ink.soft;
    pen.textAlign = "right";
    if (isUneven) pen.fillText(`weight ${node.weight}`, GUTTER - 10, hasRoom ? y - 7 : y);
    pen.globalAlpha = 1;
  }
  if (layout.laneCount > 0) {
    pen.textAlign = "left";
    pen.font = `11px ${SANS}`;
    pen.fillStyle = ink.soft;
    pen.fillText("faults", 12, AXIS + LANE / 2);
  }
};

/** A text cut to a width. */
const fitted = (pen: Pen, text: string, width: number): string => {
  let out = text;
  while (out.length > 3 && pen.measureText(out).width > width) out = `${out.slice(0, -2)}`;
  return out === text ? text : `${out.slice(0, -1)}\u2026`;
};

/** Draws everything; how many messages these were. */
export const drawScene = (pen: Pen, scene: Scene): number => {
  const { layout, theme } = scene;
  const ink = inkOf(theme);
  pen.clearRect(0, 0, layout.width, layout.height);
  pen.save();
  pen.beginPath();
  pen.rect(GUTTER, 0, layout.width - GUTTER, layout.height);
  pen.clip();
  drawBands(pen, scene);
  drawGrid(pen, scene, ink);
  drawFaults(pen, scene);
  drawLines(pen, scene, ink);
  const drawn = drawMessages(pen, scene);
  drawViews(pen, scene, ink, true);
  drawMarks(pen, scene, ink);
  for (const flag of flagsOf(scene)) drawFlag(pen, scene, flag, ink);
  pen.restore();
  drawGutter(pen, scene, ink);
  return drawn;
};

/** The whole run in a strip: messages by time, faults, and which part the picture shows. */
export const drawMap = (pen: Pen, scene: Scene, width: number, height: number): void => {
  const { data, window, theme } = scene;
  const ink = inkOf(theme);
  const x = (atUs: number): number =>
    GUTTER + (Math.min(atUs, data.endUs) / data.endUs) * (width - GUTTER - RIGHT);
  pen.clearRect(0, 0, width, height);
  const most = Math.max(1, ...data.activity);
  const each = (width - GUTTER - RIGHT) / data.activity.length;
  pen.fillStyle = ink.soft;
  pen.globalAlpha = 0.55;
  for (const [i, count] of data.activity.entries()) {
    const tall = Math.sqrt(count / most) * (height - 14);
    pen.fillRect(GUTTER + i * each, height - 4 - tall, Math.max(1, each - 0.5), tall);
  }
  for (const span of data.faults) {
    pen.fillStyle = faultColour(span.kind, theme);
    pen.globalAlpha = 0.9;
    pen.fillRect(x(span.fromUs), 3, Math.max(2, x(span.untilUs) - x(span.fromUs)), 3);
  }
  pen.globalAlpha = 1;
  if (data.healUs >= 0) {
    pen.fillStyle = ink.good;
    pen.fillRect(x(data.healUs), 0, 1.5, height);
  }
  if (data.failure !== undefined) {
    pen.fillStyle = ink.bad;
    pen.fillRect(x(data.failure.atUs) - 1, 0, 2, height);
  }
  const left = x(Math.max(0, window.scale.us(window.from)));
  const right = Math.max(left + 3, x(window.scale.us(window.to)));
  pen.fillStyle = ink.accent;
  pen.globalAlpha = 0.16;
  pen.fillRect(left, 0, right - left, height);
  pen.globalAlpha = 1;
  pen.strokeStyle = ink.accent;
  pen.lineWidth = 1;
  pen.strokeRect(left + 0.5, 0.5, right - left - 1, height - 1);
  pen.font = `11px ${SANS}`;
  pen.textAlign = "left";
  pen.textBaseline = "middle";
  pen.fillStyle = ink.soft;
  pen.fillText("whole run", 12, height / 2);
};
