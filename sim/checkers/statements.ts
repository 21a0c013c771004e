/**
 * Everything that follows from who signed what (I3, I4, I7). The oracle sees every signature made with a
 * member's key, over all incarnations, and counts it once it is durable or has left (release.ts).
 */
import { backingsOf } from "./backing.ts";
import { decodeStatement, NOTARIZE, NULLIFY, type Statement } from "./decode.ts";
import { entriesOfAll, Recent } from "./recent.ts";
import type { CheckContext, Checker } from "./types.ts";

/** What one member signed in one view. */
type Own = { readonly notarize: Set<string>; nullify: boolean; readonly finalize: Set<string> };

/** The conflict rules of docs/protocol.md: which statements of one signer and view exclude each other. */
const conflictIn = (own: Own): string | undefined => {
  if (own.notarize.size > 1) return "N h1 and N h2";
  if (own.finalize.size > 1) return "F h1 and F h2";
  if (own.nullify && own.finalize.size > 0) return "S and F";
  for (const hash of own.finalize) {
    if (own.notarize.size > 0 && !own.notarize.has(hash)) return "N h1 and F h2";
  }
  return undefined;
};

/** I7: an honest member never signs two statements that conflict. */
export const ownStatements = (context: CheckContext): Checker => {
  const own = new Recent<string, Own>(entriesOfAll(context.members.length));
  return {
    id: "I7",
    title: "no honest validator signs conflicting statements, over all its incarnations",
    released: (slot, message) => {
      if (!context.honest(slot)) return;
      const statement = decodeStatement(message);
      const member = context.memberOf(slot);
      if (statement === undefined || member === undefined) return;
      const key = `${member.slot}/${statement.epoch}/${statement.view}`;
      let record = own.get(key);
      if (record === undefined) {
        record = { notarize: new Set(), nullify: false, finalize: new Set() };
        own.set(key, record);
      }
      if (statement.kind === NOTARIZE) record.notarize.add(statement.hash);
      else if (statement.kind === NULLIFY) record.nullify = true;
      else record.finalize.add(statement.hash);
      const conflict = conflictIn(record);
      if (conflict === undefined) return;
      context.report("I7", `n${member.slot} signed ${conflict} in view ${key}`);
    },
  };
};

/** I3 and I4: what can be notarized, and that a view is not both skipped and finalized. */
export const certificatesPossible = (context: CheckContext): Checker => {
  const backings = backingsOf(context);
  /** Statements that a quorum has been seen behind. */
  const complete = new Recent<string, true>();
  const notarized = new Recent<string, string>();
  const nullified = new Recent<string, true>();
  const finalized = new Recent<string, string>();

  const check = (viewKey: string, statement: Statement): void => {
    if (statement.kind === NOTARIZE) {
      const other = notarized.get(viewKey);
      if (other !== undefined && other !== statement.hash) {
        context.report("I3", `two hashes can be notarized in view ${viewKey}`);
      }
      notarized.set(viewKey, statement.hash);
      if (nullified.has(viewKey)) context.mark("view notarized and nullified");
    } else if (statement.kind === NULLIFY) {
      nullified.set(viewKey, true);
      context.mark("view nullified");
      if (notarized.has(viewKey)) context.mark("view notarized and nullified");
    } else {
      const other = finalized.get(viewKey);
      if (other !== undefined && other !== statement.hash) {
        context.report("I1", `two hashes can be finalized in view ${viewKey}`);
      }
      finalized.set(viewKey, statement.hash);
      const isNotarized = backings.isBacked({ ...statement, kind: NOTARIZE });
      if (!isNotarized && !backings.hasForgotten(statement)) {
        context.report("I6", `view ${viewKey} can be finalized without its notarization`);
      }
    }
    if (nullified.has(viewKey) && finalized.has(viewKey)) {
      context.report("I4", `view ${viewKey} can be both nullified and finalized`);
    }
  };

  return {
    id: "I3",
    title: "one notarized hash a view, and no view both nullified and finalized (I4, I6)",
    released: (slot, message) => {
      const statement = decodeStatement(message);
      if (statement === undefined || !backings.note(slot, statement)) return;
      const viewKey = `${statement.epoch}/${statement.view}`;
      const key = `${viewKey}/${statement.kind}/${statement.hash}`;
      if (complete.has(key)) return;
      complete.set(key, true);
      check(viewKey, statement);
    },
  };
};
