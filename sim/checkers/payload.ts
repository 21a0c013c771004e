/** What checkers of the log share: the payload of an event, and who wrote it. */
import { type Batches, batchesOf } from "./batches.ts";
import { Cursor } from "./oracle.ts";
import type { CheckContext, Entry, Submission } from "./types.ts";

/** Behind u16 length, type, u16 version, u32 length. */
export const payloadOf = ({ eventType, eventBytes }: Entry): Cursor =>
  new Cursor(eventBytes, 2 + eventType.length + 2 + 4);

export type Authors = {
  submitted(submission: Submission): void;
  /** Hex; undefined for what no client has written, and for what is forgotten, which leaves a mark. */
  authorOf(entry: Entry): string | undefined;
};

/** Who submitted what: an entry names its batch, not the actor. */
export const authorsOf = (
  context: CheckContext,
  batches: Batches = batchesOf(context),
): Authors => ({
  submitted: (submission) => {
    batches.add(submission);
  },
  authorOf: ({ batchId }) => {
    const actor = batches.get(batchId)?.actorHex;
    if (actor === undefined) context.mark("author not known");
    return actor;
  },
});
