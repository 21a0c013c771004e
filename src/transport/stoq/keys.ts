/**
 * The keys of a session: HKDF with SHA-512 (RFC 5869) over the ML-KEM secret, salted with the transcript. A key
 * has one use: it is derived under a label that no other has, and for one direction. Pure.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { utf8, Writer } from "../../crypto/codec.ts";
import { CONFIRMATION_BYTES } from "./messages.ts";
import { PROTOCOL_LABEL } from "./transcript.ts";

const HASH_BYTES = 64;
const SESSION_ID_BYTES = 32;

const hmac = (key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array => {
  const mac = createHmac("sha512", key);
  for (const part of parts) mac.update(part);
  return new Uint8Array(mac.digest());
};

/** HKDF-Expand of at most one block: `info` is the protocol's label, that of the key, and the length. */
export const expand = (secret: Uint8Array, label: string, bytes: number): Uint8Array => {
  if (bytes > HASH_BYTES) throw new RangeError("one block of HKDF at most");
  const info = new Writer().bytes(utf8(PROTOCOL_LABEL)).bytes(utf8(label)).u16(bytes).finish();
  const block = hmac(secret, info, Uint8Array.of(1));
  const key = block.slice(0, bytes);
  block.fill(0);
  return key;
};

export type SessionSecrets = {
  /** Names the session; no secret. */
  readonly sessionId: Uint8Array;
  readonly confirmation: { readonly initiator: Uint8Array; readonly responder: Uint8Array };
  /** By who sends. */
  readonly traffic: { readonly initiator: Uint8Array; readonly responder: Uint8Array };
};

/** The caller overwrites the shared secret. */
export const deriveSecrets = (sharedSecret: Uint8Array, transcript: Uint8Array): SessionSecrets => {
  const root = hmac(transcript, sharedSecret);
  const secrets: SessionSecrets = {
    sessionId: expand(root, "session id", SESSION_ID_BYTES),
    confirmation: {
      initiator: expand(root, "initiator confirmation", HASH_BYTES),
      responder: expand(root, "responder confirmation", HASH_BYTES),
    },
    traffic: {
      initiator: expand(root, "initiator traffic", HASH_BYTES),
      responder: expand(root, "responder traffic", HASH_BYTES),
    },
  };
  root.fill(0);
  return secrets;
};

/** Shows that its sender has the session's key and the same transcript. */
export const confirmationOf = (key: Uint8Array, transcript: Uint8Array): Uint8Array =>
  hmac(key, transcript).slice(0, CONFIRMATION_BYTES);

export const confirms = (
  key: Uint8Array,
  transcript: Uint8Array,
  confirmation: Uint8Array,
): boolean => {
  const expected = confirmationOf(key, transcript);
  return confirmation.length === expected.length && timingSafeEqual(confirmation, expected);
};
