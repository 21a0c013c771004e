/**
 * I13: whoever makes a fork possible can be named. The oracle extracts those members that signed two statements
 * which exclude each other; after a fork they must weigh more than a third of the weight, and no honest one may be
 * among them. Against liars it counts only what has reached somebody honest, in frames that it reads itself: what
 * they signed and kept, nobody can show. Of honest members it counts all that has left them.
 */
import {
  decodeStatement,
  FINALIZE,
  NOTARIZE,
  NULLIFY,
  type Statement,
  statementBytes,
} from "./decode.ts";
import { setsOf } from "./sets.ts";
import { signedInFrame } from "./signed-frames.ts";
import type { CheckContext, Checker, Member } from "./types.ts";

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

const exclude = (one: Statement, other: Statement): boolean => {
  const kinds = [one.kind, other.kind];
  if (kinds.includes(NULLIFY)) return kinds.includes(FINALIZE);
  return one.hash !== other.hash && (kinds.includes(NOTARIZE) || kinds.includes(FINALIZE));
};

/** A checker that only collects, and what can be said at the end of its run. */
export const createProsecutor = (): Prosecutor => {
  /** By member and view: each statement once. */
  const said = new Map<string, Statement[]>();
  const found = new Map<number, Culprit>();
  let context: CheckContext | undefined;
  const checker = (given: CheckContext): Checker => {
    context = given;
    const messageOf = (statement: Statement): Uint8Array =>
      statementBytes(given.chainId, statement);
    /** `isSigned` is asked once a member and statement, unless it denies. */
    const hear = (member: Member, statement: Statement, isSigned: () => boolean): void => {
      if (found.has(member.slot)) return;
      const key = `${member.slot}/${statement.epoch}/${statement.view}`;
      const before = said.get(key) ?? [];
      const { kind, hash } = statement;
      if (before.some((one) => one.kind === kind && one.hash === hash) || !isSigned()) return;
      said.set(key, before);
      const other = before.find((one) => exclude(one, statement));
      before.push(statement);
      if (other === undefined) return;
      const { index, slot, weight } = member;
      const pair = [messageOf(other), messageOf(statement)] as const;
      found.set(slot, { index, slot, weight, pair });
    };
    return {
      id: "I13",
      title: "collects who signed what excludes each other",
      released: (slot, message) => {
        const statement = decodeStatement(message);
        const member = given.memberOf(slot);
        if (statement === undefined || member === undefined || !given.honest(slot)) return;
        hear(member, statement, () => true);
      },
      delivered: (_from, to, bytes) => {
        if (!given.honest(to)) return;
        for (const { statement, signer, signature } of signedInFrame(bytes)) {
          const member = setsOf(given).at(statement.epoch)?.ofIndex(signer);
          if (member === undefined) continue;
          const verify = () => given.verify(member.publicKey, messageOf(statement), signature);
          hear(member, statement, verify);
        }
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
