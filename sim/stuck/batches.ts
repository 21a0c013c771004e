/** Batches that wait, or have waited for too long: who holds them, and whether whoever proposed did. */
import { Recent } from "../checkers/recent.ts";
import type { Submission } from "../checkers/types.ts";
import { msText } from "../describe.ts";
import type { BlockName } from "./frames.ts";
import type { Holdings } from "./holdings.ts";
import {
  agoText,
  CAUSES_SHOWN,
  counted,
  type StuckTable,
  shortHash,
  slotList,
  tableOf,
} from "./model.ts";

/** Batches that are remembered: what was answered long ago goes first. */
const BATCHES_MAX = 2_048;
/** As many digits of a batch's id as L2 names it by. */
const NAME_DIGITS = 16;

/** What a leader has done while a batch waited. */
type Turns = { held: number; missed: number; lane: number };

type Track = {
  readonly id: string;
  readonly lane: string;
  readonly laneSeq: number;
  firstUs: number;
  /** Who was handed it; and the codes of those who did not take it. */
  readonly handed: Set<number>;
  readonly declined: Map<number, string>;
  answeredUs: number | undefined;
  readonly turns: Map<number, Turns>;
  /** By whom it was proposed first, when, in which block, and who held it then. */
  proposed:
    | {
        readonly by: number;
        readonly atUs: number;
        readonly block: string;
        readonly held: readonly number[] | undefined;
      }
    | undefined;
};

const laneKey = (actor: string, laneSeq: number): string => `${actor}/${laneSeq}`;

export class Waiting {
  readonly #tracks = new Recent<string, Track>(BATCHES_MAX);
  readonly #ofLane = new Recent<string, string>(BATCHES_MAX);
  readonly #held: Holdings;
  /** Ids by digest. */
  readonly #ids: ReadonlyMap<string, string>;
  readonly #seen = new Recent<string, true>(BATCHES_MAX);

  constructor(held: Holdings, ids: ReadonlyMap<string, string>) {
    this.#held = held;
    this.#ids = ids;
  }

  offered(slot: number, { batchIdHex: id, actorHex, laneSeq }: Submission, atUs: number): void {
    const track: Track = this.#tracks.get(id) ?? {
      ...{ id, lane: actorHex, laneSeq, firstUs: atUs, answeredUs: undefined, proposed: undefined },
      ...{ handed: new Set(), declined: new Map(), turns: new Map() },
    };
    track.handed.add(slot);
    this.#tracks.set(id, track);
    this.#ofLane.set(laneKey(actorHex, laneSeq), id);
    this.#held.gain(slot, id, atUs);
  }

  declined(slot: number, { batchIdHex: id }: Submission, code: string): void {
    this.#tracks.get(id)?.declined.set(slot, code);
    this.#held.lose(slot, id);
  }

  acknowledged({ batchIdHex: id }: Submission, atUs: number): void {
    const track = this.#tracks.get(id);
    if (track !== undefined) track.answeredUs ??= atUs;
  }

  /** All faults are over: what leaders left out before is not held against them. */
  healed(atUs: number): void {
    for (const track of this.#tracks.values()) {
      if (track.answeredUs !== undefined) continue;
      track.turns.clear();
      track.firstUs = Math.max(track.firstUs, atUs);
    }
  }

  /** Whether the one before it in its lane is there, without which it cannot be in a block. */
  #hasForerunner(slot: number, { lane, laneSeq }: Track): boolean {
    const before = this.#tracks.get(this.#ofLane.get(laneKey(lane, laneSeq - 1)) ?? "");
    if (before === undefined || before.answeredUs !== undefined) return true;
    return before.proposed !== undefined || this.#held.has(slot, before.id) !== false;
  }

  /** A block has left whoever made it: once, however many it goes to. */
  proposed(by: number, { hash, digests }: BlockName, atUs: number): void {
    if (this.#seen.has(hash)) return;
    this.#seen.set(hash, true);
    const within = new Set(digests.map((digest) => this.#ids.get(digest)));
    for (const track of this.#tracks.values()) {
      if (track.answeredUs !== undefined || track.proposed !== undefined) continue;
      if (within.has(track.id)) {
        track.proposed = { by, atUs, block: hash, held: this.#held.all(track.id) };
        continue;
      }
      const has = this.#held.has(by, track.id);
      if (has === undefined) continue;
      const turns = track.turns.get(by) ?? { held: 0, missed: 0, lane: 0 };
      track.turns.set(by, turns);
      if (!has) turns.missed += 1;
      else if (this.#hasForerunner(by, track)) turns.held += 1;
      else turns.lane += 1;
    }
  }

  /** Those that a finding names, else those without an answer, the longest wait first. */
  named(detail: string): Track[] {
    const all = [...this.#tracks.values()];
    const named = all.filter(({ id }) => detail.includes(id.slice(0, NAME_DIGITS)));
    const of = named.length > 0 ? named : all.filter(({ answeredUs }) => answeredUs === undefined);
    return of.sort((a, b) => a.firstUs - b.firstUs);
  }

  #turnsText({ turns }: Track, field: keyof Turns): string {
    const leaders = [...turns].filter(([, of]) => of[field] > 0);
    const count = leaders.reduce((sum, [, of]) => sum + of[field], 0);
    return count === 0 ? "0" : `${count} (${slotList(leaders.map(([slot]) => slot))})`;
  }

  /** Of those who are up; of a batch that is in a block, those who held it before. */
  #holders({ id, proposed }: Track, up: ReadonlySet<number>): string {
    const holders = proposed === undefined ? this.#held.holders(id, up) : proposed.held;
    return holders === undefined ? "(not known)" : slotList(holders);
  }

  #cause(track: Track, up: ReadonlySet<number>): string {
    const { id, handed, declined, turns, proposed, firstUs } = track;
    const holders = this.#holders(track, up);
    const codes = [...new Set(declined.values())].join(" ");
    const refused =
      declined.size === 0 ? "" : `, declined by ${slotList(declined.keys())}: ${codes}`;
    const was = proposed === undefined ? "is" : "was";
    const head =
      `batch ${id.slice(0, NAME_DIGITS)} (handed to ${slotList(handed)}${refused}) ` +
      `${was} held by ${holders}`;
    const count = (field: keyof Turns): number =>
      [...turns.values()].reduce((sum, one) => sum + one[field], 0);
    const [missed, had, gap] = [count("missed"), count("held"), count("lane")];
    const parts = [
      missed > 0
        ? `${counted(missed, "block")} by ${this.#who(track, "missed")} without having it`
        : "",
      had > 0 ? `${counted(had, "block")} by ${this.#who(track, "held")} with it at hand` : "",
      gap > 0
        ? `${counted(gap, "block")} by ${this.#who(track, "lane")} without the one before it in its lane`
        : "",
    ].filter((text) => text !== "");
    const blocks =
      parts.length === 0 ? "left out of no block" : `left out of ${parts.join(", of ")}`;
    if (proposed === undefined) return `${head}; ${blocks}`;
    const after = msText(Math.round((proposed.atUs - firstUs) / 1_000));
    return `${head}; ${blocks}; n${proposed.by} proposed it after ${after}, in ${shortHash(proposed.block)}`;
  }

  #who({ turns }: Track, field: keyof Turns): string {
    return slotList([...turns].filter(([, of]) => of[field] > 0).map(([slot]) => slot));
  }

  causes(tracks: readonly Track[], up: ReadonlySet<number>): string[] {
    return tracks.slice(0, CAUSES_SHOWN).map((track) => this.#cause(track, up));
  }

  table(tracks: readonly Track[], up: ReadonlySet<number>, endUs: number): StuckTable {
    return tableOf(
      "Batches that wait",
      [
        "batch",
        "first handed in",
        "to",
        "held by",
        "in a block",
        "left out by who had it",
        "who lacked it",
        "or its forerunner",
      ],
      tracks.map((track) => [
        track.id.slice(0, NAME_DIGITS),
        agoText(track.firstUs, endUs),
        slotList(track.handed),
        this.#holders(track, up),
        track.proposed === undefined
          ? "no"
          : `n${track.proposed.by} ${shortHash(track.proposed.block)}`,
        this.#turnsText(track, "held"),
        this.#turnsText(track, "missed"),
        this.#turnsText(track, "lane"),
      ]),
    );
  }
}
