/**
 * What was proven, in fields for people: who, what, when. The command and the page that verifies itself show
 * the same. Runs in browsers.
 */
import { equalBytes, toHex } from "../../crypto/bytes.ts";
import { DecodeError } from "../../crypto/codec.ts";
import { isoTime } from "../../ledger/verify/iso-time.ts";
import type { Proven, ProvenEvent, ProvenRow } from "../../ledger/verify/proven.ts";
import { type KeyName, statementsOf } from "../../ledger/verify/statements.ts";
import { FORMATS, schemaVersionOf } from "../../node/formats.ts";

/** A key as people type it; hex of one that the projection has no form for, which an absence may be of. */
const keyName: KeyName = (projection, key) => {
  try {
    const text = FORMATS.keyText(projection, key);
    const same = FORMATS.keyBytes(projection, text);
    if (same.ok && equalBytes(same.value, key)) return text;
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
  }
  return toHex(key);
};

/** Exactly what was proven, in sentences, with keys as people type them. */
export const sentencesOf = ({ header, claim }: Proven): readonly string[] =>
  statementsOf(header, claim, keyName);

export type Field = readonly [name: string, value: string];

const jsonOr = (json: unknown, bytes: Uint8Array): string =>
  json === undefined ? toHex(bytes) : JSON.stringify(json);

const eventFields = (event: ProvenEvent): Field[] => {
  const { outcome, author } = event;
  const what = `${event.event.type} version ${event.event.version}`;
  return [
    ["event", String(event.index)],
    ["what", what],
    ["content", jsonOr(FORMATS.event(event.event), event.event.payload)],
    ["outcome", outcome.kind === "accepted" ? "accepted" : `refused: ${outcome.code}`],
    ["who", author === undefined ? "not claimed" : `actor ${toHex(author.actor)}`],
    ["height", String(event.height)],
  ];
};

/** One line an event: a range may have a thousand. */
const lineOf = ({ index, event, outcome }: ProvenEvent): Field => {
  const came = outcome.kind === "accepted" ? "accepted" : `refused: ${outcome.code}`;
  const content = jsonOr(FORMATS.event(event), event.payload);
  return [`event ${index}`, `${event.type} version ${event.version}, ${came}: ${content}`];
};

/** A row whose bytes mean what this version thinks they mean; else they are shown as they are. */
const rowFields = (projection: string, row: ProvenRow, schemaVersion: number): Field[] => {
  const key: Field = ["key", keyName(projection, row.key)];
  if (row.value === undefined) return [key, ["row", "there is none"]];
  const origin = row.origin === undefined ? "the genesis" : `event ${row.origin}`;
  const known = schemaVersionOf(projection) === schemaVersion;
  const json = known ? FORMATS.row(projection, row.key, row.value) : undefined;
  const value = jsonOr(json, row.value);
  return [key, ["row", value], ["last changed by", origin]];
};

const claimFields = ({ claim, header }: Proven): Field[] => {
  if (claim.kind === "events") return claim.events.flatMap(eventFields);
  if (claim.kind === "range") return claim.events.map(lineOf);
  if (claim.kind === "no-event") {
    return [["event", `${claim.index}: there is none, the log has ${claim.logSize}`]];
  }
  const { projection, rows, schemaVersion } = claim;
  return [
    ["projection", projection],
    ["state after height", String(header.executedHeight)],
    ...rows.flatMap((row) => rowFields(projection, row, schemaVersion)),
  ];
};

export const describe = (proven: Proven): Field[] => {
  const { header, chainId, genesisHash } = proven;
  const names = header.signers.map(({ id, name }) => name ?? toHex(id).slice(0, 12));
  return [
    ...claimFields(proven),
    ["when", `by ${isoTime(header.timeMs)} (height ${header.height})`],
    ["signed by", `${names.join(", ")}: weight ${header.weight} of ${header.totalWeight}`],
    ["chain", chainId],
    ["genesis", toHex(genesisHash)],
  ];
};
