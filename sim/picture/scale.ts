/**
 * Time as it is drawn. A network rests most of the time and does everything in a few milliseconds: in true
 * proportion every message would be an upright line. The squeezed scale keeps the proportions of what
 * happens and shortens the time in which nothing does, the longer the more; the straight one is true.
 */
import type { PictureData } from "./model.ts";

export type Scale = {
  /** Position of a time, in units of the scale: microseconds where nothing is shortened. */
  at(us: number): number;
  /** The time of a position. */
  us(at: number): number;
  readonly end: number;
  /** Times in which nothing happens, and that were shortened. */
  readonly gaps: readonly (readonly [fromUs: number, toUs: number])[];
};

export const straightScale = (data: PictureData): Scale => ({
  at: (us) => us,
  us: (at) => at,
  end: data.endUs,
  gaps: [],
});

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

/** How much of a gap is left: all of a short one, the logarithm of a long one. */
const left = (gapUs: number, capUs: number): number =>
  gapUs <= capUs ? gapUs : capUs * (1 + 0.3 * Math.log2(gapUs / capUs));

/** `counts`: whether a kind of message makes a time a busy one. */
export const squeezedScale = (data: PictureData, counts: (kind: number) => boolean): Scale => {
  const busy: number[] = [0, data.endUs];
  const flights: number[] = [];
  for (const [, , kind, sentUs, arrivedUs] of data.messages) {
    if (!counts(kind)) continue;
    busy.push(sentUs);
    if (arrivedUs < 0) continue;
    busy.push(arrivedUs);
    flights.push(arrivedUs - sentUs);
  }
  for (const [, atUs, kind] of data.marks) if (kind !== "log") busy.push(atUs);
  busy.sort((a, b) => a - b);
  const capUs = Math.max(300, median(flights) * 2.5);
  const times: number[] = [0];
  const places: number[] = [0];
  const gaps: (readonly [number, number])[] = [];
  let place = 0;
  for (let i = 1; i < busy.length; i++) {
    const [before = 0, now = 0] = [busy[i - 1], busy[i]];
    if (now === before) continue;
    const gapUs = now - before;
    place += left(gapUs, capUs);
    times.push(now);
    places.push(place);
    if (gapUs > capUs) gaps.push([before, now]);
  }
  return { at: between(times, places), us: between(places, times), end: place, gaps };
};

/** The function through these points; beyond them it goes on one to one. */
const between =
  (from: readonly number[], to: readonly number[]) =>
  (value: number): number => {
    const lastFrom = from.at(-1) ?? 0;
    if (value <= 0) return value;
    if (value >= lastFrom) return (to.at(-1) ?? 0) + value - lastFrom;
    let low = 0;
    let high = from.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((from[middle] ?? 0) <= value) low = middle;
      else high = middle;
    }
    const [x1 = 0, x2 = 0, y1 = 0, y2 = 0] = [from[low], from[high], to[low], to[high]];
    return x2 === x1 ? y1 : y1 + ((value - x1) / (x2 - x1)) * (y2 - y1);
  };
