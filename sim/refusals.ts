/**
 * What honest nodes log of the work and space of a liar, as marks: that something false was sent shows nothing unless
 * somebody has refused it.
 */
import type { LogFields } from "../src/ledger/ports.ts";

/** Names of peers in a log line are cut to so many characters. */
const NAME_LENGTH = 16;

/** Undefined for a line that is about something else. `liars`: the names of peers that lie. */
export const refusalMark = (
  fields: LogFields | undefined,
  liars: readonly string[],
): string | undefined => {
  const { code, peer, block } = fields ?? {};
  if (typeof code !== "string" || !/^(?:work|space)\./.test(code)) return undefined;
  if (typeof block === "string") return `block refused ${code}`;
  const isLiar = liars.some((name) => name.slice(0, NAME_LENGTH) === peer);
  return isLiar ? `liar cut off for ${code}` : undefined;
};
