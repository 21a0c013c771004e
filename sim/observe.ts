/** Connects the checkers to a run: who is honest, what was seen, and the first violation found. */
import { isZero, toHex } from "../src/crypto/bytes.ts";
import type { NodeStatus } from "../src/ledger/handle.ts";
import { CHECKERS, RUN_CHECKERS } from "./checkers/index.ts";
import { powersFollow } from "./checkers/powers.ts";
import { ReleaseTracker } from "./checkers/release.ts";
import { type Sets, setsOf } from "./checkers/sets.ts";
import type {
  CheckContext,
  Checker,
  CheckerFactory,
  Member,
  Put,
  ReadRows,
  Status,
} from "./checkers/types.ts";
import type { SimChain } from "./genesis.ts";
import {
  claimTermsOf,
  locationTermsOf,
  spaceTermsOf,
  stakeTermsOf,
  workTermsOf,
} from "./proofs.ts";
import { faultySlots, type Scenario } from "./scenario.ts";
import type { SignatureScheme } from "./signer.ts";
import { WALL_START_MS, type World } from "./world.ts";

export type Violation = {
  readonly id: string;
  readonly detail: string;
  readonly atMs: number;
};

/** False while a process still reads its folder: its status says nothing yet. */
export const isLoaded = (status: NodeStatus): boolean =>
  !isZero(status.finalHash) && !isZero(status.logRoot);

/** What the oracle's own beacon begins with. */
const beaconFacts = ({ genesis }: SimChain): CheckContext["beacon"] => {
  const { beacon } = genesis.proofs;
  if (beacon === null) return undefined;
  return { depth: beacon.depth, roots: genesis.provers.map(({ ivrfRoot }) => ivrfRoot) };
};

/** A node's status as checkers see it. */
export const plainStatus = (status: NodeStatus): Status => ({
  epoch: status.epoch,
  view: status.view,
  finalHeight: status.finalHeight,
  finalHash: toHex(status.finalHash),
  finalTimeMs: status.finalTimeMs,
  executedHeight: status.executedHeight,
  logSize: status.logSize,
  logRoot: toHex(status.logRoot),
  stateRoot: toHex(status.stateRoot),
  voting: status.voting,
  mempoolBytes: status.mempoolBytes,
  mempoolBatches: status.mempoolBatches,
});

export class Observer {
  readonly members: readonly Member[];
  readonly marks = new Map<string, number>();
  readonly violations: Violation[] = [];
  readonly #checkers: readonly Checker[];
  /** Who looks at what: most look at little, and frames and signatures are many. */
  readonly #senders: readonly Checker[];
  readonly #receivers: readonly Checker[];
  readonly #signed: readonly Checker[];
  readonly #released: readonly Checker[];
  readonly #verified: readonly Checker[];
  readonly #durable: readonly Checker[];
  readonly #timed: readonly Checker[];
  /** By slot. */
  readonly #honest: readonly boolean[];
  /** From the heal on, where only a core is healed: the slots in it. */
  core: readonly number[] | undefined;
  /** Set by whoever has the nodes. */
  standing: CheckContext["standing"] | undefined;
  readonly #expect: Scenario["expect"];
  readonly #world: World;
  readonly #releases: ReleaseTracker;
  /** Of validators, by epoch, as checkers count. */
  readonly sets: Sets;

  constructor(
    world: World,
    scenario: Scenario,
    chain: SimChain,
    scheme: SignatureScheme,
    slotOwner: readonly number[],
    factories: readonly CheckerFactory[] = CHECKERS,
  ) {
    this.#world = world;
    this.#expect = scenario.expect;
    const faulty = faultySlots(scenario);
    this.members = chain.keys.map((key, slot) => ({
      index: chain.indexOfSlot[slot] ?? -1,
      slot,
      idHex: toHex(chain.ids[slot] ?? new Uint8Array(0)),
      publicKey: key.publicKey,
      epochKey: chain.indexOfSlot[slot] === -1 ? undefined : chain.epochKeys[slot]?.publicKey,
      weight: BigInt(scenario.weights[slot] ?? 1),
    }));
    this.#honest = this.members.map(({ slot }) => !faulty.has(slot));
    const work = workTermsOf(chain.genesis);
    const context: CheckContext = {
      chainId: chain.genesis.chainId,
      genesisHash: chain.hash,
      genesisTimeMs: chain.genesis.timeMs,
      epochMs: scenario.epochMs,
      beacon: beaconFacts(chain),
      claims: claimTermsOf(chain.genesis),
      space: spaceTermsOf(chain.genesis, chain.hasher),
      location: locationTermsOf(chain.genesis),
      stake: stakeTermsOf(chain.genesis),
      members: this.members,
      actors: chain.genesis.actors.map(({ id, ...actor }) => ({ ...actor, idHex: toHex(id) })),
      ...(work === undefined ? {} : { work }),
      honest: (slot) => this.honest(slot),
      asked: (slot) => this.asked(slot),
      haltedMs: scenario.expect.haltedMs ?? [],
      memberOf: (slot) => this.members[slotOwner[slot] ?? slot],
      standing: (slot) => this.standing?.(slot),
      verify: (publicKey, message, signature) => scheme.verify({ publicKey, message, signature }),
      nowUs: () => world.nowUs,
      wallMs: () => WALL_START_MS + world.nowMs,
      report: (id, detail) => this.report(id, detail),
      mark: (name) => this.mark(name),
    };
    this.#releases = new ReleaseTracker(
      (slot) => this.honest(slot),
      (slot, message, signature) => {
        for (const checker of this.#released) checker.released?.(slot, message, signature);
      },
    );
    this.sets = setsOf(context);
    // Whoever brings checkers of their own has sets that change, too.
    const keeper =
      context.stake === undefined || factories.includes(powersFollow) ? [] : [powersFollow];
    this.#checkers = [...keeper, ...factories, ...RUN_CHECKERS].map((factory) => factory(context));
    const those = (hook: keyof Checker): Checker[] =>
      this.#checkers.filter((checker) => checker[hook] !== undefined);
    this.#senders = those("sent");
    this.#receivers = those("delivered");
    this.#signed = those("signed");
    this.#released = those("released");
    this.#verified = those("verified");
    this.#durable = those("durable");
    this.#timed = those("timer");
  }

  /** Slots beyond the members are twins. */
  honest(slot: number): boolean {
    return this.#honest[slot] === true;
  }

  /** Whether the node in a slot has to go on and to end up with what all have. */
  asked(slot: number): boolean {
    if (this.core !== undefined) return this.core.includes(slot);
    const { exempt, follows } = this.#expect;
    const isHonest = this.honest(slot) && !exempt.includes(slot);
    if (!this.sets.isRegistered(slot)) return false;
    return isHonest || follows?.includes(slot) === true;
  }

  /** The slot of who leads a view, as checkers count; undefined where they do not know. */
  leaderOf(epoch: number, view: number): number | undefined {
    const index = this.sets.leaderOf(epoch, view);
    return index === undefined ? undefined : this.sets.at(epoch)?.ofIndex(index)?.slot;
  }

  report(id: string, detail: string): void {
    this.violations.push({ id, detail, atMs: this.#world.nowMs });
    // The first violation ends the run: what follows from it would only hide it.
    this.#world.stop();
  }

  mark(name: string): void {
    this.marks.set(name, (this.marks.get(name) ?? 0) + 1);
  }

  signed(slot: number, message: Uint8Array, signature: Uint8Array): void {
    this.#releases.signed(slot, message, signature);
    for (const checker of this.#signed) checker.signed?.(slot, message, signature);
  }

  verified(slot: number, message: Uint8Array, together: number): void {
    for (const checker of this.#verified) checker.verified?.(slot, message, together);
  }

  connected(slot: number, peer: number): void {
    this.each((checker) => checker.connected?.(slot, peer));
  }

  sent(from: number, to: number, trafficClass: string, bytes: Uint8Array): void {
    this.#releases.sent(from, bytes);
    for (const checker of this.#senders) checker.sent?.(from, to, trafficClass, bytes);
  }

  refused(from: number, to: number, trafficClass: string, bytes: Uint8Array): void {
    this.each((checker) => checker.refused?.(from, to, trafficClass, bytes));
  }

  delivered(from: number, to: number, bytes: Uint8Array): void {
    for (const checker of this.#receivers) checker.delivered?.(from, to, bytes);
  }

  timer(slot: number, delayMs: number): void {
    for (const checker of this.#timed) checker.timer?.(slot, delayMs);
  }

  durable(slot: number, disk: string, puts: readonly Put[]): void {
    this.#releases.durable(slot, disk, puts);
    for (const checker of this.#durable) checker.durable?.(slot, disk, puts);
  }

  booted(slot: number, incarnation: number, lost: boolean): void {
    this.#releases.booted(slot);
    this.each((checker) => checker.booted?.(slot, incarnation, lost));
  }

  /** The latest moment at which a checker judges what is not settled yet, in virtual microseconds. */
  settlesByUs(): number {
    return Math.max(0, ...this.#checkers.map((checker) => checker.settlesByUs?.() ?? 0));
  }

  settled(rows: ReadRows): boolean {
    return this.#checkers.every((checker) => checker.settled?.(rows) ?? true);
  }

  /** Calls one hook of every checker that has it. */
  each(call: (checker: Checker) => void): void {
    for (const checker of this.#checkers) call(checker);
  }
}
