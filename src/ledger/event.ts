/**
 * The encoding of one event (docs/protocol.md, "Event"):
 *
 *     u16 length || type (ASCII)   u16 version   u32 length || payload
 *
 * What is hashed is the bytes as received, so a decoded event keeps views into them and is never
 * encoded again.
 */
import { Writer } from "../crypto/codec.ts";
import { fail, ok, type Result } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { EncodedEvent } from "./types.ts";

/** `area.noun.verb`: two to four lower-case words that may hold digits and dashes. */
const EVENT_TYPE = /^[a-z][a-z0-9-]*(\.[a-z][a-z0-9-]*){1,3}$/;

/** The bytes around an empty type and payload. */
const FRAME_BYTES = 8;

/** True for a well-formed event type of at most LIMITS.eventTypeBytesMax characters. */
export const isEventType = (type: string): boolean =>
  type.length <= LIMITS.eventTypeBytesMax && EVENT_TYPE.test(type);

/**
 * Encodes an event. Throws RangeError for a malformed type, a version that is not a u16, or an encoding
 * over LIMITS.eventBytesMax: authors check what people type before they come here.
 */
export const encodeEvent = (type: string, version: number, payload: Uint8Array): EncodedEvent => {
  if (!isEventType(type)) throw new RangeError(`not an event type: ${type.slice(0, 80)}`);
  const length = FRAME_BYTES + type.length + payload.length;
  if (length > LIMITS.eventBytesMax) {
    throw new RangeError(`event of ${length} bytes, limit ${LIMITS.eventBytesMax}`);
  }
  const writer = new Writer(length);
  writer.u16(type.length);
  for (let i = 0; i < type.length; i++) writer.u8(type.charCodeAt(i));
  const bytes = writer.u16(version).bytes(payload).finish();
  return { type, version, payload: bytes.subarray(FRAME_BYTES + type.length), bytes };
};

/**
 * Decodes the encoding of one event; the payload is a view into `bytes`.
 * Codes: batch.event-too-large, encoding.malformed.
 */
export const decodeEvent = (bytes: Uint8Array): Result<EncodedEvent> => {
  if (bytes.length > LIMITS.eventBytesMax) {
    return fail("batch.event-too-large", `${bytes.length} bytes, limit ${LIMITS.eventBytesMax}`);
  }
  if (bytes.length < FRAME_BYTES) return fail("encoding.malformed", "event shorter than its frame");
  // Read by hand and not with a Reader: this runs once an event on every node and is half as long.
  const typeLength = u16At(bytes, 0);
  const payloadAt = FRAME_BYTES + typeLength;
  if (typeLength > LIMITS.eventTypeBytesMax || payloadAt > bytes.length) {
    return fail("encoding.malformed", `event type of ${typeLength} bytes does not fit`);
  }
  const type = readType(bytes, typeLength);
  if (type === undefined) return fail("encoding.malformed", "event type is not area.noun.verb");
  const payloadLength = u16At(bytes, payloadAt - 4) * 0x1_0000 + u16At(bytes, payloadAt - 2);
  if (payloadLength !== bytes.length - payloadAt) {
    return fail("encoding.malformed", `payload length ${payloadLength} is not what follows`);
  }
  const version = u16At(bytes, 2 + typeLength);
  return ok({ type, version, payload: bytes.subarray(payloadAt), bytes });
};

/** The type of the event before: events of one type come in rows. */
let lastType = "";

/** Undefined where the bytes are no event type. */
function readType(bytes: Uint8Array, length: number): string | undefined {
  if (length === lastType.length) {
    let at = 0;
    while (at < length && bytes[2 + at] === lastType.charCodeAt(at)) at += 1;
    if (at === length && length > 0) return lastType;
  }
  let type = "";
  for (let i = 0; i < length; i++) type += String.fromCharCode(bytes[2 + i] ?? 0);
  if (!EVENT_TYPE.test(type)) return undefined;
  lastType = type;
  return type;
}

const u16At = (bytes: Uint8Array, at: number): number =>
  (bytes[at] ?? 0) * 0x100 + (bytes[at + 1] ?? 0);
