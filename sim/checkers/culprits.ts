/**
 * I13: whoever makes a fork possible can be named. From all statements that were signed the oracle extracts
 * those members that signed two which exclude each other. After a fork they must weigh more than a third of
 * the weight, and no honest one may be among them.
 */
import { decodeStatement, FINALIZE, NOTARIZE, NULLIFY } from "./decode.ts";
import type { CheckContext, Checker } from "./types.ts";

export type Culprit = {
  readonly index: number;
  readonly slot: number;
  readonly weight: bigint;
  /** Two signed messages that exclude each other. */
  readonly pair: readonly [Uint8Array, Uint8Array];
};

export type Prosecutor = {
  readonly checker: (context: CheckContext) => Checker;
  culprits(): readonly Culprit[];
  /** What is wrong after a fork: too little weight named, or somebody honest; undefined if nothing is. */
  faultAfterFork(): string | undefined;
};

const exclude = (a: Uint8Array, b: Uint8Array): boolean => {
  const one = decodeStatement(a);
  const other = decodeStatement(b);
  if (one === undefined || other === undefined) return false;
  const kinds = [one.kind, other.kind];
  if (kinds.includes(NULLIFY)) return kinds.includes(FINALIZE);
  return one.hash !== other.hash && (kinds.includes(NOTARIZE) || kinds.includes(FINALIZE));
};

/** A checker that only collects, and what can be said at the end of its run. */
export const createProsecutor = (): Prosecutor => {
  const said = new Map<string, Uint8Array[]>();
  const found = new Map<number, Culprit>();
  let context: CheckContext | undefined;
  const checker = (given: CheckContext): Checker => {
    context = given;
    return {
      id: "I13",
      title: "collects who signed what excludes each other",
      released: (slot, message) => {
        const statement = decodeStatement(message);
        const member = given.memberOf(slot);
        if (statement === undefined || member === undefined || found.has(member.slot)) return;
        const key = `${member.slot}/${statement.epoch}/${statement.view}`;
        const before = said.get(key) ?? [];
        said.set(key, before);
        const other = before.find((one) => exclude(one, message));
        before.push(message.slice());
        if (other === undefined) return;
        const { index, weight } = member;
        found.set(member.slot, {
          index,
          slot: member.slot,
          weight,
          pair: [other, message.slice()],
        });
      },
    };
  };
  return {
    checker,
    culprits: () => [...found.values()],
    faultAfterFork: () => {
      const total = context?.members.reduce((sum, { weight }) => sum + weight, 0n) ?? 0n;
      const honest = [...found.values()].find(({ slot }) => context?.honest(slot) === true);
      if (honest !== undefined) return `n${honest.slot} is honest and accused`;
      const weight = [...found.values()].reduce((sum, one) => sum + one.weight, 0n);
      if (weight * 3n > total) return undefined;
      return `the culprits named weigh ${weight} of ${total}: not more than a third`;
    },
  };
};
