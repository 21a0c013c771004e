/**
 * Two adversaries about space that say what is false in events of their own. One has what it is asked for, and says so
 * when the last moment is over. The other has kept one node in eight and seeks a challenge of just those: it begins
 * sectors from beacons that it chooses, answers before the challenge is drawn, commits to several sectors at once,
 * looks which of their challenges asks for most of what it has, and shows that one, with what it has in place of what
 * it lacks. It commits to it again for another challenge, and to the next ones in the next epoch.
 */
import { equalBytes, isZero } from "../src/crypto/bytes.ts";
import type { Hasher } from "../src/crypto/hash.ts";
import type { LedgerHandle } from "../src/ledger/handle.ts";
import {
  type SectorRow,
  SPACE,
  sectorCommitted,
  sectorKey,
  sectorProven,
  sectorRow,
  windowProven,
} from "../src/ledger/projections/space/index.ts";
import type { SectorPort } from "../src/ledger/replica/space-keeper.ts";
import type { EncodedEvent, Hash } from "../src/ledger/types.ts";
import { LIMITS } from "../src/limits.ts";
import { makeAdmission } from "../src/proofs/space/admission.ts";
import { admissionNodes, type Challenge } from "../src/proofs/space/challenges.ts";
import type { SpaceParameters } from "../src/proofs/space/parameters.ts";
import type { SectorSource } from "../src/proofs/space/statement.ts";
import type { MemorySector } from "./memory-sector.ts";

export type LiarWiring = {
  readonly handle: LedgerHandle;
  readonly parameters: SpaceParameters;
  /** Says that something false is being said. */
  lied(): void;
  mark(name: string): void;
};

type Held = {
  readonly task: Parameters<SectorPort["prove"]>[0] & { readonly kind: "window" };
  readonly done: Parameters<SectorPort["prove"]>[1];
};

/**
 * A port that keeps the openings of an epoch back: of odd ones past the last moment, of even ones until the epoch is
 * over. Whoever asked it for them finds that it is too late; so they are written past it.
 */
export const delayed = (
  { handle, parameters, lied }: LiarWiring,
  sectors: SectorPort,
): SectorPort => {
  let held: Held | undefined;
  const say = ({ task, done }: Held): void => {
    sectors.prove(task, (openings) => {
      if (openings.ok) {
        const { epoch, from } = task;
        const event = windowProven.encode({ epoch, from, openings: openings.value });
        lied();
        handle.write(() => event, true);
      }
      done(openings);
    });
  };
  handle.onExecuted((height) => {
    const epoch = handle.point(height)?.epoch;
    const timeMs = handle.timeOf(height);
    if (held === undefined || epoch === undefined || timeMs === undefined) return;
    const { task } = held;
    const isLate = task.epoch % 2 === 1 && timeMs - epoch.startMs > parameters.responseMs;
    if (!isLate && epoch.number <= task.epoch) return;
    const now = held;
    held = undefined;
    say(now);
  });
  return {
    list: () => sectors.list(),
    prove: (task, done) => {
      if (task.kind === "window") held = { task, done };
      else sectors.prove(task, done);
    },
  };
};

const KEPT_OF = 8;

const keptNode = (node: number): number => Math.max(KEPT_OF, node - (node % KEPT_OF));

/** What a grinder opens in place of a challenge: the nearest node that it has kept. */
export const inReach = (challenge: Challenge): Challenge => ({
  ...challenge,
  node: keptNode(challenge.node),
});

/** Sectors that a grinder commits to in an epoch. Each has a challenge of its own. */
const CANDIDATES = 3;

/** Of several challenges the one that asks for the fewest nodes that are gone; undefined of none. */
export const mostInReach = (
  challenges: readonly (readonly number[])[],
): { readonly at: number; readonly lacking: number } | undefined => {
  const lacks = challenges.map((nodes) => nodes.filter((node) => keptNode(node) !== node).length);
  if (lacks.length === 0) return undefined;
  const lacking = Math.min(...lacks);
  return { at: lacks.indexOf(lacking), lacking };
};

export type GrinderWiring = LiarWiring & {
  readonly hasher: Hasher;
  readonly self: Hash;
  make(source: Pick<SectorSource, "validatorId" | "sectorNo" | "beacon">): MemorySector;
};

/** A sector that was committed to, as the chain has it. */
type Candidate = { readonly number: number; readonly row: SectorRow };

class Grinder {
  readonly #wiring: GrinderWiring;
  readonly #said = new Set<string>();
  /** The sectors that it is at, by number; a restart makes them again. */
  readonly #made = new Map<number, MemorySector>();

  constructor(wiring: GrinderWiring) {
    this.#wiring = wiring;
    wiring.handle.onExecuted((height) => this.#turn(height));
  }

  #once(what: string, make: () => EncodedEvent, isLie = true): void {
    if (this.#said.has(what)) return;
    this.#said.add(what);
    const event = make();
    if (isLie) this.#wiring.lied();
    this.#wiring.handle.write(() => event);
  }

  #sector(sectorNo: number, beacon: Hash): MemorySector {
    const known = this.#made.get(sectorNo);
    if (known !== undefined && equalBytes(known.statement.beacon, beacon)) return known;
    const made = this.#wiring.make({ validatorId: this.#wiring.self, sectorNo, beacon });
    this.#made.set(sectorNo, made);
    return made;
  }

  #commitment(number: number, beaconHeight: number, beacon: Hash): EncodedEvent {
    const { commC, commRl } = this.#sector(number, beacon).statement;
    return sectorCommitted.encode({ number, beaconHeight, commC, commRl });
  }

  /** What an admission asks for. */
  #asked({ number, row }: Candidate, seed: Hash): readonly number[] {
    const { hasher, parameters } = this.#wiring;
    return admissionNodes(hasher, parameters, this.#sector(number, row.beacon).statement, seed);
  }

  /** The first part of an admission: nodes that it has kept, in place of those that are gone. */
  #admission({ number, row }: Candidate, asked: readonly number[]): EncodedEvent {
    const { parameters } = this.#wiring;
    const { hashes, graph, reader } = this.#sector(number, row.beacon);
    const had = asked.slice(0, LIMITS.spacePartAdmissionsMax).map(keptNode);
    const openings = makeAdmission(hashes, graph, reader, parameters.layers, had);
    return sectorProven.encode({ number, from: 0, openings });
  }

  #turn(height: number): void {
    const { handle, self } = this.#wiring;
    const point = handle.point(height);
    if (point === undefined) return;
    // Never that of the genesis: others in each epoch, as no number is to be had twice.
    const first = 1 + point.epoch.number * CANDIDATES;
    for (const number of this.#made.keys()) if (number < first) this.#made.delete(number);
    const candidates: Candidate[] = [];
    for (let number = first; number < first + CANDIDATES; number++) {
      const stored = handle.row(SPACE, sectorKey(self, number));
      if (stored === undefined) this.#begin(number, height, number === first);
      else candidates.push({ number, row: sectorRow.decode(stored) });
    }
    if (candidates.length === CANDIDATES) this.#show(candidates, point.beacon);
  }

  #show(candidates: readonly Candidate[], newest: Hash): void {
    const { handle, mark } = this.#wiring;
    const challenges: (readonly number[])[] = [];
    for (const candidate of candidates) {
      const { number, row } = candidate;
      if (!isZero(row.seed)) return;
      const seed = handle.point(row.committedHeight + LIMITS.spaceAdmissionDelay)?.beacon;
      if (seed === undefined) {
        const early = (): EncodedEvent =>
          this.#admission(candidate, this.#asked(candidate, newest));
        return this.#once(`${number} early`, early);
      }
      challenges.push(this.#asked(candidate, seed));
    }
    const best = mostInReach(challenges);
    const chosen = candidates[best?.at ?? -1];
    const asked = challenges[best?.at ?? -1];
    if (chosen === undefined || asked === undefined) return;
    const { number, row } = chosen;
    this.#once(`${number} shown`, () => {
      // The first one is what it would have had without a choice.
      if (chosen !== candidates[0]) mark("space challenge chosen");
      return this.#admission(chosen, asked);
    });
    const again = (): EncodedEvent => this.#commitment(number, row.beaconHeight, row.beacon);
    this.#once(`${number} again`, again);
  }

  /** Any height would do for who chooses among beacons; then one that the chain takes. */
  #begin(number: number, height: number, isFirst: boolean): void {
    const { handle } = this.#wiring;
    const past = height % LIMITS.gridHeights;
    const [chosen, common] = [past === 0 ? height - 1 : height, height - past];
    const [own, shared] = [handle.point(chosen)?.beacon, handle.point(common)?.beacon];
    if (own === undefined || shared === undefined) return;
    if (isFirst) this.#once(`${number} chosen`, () => this.#commitment(number, chosen, own));
    // As anybody may; the choice among several is made later.
    this.#once(`${number}`, () => this.#commitment(number, common, shared), false);
  }
}

/** Grinds for one life of its process. */
export const startGrinder = (wiring: GrinderWiring): void => void new Grinder(wiring);
