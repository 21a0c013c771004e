/**
 * What both ends of a session must agree on before either believes the other: one running SHA-512 over
 * everything that was said and over what each knows of the connection below. A signature and a confirmation
 * are over it, so that one byte that somebody changed, left out or brought from another session is found. Pure.
 */
import { createHash } from "node:crypto";
import { fromHex } from "../../crypto/bytes.ts";
import { utf8, Writer } from "../../crypto/codec.ts";
import { sha256 } from "../../crypto/hash.ts";
import type { PeerId } from "../../ledger/ports.ts";
import { STOQ_VERSION } from "./messages.ts";

/** The dialler of the connection is the initiator. */
export type Role = "initiator" | "responder";

export const PROTOCOL_LABEL = "tetrad/stoq/1";

export type Party = {
  readonly id: PeerId;
  /** SHA-256 of the leaf certificate, DER, that this party showed in TLS. */
  readonly certificateHash: Uint8Array;
  /** The payload of its hello, features and all. */
  readonly hello: Uint8Array;
};

/** What is the same for both ends of an honest session, however each came to know it. */
export type Channel = {
  readonly chainId: string;
  readonly genesisHash: Uint8Array;
  readonly initiator: Party;
  readonly responder: Party;
  /** Keying material that the TLS library exports (RFC 8446, 7.5); empty where it exports none. */
  readonly tlsExporter: Uint8Array;
};

const sha512 = (...parts: readonly Uint8Array[]): Uint8Array => {
  const hash = createHash("sha512");
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
};

const writeParty = (writer: Writer, { id, certificateHash, hello }: Party): Writer =>
  writer.hash(fromHex(id)).hash(certificateHash).bytes(hello);

/** Hash of the channel, the open and the body of the answer: what the responder signs. */
export const openTranscript = (
  channel: Channel,
  open: Uint8Array,
  answerBody: Uint8Array,
): Uint8Array => {
  const writer = new Writer(16 * 1024)
    .bytes(utf8(PROTOCOL_LABEL))
    .u8(STOQ_VERSION)
    .bytes(utf8(channel.chainId))
    .hash(channel.genesisHash);
  writeParty(writer, channel.initiator);
  writeParty(writer, channel.responder);
  return sha512(writer.bytes(channel.tlsExporter).bytes(open).bytes(answerBody).finish());
};

/** The transcript after one more part of fixed length. */
export const extend = (transcript: Uint8Array, part: Uint8Array): Uint8Array =>
  sha512(transcript, part);

/**
 * What a party signs: `label (role and all) || SHA-256(chain id) || transcript(64)`. No other statement that a
 * FALCON key signs begins with this label.
 */
export const signedMessage = (role: Role, channel: Channel, transcript: Uint8Array): Uint8Array =>
  new Writer()
    .raw(utf8(`${PROTOCOL_LABEL} ${role}\n\0`))
    .hash(sha256(utf8(channel.chainId)))
    .fixed(transcript, 64)
    .finish();
