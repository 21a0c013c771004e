/**
 * Marks of where a run has been, for scenarios that show nothing unless they get there. It judges
 * nothing. It reads what honest nodes sign and propose, and which height each has final.
 */
import { lookAt } from "./certificates.ts";
import { decodeStatement, FINALIZE, HEADER_BYTES, NOTARIZE, NULLIFY } from "./decode.ts";
import { headersOf } from "./headers.ts";
import { Cursor, hex } from "./oracle.ts";
import { Recent } from "./recent.ts";
import { setsOf } from "./sets.ts";
import type { CheckContext, Checker } from "./types.ts";

const PROPOSAL = 1;
const CERTIFICATE = 3;
/** What honest nodes propose again, and how far it lies above what they have as final. */
export const reproposals = (context: CheckContext): Checker => {
  const headers = headersOf(context);
  const finalHeights = new Map<number, number>();
  const seen = new Recent<string, true>();

  return {
    id: "marks",
    title: "blocks proposed again",
    status: (slot, status) => {
      finalHeights.set(slot, status.finalHeight);
    },
    sent: (from, _to, _class, bytes) => {
      if (bytes[0] !== PROPOSAL) return;
      headers.note(bytes);
      const cursor = new Cursor(bytes, 1);
      const vote = new Cursor(cursor.sized());
      const key = `${vote.u64()}/${vote.u64()}`;
      if (seen.has(key)) return;
      seen.set(key, true);
      vote.u8();
      const hash = hex(vote.take(32));
      cursor.u64();
      const block = cursor.sized();
      if (block.length >= HEADER_BYTES) return;
      const again = headers.get(hash);
      if (!context.honest(from) || again === undefined) return;
      context.mark("re-proposed");
      if (again.nextSet !== undefined) context.mark("boundary block re-proposed");
      const gap = again.height - (finalHeights.get(from) ?? 0);
      context.mark(`re-proposed at a gap of ${gap}`);
    },
  };
};

/** Views in which honest nodes were of two minds: one would make it final, the others skip it. */
export const splitViews = (context: CheckContext): Checker => {
  const views = new Recent<string, { finalize: Set<number>; nullify: Set<number> }>();
  return {
    id: "marks",
    title: "views with F by one and S by the others",
    released: (slot, message) => {
      const statement = decodeStatement(message);
      const isSkip = statement?.kind === NULLIFY;
      if (statement === undefined || !context.honest(slot)) return;
      if (!isSkip && statement.kind !== FINALIZE) return;
      const key = `${statement.epoch}/${statement.view}`;
      let view = views.get(key);
      if (view === undefined) {
        view = { finalize: new Set(), nullify: new Set() };
        views.set(key, view);
      }
      (isSkip ? view.nullify : view.finalize).add(slot);
      if (view.finalize.size > 0 && view.nullify.size >= 2) context.mark("F and S in one view");
    },
  };
};

/**
 * Views in which an honest node has said N of one block and nothing else, and is then shown that another one
 * is notarized: only its own rules keep it from an F.
 */
export const otherNotarized = (context: CheckContext): Checker => {
  const views = new Recent<string, { notarize: string | undefined; decided: boolean }>();
  const sets = setsOf(context);
  return {
    id: "marks",
    title: "notarizations of another block than the one voted for",
    released: (slot, message) => {
      const statement = decodeStatement(message);
      if (statement === undefined || !context.honest(slot)) return;
      const key = `${slot}/${statement.epoch}/${statement.view}`;
      const own = views.get(key) ?? { notarize: undefined, decided: false };
      if (statement.kind === NOTARIZE) own.notarize = statement.hash;
      else own.decided = true;
      views.set(key, own);
    },
    delivered: (_from, to, bytes) => {
      if (bytes[0] !== CERTIFICATE) return;
      // The statement comes first: the signatures of a large network are many, and looked at only where it counts.
      const cursor = new Cursor(bytes, 1);
      const epoch = cursor.u64();
      const view = `${to}/${epoch}/${cursor.u64()}`;
      if (cursor.u8() !== NOTARIZE) return;
      const own = views.get(view);
      if (own?.notarize === undefined || own.decided) return;
      const hash = hex(cursor.take(32));
      if (!cursor.ok || own.notarize === hash || !sets.isDecided(epoch)) return;
      if (lookAt(context, bytes).fault !== undefined) return;
      context.mark("another block notarized");
    },
  };
};
