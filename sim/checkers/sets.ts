/**
 * The set of validators of each epoch, for all checkers. On a chain without stake it is that of the genesis for
 * good; on one with stake the oracle folds it from the final log, and knows it two epochs ahead, as nodes do.
 */
import { type Beacons, beaconsOf } from "./beacons.ts";
import { type FinalBlock, FinalLog } from "./final-log.ts";
import { turnsOf } from "./leaders.ts";
import { StakeFold, type Turns } from "./stake-fold.ts";
import type { CheckContext, Member, Put } from "./types.ts";

export class EpochSet {
  /** In the order of the set: `index` is the place there. */
  readonly members: readonly Member[];
  readonly total: bigint;
  readonly #bySlot: ReadonlyMap<number, Member>;
  readonly #byIndex: ReadonlyMap<number, Member>;

  constructor(members: readonly Member[]) {
    this.members = members;
    this.total = members.reduce((sum, { weight }) => sum + weight, 0n);
    this.#bySlot = new Map(members.map((member) => [member.slot, member]));
    this.#byIndex = new Map(members.map((member) => [member.index, member]));
  }

  /** Undefined for who is not in it. */
  ofSlot(slot: number): Member | undefined {
    return this.#bySlot.get(slot);
  }

  ofIndex(index: number): Member | undefined {
    return this.#byIndex.get(index);
  }

  weightOf(slot: number): bigint {
    return this.#bySlot.get(slot)?.weight ?? 0n;
  }
}

export type Sets = {
  /** Undefined for an epoch that is not decided, by all that honest nodes have made durable. */
  at(epoch: number): EpochSet | undefined;
  /** Whether it is; asked by who can do without. */
  isDecided(epoch: number): boolean;
  /** Whose turn it is in a view; undefined where that is not known. Views begin at 1. */
  leaderOf(epoch: number, view: number): number | undefined;
  /** Whether the log, or the genesis, has the validator in this slot: nobody has sessions with others. */
  isRegistered(slot: number): boolean;
  /** What a node makes durable of its data. */
  note(slot: number, disk: string, puts: readonly Put[]): void;
  /** On a chain with stake: what it was folded from the log up to, and hears of each block. */
  readonly fold?: StakeFold;
};

/** Leaders of an epoch by its set; remembered once they are known. */
const createLeaders = (
  context: CheckContext,
  at: (epoch: number) => EpochSet | undefined,
  beacons: Beacons | undefined,
): Sets["leaderOf"] => {
  const schedules = new Map<number, readonly number[]>();
  return (epoch, view) => {
    const known = schedules.get(epoch);
    if (known !== undefined) return known[(view - 1) % known.length];
    const source = beacons === undefined ? context.genesisHash : beacons.seedOf(epoch);
    const set = at(epoch);
    if (source === undefined || set === undefined) return undefined;
    const { chainId, genesisHash } = context;
    const turns = turnsOf({ chainId, genesisHash, members: set.members }, epoch, source);
    schedules.set(epoch, turns);
    return turns[(view - 1) % turns.length];
  };
};

const fixed = (context: CheckContext): Sets => {
  const set = new EpochSet(context.members);
  const at = (): EpochSet => set;
  return {
    at,
    isDecided: () => true,
    isRegistered: () => true,
    leaderOf: createLeaders(context, at, beaconsOf(context)),
    note: () => undefined,
  };
};

const followed = (context: CheckContext, terms: NonNullable<CheckContext["stake"]>): Sets => {
  const known = new Map<number, EpochSet>();
  const slots = new Map(context.members.map((member) => [member.idHex, member]));
  const beacons = beaconsOf(context);
  const setOf = (powers: readonly { readonly id: string; readonly power: bigint }[]): EpochSet =>
    new EpochSet(
      powers.flatMap(({ id, power }, index): Member[] => {
        const member = slots.get(id);
        return member === undefined ? [] : [{ ...member, index, weight: power }];
      }),
    );
  const turns: Turns = (epoch, powers) => {
    const source = beacons === undefined ? context.genesisHash : beacons.seedOf(epoch);
    if (source === undefined) return undefined;
    const { chainId, genesisHash } = context;
    return turnsOf({ chainId, genesisHash, members: setOf(powers).members }, epoch, source);
  };
  const seedOf = (epoch: number): Uint8Array | undefined => beacons?.seedOf(epoch);
  const fold = new StakeFold(context, terms, context.members, turns, seedOf);
  const log = new FinalLog((block: FinalBlock) => {
    if (block.nextSet !== undefined && block.nextSet !== fold.hashOf(block.epoch + 1)) {
      const detail = `epoch ${block.epoch} hands over to another set than its log gives`;
      context.report("I26", detail);
    }
    fold.block(block);
  });
  const at = (epoch: number): EpochSet | undefined => {
    const before = known.get(epoch);
    if (before !== undefined) return before;
    const decided = fold.sets.get(epoch);
    if (decided === undefined) {
      context.mark("set not known");
      return undefined;
    }
    const set = new EpochSet(
      setOf(decided.powers).members.map((member) => {
        return { ...member, publicKey: fold.keyOf(member.idHex, epoch) };
      }),
    );
    known.set(epoch, set);
    return set;
  };
  return {
    at,
    isDecided: (epoch) => fold.sets.has(epoch),
    isRegistered: (slot) => fold.isCandidate(context.members[slot]?.idHex ?? ""),
    fold,
    leaderOf: createLeaders(context, at, beacons),
    note: (slot, disk, puts) => {
      if (disk !== "data" || !context.honest(slot)) return;
      beacons?.note(puts);
      log.note(puts);
    },
  };
};

const shared = new WeakMap<CheckContext, Sets>();

/** One for all checkers of a run. */
export const setsOf = (context: CheckContext): Sets => {
  let sets = shared.get(context);
  if (sets === undefined) {
    sets = context.stake === undefined ? fixed(context) : followed(context, context.stake);
    shared.set(context, sets);
  }
  return sets;
};
