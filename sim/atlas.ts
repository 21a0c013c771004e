/**
 * The atlas of good copies: which nodes have all that is final on a disk that can be read. A fault that
 * takes data asks here first, so that a run either stays one that must succeed, or says that it did not.
 *
 * What is final has the F of more than two thirds of the weight, and those who gave it have the block and all below
 * it. While those that lie, have forgotten their votes, or lack good data weigh less than two thirds together, somebody
 * honest has a copy of everything. Where sets change, this must be so in the set of the newest epoch, and in the one
 * before it, whose last block may be the newest that is final.
 *
 * A node that has lost its data is good again when it has passed, by the largest gap of blocks that are not final, what
 * was final then: nothing that was open then is open still.
 */
import { LIMITS } from "../src/limits.ts";
import type { EpochSet } from "./checkers/sets.ts";

export type AtlasView = {
  /** The validators of an epoch, by slot: whoever is not among them weighs nothing. */
  setOf(epoch: number): Pick<EpochSet, "total" | "weightOf"> | undefined;
  /** Slots whose copies count for nothing: adversaries, keys in use twice, lost votes. */
  readonly untrusted: ReadonlySet<number>;
  /** Spares a disk rather than lose the last copies. */
  readonly keep: boolean;
  /** The height up to which a node has executed; undefined while it is down or damaged. */
  heightOf(slot: number): number | undefined;
  /** Slots whose disks may yet lose or spoil what they hold, by a fault that lasts or waits. */
  unsure(): readonly number[];
  happened(what: string): void;
};

export class Atlas {
  readonly #view: AtlasView;
  /** Nodes without good data, and the height at which that ends. */
  readonly #bad = new Map<number, number>();
  #highest = 0;
  #epoch = 0;
  #lost: string | undefined;

  constructor(view: AtlasView) {
    this.#view = view;
  }

  /** A height is final somewhere, where this epoch runs. */
  reached(height: number, epoch: number): void {
    if (epoch > this.#epoch) this.#epoch = epoch;
    if (height > this.#highest) this.#highest = height;
  }

  /** Why the run cannot be asked to succeed; undefined while a good copy of everything is left. */
  get lost(): string | undefined {
    return this.#lost;
  }

  /**
   * Whether a fault must not happen that takes, or might take, what a disk has. Where it does, `loses` says if it has;
   * until then its disk is among those that may.
   */
  spares(slot: number): boolean {
    if (!this.#view.keep) return false;
    const bad = new Set([...this.#badWith(slot), ...this.#view.unsure()]);
    if (this.#isEnough(bad)) return false;
    this.#view.happened("atlas spared a disk");
    return true;
  }

  /** A disk has lost or spoiled some of what it had; it counts again when it has caught up. */
  loses(slot: number): void {
    const bad = this.#badWith(slot);
    // What had no good copy has lost none.
    if (!this.#bad.has(slot) && !this.#isEnough(bad)) {
      const others = [...bad].filter((one) => one !== slot).map((one) => `n${one}`);
      this.#view.happened("atlas lost the last copies");
      this.#lost ??= `n${slot} lost its data at height ${this.#highest} while ${others.join(", ")} had no good copy`;
    }
    this.#bad.set(slot, this.#highest + LIMITS.unfinalizedGapMax);
  }

  /** Whether this node has all that is final, or had it when it was seen last. */
  hasGoodCopy(slot: number): boolean {
    this.#refresh();
    return !this.#bad.has(slot);
  }

  #badWith(slot: number): Set<number> {
    this.#refresh();
    return new Set([...this.#view.untrusted, ...this.#bad.keys(), slot]);
  }

  #isEnough(bad: ReadonlySet<number>): boolean {
    return [Math.max(0, this.#epoch - 1), this.#epoch].every((epoch) => {
      const set = this.#view.setOf(epoch);
      if (set === undefined) return true;
      const without = [...bad].reduce((sum, slot) => sum + set.weightOf(slot), 0n);
      return without * 3n < set.total * 2n;
    });
  }

  #refresh(): void {
    for (const [slot, height] of this.#bad) {
      if ((this.#view.heightOf(slot) ?? -1) >= height) this.#bad.delete(slot);
    }
  }
}
