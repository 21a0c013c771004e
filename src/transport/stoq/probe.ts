/**
 * What sealed records carry today: a question and its answer, by which each end sees that the other opens what it
 * seals, how long a message takes to the other process and back (QUIC's own round trip ends in the kernel of the
 * peer), and which version the peer runs, which is nobody else's business. Pure.
 *
 *     u8 kind (1 question, 2 answer)   number(8)   u32 length || version (UTF-8, at most 64 bytes)
 */
import { DecodeError, Reader, utf8, Writer } from "../../crypto/codec.ts";
import { LIMITS } from "../../limits.ts";

const NUMBER_BYTES = 8;

export type Probe = {
  readonly kind: "question" | "answer";
  readonly number: Uint8Array;
  readonly version: string;
};

const KINDS = { question: 1, answer: 2 } as const;

/** A version that is too long for its field is cut: it is for people. */
export const encodeProbe = ({ kind, number, version }: Probe): Uint8Array =>
  new Writer()
    .u8(KINDS[kind])
    .fixed(number, NUMBER_BYTES)
    .bytes(utf8(version).subarray(0, LIMITS.peerVersionBytesMax))
    .finish();

const PRINTABLE = /^[\x20-\x7e]*$/;

/** Undefined for anything else; a version that is not printable ASCII is no version. */
export const decodeProbe = (bytes: Uint8Array): Probe | undefined => {
  try {
    const reader = new Reader(bytes);
    const type = reader.u8();
    const number = reader.fixed(NUMBER_BYTES).slice();
    const version = new TextDecoder().decode(reader.bytes(LIMITS.peerVersionBytesMax));
    reader.end();
    if ((type !== KINDS.question && type !== KINDS.answer) || !PRINTABLE.test(version)) {
      return undefined;
    }
    return { kind: type === KINDS.question ? "question" : "answer", number, version };
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
};
