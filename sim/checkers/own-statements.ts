/**
 * I7: an honest member never signs two statements that conflict. The oracle sees every signature made with a member's
 * key, over all incarnations, and counts it once it is durable or has left (release.ts).
 */
import { decodeStatement, NOTARIZE, NULLIFY } from "./decode.ts";
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
