/**
 * Two adversaries about space that say what is false in events of their own. One has what it is asked for, and says so
 * when the last moment is over. The other has kept one node in eight and seeks a challenge of just those: it begins
 * sectors from beacons that it chooses, answers before the challenge is drawn, opens what it has in place of what it is
 * asked for, commits again for another challenge, and tries the next number in the next epoch.
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

export type GrinderWiring = LiarWiring & {
  readonly hasher: Hasher;
  readonly self: Hash;
  make(source: Pick<SectorSource, "validatorId" | "sectorNo" | "beacon">): MemorySector;
};

class Grinder {
  readonly #wiring: GrinderWiring;
  readonly #said = new Set<string>();
  /** The sector that it is at; a restart makes it again. */
  #made: MemorySector | undefined;

  constructor(wiring: GrinderWiring) {
    this.#wiring = wiring;
    wiring.handle.onExecuted((height) => this.#turn(height));
  }

  #once(what: string, make: () => EncodedEvent): void {
    if (this.#said.has(what)) return;
    this.#said.add(what);
    const event = make();
    this.#wiring.lied();
    this.#wiring.handle.write(() => event);
  }

  #sector(sectorNo: number, beacon: Hash): MemorySector {
    const known = this.#made?.statement;
    if (this.#made && known?.sectorNo === sectorNo && equalBytes(known.beacon, beacon)) {
      return this.#made;
    }
    this.#made = this.#wiring.make({ validatorId: this.#wiring.self, sectorNo, beacon });
    return this.#made;
  }

  #commitment(number: number, beaconHeight: number, beacon: Hash): EncodedEvent {
    const { commC, commRl } = this.#sector(number, beacon).statement;
    return sectorCommitted.encode({ number, beaconHeight, commC, commRl });
  }

  /** The first part of an admission, of nodes that it has kept instead of those that `seed` asks for. */
  #admission(number: number, { beacon }: SectorRow, seed: Hash): EncodedEvent {
    const { hasher, parameters } = this.#wiring;
    const { hashes, graph, reader, statement } = this.#sector(number, beacon);
    const range = { from: 0, to: LIMITS.spacePartAdmissionsMax };
    const asked = admissionNodes(hasher, parameters, statement, seed, range);
    const had = asked.map(keptNode);
    const openings = makeAdmission(hashes, graph, reader, parameters.layers, had);
    return sectorProven.encode({ number, from: 0, openings });
  }

  #turn(height: number): void {
    const { handle, self } = this.#wiring;
    const point = handle.point(height);
    if (point === undefined) return;
    // Never that of the genesis: another number each epoch, as no number is to be had twice.
    const number = point.epoch.number + 1;
    const stored = handle.row(SPACE, sectorKey(self, number));
    if (stored === undefined) return this.#begin(number, height);
    const row = sectorRow.decode(stored);
    if (!isZero(row.seed)) return;
    const seed = handle.point(row.committedHeight + LIMITS.spaceAdmissionDelay)?.beacon;
    if (seed === undefined) {
      this.#once(`${number} early`, () => this.#admission(number, row, point.beacon));
      return;
    }
    this.#once(`${number} elsewhere`, () => this.#admission(number, row, seed));
    const { beaconHeight, beacon } = row;
    this.#once(`${number} again`, () => this.#commitment(number, beaconHeight, beacon));
  }

  /** Any height would do for who chooses among beacons; then one that the chain takes. */
  #begin(number: number, height: number): void {
    const { handle } = this.#wiring;
    const past = height % LIMITS.gridHeights;
    const [chosen, common] = [past === 0 ? height - 1 : height, height - past];
    const [own, shared] = [handle.point(chosen)?.beacon, handle.point(common)?.beacon];
    if (own === undefined || shared === undefined) return;
    this.#once(`${number} chosen`, () => this.#commitment(number, chosen, own));
    this.#once(`${number}`, () => this.#commitment(number, common, shared));
  }
}

/** Grinds for one life of its process. */
export const startGrinder = (wiring: GrinderWiring): void => void new Grinder(wiring);
