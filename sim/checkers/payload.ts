/** What checkers of the log share: the payload of an event, and who wrote it. */
import { Cursor } from "./oracle.ts";
import { Recent } from "./recent.ts";
import type { Entry, Submission } from "./types.ts";

/** Behind u16 length, type, u16 version, u32 length. */
export const payloadOf = ({ eventType, eventBytes }: Entry): Cursor =>
  new Cursor(eventBytes, 2 + eventType.length + 2 + 4);

/** Remembers who submitted what: an entry names its batch, not the actor. */
export const createAuthors = (): {
  submitted(submission: Submission): void;
  /** Hex; undefined for what no client has written. */
  authorOf(entry: Entry): string | undefined;
} => {
  const actors = new Recent<string, string>();
  return {
    submitted: ({ batchIdHex, actorHex }) => {
      actors.set(batchIdHex, actorHex);
    },
    authorOf: ({ batchId }) => actors.get(batchId),
  };
};
