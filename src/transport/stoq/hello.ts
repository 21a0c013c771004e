/**
 * The first control frame of a session: version, which run of the node it is, and what it can do. Both hellos
 * stand in the handshake's transcript, so that nobody on the way takes a feature out. Pure.
 *
 *     u8 version = 3   runId(8)   u32 features
 */
import { Reader, Writer } from "../../crypto/codec.ts";
import { fail, ok, type Result } from "../../errors.ts";

export const HELLO_VERSION = 3;
export const RUN_ID_BYTES = 8;

/** Bits of `features`. Bits that we do not know are left to those who do. */
export const FEATURES = {
  /** The post-quantum handshake and sealed records, version 1. */
  sealedSession: 1,
  /** Reads sealed notes about bulk (bulk/notes.ts). */
  bulkNotes: 2,
  /** This node passes packets between other members. */
  relay: 4,
  /** This node cannot be dialled: nobody should try. */
  undialable: 8,
  /**
   * This node has dialled and sees no certificate of the other. In the transcript the pin of the other's key stands in
   * place of its certificate.
   */
  seesNoCertificate: 16,
} as const;

/** Without these there is no session: chains are young, and what may be left out will be. */
export const REQUIRED_FEATURES: number = FEATURES.sealedSession;

/** What this node says of itself. */
export const OUR_FEATURES: number = FEATURES.sealedSession | FEATURES.bulkNotes;

export type Hello = { readonly run: Uint8Array; readonly features: number };

export const encodeHello = ({ run, features }: Hello): Uint8Array =>
  new Writer().u8(HELLO_VERSION).fixed(run, RUN_ID_BYTES).u32(features).finish();

const HELLO_BYTES = 1 + RUN_ID_BYTES + 4;

/** Codes: session.version (also for bytes that are no hello at all), session.features. */
export const decodeHello = (payload: Uint8Array): Result<Hello> => {
  if (payload[0] !== HELLO_VERSION || payload.length !== HELLO_BYTES) {
    return fail("session.version", `the first frame is no hello of version ${HELLO_VERSION}`);
  }
  const reader = new Reader(payload);
  reader.u8();
  const hello = { run: reader.fixed(RUN_ID_BYTES).slice(), features: reader.u32() };
  return (hello.features & REQUIRED_FEATURES) === REQUIRED_FEATURES
    ? ok(hello)
    : fail("session.features", "the peer makes no post-quantum handshake");
};
