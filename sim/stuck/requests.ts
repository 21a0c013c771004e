/** Who has asked whom for what, what became of it on the way, and whether the one who asks has it since. */
import { Recent } from "../checkers/recent.ts";
import type { Place } from "./frames.ts";
import {
  agoText,
  counted,
  type StuckTable,
  shortHash,
  slotList,
  tableOf,
  timesText,
  verb,
} from "./model.ts";

/** Open questions that are remembered. */
const REQUESTS_MAX = 4_096;
/** Whoever has not asked for so long asks no more. */
const ASKS_AGAIN_US = 30_000_000;

/** What is missing most goes first: without a block nothing else is of use. */
const WHATS = ["block", "batch", "certificate"] as const;
export type What = (typeof WHATS)[number];

/** What became of the questions to one node: asked, arrived there, answered, and answers that arrived. */
type Way = { asked: number; reached: number; answered: number; brought: number };

export type Request = {
  readonly slot: number;
  readonly what: What;
  readonly name: string;
  /** Of a certificate: the view that it is of. */
  readonly place: Place | undefined;
  readonly ways: Map<number, Way>;
  lastUs: number;
  /** When it had it last. */
  gotUs: number;
};

/** How far what was asked of others went, in words. */
export const fateOf = (ways: ReadonlyMap<number, Way>): string => {
  const sum = { asked: 0, reached: 0, answered: 0, brought: 0 };
  for (const way of ways.values()) {
    sum.asked += way.asked;
    sum.reached += way.reached;
    sum.answered += way.answered;
    sum.brought += way.brought;
  }
  if (sum.brought > 0) return `${counted(sum.brought, "answer")} arrived`;
  if (sum.answered > 0) return `${counted(sum.answered, "answer")} sent, none arrived`;
  return sum.reached === 0
    ? "no question arrived"
    : `${counted(sum.reached, "question")} arrived, none was answered`;
};

export const wayTo = (ways: Map<number, Way>, slot: number): Way => {
  const way = ways.get(slot) ?? { asked: 0, reached: 0, answered: 0, brought: 0 };
  ways.set(slot, way);
  return way;
};

export const timesAsked = (ways: ReadonlyMap<number, Way>): number =>
  [...ways.values()].reduce((sum, { asked }) => sum + asked, 0);

/** What is asked for; of a certificate with its view. */
export type Wanted = {
  readonly what: What;
  readonly name: string;
  readonly place: Place | undefined;
};

export class Requests {
  readonly #open = new Recent<string, Request>(REQUESTS_MAX, (request) => {
    this.#forgottenUs = Math.max(this.#forgottenUs ?? -1, request?.lastUs ?? -1);
  });
  #forgottenUs: number | undefined;

  /** The last moment of a question that is not remembered; undefined while all of them are. */
  get forgottenUs(): number | undefined {
    return this.#forgottenUs;
  }

  #of(slot: number, what: What, name: string): Request | undefined {
    return this.#open.get(`${slot}/${what}/${name}`);
  }

  /** `place` is the view of a certificate. */
  asked(slot: number, peer: number, wanted: Wanted, atUs: number): void {
    const { what, name, place } = wanted;
    const key = `${slot}/${what}/${name}`;
    const request: Request = this.#open.get(key) ?? {
      ...{ slot, what, name, place, lastUs: atUs, gotUs: -1 },
      ways: new Map(),
    };
    request.lastUs = atUs;
    wayTo(request.ways, peer).asked += 1;
    // What is asked for again is as young as what is asked for first.
    this.#open.delete(key);
    this.#open.set(key, request);
  }

  /** A question has reached who was asked. */
  reached(slot: number, peer: number, what: What, name: string): void {
    const request = this.#of(slot, what, name);
    if (request !== undefined) wayTo(request.ways, peer).reached += 1;
  }

  /** What was asked for has left. */
  answered(slot: number, peer: number, what: What, name: string): void {
    const way = this.#of(slot, what, name)?.ways.get(peer);
    if (way !== undefined) way.answered += 1;
  }

  /** It is there, from whomever. */
  got(slot: number, peer: number, what: What, name: string, atUs: number): void {
    const way = this.#of(slot, what, name)?.ways.get(peer);
    if (way !== undefined) way.brought += 1;
    this.has(slot, what, name, atUs);
  }

  /** It is there, made by the node itself too. */
  has(slot: number, what: What, name: string, atUs: number): void {
    const request = this.#of(slot, what, name);
    if (request !== undefined) request.gotUs = atUs;
  }

  /** The last that a node has asked for this; undefined where it never has. */
  get(slot: number, what: What, name: string): Request | undefined {
    return this.#of(slot, what, name);
  }

  /** What these nodes still ask for: of each kind the newest question first. */
  open(up: ReadonlySet<number>, endUs: number): Request[] {
    return [...this.#open.values()]
      .filter(({ slot, lastUs, gotUs }) => up.has(slot) && lastUs > gotUs)
      .filter(({ lastUs }) => endUs - lastUs <= ASKS_AGAIN_US)
      .sort(
        (a, b) =>
          WHATS.indexOf(a.what) - WHATS.indexOf(b.what) || b.lastUs - a.lastUs || a.slot - b.slot,
      );
  }
}

/** Several names in one cell. */
const namesText = (what: What, names: readonly string[]): string => {
  const shown = names.slice(0, 2).map((name) => (what === "certificate" ? name : shortHash(name)));
  const more = names.length > shown.length ? ` and ${names.length - shown.length} more` : "";
  return `${what}${names.length > 1 ? "s" : ""} ${shown.join(", ")}${more}`.replace(
    "batchs",
    "batches",
  );
};

/** Questions of one node for things of one kind, of which the same came, and which others hold alike: one row. */
export type Asking = {
  readonly slot: number;
  readonly what: What;
  readonly names: readonly string[];
  readonly ways: ReadonlyMap<number, Way>;
  readonly lastUs: number;
  /** Of those who are up: who has it; undefined where nobody knows. */
  readonly holders: readonly number[] | undefined;
};

export const askingOf = (
  requests: readonly Request[],
  holdersOf: (what: What, name: string) => readonly number[] | undefined,
): Asking[] => {
  const groups = new Map<string, Asking & { readonly names: string[] }>();
  for (const { slot, what, name, ways, lastUs } of requests) {
    const holders = holdersOf(what, name)?.filter((holder) => holder !== slot);
    const came = [...ways].map(([peer, way]) => [peer, ...Object.values(way)].join(":")).sort();
    const key = `${slot}/${what}/${came.join()}/${holders?.join() ?? "?"}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { slot, what, names: [name], ways, lastUs, holders });
    else group.names.push(name);
  }
  return [...groups.values()];
};

/** A sentence of what a node asks for and does not get. */
export const askingCause = ({ slot, what, names, ways, holders }: Asking): string => {
  const each = names.length > 1 ? "each of " : "";
  const times = timesText(timesAsked(ways));
  const asked = `n${slot} has asked ${slotList(ways.keys())} ${times} for ${each}${namesText(what, names)}`;
  const fate = fateOf(ways);
  if (holders === undefined) return `${asked}: ${fate}`;
  if (holders.length === 0) return `${asked}, which nobody else who is up has`;
  const unasked = holders.filter((slot) => !ways.has(slot));
  const beside = unasked.length === 0 ? "" : `, of whom it has not asked ${slotList(unasked)}`;
  return `${asked}: ${fate}; ${slotList(holders)} ${verb(holders, "has")} it${beside}`;
};

export const askingTable = (all: readonly Asking[], endUs: number): StuckTable =>
  tableOf(
    "What nodes have asked for and not got since",
    ["node", "what", "asked", "times each", "last", "what came of each", "held by"],
    all.map(({ slot, what, names, ways, lastUs, holders }) => [
      `n${slot}`,
      namesText(what, names),
      slotList(ways.keys()),
      String(timesAsked(ways)),
      agoText(lastUs, endUs),
      fateOf(ways),
      holders === undefined ? "-" : slotList(holders),
    ]),
  );
