/**
 * I13: whoever makes a fork possible can be named. The oracle extracts those members that signed two statements
 * which exclude each other; after a fork they must weigh more than a third of the weight, and no honest one may be
 * among them. Against liars it counts only what has reached somebody honest, in frames that it reads itself: what
 * they signed and kept, nobody can show. Of honest members it counts all that has left them. It is attached where a run
 * that could fork is run again (sim/fork.ts): a run that cannot pays nothing for it.
 */
import {
  decodeStatement,
  FINALIZE,
  NOTARIZE,
  NULLIFY,
  type Statement,
  statementBytes,
} from "./decode.ts";
import { Recent } from "./recent.ts";
import { setsOf } from "./sets.ts";
import { signedInFrame } from "./signed-frames.ts";
import type { CheckContext, Checker, Member } from "./types.ts";

export type Culprit = {
  readonly index: number;
  readonly slot: number;
  readonly weight: bigint;
  /** Two statements of one view that exclude each other, and the messages that were signed. */
  readonly statements: readonly [Statement, Statement];
  readonly pair: readonly [Uint8Array, Uint8Array];
};

/** What the culprits weigh of the whole, in the set in which they weigh the most of those in which they lied. */
export type Share = {
  readonly weight: bigint;
  readonly total: bigint;
  weightOf(slot: number): bigint;
};

export type Prosecutor = {
  readonly checker: (context: CheckContext) => Checker;
  culprits(): readonly Culprit[];
  share(): Share;
  isHonest(slot: number): boolean;
  /** Of those who follow the protocol: whoever is accused all the same. */
  faultOfHonest(): string | undefined;
  /** What is wrong after a fork: too little weight named, or somebody honest; undefined if nothing is. */
  faultAfterFork(): string | undefined;
};

/** Views of which statements are kept, of all members together: a fork is named from what was said before it. */
const VIEWS_KEPT = 524_288;
const VIEWS_KEPT_EACH = 8_192;

/** More than a third. */
const isOverThird = ({ weight, total }: Pick<Share, "weight" | "total">): boolean =>
  weight * 3n > total;

const exclude = (one: Statement, other: Statement): boolean => {
  const kinds = [one.kind, other.kind];
  if (kinds.includes(NULLIFY)) return kinds.includes(FINALIZE);
  return one.hash !== other.hash && (kinds.includes(NOTARIZE) || kinds.includes(FINALIZE));
};

/** By member: its statements of each view. Whoever says much displaces only what it has said itself. */
class Said {
  readonly #views = new Map<number, Recent<string, Statement[]>>();
  readonly #viewsMax: number;
  /** Something was, so that who is not found guilty may be. */
  isForgotten = false;

  constructor(members: number) {
    this.#viewsMax = Math.max(VIEWS_KEPT_EACH, Math.floor(VIEWS_KEPT / members));
  }

  get(slot: number, key: string): readonly Statement[] {
    return this.#views.get(slot)?.get(key) ?? [];
  }

  add(slot: number, key: string, statement: Statement): void {
    let views = this.#views.get(slot);
    if (views === undefined) {
      views = new Recent(this.#viewsMax, () => {
        this.isForgotten = true;
      });
      this.#views.set(slot, views);
    }
    const statements = views.get(key);
    if (statements === undefined) views.set(key, [statement]);
    else statements.push(statement);
  }
}

/** Of one run: who is guilty, by what was heard. */
class Docket {
  readonly context: CheckContext;
  readonly said: Said;
  readonly found = new Map<number, Culprit>();

  constructor(context: CheckContext) {
    this.context = context;
    this.said = new Said(context.members.length);
  }

  messageOf(statement: Statement): Uint8Array {
    return statementBytes(this.context.chainId, statement);
  }

  /** `isSigned` is asked once a member and statement, unless it denies. */
  hear(member: Member, statement: Statement, isSigned: () => boolean): void {
    const { index, slot, weight } = member;
    if (this.found.has(slot)) return;
    const { epoch, view, kind, hash } = statement;
    const key = `${epoch}/${view}`;
    const before = this.said.get(slot, key);
    if (before.some((one) => one.kind === kind && one.hash === hash) || !isSigned()) return;
    const other = before.find((one) => exclude(one, statement));
    this.said.add(slot, key, statement);
    if (other === undefined) return;
    const statements = [other, statement] as const;
    const pair = [this.messageOf(other), this.messageOf(statement)] as const;
    this.found.set(slot, { index, slot, weight, statements, pair });
  }

  share(): Share {
    const culprits = [...this.found.values()];
    const sets = setsOf(this.context);
    const shareIn = (epoch: number): Share | undefined => {
      const set = sets.at(epoch);
      if (set === undefined) return undefined;
      const weightOf = (slot: number): bigint => set.weightOf(slot);
      const weight = culprits.reduce((sum, { slot }) => sum + weightOf(slot), 0n);
      return { weight, total: set.total, weightOf };
    };
    const total = this.context.members.reduce((sum, { weight }) => sum + weight, 0n);
    const none: Share = { weight: 0n, total, weightOf: () => 0n };
    const epochs = new Set(culprits.map(({ statements }) => statements[0].epoch));
    return [...epochs]
      .flatMap((epoch) => shareIn(epoch) ?? [])
      .reduce(
        (most, one) => (one.weight * most.total > most.weight * one.total ? one : most),
        none,
      );
  }

  faultOfHonest(): string | undefined {
    const honest = [...this.found.keys()].find((slot) => this.context.honest(slot));
    return honest === undefined ? undefined : `n${honest} is honest and accused`;
  }

  faultAfterFork(): string | undefined {
    const fault = this.faultOfHonest();
    const share = this.share();
    if (fault !== undefined || isOverThird(share) || this.said.isForgotten) return fault;
    return `the culprits named weigh ${share.weight} of ${share.total}: not more than a third`;
  }
}

/** A checker that only collects, and what can be said at the end of its run. */
export const createProsecutor = (): Prosecutor => {
  let docket: Docket | undefined;
  const begun = (): Docket => {
    if (docket === undefined) throw new RangeError("no run has begun");
    return docket;
  };
  const checker = (context: CheckContext): Checker => {
    const own = new Docket(context);
    docket = own;
    return {
      id: "I13",
      title: "collects who signed what excludes each other",
      released: (slot, message) => {
        const statement = decodeStatement(message);
        const member = context.memberOf(slot);
        if (statement === undefined || member === undefined || !context.honest(slot)) return;
        own.hear(member, statement, () => true);
      },
      delivered: (_from, to, bytes) => {
        if (!context.honest(to)) return;
        for (const { statement, signer, signature } of signedInFrame(bytes)) {
          const member = setsOf(context).at(statement.epoch)?.ofIndex(signer);
          if (member === undefined) continue;
          const verify = () =>
            context.verify(member.publicKey, own.messageOf(statement), signature);
          own.hear(member, statement, verify);
        }
      },
    };
  };
  return {
    checker,
    culprits: () => [...begun().found.values()],
    share: () => begun().share(),
    isHonest: (slot) => begun().context.honest(slot),
    faultOfHonest: () => begun().faultOfHonest(),
    faultAfterFork: () => begun().faultAfterFork(),
  };
};
