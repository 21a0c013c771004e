/** Who signed which statement, whose signatures reached whom, and which views nobody can end any more. */
import { decodeStatement, type Statement, statementBytes } from "../checkers/decode.ts";
import { Recent } from "../checkers/recent.ts";
import { type Sets, setsOf } from "../checkers/sets.ts";
import { type SignedStatement, signedInFrame } from "../checkers/signed-frames.ts";
import type { CheckContext, Status } from "../checkers/types.ts";
import { type StuckTable, shortHash, sinceText, slotList, tableOf, verb } from "./model.ts";

const KIND_NAMES = ["?", "N", "S", "F"];
const NOTARIZE = 1;
const NULLIFY = 2;
const FINALIZE = 3;
/** Views below the highest of an epoch that are looked at, beside those in which nodes stand. */
const VIEWS_SHOWN = 6;
const VIEWS_MAX = 12;
const EPOCHS_SHOWN = 3;
/** Liars sign for views that no honest node is near: what lies further ahead is not kept. */
const AHEAD_MAX = 64;
/** Statements, less where each is of many. */
const STATEMENTS_MAX = 4_096;
const STATEMENTS_LEAST = 128;
const PAIRS_MAX = 1_000_000;
/** A vote that is older has been sent again by whoever is stuck and well. */
const SILENT_US = 1_000_000;

/** Everything about one statement: who signed it, and by node whose signatures arrived there. */
export type Known = {
  readonly statement: Statement;
  readonly signers: Set<number>;
  /** In this life of the node, and in earlier ones where it has the certificate on its disk. */
  readonly arrived: Map<number, Set<number>>;
};

/** Of one kind of one view: who has the certificate on its disk. */
type Kept = { readonly place: string; readonly slots: Set<number> };

/** The nodes of a run at its end. */
export type Standing = {
  /** That take part, and that have been seen. */
  readonly up: ReadonlySet<number>;
  readonly statuses: ReadonlyMap<number, Status>;
  readonly endUs: number;
  /** Epoch and view of the highest final block. */
  readonly final: { readonly epoch: number; readonly view: number };
};

const nameOf = ({ view, kind, hash }: Statement): string =>
  `${KIND_NAMES[kind] ?? "?"}(${view}${kind === NULLIFY ? "" : `, ${shortHash(hash)}`})`;

const placeKey = ({ epoch, view }: Pick<Statement, "epoch" | "view">): string => `${epoch}/${view}`;

/** Of the set of a decided epoch: what weighs how much. */
export type Scale = {
  readonly epoch: number;
  readonly total: bigint;
  readonly needed: bigint;
  weigh(slots: Iterable<number>): bigint;
};

export class Votes {
  readonly #context: CheckContext;
  readonly #sets: Sets;
  readonly #known: Recent<string, Known>;
  /** Views of which a statement was forgotten: of these nothing is said. */
  readonly #forgotten = new Recent<string, true>();
  /** By epoch, view and kind. */
  readonly #kept: Recent<string, Kept>;
  /** By epoch the highest view that an honest node has signed in. */
  readonly #highest = new Map<number, number>();
  /** By slot of a member, when a vote of it last reached somebody else. */
  readonly #heardUs = new Map<number, number>();
  #newest: { readonly bytes: Uint8Array; readonly signed: readonly SignedStatement[] } | undefined;

  constructor(context: CheckContext) {
    this.#context = context;
    this.#sets = setsOf(context);
    const pairs = Math.ceil(PAIRS_MAX / Math.max(1, context.members.length ** 2));
    const max = Math.max(STATEMENTS_LEAST, Math.min(STATEMENTS_MAX, pairs));
    this.#known = new Recent(max, (known) => {
      if (known !== undefined) this.#forgotten.set(placeKey(known.statement), true);
    });
    this.#kept = new Recent(max, (kept) => {
      if (kept !== undefined) this.#forgotten.set(kept.place, true);
    });
  }

  #keyOf({ epoch, view, kind, hash }: Statement): string {
    return `${epoch}/${view}/${kind}/${hash}`;
  }

  released(slot: number, message: Uint8Array): void {
    const statement = decodeStatement(message);
    const member = this.#context.memberOf(slot);
    if (statement === undefined || member === undefined) return;
    const { epoch, view } = statement;
    const highest = this.#highest.get(epoch) ?? 0;
    if (this.#context.honest(slot)) this.#highest.set(epoch, Math.max(highest, view));
    else if (view > highest + AHEAD_MAX) return;
    const key = this.#keyOf(statement);
    const known = this.#known.get(key) ?? { statement, signers: new Set(), arrived: new Map() };
    known.signers.add(member.slot);
    this.#known.set(key, known);
  }

  /** A signature that somebody has really made: a liar's frame may name others. */
  #isSigned(from: number, { statement, signature }: SignedStatement, key: Uint8Array): boolean {
    if (this.#context.honest(from)) return true;
    const message = statementBytes(this.#context.chainId, statement);
    return this.#context.verify(key, message, signature);
  }

  delivered(from: number, to: number, bytes: Uint8Array, atUs: number): void {
    if (this.#newest?.bytes !== bytes) this.#newest = { bytes, signed: signedInFrame(bytes) };
    const isVote = bytes[0] === 1 || bytes[0] === 2;
    for (const one of this.#newest.signed) {
      const { epoch } = one.statement;
      const known = this.#known.get(this.#keyOf(one.statement));
      if (known === undefined || !this.#sets.isDecided(epoch)) continue;
      const member = this.#sets.at(epoch)?.ofIndex(one.signer);
      if (member === undefined || !this.#isSigned(from, one, member.publicKey)) continue;
      const seen = known.arrived.get(to) ?? new Set();
      known.arrived.set(to, seen.add(member.slot));
      if (isVote && from !== to) this.#heardUs.set(member.slot, atUs);
    }
  }

  /** A node has this certificate on its disk: a restart brings back what it is made of. */
  certified(slot: number, place: Pick<Statement, "epoch" | "view">, kind: number): void {
    const key = `${placeKey(place)}/${kind}`;
    const kept = this.#kept.get(key) ?? { place: placeKey(place), slots: new Set() };
    kept.slots.add(slot);
    this.#kept.set(key, kept);
  }

  diskLost(slot: number): void {
    for (const { slots } of this.#kept.values()) slots.delete(slot);
  }

  /** What others had signed was in memory, but for the certificates on the disk. */
  booted(slot: number): void {
    for (const { statement, arrived } of this.#known.values()) {
      const kept = this.#kept.get(`${placeKey(statement)}/${statement.kind}`);
      if (kept?.slots.has(slot) !== true) arrived.delete(slot);
    }
  }

  /** A twin votes as the member whose key it has: who hears it hears both. */
  heardUs(slot: number): number | undefined {
    return this.#heardUs.get(this.#memberSlot(slot));
  }

  #memberSlot(slot: number): number {
    return this.#context.memberOf(slot)?.slot ?? slot;
  }

  /** Whose signatures somebody has who is up: its own, or one that has arrived there. */
  #heldBy(up: ReadonlySet<number>, { signers, arrived }: Known): number[] {
    const held = new Set([...up].map((slot) => this.#memberSlot(slot)));
    for (const slot of up) for (const signer of arrived.get(slot) ?? []) held.add(signer);
    return [...signers].filter((signer) => held.has(signer));
  }

  /** Undefined of an epoch whose set is not decided: a liar may say that it is in any. */
  scaleOf(epoch: number): Scale | undefined {
    const set = this.#sets.isDecided(epoch) ? this.#sets.at(epoch) : undefined;
    if (set === undefined) return undefined;
    const { total } = set;
    const weigh = (slots: Iterable<number>): bigint => {
      // A twin has the key of the member that it copies, whose weight counts once.
      const members = new Set([...slots].map((slot) => this.#memberSlot(slot)));
      return [...members].reduce((sum, slot) => sum + set.weightOf(slot), 0n);
    };
    return { epoch, total, needed: (total * 2n) / 3n + 1n, weigh };
  }

  /** What is said of the views in which the nodes of an epoch stand, and of the newest that are not final. */
  #recent(epoch: number, { up, statuses, final }: Standing): Known[] {
    const views = [...up].flatMap((slot) => {
      const status = statuses.get(slot);
      return status?.epoch === epoch ? [status.view] : [];
    });
    const top = Math.max(0, ...views);
    const from = Math.max(top - VIEWS_SHOWN + 1, final.epoch === epoch ? final.view : 0);
    const isLooked = (view: number): boolean =>
      (view >= from && view <= top + 1) || views.includes(view);
    const all = [...this.#known.values()].filter(
      ({ statement }) =>
        statement.epoch === epoch &&
        isLooked(statement.view) &&
        !this.#forgotten.has(placeKey(statement)),
    );
    const shown = [...new Set(all.map(({ statement }) => statement.view))]
      .sort((a, b) => b - a)
      .slice(0, VIEWS_MAX);
    return all
      .filter(({ statement }) => shown.includes(statement.view))
      .sort((a, b) => b.statement.view - a.statement.view || a.statement.kind - b.statement.kind);
  }

  /** Decided epochs in which honest nodes stand, the newest first. */
  scales({ up, statuses }: Standing): Scale[] {
    const honest = [...up].filter((slot) => this.#context.honest(slot));
    const epochs = honest.flatMap((slot) => statuses.get(slot)?.epoch ?? []);
    return [...new Set(epochs)]
      .sort((a, b) => b - a)
      .flatMap((epoch) => this.scaleOf(epoch) ?? [])
      .slice(0, EPOCHS_SHOWN);
  }

  /** "n0 n1 lack what n2 signed": of those who are up, alike ones together. */
  #lacking({ signers, arrived }: Known, { up, statuses }: Standing): string {
    const groups = new Map<string, number[]>();
    for (const slot of up) {
      if (!statuses.has(slot)) continue;
      const own = this.#memberSlot(slot);
      const has = arrived.get(slot);
      const missing = [...signers].filter((signer) => signer !== own && has?.has(signer) !== true);
      if (missing.length === 0) continue;
      const key = slotList(missing);
      groups.set(key, [...(groups.get(key) ?? []), slot]);
    }
    const all = [...groups].map(([of, who]) => `${slotList(who)} ${verb(who, "lacks")} ${of}`);
    return all.length <= 3
      ? all.join("; ")
      : `${all.slice(0, 3).join("; ")} and ${all.length - 3} more`;
  }

  table(standing: Standing): StuckTable {
    const scales = this.scales(standing);
    const rows = scales.flatMap(({ epoch, needed, weigh }) => {
      return this.#recent(epoch, standing).map((known) => {
        const weight = weigh(known.signers);
        const gone = [...known.signers].filter((slot) => !standing.up.has(slot));
        return [
          ...(scales.length > 1 ? [String(epoch)] : []),
          nameOf(known.statement),
          slotList(known.signers),
          weight >= needed ? `${weight}, a quorum` : `${weight}, ${needed - weight} short`,
          gone.length === 0 ? "-" : slotList(gone),
          this.#lacking(known, standing) || "-",
        ];
      });
    });
    const epoch = scales.length > 1 ? ["epoch"] : [];
    return tableOf(
      "Statements of the newest views",
      [...epoch, "statement", "signed by", "weight", "gone of these", "who lacks whose signature"],
      rows,
    );
  }

  /**
   * Views that those who are up cannot end any more, with the reason: together they have no quorum of signatures of
   * any statement, though there may have been one, and an F binds who follows the protocol: a liar may skip the view
   * all the same. Whoever has said F had the notarization on its disk (R0): it takes lost disks to come to this.
   */
  openViews(standing: Standing): string[] {
    const lines: string[] = [];
    for (const { epoch, needed, weigh } of this.scales(standing)) {
      const recent = this.#recent(epoch, standing);
      for (const view of new Set(recent.map(({ statement }) => statement.view))) {
        const ofView = recent.filter(({ statement }) => statement.view === view);
        if (ofView.some((known) => weigh(this.#heldBy(standing.up, known)) >= needed)) continue;
        const bound = new Set(
          ofView
            .filter(({ statement }) => statement.kind === FINALIZE)
            .flatMap(({ signers }) => [...signers].filter((slot) => this.#context.honest(slot))),
        );
        if (bound.size === 0) continue;
        const free = [...standing.up].filter((slot) => !bound.has(slot));
        if (weigh(free) >= needed) continue;
        lines.push(
          `view ${view} has no certificate; ${slotList(bound)} said F there and may not skip it: ` +
            `not recoverable because ${slotList(free)} alone are ${weigh(free)} of ${needed}`,
        );
      }
    }
    return lines;
  }

  /** A quorum is up, and with those of whom votes have arrived of late it is none. */
  silent({ up, endUs }: Standing, { needed, weigh }: Scale): string[] {
    const mute = [...up].filter(
      (slot) => weigh([slot]) > 0n && endUs - (this.heardUs(slot) ?? -SILENT_US) > SILENT_US,
    );
    const rest = weigh([...up].filter((slot) => !mute.includes(slot)));
    if (mute.length === 0 || rest >= needed) return [];
    const last = Math.max(...mute.map((slot) => this.heardUs(slot) ?? -1));
    const when =
      last < 0
        ? "has ever reached another node"
        : `has reached another node for ${sinceText(last, endUs)}`;
    const faulty = mute.filter((slot) => !this.#context.honest(slot));
    const beside = faulty.length === 0 ? "" : ` (faulty: ${slotList(faulty)})`;
    return [`no vote of ${slotList(mute)}${beside} ${when}: the others are ${rest} of ${needed}`];
  }

  /** What a quorum has signed, and nodes that are not past it cannot know by what has arrived there. */
  scattered(standing: Standing): string[] {
    return this.scales(standing).flatMap(({ epoch, needed, weigh }) => {
      const views = [...standing.up].flatMap((slot) => {
        const status = standing.statuses.get(slot);
        return status?.epoch === epoch ? [status.view] : [];
      });
      const lowest = Math.min(...views);
      return this.#recent(epoch, standing).flatMap((known) => {
        const { statement, signers, arrived } = known;
        if (statement.view < lowest || weigh(signers) < needed) return [];
        const without = [...standing.up].filter((slot) => {
          const status = standing.statuses.get(slot);
          if (status?.epoch !== epoch || status.view > statement.view + 1) return false;
          const has = new Set(arrived.get(slot));
          if (signers.has(slot)) has.add(slot);
          return weigh(has) < needed;
        });
        if (without.length === 0) return [];
        const lacking = this.#lacking(known, { ...standing, up: new Set(without) });
        return [
          `a quorum has signed ${nameOf(statement)}, which ${slotList(without)} cannot know: ${lacking}`,
        ];
      });
    });
  }

  /** Blocks above all that is final there that a quorum of an epoch has notarized, by node. */
  notarized(standing: Standing, finalViewOf: (slot: number) => number): Map<number, Known[]> {
    const wanted = new Map<number, Known[]>();
    for (const slot of standing.up) {
      const status = standing.statuses.get(slot);
      const scale = status === undefined ? undefined : this.scaleOf(status.epoch);
      if (status === undefined || scale === undefined) continue;
      const { needed, weigh } = scale;
      const of = this.#recent(status.epoch, standing).filter(
        ({ statement, signers }) =>
          statement.kind === NOTARIZE &&
          statement.view > finalViewOf(slot) &&
          weigh(signers) >= needed,
      );
      if (of.length > 0) wanted.set(slot, of);
    }
    return wanted;
  }
}
