/** Where things are: lanes of faults, rows of nodes, time to pixels and back, and what is under the pointer. */
import type { Mark, Message, PictureData, Span } from "./model.ts";
import type { Scale } from "./scale.ts";

export const GUTTER = 128;
export const RIGHT = 18;
export const AXIS = 26;
export const LANE = 17;
const LANES_MAX = 7;
const ROW_MIN = 18;
const ROW_MAX = 104;
export const FOOT = 18;

export type Lane = { readonly span: Span; readonly lane: number };

export type Layout = {
  readonly width: number;
  readonly height: number;
  readonly rowHeight: number;
  /** Top of the first row. */
  readonly top: number;
  readonly lanes: readonly Lane[];
  readonly laneCount: number;
};

/** Puts spans into lanes in which they do not overlap; what does not fit shares the last one. */
export const inLanes = (spans: readonly Span[], gapUs: number): Lane[] => {
  const endsUs: number[] = [];
  return [...spans]
    .sort((a, b) => a.fromUs - b.fromUs)
    .map((span) => {
      let lane = endsUs.findIndex((endUs) => endUs <= span.fromUs);
      if (lane < 0) lane = Math.min(endsUs.length, LANES_MAX - 1);
      endsUs[lane] = Math.max(endsUs[lane] ?? 0, span.untilUs + gapUs);
      return { span, lane };
    });
};

export const layoutOf = (data: PictureData, width: number, room: number): Layout => {
  const lanes = inLanes(data.faults, data.endUs / 25);
  const laneCount = lanes.reduce((most, { lane }) => Math.max(most, lane + 1), 0);
  const top = AXIS + laneCount * LANE + (laneCount > 0 ? 8 : 2);
  const each = Math.floor((room - top - FOOT) / Math.max(1, data.nodes.length));
  const rowHeight = Math.min(ROW_MAX, Math.max(ROW_MIN, each));
  return {
    width,
    height: top + rowHeight * data.nodes.length + FOOT,
    rowHeight,
    top,
    lanes,
    laneCount,
  };
};

export const rowY = (layout: Layout, node: number): number =>
  layout.top + (node + 0.5) * layout.rowHeight;

/** What is shown: positions of the scale. */
export type Window = { readonly scale: Scale; readonly from: number; readonly to: number };

export const plotWidth = (layout: Layout): number => Math.max(40, layout.width - GUTTER - RIGHT);

export const timeX = (layout: Layout, { scale, from, to }: Window, atUs: number): number =>
  GUTTER + ((scale.at(atUs) - from) / (to - from)) * plotWidth(layout);

/** The position of the scale at a pixel. */
export const xPlace = (layout: Layout, { from, to }: Window, x: number): number =>
  from + ((x - GUTTER) / plotWidth(layout)) * (to - from);

const xTime = (layout: Layout, window: Window, x: number): number =>
  window.scale.us(xPlace(layout, window, x));

const TICK_PIXELS = 118;

const steps = (wanted: number): number => {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, wanted)));
  for (const step of [1, 2, 5]) if (step * power >= wanted) return step * power;
  return power * 10;
};

export type Tick = { readonly atUs: number; readonly x: number; readonly stepUs: number };

/**
 * Marks of an axis. On a straight scale they are 1, 2 or 5 times a power of ten apart; on a squeezed one they
 * stand where something begins after a rest, and say when that was.
 */
export const ticksOf = (layout: Layout, window: Window): Tick[] => {
  const { scale, from, to } = window;
  const place = (atUs: number, stepUs: number): Tick => ({
    ...{ atUs, stepUs },
    x: timeX(layout, window, atUs),
  });
  const wanted = ((to - from) / plotWidth(layout)) * TICK_PIXELS;
  const [firstUs, lastUs] = [scale.us(from), scale.us(to)];
  if (scale.gaps.length === 0 || lastUs - firstUs < (to - from) * 1.2) {
    const stepUs = steps(wanted);
    const count = Math.floor((lastUs - firstUs) / stepUs) + 1;
    const start = Math.ceil(firstUs / stepUs);
    return Array.from({ length: count }, (_, i) => place((start + i) * stepUs, stepUs)).filter(
      ({ atUs }) => atUs >= 0,
    );
  }
  const out: Tick[] = [];
  for (const [, atUs] of scale.gaps) {
    if (atUs < firstUs || atUs > lastUs) continue;
    const tick = place(atUs, 100);
    if (tick.x - (out.at(-1)?.x ?? Number.NEGATIVE_INFINITY) >= TICK_PIXELS) out.push(tick);
  }
  return out;
};

/** A time as the distance of its neighbours needs it. */
export const timeText = (atUs: number, stepUs: number): string => {
  const digits = Math.min(6, Math.max(0, Math.ceil(6 - Math.log10(Math.max(1, stepUs)))));
  return `${(atUs / 1e6).toFixed(digits)} s`;
};

/** Ends of a message as it is drawn; one that never arrived ends on the way. */
export const messageLine = (
  layout: Layout,
  window: Window,
  message: Message,
): readonly [x1: number, y1: number, x2: number, y2: number] => {
  const [from, to, , sentUs, arrivedUs, , , fate] = message;
  const x1 = timeX(layout, window, sentUs);
  const y1 = rowY(layout, from);
  const y2 = rowY(layout, to);
  if (arrivedUs >= 0 && fate !== 1) return [x1, y1, timeX(layout, window, arrivedUs), y2];
  return [x1, y1, x1 + 12, y1 + (y2 - y1) * 0.45];
};

/** Height of a sign above or below its node's line. */
export const markOffset = (kind: string): number =>
  kind === "executed" ? -9 : kind === "log" ? 10 : 0;

export type Hit =
  | { readonly what: "message"; readonly index: number }
  | { readonly what: "mark"; readonly index: number }
  | { readonly what: "span"; readonly span: Span }
  | { readonly what: "node"; readonly node: number };

const toSegment = (
  px: number,
  py: number,
  [x1, y1, x2, y2]: readonly [number, number, number, number],
): number => {
  const dx = x2 - x1;
  const dy = y2 - y1;
  const length = dx * dx + dy * dy;
  const part =
    length === 0 ? 0 : Math.min(1, Math.max(0, ((px - x1) * dx + (py - y1) * dy) / length));
  return Math.hypot(px - x1 - part * dx, py - y1 - part * dy);
};

export const isVisibleMark = ([, , kind, text]: Mark): boolean =>
  kind !== "log" || /^(warn|error|lost|refus|halt|stop)/i.test(text) || text.includes("error");

type Shown = {
  message(index: number): boolean;
};

const nearest = <T>(
  items: readonly T[],
  limit: number,
  far: (item: T, index: number) => number,
): number => {
  let best = -1;
  let least = limit;
  for (const [index, item] of items.entries()) {
    const distance = far(item, index);
    if (distance >= least) continue;
    least = distance;
    best = index;
  }
  return best;
};

const barAt = (layout: Layout, window: Window, x: number, y: number): Span | undefined => {
  const lane = Math.floor((y - AXIS) / LANE);
  return layout.lanes.find(
    (one) =>
      one.lane === lane &&
      x >= timeX(layout, window, one.span.fromUs) - 2 &&
      x <=
        Math.max(
          timeX(layout, window, one.span.untilUs),
          timeX(layout, window, one.span.fromUs) + 6,
        ),
  )?.span;
};

/** What is nearest to a place, within reach. */
export const hitAt = (
  data: PictureData,
  layout: Layout,
  window: Window,
  shown: Shown,
  x: number,
  y: number,
): Hit | undefined => {
  if (x < GUTTER) {
    const node = Math.floor((y - layout.top) / layout.rowHeight);
    return node >= 0 && node < data.nodes.length ? { what: "node", node } : undefined;
  }
  if (y < layout.top - 4) {
    const span = barAt(layout, window, x, y);
    return span === undefined ? undefined : { what: "span", span };
  }
  const mark = nearest(data.marks, 8, (one) => {
    if (!isVisibleMark(one)) return Number.POSITIVE_INFINITY;
    const [node, atUs, kind] = one;
    return Math.hypot(timeX(layout, window, atUs) - x, rowY(layout, node) + markOffset(kind) - y);
  });
  if (mark >= 0) return { what: "mark", index: mark };
  const message = nearest(data.messages, 6, (one, index) =>
    shown.message(index)
      ? toSegment(x, y, messageLine(layout, window, one))
      : Number.POSITIVE_INFINITY,
  );
  if (message >= 0) return { what: "message", index: message };
  const row = Math.floor((y - layout.top) / layout.rowHeight);
  const atUs = xTime(layout, window, x);
  const under = [...data.down, ...data.adversaries, ...data.faults].find(
    (span) =>
      span.nodes.some(([node]) => node === row) && atUs >= span.fromUs && atUs <= span.untilUs,
  );
  return under === undefined ? undefined : { what: "span", span: under };
};
