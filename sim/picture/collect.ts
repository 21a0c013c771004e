/**
 * Collects the picture of a run while it goes on, in bounded memory: the newest messages of the span that
 * was asked for, and of everything else the newest too. What is left out is counted.
 */
import { crc32 } from "node:zlib";
import type { Status } from "../checkers/types.ts";
import { adversaryText, faultText } from "../describe.ts";
import { sentenceOf } from "../invariants.ts";
import type { Moment } from "../recorder.ts";
import { plainScenario, SLOT_FIELDS } from "../reduce.ts";
import { type Fault, type Scenario, slotOwners } from "../scenario.ts";
import type { RunResult } from "../simulate.ts";
import type { EventKind } from "../trace.ts";
import type { Fate, Mark, Message, PictureData, PictureNode, Span, ViewMark } from "./model.ts";

export type PictureOptions = {
  /** Messages are drawn that were sent in this span of virtual time. */
  readonly fromMs?: number | undefined;
  readonly toMs?: number | undefined;
  readonly messagesMax: number;
  readonly eventsMax: number;
};

export type PictureCaption = {
  readonly title: string;
  readonly verdict: string;
  readonly commit: string;
  readonly replay: string;
};

type Flight = {
  readonly from: number;
  readonly to: number;
  readonly kind: number;
  readonly sentUs: number;
  readonly bytes: number;
  readonly view: number;
  readonly sum: number;
  arrivedUs: number;
  fate: Fate;
};

const ACTIVITY_PARTS = 240;
/** Frames of one link that may be under way; older ones are taken for lost. */
const UNDER_WAY_MAX = 2_000;
/** The histogram doubles its parts' length when a run outgrows it. */
const FIRST_PART_US = 50_000;

const MARKED: ReadonlySet<EventKind> = new Set([
  ...(["boot", "crash", "log", "write-failed"] as const),
]);

/** The newest items within a bound, and how many there were. */
class Newest<T> {
  #items: T[] = [];
  count = 0;
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  push(item: T): void {
    this.count += 1;
    this.#items.push(item);
    if (this.#items.length >= this.#max * 2) this.#items = this.#items.slice(-this.#max);
  }

  get items(): readonly T[] {
    return this.#items.slice(-this.#max);
  }

  get leftOut(): number {
    return Math.max(0, this.count - this.#max);
  }
}

class Activity {
  #parts = new Array<number>(ACTIVITY_PARTS).fill(0);
  #partUs = FIRST_PART_US;

  add(atUs: number): void {
    while (atUs >= this.#partUs * ACTIVITY_PARTS) {
      const half = this.#parts;
      this.#parts = half.map((_, i) => (half[i * 2] ?? 0) + (half[i * 2 + 1] ?? 0));
      this.#partUs *= 2;
    }
    const part = Math.floor(atUs / this.#partUs);
    this.#parts[part] = (this.#parts[part] ?? 0) + 1;
  }

  /** The parts up to the end of the run, stretched over exactly the run. */
  upTo(endUs: number): number[] {
    return this.#parts.slice(0, Math.max(1, Math.ceil(endUs / this.#partUs)));
  }
}

const slotsIn = (value: unknown): number[] => {
  if (typeof value === "number") return [value];
  return Array.isArray(value) ? value.flatMap(slotsIn) : [];
};

/** The nodes that a fault concerns: those that it names, else all. */
export const concerned = (fault: Fault, n: number): (readonly [number, number])[] => {
  if ("groups" in fault) {
    return fault.groups.flatMap((group, i) => group.map((slot) => [slot, i] as const));
  }
  const fields = Object.entries(fault).filter(([name]) => SLOT_FIELDS.has(name));
  const named = [...new Set(fields.flatMap(([, value]) => slotsIn(value)))];
  const all = named.length > 0 ? named : Array.from({ length: n }, (_, slot) => slot);
  return all.map((slot) => [slot, 0] as const);
};

export class PictureCollector {
  readonly #scenario: Scenario;
  readonly #options: PictureOptions;
  readonly #kinds: string[] = [];
  readonly #messages: Newest<Flight>;
  readonly #marks: Newest<Mark>;
  readonly #views: Newest<ViewMark>;
  readonly #down: Span[] = [];
  readonly #downSince = new Map<number, { readonly atUs: number; readonly note: string }>();
  readonly #viewOf = new Map<number, number>();
  readonly #underWay = new Map<number, Flight[]>();
  readonly #activity = new Activity();
  readonly #executed = new Map<number, { readonly height: number; readonly logSize: number }>();
  #healUs = -1;
  #slots: number;

  constructor(scenario: Scenario, options: PictureOptions) {
    this.#scenario = scenario;
    this.#options = options;
    this.#messages = new Newest(options.messagesMax);
    this.#marks = new Newest(options.eventsMax);
    this.#views = new Newest(options.eventsMax);
    this.#slots = scenario.n;
  }

  moment(moment: Moment): void {
    const { kind, node, atUs, note } = moment;
    this.#slots = Math.max(this.#slots, node + 1);
    if (kind === "send") this.#sent(moment);
    else if (kind === "deliver") this.#arrived(moment);
    else if (kind === "drop") this.#dropped(moment);
    else if (kind === "heal") this.#healUs = atUs;
    else if (kind === "crash") this.#downSince.set(node, { atUs, note });
    else if (kind === "boot") this.#booted(node, atUs);
    if (MARKED.has(kind)) this.#marks.push([node, atUs, kind, note]);
  }

  /** What a node says of itself: after each executed block, and now and then. */
  status(slot: number, status: Status, atUs: number): void {
    const { executedHeight, logSize } = status;
    const before = this.#executed.get(slot);
    if (before?.height === executedHeight) return;
    this.#executed.set(slot, { height: executedHeight, logSize });
    const isNext = before?.height === executedHeight - 1;
    const added = isNext ? logSize - before.logSize : 0;
    const events = added > 0 ? ` +${added}` : "";
    this.#marks.push([slot, atUs, "executed", `h${executedHeight}${events}`]);
  }

  #kindOf(name: string): number {
    const at = this.#kinds.indexOf(name);
    return at >= 0 ? at : this.#kinds.push(name) - 1;
  }

  #isAsked(atUs: number): boolean {
    const { fromMs = 0, toMs = Number.MAX_SAFE_INTEGER } = this.#options;
    return atUs >= fromMs * 1000 && atUs <= toMs * 1000;
  }

  #sent(moment: Moment): void {
    const { node: from, other: to, atUs, label, length, bytes } = moment;
    this.#activity.add(atUs);
    const view = label?.view ?? -1;
    const kind = label?.kind ?? "";
    // Certificates tell of views of others; what a node says itself tells of its own.
    if ((kind === "proposal" || kind.startsWith("vote")) && view > (this.#viewOf.get(from) ?? -1)) {
      this.#viewOf.set(from, view);
      this.#views.push([from, atUs, view]);
    }
    if (!this.#isAsked(atUs)) return;
    const flight: Flight = {
      ...{ from, to, view, sentUs: atUs, bytes: length, arrivedUs: -1, fate: 4 },
      kind: this.#kindOf(kind),
      sum: bytes === undefined ? 0 : crc32(bytes),
    };
    this.#messages.push(flight);
    const link = this.#link(from, to);
    link.push(flight);
    if (link.length > UNDER_WAY_MAX) link.shift();
  }

  #link(from: number, to: number): Flight[] {
    const key = from * 4096 + to;
    let link = this.#underWay.get(key);
    if (link === undefined) {
      link = [];
      this.#underWay.set(key, link);
    }
    return link;
  }

  /** Ends a flight: the first that fits. */
  #end(link: Flight[], fits: (flight: Flight) => boolean, atUs: number, fate: Fate): boolean {
    const at = link.findIndex(fits);
    const flight = link[at];
    if (flight === undefined) return false;
    link.splice(at, 1);
    flight.arrivedUs = atUs;
    flight.fate = fate;
    return true;
  }

  #arrived(moment: Moment): void {
    const { node: to, other: from, atUs, bytes, length, label } = moment;
    const link = this.#link(from, to);
    const sum = bytes === undefined ? 0 : crc32(bytes);
    if (this.#end(link, (flight) => flight.sum === sum, atUs, 0)) return;
    const kind = label?.kind ?? "";
    if (!this.#isAsked(atUs)) return;
    // The same bytes a second time, or bytes that nobody has sent: an altered frame keeps its length.
    if (this.#end(link, (flight) => flight.bytes === length && flight.sentUs < atUs, atUs, 3))
      return;
    const copy = {
      from,
      to,
      view: label?.view ?? -1,
      bytes: length,
      sum,
      kind: this.#kindOf(kind),
    };
    this.#messages.push({ ...copy, sentUs: atUs, arrivedUs: atUs, fate: 2 });
  }

  #dropped(moment: Moment): void {
    const { node: from, other: to, atUs, length } = moment;
    const link = this.#link(from, to);
    const last = link.at(-1);
    if (last !== undefined && last.sentUs === atUs && last.bytes === length) {
      link.pop();
      last.fate = 1;
      return;
    }
    this.#end(link, (flight) => flight.bytes === length, -1, 1);
  }

  #booted(node: number, atUs: number): void {
    const since = this.#downSince.get(node);
    if (since === undefined) return;
    this.#downSince.delete(node);
    this.#pushDown(node, since, atUs);
  }

  #pushDown(
    node: number,
    since: { readonly atUs: number; readonly note: string },
    untilUs: number,
  ): void {
    if (this.#down.length >= this.#options.eventsMax) return;
    const text = since.note === "" ? "down" : `down: ${since.note}`;
    this.#down.push({ kind: "down", text, fromUs: since.atUs, untilUs, nodes: [[node, 0]] });
  }

  #faultSpans(endUs: number): Span[] {
    const { faults, healMs, n } = this.#scenario;
    return faults.flatMap((fault): Span[] => {
      const fromUs = fault.atMs * 1000;
      if (fault.atMs >= healMs || fromUs > endUs) return [];
      const untilMs = "untilMs" in fault ? Math.min(fault.untilMs, healMs) : fault.atMs;
      const untilUs = Math.min(endUs, untilMs * 1000);
      const nodes = concerned(fault, n);
      return [{ kind: fault.kind, text: faultText(fault), fromUs, untilUs, nodes }];
    });
  }

  #adversarySpans(endUs: number): Span[] {
    return this.#scenario.adversaries.flatMap((one): Span[] => {
      const fromUs = one.fromMs * 1000;
      if (fromUs > endUs) return [];
      const untilUs = Math.min(endUs, one.untilMs * 1000);
      const text = adversaryText(one);
      return [{ kind: one.strategy, text, fromUs, untilUs, nodes: [[one.node, 0]] }];
    });
  }

  #nodes(): PictureNode[] {
    const { n, weights, adversaries } = this.#scenario;
    const owners = slotOwners(this.#scenario);
    return Array.from({ length: this.#slots }, (_, slot) => {
      const owner = owners[slot] ?? slot;
      const own: string[] = adversaries
        .filter(({ node }) => node === slot)
        .map((one) => one.strategy);
      if (slot >= n) own.push(`twin of n${owner}`);
      return { name: `n${slot}`, weight: weights[owner] ?? 1, adversary: own.join(", ") };
    });
  }

  /** The picture, when the run has ended. */
  finish(result: RunResult, caption: PictureCaption): PictureData {
    const endUs = Math.max(1, result.virtualMs * 1000);
    for (const [node, since] of this.#downSince) this.#pushDown(node, since, endUs);
    this.#downSince.clear();
    const flights = this.#messages.items;
    const messages = flights.map(
      ({ from, to, kind, sentUs, arrivedUs, bytes, view, fate }): Message => [
        ...([from, to, kind, sentUs, arrivedUs, bytes, view, fate] as const),
      ],
    );
    const { violation } = result;
    const { fromMs, toMs } = this.#options;
    const firstUs = flights[0]?.sentUs ?? 0;
    const askedUs = (fromMs ?? 0) * 1000;
    return {
      title: caption.title,
      failure:
        violation === undefined
          ? undefined
          : {
              verdict: caption.verdict,
              invariant: violation.id,
              sentence: sentenceOf(violation.id) ?? "",
              detail: violation.detail,
              atUs: violation.atMs * 1000,
              stuck: result.stuck ?? null,
              fork: result.fork ?? null,
            },
      seed: this.#scenario.seed,
      commit: caption.commit,
      replay: caption.replay,
      scenario: plainScenario(this.#scenario),
      nodes: this.#nodes(),
      endUs,
      healUs: this.#healUs,
      fromUs: this.#messages.leftOut > 0 ? firstUs : askedUs,
      untilUs: Math.min(endUs, toMs === undefined ? endUs : toMs * 1000),
      kinds: this.#kinds,
      messages,
      marks: this.#marks.items,
      views: this.#views.items,
      down: this.#down,
      faults: this.#faultSpans(endUs),
      adversaries: this.#adversarySpans(endUs),
      activity: this.#activity.upTo(endUs),
      leftOut: {
        messages: this.#activityTotal() - messages.length,
        events: this.#marks.leftOut + this.#views.leftOut,
      },
    };
  }

  #activityTotal(): number {
    return Math.max(
      this.#messages.count,
      this.#activity.upTo(Number.MAX_SAFE_INTEGER).reduce((sum, part) => sum + part, 0),
    );
  }
}
