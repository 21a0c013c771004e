/**
 * What space leaves of a validator's stake at the end of an epoch, from the log alone by the rules of docs/proofs.md:
 * a sector of the genesis that is admitted, whose owner has answered the epoch or the one before. That what the log
 * has accepted was right is judged elsewhere (space.ts).
 */
import type { FinalEvent } from "./final-log.ts";
import { Cursor } from "./oracle.ts";
import { SectorLabels } from "./sector-labels.ts";
import type { CheckContext, SpaceTerms } from "./types.ts";

type Shown = {
  /** Challenges of the admission that are answered. */
  admitted: number;
  /** Openings of the epoch that is being answered; the last one that was answered to its end. */
  window: { readonly epoch: number; readonly done: number };
  answeredEpoch: number;
  isDropped: boolean;
};

export type StakeSpaceContext = Pick<
  CheckContext,
  "chainId" | "genesisHash" | "genesisTimeMs" | "space"
>;

export class StakeSpace {
  readonly #terms: SpaceTerms | undefined;
  readonly #shown = new Map<string, Shown>();
  readonly #labels: SectorLabels | undefined;

  /** Of a chain that does not ask for space, space bounds nobody. */
  constructor(context: StakeSpaceContext) {
    this.#terms = context.space;
    this.#labels = context.space && new SectorLabels(context, context.space);
  }

  #of(id: string): Shown {
    const window = { epoch: 0, done: 0 };
    const known = this.#shown.get(id) ?? {
      ...{ admitted: 0, window, answeredEpoch: 0, isDropped: false },
    };
    this.#shown.set(id, known);
    return known;
  }

  /** An event that was accepted, and the epoch of its block. */
  note({ type, payload, actor }: FinalEvent, epoch: number): void {
    const terms = this.#terms;
    if (terms === undefined || !type.startsWith("space.")) return;
    const shown = this.#of(actor);
    if (type === "space.sector.dropped") shown.isDropped = true;
    if (type !== "space.sector.proven" && type !== "space.window.proven") return;
    const cursor = new Cursor(payload);
    cursor.u64();
    cursor.u32();
    const { length } = cursor.sized();
    if (type === "space.sector.proven") {
      shown.admitted += length / terms.admissionBytes;
      return;
    }
    const before = shown.window.epoch === epoch ? shown.window.done : 0;
    const done = before + length / (32 * (1 + terms.lgNodes));
    shown.window = { epoch, done };
    if (done >= Math.max(terms.sectorOpenings, terms.epochOpenings)) shown.answeredEpoch = epoch;
  }

  /** Whether a refused part leads to what its author has committed to, and shows labels that do not follow. */
  isForged({ type, payload, actor, refusedWith }: FinalEvent): boolean {
    if (type !== "space.sector.proven" || refusedWith !== "space.proof-label") return false;
    const cursor = new Cursor(payload);
    cursor.u64();
    const from = cursor.u32();
    return this.#labels?.part(actor, from, cursor.sized()) === "false label";
  }

  #units(id: string, epoch: number): bigint {
    const terms = this.#terms;
    if (terms?.roots.has(id) !== true) return 0n;
    if (epoch === 0) return 1n;
    const { admitted, isDropped, answeredEpoch } = this.#of(id);
    const isAdmitted = admitted >= terms.admissionChallenges && !isDropped;
    return isAdmitted && answeredEpoch + 1 >= epoch ? 1n : 0n;
  }

  /** What is left of a power when an epoch ends, where a unit of space carries so much. */
  carried(id: string, epoch: number, power: bigint, perUnit: bigint): bigint {
    if (this.#terms === undefined) return power;
    const carried = this.#units(id, epoch) * perUnit;
    return carried < power ? carried : power;
  }
}
