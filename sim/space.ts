/**
 * The space of simulated validators: a small sector each, kept by the node's own keeper. Adversaries have
 * another port to their sector: they have deleted a part of it, answer from somebody else's, or with what
 * they have answered before; or they have committed to labels that they made up, and keep those well. Two say what is
 * false in events of their own (space-liars.ts): they answer too late, or seek a challenge of nodes that they have.
 */
import { compareBytes, toHex } from "../src/crypto/bytes.ts";
import type { Hasher } from "../src/crypto/hash.ts";
import type { GenesisSector } from "../src/ledger/genesis-proofs.ts";
import type { LedgerHandle } from "../src/ledger/handle.ts";
import type { SectorOpener, Timers } from "../src/ledger/ports.ts";
import { genesisSectorBeacon } from "../src/ledger/projections/space/index.ts";
import { type SectorPort, startSpaceKeeper } from "../src/ledger/replica/space-keeper.ts";
import type { Hash } from "../src/ledger/types.ts";
import { makeAdmission } from "../src/proofs/space/admission.ts";
import type { OpeningTask } from "../src/proofs/space/challenges.ts";
import { makeOpenings } from "../src/proofs/space/openings.ts";
import { NODE_BYTES, openingBytes, type SpaceParameters } from "../src/proofs/space/parameters.ts";
import type { SectorSource } from "../src/proofs/space/statement.ts";
import { GROUP_BYTES, type TreeReader } from "../src/proofs/space/tree.ts";
import { type MemorySector, memorySector } from "./memory-sector.ts";
import type { Scenario } from "./scenario.ts";
import { delayed, inReach, startGrinder } from "./space-liars.ts";

/** 8 KiB in three layers: made in a moment, and admitted by two events. */
export const SIM_SPACE: SpaceParameters = {
  ...{ lgNodes: 8, layers: 3, admissionChallenges: 12, responseMs: 6_000 },
  ...{ sectorOpenings: 4, epochOpenings: 6, blockOpenings: 2, eventOpenings: 1 },
};

/** How an adversary has its sector. */
const SPACE_STRATEGIES = [
  "delete-space",
  "borrow-space",
  "replay-space",
  "false-labels",
  "delay-space",
  "grind-space",
] as const;
export type SpaceStrategy = (typeof SPACE_STRATEGIES)[number];

const isSpaceStrategy = (name: string): name is SpaceStrategy =>
  SPACE_STRATEGIES.some((one) => one === name);

/** Undefined for who has its sector as it should. */
export const spaceStrategyOf = (
  { adversaries }: Pick<Scenario, "adversaries">,
  slot: number,
): SpaceStrategy | undefined =>
  adversaries.flatMap(({ node, strategy }) =>
    node === slot && isSpaceStrategy(strategy) ? [strategy] : [],
  )[0];

/** Reading a sector takes this long. */
const READ_MS = 4;

/** Every second group of nodes is gone. */
const halved = (tree: TreeReader): TreeReader => ({
  ...tree,
  group: (index) => (index % 2 === 0 ? tree.group(index) : new Uint8Array(GROUP_BYTES)),
});

/** What a forger commits to: every second label of the first layer is none, and what follows from it stands. */
const falsify = ([first]: readonly Uint8Array[]): void => {
  if (first === undefined) return;
  for (let at = 0; at < first.length; at += 2 * NODE_BYTES) first[at] = (first[at] ?? 0) ^ 1;
};

/** One block in so many of a slow reader: it leads often enough not to be jailed for that. */
const LATE_OF = 4;

/** What a port says in place of what it is asked for. It remembers what it has said, by how many openings it is. */
const teller = (strategy: SpaceStrategy | undefined): ((openings: Uint8Array) => Uint8Array) => {
  const first = new Map<number, Uint8Array>();
  let [before, asked]: [Uint8Array | undefined, number] = [undefined, 0];
  return (openings) => {
    if (strategy === "replay-space") {
      const told = first.get(openings.length) ?? openings;
      first.set(openings.length, told);
      return told;
    }
    // Of an epoch a slow reader says what is right, when it says it: what is late here is a block's.
    const isBlock = openings.length === SIM_SPACE.blockOpenings * openingBytes(SIM_SPACE.lgNodes);
    if (strategy !== "delay-space" || !isBlock) return openings;
    asked += 1;
    const told = asked % LATE_OF === 0 ? (before ?? openings) : openings;
    before = openings;
    return told;
  };
};

export type SimSector = SectorPort & SectorOpener;

/** The sectors of one run, by validator. */
export class SimSpace {
  readonly #hasher: Hasher;
  readonly #chainId: string;
  readonly #timeMs: number;
  readonly #ids: readonly Hash[];
  readonly #scenario: Pick<Scenario, "adversaries">;
  readonly #forgers: ReadonlySet<string>;
  readonly #made = new Map<string, MemorySector>();

  constructor(
    hasher: Hasher,
    chain: { readonly chainId: string; readonly timeMs: number },
    ids: readonly Hash[],
    scenario: Pick<Scenario, "adversaries">,
  ) {
    this.#hasher = hasher;
    this.#chainId = chain.chainId;
    this.#timeMs = chain.timeMs;
    this.#ids = ids;
    this.#scenario = scenario;
    const forgers = ids.filter((_, slot) => spaceStrategyOf(scenario, slot) === "false-labels");
    this.#forgers = new Set(forgers.map(toHex));
  }

  sectorOf(validatorId: Hash): MemorySector {
    const name = toHex(validatorId);
    const known = this.#made.get(name);
    if (known !== undefined) return known;
    const beacon = genesisSectorBeacon(this.#hasher, this.#timeMs);
    const change = this.#forgers.has(name) ? falsify : undefined;
    const made = this.#make({ validatorId, sectorNo: 0, beacon }, change);
    this.#made.set(name, made);
    return made;
  }

  #make(
    source: Pick<SectorSource, "validatorId" | "sectorNo" | "beacon">,
    change?: (labels: readonly Uint8Array[]) => void,
  ): MemorySector {
    const { lgNodes, layers } = SIM_SPACE;
    return memorySector(this.#chainId, { ...source, lgNodes, layers }, change);
  }

  genesisSectors(validatorId: Hash): readonly GenesisSector[] {
    const { commC, commRl } = this.sectorOf(validatorId).statement;
    return [{ number: 0, commC, commRl }];
  }

  /** The port of one process; of an adversary, one that lies, and says when it does. */
  port(slot: number, timers: Timers, mark: (name: string) => void): SimSector {
    const strategy = spaceStrategyOf(this.#scenario, slot);
    const lied = (): void => mark(`adversary ${strategy}`);
    const id = this.#ids[slot] ?? new Uint8Array(32);
    const own = this.sectorOf(id);
    const other = this.sectorOf(this.#ids[(slot + 1) % this.#ids.length] ?? id);
    const source = strategy === "borrow-space" ? other : own;
    const whole = source.reader.stored;
    const tree = strategy === "delete-space" ? halved(whole) : whole;
    const tell = teller(strategy);
    const opened = ({ challenges }: OpeningTask): Uint8Array => {
      // As a host it is honest: else nothing of what it writes would come so far as to be refused.
      if (challenges.length === SIM_SPACE.eventOpenings) {
        return makeOpenings(own.hashes, [own.reader.stored], challenges);
      }
      const had = strategy === "grind-space" ? challenges.map(inReach) : challenges;
      const openings = makeOpenings(source.hashes, [tree], had);
      if (strategy === undefined) return openings;
      const told = tell(openings);
      const right = makeOpenings(own.hashes, [own.reader.stored], challenges);
      if (compareBytes(told, right) === 0) return told;
      lied();
      if (strategy === "delay-space") mark("space block of before");
      return told;
    };
    return {
      list: () => [{ statement: own.statement, hasLayers: true }],
      open: opened,
      prove: (task, done) => {
        timers.set(READ_MS, () => {
          if (task.kind === "window") return done({ ok: true, value: opened(task) });
          if (strategy === "false-labels") lied();
          const reader = { ...own.reader, stored: tree };
          const { hashes, graph } = own;
          done({
            ok: true,
            value: makeAdmission(hashes, graph, reader, SIM_SPACE.layers, task.nodes),
          });
        });
      },
    };
  }

  /** What a node does with its sector, as in production. Ends with its process, whose handle calls nobody then. */
  keep(slot: number, handle: LedgerHandle, sectors: SimSector, mark: (name: string) => void): void {
    const self = this.#ids[slot];
    if (self === undefined || !this.#ids.some((id) => compareBytes(id, self) === 0)) return;
    const parameters = SIM_SPACE;
    const hasher = this.#hasher;
    const strategy = spaceStrategyOf(this.#scenario, slot);
    const lied = (): void => mark(`adversary ${strategy}`);
    const liar = { handle, parameters, lied, mark };
    if (strategy === "grind-space") {
      startGrinder({ ...liar, hasher, self, make: (source) => this.#make(source) });
    }
    const kept = strategy === "delay-space" ? delayed(liar, sectors) : sectors;
    const metrics = {
      count: (name: string) => mark(`metric ${name}`),
      gauge: () => undefined,
      observe: () => undefined,
    };
    const logger = { log: () => undefined };
    startSpaceKeeper({ handle, hasher, self, parameters, sectors: kept, logger, metrics });
  }
}
