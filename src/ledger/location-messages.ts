/**
 * Messages of a measurement between two validators (docs/protocol.md, Network location). They have type bytes of
 * the same space as those of wire.ts, on the control class, and only replicas of a chain that asks for location
 * read them: to every other they are of an unknown type.
 *
 *     17 request    u64 epoch   u64 sector                      prover to witness
 *     18 challenge  u64 epoch   u64 sector   challenge(32)      witness to prover
 *     19 answer     challenge(32)   openings                    prover to witness
 *     20 receipt    u64 epoch   u64 sector   u32 rttUs   rounds(32)   signature(1280)
 */
import { DecodeError, Reader, Writer } from "../crypto/codec.ts";
import { fail, ok, type Result } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { openingBytes } from "../proofs/space/parameters.ts";
import type { TrafficClass } from "./ports.ts";
import type { Hash } from "./types.ts";

type Measured = { readonly epoch: number; readonly sector: number };

export type LocationMessage =
  | ({ readonly type: "location-request" } & Measured)
  | ({ readonly type: "location-challenge"; readonly challenge: Hash } & Measured)
  | {
      readonly type: "location-answer";
      readonly challenge: Hash;
      readonly openings: Uint8Array;
    }
  | ({
      readonly type: "location-receipt";
      readonly rttUs: number;
      readonly rounds: Hash;
      readonly signature: Uint8Array;
    } & Measured);

export const LOCATION_CLASS: TrafficClass = "control";

const BYTES = {
  "location-request": 17,
  "location-challenge": 18,
  "location-answer": 19,
  "location-receipt": 20,
} as const satisfies Record<LocationMessage["type"], number>;

const OPENINGS_BYTES_MAX = LIMITS.locationLabels[1] * openingBytes(LIMITS.spaceLgNodes[1]);

/** The most that a frame of these messages has: an answer of all labels of the largest sector. */
export const LOCATION_FRAME_BYTES_MAX: number = 1 + 32 + OPENINGS_BYTES_MAX;

/** Whether a frame's first byte announces one of these messages. */
export const isLocationFrame = (bytes: Uint8Array): boolean => {
  const type = bytes[0] ?? 0;
  return type >= BYTES["location-request"] && type <= BYTES["location-receipt"];
};

/** Encodes a message; the caller keeps within the limits of its parts. */
export const encodeLocationMessage = (message: LocationMessage): Uint8Array => {
  const writer = new Writer(1408).u8(BYTES[message.type]);
  if (message.type === "location-answer") {
    return writer.hash(message.challenge).raw(message.openings).finish();
  }
  writer.u64(message.epoch).u64(message.sector);
  if (message.type === "location-challenge") writer.hash(message.challenge);
  if (message.type === "location-receipt") {
    writer.u32(message.rttUs).hash(message.rounds);
    writer.fixed(message.signature, LIMITS.falconSignatureBytes);
  }
  return writer.finish();
};

/** Reads a frame; nothing of it is a view. Code: encoding.malformed. */
export const decodeLocationMessage = (frame: Uint8Array): Result<LocationMessage> => {
  if (frame.length > LOCATION_FRAME_BYTES_MAX) {
    return fail("encoding.malformed", `${frame.length} bytes are more than an answer has`);
  }
  try {
    const reader = new Reader(frame);
    const message = read(reader);
    reader.end();
    return ok(message);
  } catch (error) {
    if (error instanceof DecodeError) return fail("encoding.malformed", error.message);
    throw error;
  }
};

const read = (reader: Reader): LocationMessage => {
  const type = reader.u8();
  if (type === BYTES["location-answer"]) {
    const challenge = reader.hash().slice();
    return { type: "location-answer", challenge, openings: reader.rest().slice() };
  }
  const measured = { epoch: reader.u64(), sector: reader.u64() };
  switch (type) {
    case BYTES["location-request"]:
      return { type: "location-request", ...measured };
    case BYTES["location-challenge"]:
      return { type: "location-challenge", ...measured, challenge: reader.hash().slice() };
    case BYTES["location-receipt"]:
      return {
        ...{ type: "location-receipt", ...measured, rttUs: reader.u32() },
        rounds: reader.hash().slice(),
        signature: reader.fixed(LIMITS.falconSignatureBytes).slice(),
      };
    default:
      throw new DecodeError("tag", 0, "not a message of a measurement");
  }
};
