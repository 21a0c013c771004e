/**
 * What a verified bundle proves and what it does not, in sentences: one text for the command, the page and
 * the SDK, so that none of them says more than another. Pure and browser-safe; trusts nothing and checks
 * nothing: it only puts proven values into words.
 */
import { toHex } from "../../crypto/bytes.ts";
import { isoTime } from "./iso-time.ts";
import type { ProvenClaim, ProvenEvent, ProvenHeader, ProvenRow } from "./proven.ts";
import type { Trust } from "./trust.ts";

const eventStatement = (event: ProvenEvent, header: ProvenHeader): string[] => {
  const { index, height, outcome } = event;
  const came = outcome.kind === "accepted" ? "was accepted" : `was refused (${outcome.code})`;
  const log = `Event ${index} of the log is this ${event.event.type}, of height ${height}, and ${came}.`;
  const when = `It was in the log by ledger time ${isoTime(header.timeMs)} (height ${header.height}).`;
  if (event.author === undefined) return [log, when];
  const { actor, refHeight } = event.author;
  const after = refHeight === 0 ? "" : `, not before height ${refHeight} was known`;
  return [log, when, `The holder of the key of actor ${toHex(actor)} signed it${after}.`];
};

const rangeStatement = (events: readonly ProvenEvent[], header: ProvenHeader): string[] => {
  const [from, to] = [events[0]?.index, events.at(-1)?.index];
  return [
    `These are the events ${from} to ${to} of the log with their outcomes; none between them is left out.`,
    `They were in the log by ledger time ${isoTime(header.timeMs)} (height ${header.height}).`,
  ];
};

/** How a key is written in a sentence. */
export type KeyName = (projection: string, key: Uint8Array) => string;

const hexName: KeyName = (_projection, key) => toHex(key);

const rowStatement = (
  row: ProvenRow,
  projection: string,
  header: ProvenHeader,
  name: KeyName,
): string => {
  const key = `key ${name(projection, row.key)}`;
  const at = `after height ${header.executedHeight}`;
  if (row.value === undefined) return `${projection} had no row under ${key} ${at}.`;
  const origin = row.origin === undefined ? "the genesis" : `event ${row.origin}`;
  return `${projection} had this row under ${key} ${at}, as ${origin} left it.`;
};

/** Exactly what was proven; keys of rows are in hex unless `name` writes them for people. */
export const statementsOf = (
  header: ProvenHeader,
  claim: ProvenClaim,
  name: KeyName = hexName,
): string[] => {
  if (claim.kind === "events") {
    return claim.events.flatMap((event) => eventStatement(event, header));
  }
  if (claim.kind === "range") return rangeStatement(claim.events, header);
  if (claim.kind === "no-event") {
    const { index, logSize } = claim;
    const { executedHeight } = header;
    return [`There was no event ${index} after height ${executedHeight}: the log had ${logSize}.`];
  }
  return claim.rows.map((row) => rowStatement(row, claim.projection, header, name));
};

/** What the proof rests on, and what it leaves open. */
export const assumptionsOf = (trust: Trust, header: ProvenHeader, claim: ProvenClaim): string[] => {
  const list = [
    `Less than a third of the validators' weight lied in the epochs ${trust.epoch} to ${header.epoch}.`,
    trust.origin === "genesis"
      ? "Keys of past validators were not stolen: who has not followed the chain since its genesis " +
        "should trust a recent checkpoint instead (weak subjectivity)."
      : `The checkpoint that the proof starts from (epoch ${trust.epoch}) is right, and recent.`,
    "No other chain has the same name and validators' keys (a node's key signs for one genesis only).",
  ];
  if (claim.kind === "range") {
    list.push("Who signed the events is not claimed: a proof of one event shows it.");
  } else if (claim.kind === "events") {
    list.push("That no other event says something else about the same thing is not proven here.");
  } else {
    list.push("Later heights may say something else: the proof is of this height.");
  }
  if (claim.kind === "rows" && claim.rows.length > 1) {
    list.push("That the projection has no other rows is not proven: absence is proven by key.");
  }
  return list;
};
