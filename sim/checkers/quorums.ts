/**
 * Which statements a quorum has been seen behind, told once each to all checkers of a run that ask (I1, I3, I4, I6).
 * The oracle sees every signature made with a member's key and counts it once it is durable or has left (release.ts).
 */
import { backingsOf } from "./backing.ts";
import { decodeStatement, NOTARIZE, NULLIFY, type Statement } from "./decode.ts";
import { perRun } from "./per-run.ts";
import { Recent } from "./recent.ts";
import type { CheckContext } from "./types.ts";

/** What quorums have been seen behind in a view; of several hashes the newest. */
export type ViewQuorums = {
  readonly notarized: string | undefined;
  readonly isNullified: boolean;
  readonly finalized: string | undefined;
};

type Listener = (statement: Statement, viewKey: string, before: ViewQuorums) => void;

export type Quorums = {
  /** Is called when a quorum is first seen behind a statement, with what had one in its view before. */
  onQuorum(listener: Listener): void;
  /** Takes in a signature that counts. Every checker that asks calls it; the first call does it. */
  note(slot: number, message: Uint8Array): void;
};

const NOTHING: ViewQuorums = { notarized: undefined, isNullified: false, finalized: undefined };

const withStatement = (before: ViewQuorums, { kind, hash }: Statement): ViewQuorums => {
  if (kind === NOTARIZE) return { ...before, notarized: hash };
  return kind === NULLIFY ? { ...before, isNullified: true } : { ...before, finalized: hash };
};

const create = (context: CheckContext): Quorums => {
  const backings = backingsOf(context);
  const listeners: Listener[] = [];
  const complete = new Recent<string, true>();
  const views = new Recent<string, ViewQuorums>();
  /** What the newest call has found a quorum behind: the other checkers ask for the same one next. */
  let newest: Statement | undefined;
  return {
    onQuorum: (listener) => {
      listeners.push(listener);
    },
    note: (slot, message) => {
      const statement = decodeStatement(message);
      if (statement === undefined || !backings.note(slot, statement)) return;
      if (statement === newest) return;
      newest = statement;
      const viewKey = `${statement.epoch}/${statement.view}`;
      const key = `${viewKey}/${statement.kind}/${statement.hash}`;
      if (complete.has(key)) return;
      complete.set(key, true);
      const before = views.get(viewKey) ?? NOTHING;
      for (const listener of listeners) listener(statement, viewKey, before);
      views.set(viewKey, withStatement(before, statement));
    },
  };
};

/** One account for all checkers of a run. */
export const quorumsOf = perRun(create);
