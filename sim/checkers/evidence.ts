/**
 * I12: evidence in the log accuses nobody who followed the protocol. Every pair of conflicting
 * statements that the oracle saw signed is kept, so that an accusation can be compared with the truth.
 */
import { ByHonesty, type Place } from "./by-honesty.ts";
import { decodeStatement, FINALIZE, NOTARIZE, NULLIFY } from "./decode.ts";
import { entriesOfAll } from "./recent.ts";
import type { CheckContext, Checker } from "./types.ts";

/** Rows of this projection under this tag are keyed by the id of the validator that was quarantined. */
export const QUARANTINE = "quarantine";
export const CULPRIT_TAG = 1;

/** What one member has signed in one view. */
type Signed = Place & { readonly kinds: Set<number>; readonly hashes: Set<string> };

export const evidenceSound = (context: CheckContext): Checker => {
  const signedIn = new ByHonesty<Signed>(entriesOfAll(context.members.length));
  const guilty = new Set<string>();
  return {
    id: "I12",
    title: "only validators that signed conflicting statements are quarantined",
    released: (slot, message) => {
      const statement = decodeStatement(message);
      const member = context.memberOf(slot);
      if (statement === undefined || member === undefined) return;
      const key = `${member.slot}/${statement.epoch}/${statement.view}`;
      const { epoch, view } = statement;
      const fresh = (): Signed => ({ epoch, view, kinds: new Set(), hashes: new Set() });
      const seen = signedIn.signed(key, statement, context.honest(slot), fresh);
      seen.kinds.add(statement.kind);
      if (statement.kind !== NULLIFY) seen.hashes.add(statement.hash);
      const skippedAndFinal = seen.kinds.has(NULLIFY) && seen.kinds.has(FINALIZE);
      const twoHashes =
        seen.hashes.size > 1 && (seen.kinds.has(NOTARIZE) || seen.kinds.has(FINALIZE));
      if (skippedAndFinal || twoHashes) guilty.add(member.idHex);
    },
    end: (dumps) => {
      for (const dump of dumps) {
        if (!context.honest(dump.slot)) continue;
        for (const row of dump.rows.get(QUARANTINE) ?? []) {
          if (row.key[0] !== CULPRIT_TAG || row.key.length !== 33) continue;
          const id = Buffer.from(row.key.subarray(1)).toString("hex");
          context.mark("culprit quarantined");
          if (!guilty.has(id)) {
            context.report("I12", `n${dump.slot} quarantines ${id.slice(0, 16)}, which is honest`);
          }
        }
      }
    },
  };
};
