/**
 * Bandwidth as a fluid: all that is on its way shares links, uplinks and downlinks by max-min fairness, as
 * congestion control does in the long run. Nobody gets more while somebody who needs the same narrow place
 * has less (Bertsekas and Gallager, Data Networks, 6.5.2). Streams of one link are flows of their own, so
 * that bulk does not stand before a vote.
 *
 * Rates are bytes a microsecond. The arithmetic is IEEE 754 addition, multiplication and division in a
 * fixed order: the same on every machine.
 */
import { World } from "./world.ts";

export type Caps = {
  /** Bytes a millisecond; 0 is without bound. */
  link(from: number, to: number): number;
  uplink(slot: number): number;
  downlink(slot: number): number;
};

type Message = { left: number; readonly sent: () => void };

type Flow = {
  readonly from: number;
  readonly to: number;
  readonly stream: string;
  readonly queue: Message[];
  rate: number;
};

type Place = { free: number; readonly flows: Flow[]; open: number };
type Places = { readonly all: Place[]; readonly of: ReadonlyMap<Flow, readonly Place[]> };

/** What is left of a message when it counts as sent: the residue of rounding. */
const NOTHING = 1e-6;
const US_PER_MS = 1_000;

export class FairShare {
  readonly #world: World;
  readonly #caps: Caps;
  readonly #flows = new Map<string, Flow>();
  #settledUs = 0;
  #wake: ReturnType<World["at"]> | undefined;
  #planned = false;

  constructor(world: World, caps: Caps) {
    this.#world = world;
    this.#caps = caps;
  }

  /** True while nothing bounds this way and nothing waits on it. */
  isFree(from: number, to: number): boolean {
    const { link, uplink, downlink } = this.#caps;
    if (link(from, to) + uplink(from) + downlink(to) > 0) return false;
    return this.#flows.size === 0;
  }

  /** Calls `sent` when the last byte has left. Messages of one stream leave in their order. */
  send(from: number, to: number, stream: string, bytes: number, sent: () => void): void {
    const key = `${from}/${to}/${stream}`;
    const flow = this.#flows.get(key);
    if (flow !== undefined) {
      flow.queue.push({ left: bytes, sent });
      return;
    }
    this.#settle();
    this.#flows.set(key, { from, to, stream, queue: [{ left: bytes, sent }], rate: 0 });
    this.retune();
  }

  /** Forgets what waits between two slots: their session is gone. */
  drop(a: number, b: number): void {
    this.#forget(({ from, to }) => (from === a && to === b) || (from === b && to === a));
  }

  /** Forgets what waits in a slot: its process is gone. */
  dropFrom(slot: number): void {
    this.#forget(({ from }) => from === slot);
  }

  #forget(isGone: (flow: Flow) => boolean): void {
    this.#settle();
    let found = false;
    for (const [key, flow] of this.#flows) {
      if (!isGone(flow)) continue;
      this.#flows.delete(key);
      found = true;
    }
    if (found) this.retune();
  }

  /** The flows or the caps are others: rates are shared out anew, once for all changes of a moment. */
  retune(): void {
    if (this.#planned) return;
    this.#planned = true;
    this.#world.after(0, () => {
      this.#planned = false;
      this.#settle();
      this.#share();
      this.#schedule();
    });
  }

  /** Takes from every flow what has left since the last time. */
  #settle(): void {
    const passedUs = this.#world.nowUs - this.#settledUs;
    this.#settledUs = this.#world.nowUs;
    if (passedUs === 0) return;
    for (const flow of this.#flows.values()) {
      const head = flow.queue[0];
      if (head !== undefined) head.left -= flow.rate * passedUs;
    }
  }

  /** Progressive filling: the narrowest place gives each of its flows an equal part, and so on. */
  #share(): void {
    const places = this.#places();
    const open = new Set(this.#flows.values());
    while (open.size > 0) {
      let narrowest: Place | undefined;
      for (const place of places.all) {
        if (place.open === 0) continue;
        if (narrowest === undefined || place.free * narrowest.open < narrowest.free * place.open) {
          narrowest = place;
        }
      }
      if (narrowest === undefined) break;
      const part = narrowest.free / narrowest.open;
      for (const flow of narrowest.flows) {
        if (!open.delete(flow)) continue;
        flow.rate = part;
        for (const place of places.of.get(flow) ?? []) {
          place.free = Math.max(0, place.free - part);
          place.open -= 1;
        }
      }
    }
    for (const flow of open) flow.rate = Number.POSITIVE_INFINITY;
  }

  #places(): Places {
    const places = new Map<string, Place>();
    const of = new Map<Flow, Place[]>();
    const join = (name: string, bytesPerMs: number, flow: Flow): void => {
      if (bytesPerMs === 0) return;
      let place = places.get(name);
      if (place === undefined) {
        place = { free: bytesPerMs / US_PER_MS, flows: [], open: 0 };
        places.set(name, place);
      }
      place.flows.push(flow);
      of.get(flow)?.push(place);
      place.open += 1;
    };
    for (const flow of this.#flows.values()) {
      of.set(flow, []);
      join(`up ${flow.from}`, this.#caps.uplink(flow.from), flow);
      join(`down ${flow.to}`, this.#caps.downlink(flow.to), flow);
      join(`link ${flow.from} ${flow.to}`, this.#caps.link(flow.from, flow.to), flow);
    }
    return { all: [...places.values()], of };
  }

  #schedule(): void {
    if (this.#wake !== undefined) World.cancel(this.#wake);
    this.#wake = undefined;
    let nextUs = Number.POSITIVE_INFINITY;
    for (const { queue, rate } of this.#flows.values()) {
      const left = Math.max(0, queue[0]?.left ?? 0);
      nextUs = Math.min(nextUs, left <= NOTHING ? 0 : left / rate);
    }
    if (nextUs === Number.POSITIVE_INFINITY) return;
    this.#wake = this.#world.after(Math.ceil(nextUs), () => {
      this.#wake = undefined;
      this.#finish();
    });
  }

  /** Lets go of what has left. Only the end of a flow changes the rates of others. */
  #finish(): void {
    this.#settle();
    const done: Message[] = [];
    let ended = false;
    for (const [key, flow] of this.#flows) {
      for (;;) {
        const head = flow.queue[0];
        if (head === undefined || (head.left > NOTHING && flow.rate !== Infinity)) break;
        flow.queue.shift();
        done.push(head);
        const next = flow.queue[0];
        // A microsecond is the smallest step: what was sent of it beyond the end is the next one's.
        if (next !== undefined && head.left < 0 && flow.rate !== Infinity) next.left += head.left;
      }
      if (flow.queue.length > 0) continue;
      this.#flows.delete(key);
      ended = true;
    }
    if (ended) this.retune();
    else this.#schedule();
    for (const message of done) message.sent();
  }
}
