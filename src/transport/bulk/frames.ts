/**
 * Requests and answers of bulk as they go over a session: frames of the class `bulk`. An answer goes in parts, so
 * that answers to several requests take turns on the one stream, and a part never holds up what is behind it for
 * long. Pure.
 *
 *     request  u8 1   u32 id   name (1..256 bytes, the rest of the frame)
 *     part     u8 2   u32 id   u8 last (0, 1)   u8 place   bytes (the rest)
 *     no       u8 3   u32 id   u8 reason (1 not here, 2 too many wait)
 *     cancel   u8 4   u32 id
 *
 * Ids are the asker's. A part has 64 KiB, the last one what is left, and says which it is, from 0: the parts of an
 * answer may go over two paths and overtake each other (assembly.ts). What belongs to no open request is passed
 * over, since a cancel may cross an answer.
 */
import { concatBytes } from "../../crypto/bytes.ts";
import { Writer } from "../../crypto/codec.ts";
import { LIMITS } from "../../limits.ts";

const KINDS = { request: 1, part: 2, no: 3, cancel: 4 } as const;
const REASONS = { absent: 1, busy: 2 } as const;

export type NoReason = keyof typeof REASONS;

export type BulkFrame =
  | { readonly kind: "request"; readonly id: number; readonly name: Uint8Array }
  | {
      readonly kind: "part";
      readonly id: number;
      readonly last: boolean;
      readonly place: number;
      readonly bytes: Uint8Array;
    }
  | { readonly kind: "no"; readonly id: number; readonly reason: NoReason }
  | { readonly kind: "cancel"; readonly id: number };

export const encodeFrame = (frame: BulkFrame): Uint8Array => {
  const writer = new Writer().u8(KINDS[frame.kind]).u32(frame.id);
  switch (frame.kind) {
    case "request":
      return concatBytes(writer.finish(), frame.name);
    case "part":
      return concatBytes(
        writer
          .u8(frame.last ? 1 : 0)
          .u8(frame.place)
          .finish(),
        frame.bytes,
      );
    case "no":
      return writer.u8(REASONS[frame.reason]).finish();
    case "cancel":
      return writer.finish();
  }
};

const HEAD_BYTES = 5;

/** All parts but the last are full: small ones would cost the receiver more than the bytes that they bring. */
const decodePart = (id: number, rest: Uint8Array): BulkFrame | undefined => {
  const [last, place] = rest;
  if ((last !== 0 && last !== 1) || place === undefined) return undefined;
  const bytes = rest.subarray(2);
  const full = LIMITS.bulkPartBytesMax;
  if (bytes.length > full || place * full + bytes.length > LIMITS.bulkAnswerBytesMax) {
    return undefined;
  }
  if (last === 0 && bytes.length < full) return undefined;
  // Only an answer of nothing ends with nothing.
  if (bytes.length === 0 && place > 0) return undefined;
  return { kind: "part", id, last: last === 1, place, bytes };
};

/** Undefined for what is no frame. Bytes of a part are a view of what was given. */
export const decodeFrame = (bytes: Uint8Array): BulkFrame | undefined => {
  if (bytes.length < HEAD_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const id = view.getUint32(1);
  const rest = bytes.subarray(HEAD_BYTES);
  switch (bytes[0]) {
    case KINDS.request:
      return rest.length >= 1 && rest.length <= LIMITS.bulkNameBytesMax
        ? { kind: "request", id, name: rest.slice() }
        : undefined;
    case KINDS.part:
      return decodePart(id, rest);
    case KINDS.no: {
      if (rest.length !== 1) return undefined;
      const reason = (Object.keys(REASONS) as NoReason[]).find((key) => REASONS[key] === rest[0]);
      return reason === undefined ? undefined : { kind: "no", id, reason };
    }
    case KINDS.cancel:
      return rest.length === 0 ? { kind: "cancel", id } : undefined;
    default:
      return undefined;
  }
};
