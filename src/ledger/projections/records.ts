/**
 * Records that users store of their own. Rows: topic, key -> who wrote the record last, when, and its
 * body. The last write in log order wins; what was there before stays in the log.
 */
import { toHex } from "../../crypto/bytes.ts";
import { sha256 } from "../../crypto/hash.ts";
import { LIMITS } from "../../limits.ts";
import { field, type Json } from "../event-schema.ts";
import { defineProjection, own, type Projection } from "../projection.ts";
import type { ReadStore } from "../records.ts";
import { defineRow, KeyReader, keyOfTexts, readRow, textPart } from "../row.ts";
import { recordPut } from "./events.ts";

const NAME = "records";

const recordRow = defineRow(
  field.hash("actor"),
  field.u64("height"),
  field.u64("timeMs"),
  field.bytes("body", LIMITS.recordBodyBytesMax),
);

export type UserRecord = ReturnType<typeof recordRow.decode>;

/** Key of a record's row; `recordTopicPrefix` is what all keys of a topic begin with. */
export const recordKey = (topic: string, key: string): Uint8Array => keyOfTexts(topic, key);

export const recordTopicPrefix = (topic: string): Uint8Array => textPart(topic);

const utf8Decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The body as text where it is text, so that people can read it. */
const textOf = (body: Uint8Array): string | null => {
  try {
    return utf8Decoder.decode(body);
  } catch {
    return null;
  }
};

const bodyField = field.bytes("body", LIMITS.recordBodyBytesMax);

const formatRecord = (key: Uint8Array, value: Uint8Array): Json => {
  const reader = new KeyReader(key);
  const topic = reader.text();
  const name = reader.text();
  reader.end();
  const { actor, height, timeMs, body } = recordRow.decode(value);
  return {
    topic,
    key: name,
    actor: toHex(actor),
    height,
    timeMs,
    length: body.length,
    sha256: toHex(sha256(body)),
    text: textOf(body),
    body: bodyField.toJson(body),
  };
};

export const records: Projection = defineProjection({
  name: NAME,
  schemaVersion: 1,
  owns: [
    own(recordPut, {
      resource: ({ topic, key }) => `record/${topic}/${key}`,
      apply: (tx, { topic, key, body }, { actor, height, timeMs }) => {
        tx.put(recordKey(topic, key), recordRow.encode({ actor, height, timeMs, body }));
      },
    }),
  ],
  format: formatRecord,
});

/** A record as the store has it, with the index of the event that wrote it. Throws "store.corrupt". */
export const recordAt = (
  read: ReadStore,
  topic: string,
  key: string,
): (UserRecord & { readonly origin: number }) | undefined => {
  const row = readRow(read, NAME, recordKey(topic, key));
  return row === undefined ? undefined : { ...recordRow.decode(row.value), origin: row.origin };
};
