/**
 * The three messages of the post-quantum handshake (docs/protocol.md, "Post-quantum session"). Each has one
 * length, so what a stranger's bytes can cost is known before they are looked at. Pure.
 *
 *     open     u8 1   u8 version   nonce(32)   ML-KEM-1024 key(1568)         FALCON-1024 key(1793)
 *     answer   u8 2   u8 version   nonce(32)   ML-KEM-1024 ciphertext(1568)  FALCON-1024 key(1793)
 *              signature(1280)   confirmation(32)
 *     confirm  u8 3   signature(1280)   confirmation(32)
 */
import { Reader, Writer } from "../../crypto/codec.ts";
import { LIMITS } from "../../limits.ts";

export const STOQ_VERSION = 1;

export const NONCE_BYTES = 32;
export const KEM_KEY_BYTES = 1568;
export const KEM_CIPHERTEXT_BYTES = 1568;
export const CONFIRMATION_BYTES = 32;

const { falconPublicKeyBytes, falconSignatureBytes } = LIMITS;

const HEAD_BYTES = 2 + NONCE_BYTES;
const PROOF_BYTES = falconSignatureBytes + CONFIRMATION_BYTES;
const OPEN_BYTES = HEAD_BYTES + KEM_KEY_BYTES + falconPublicKeyBytes;
const ANSWER_BODY_BYTES = HEAD_BYTES + KEM_CIPHERTEXT_BYTES + falconPublicKeyBytes;

export type MessageName = "open" | "answer" | "confirm";

/** Length and type byte of each message. */
export const MESSAGES: Readonly<
  Record<MessageName, { readonly type: number; readonly bytes: number }>
> = {
  open: { type: 1, bytes: OPEN_BYTES },
  answer: { type: 2, bytes: ANSWER_BODY_BYTES + PROOF_BYTES },
  confirm: { type: 3, bytes: 1 + PROOF_BYTES },
};

/** What both sides say of themselves; `kem` is the ephemeral key of an open, the ciphertext of an answer. */
export type Offer = {
  readonly version: number;
  readonly nonce: Uint8Array;
  readonly kem: Uint8Array;
  readonly falconKey: Uint8Array;
};

export type Proof = { readonly signature: Uint8Array; readonly confirmation: Uint8Array };

const writeOffer = (type: number, { version, nonce, kem, falconKey }: Offer): Writer =>
  new Writer(MESSAGES.answer.bytes)
    .u8(type)
    .u8(version)
    .fixed(nonce, NONCE_BYTES)
    .fixed(kem, KEM_KEY_BYTES)
    .fixed(falconKey, falconPublicKeyBytes);

const writeProof = (writer: Writer, { signature, confirmation }: Proof): Writer =>
  writer.fixed(signature, falconSignatureBytes).fixed(confirmation, CONFIRMATION_BYTES);

export const encodeOpen = (offer: Offer): Uint8Array =>
  writeOffer(MESSAGES.open.type, offer).finish();

/** The part of an answer that the signature is over. */
export const encodeAnswerBody = (offer: Offer): Uint8Array =>
  writeOffer(MESSAGES.answer.type, offer).finish();

export const encodeAnswer = (body: Uint8Array, proof: Proof): Uint8Array =>
  writeProof(new Writer(MESSAGES.answer.bytes).raw(body), proof).finish();

export const encodeConfirm = (proof: Proof): Uint8Array =>
  writeProof(new Writer(MESSAGES.confirm.bytes).u8(MESSAGES.confirm.type), proof).finish();

/** True for bytes of the one length that the message has. Everything after this reads fixed places. */
export const hasLengthOf = (name: MessageName, bytes: Uint8Array): boolean =>
  bytes.length === MESSAGES[name].bytes;

const readOffer = (reader: Reader): Offer => {
  reader.u8();
  return {
    version: reader.u8(),
    nonce: reader.fixed(NONCE_BYTES).slice(),
    kem: reader.fixed(KEM_KEY_BYTES).slice(),
    falconKey: reader.fixed(falconPublicKeyBytes).slice(),
  };
};

const readProof = (reader: Reader): Proof => ({
  signature: reader.fixed(falconSignatureBytes).slice(),
  confirmation: reader.fixed(CONFIRMATION_BYTES).slice(),
});

/** Reads bytes that have passed `hasLengthOf("open")`. */
export const decodeOpen = (bytes: Uint8Array): Offer => readOffer(new Reader(bytes));

/** Reads bytes that have passed `hasLengthOf("answer")`. */
export const decodeAnswer = (
  bytes: Uint8Array,
): { readonly body: Uint8Array; readonly offer: Offer; readonly proof: Proof } => {
  const reader = new Reader(bytes);
  const offer = readOffer(reader);
  return { body: bytes.slice(0, ANSWER_BODY_BYTES), offer, proof: readProof(reader) };
};

/** Reads bytes that have passed `hasLengthOf("confirm")`. */
export const decodeConfirm = (bytes: Uint8Array): Proof => {
  const reader = new Reader(bytes);
  reader.u8();
  return readProof(reader);
};
