/**
 * Messages between replicas. A frame is one message: a type byte, then the message's fields in canonical
 * encoding. Every count and length is checked before anything is allocated; a frame that does not decode
 * to the last byte is refused. docs/protocol.md lists the layouts.
 */
import { DecodeError, Reader, Writer } from "../crypto/codec.ts";
import { fail, ok, type Result, TetradError } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { Status } from "./consensus/types.ts";
import type { TrafficClass } from "./ports.ts";
import {
  decodeCertificate,
  decodeVote,
  encodeCertificate,
  encodeVote,
  kindNumber,
  kindOf,
  type SizedCertificate,
} from "./statement.ts";
import type { Hash, StatementKind, Vote } from "./types.ts";

/** A block as sync serves it: with all its batches, in block order. */
export type WireBlock = { readonly block: Uint8Array; readonly batches: readonly Uint8Array[] };

/** Signatures of one validator on the root of the log at a size (verify/checkpoint.ts). */
export type Cosignature = {
  readonly size: number;
  readonly root: Hash;
  /** Ledger time, seconds since 1970; ML-DSA-44 and FALCON sign it too. */
  readonly timeS: number;
  readonly ed25519: Uint8Array;
  readonly mlDsa44: Uint8Array;
  readonly falcon: Uint8Array;
};

export type Message =
  | {
      readonly type: "proposal";
      readonly vote: Vote;
      readonly parentView: number;
      /** Encoded block; absent in a re-proposal. */
      readonly block: Uint8Array | undefined;
    }
  | { readonly type: "vote"; readonly vote: Vote }
  | { readonly type: "certificate"; readonly certificate: SizedCertificate }
  | { readonly type: "status"; readonly status: Status }
  | {
      readonly type: "certificate-request";
      readonly epoch: number;
      readonly view: number;
      readonly kind: StatementKind;
    }
  | { readonly type: "block-request"; readonly hash: Hash }
  | { readonly type: "block"; readonly block: Uint8Array }
  | { readonly type: "batch-request"; readonly digests: readonly Hash[] }
  | { readonly type: "batches"; readonly batches: readonly Uint8Array[] }
  | { readonly type: "batch"; readonly batch: Uint8Array }
  | { readonly type: "sync-request"; readonly from: number }
  | {
      readonly type: "sync-response";
      readonly from: number;
      /** Finalization of the last block; checked before any payload is looked at. */
      readonly certificate: SizedCertificate;
      readonly blocks: readonly WireBlock[];
    }
  | { readonly type: "sync-none"; readonly from: number }
  | { readonly type: "watermark-request"; readonly nonce: number }
  | {
      readonly type: "watermark-response";
      readonly nonce: number;
      /** The latest statement that the answering node knows of the asking one. */
      readonly vote: Vote | undefined;
    }
  | ({ readonly type: "cosignature" } & Cosignature);

export type MessageType = Message["type"];

/** Type byte and traffic class of every message. Numbers are never reused. */
const LAYOUT: Readonly<
  Record<MessageType, { readonly byte: number; readonly class: TrafficClass }>
> = {
  proposal: { byte: 1, class: "consensus" },
  vote: { byte: 2, class: "consensus" },
  certificate: { byte: 3, class: "consensus" },
  status: { byte: 4, class: "consensus" },
  "certificate-request": { byte: 5, class: "consensus" },
  "block-request": { byte: 6, class: "consensus" },
  block: { byte: 7, class: "consensus" },
  "batch-request": { byte: 8, class: "mempool" },
  batches: { byte: 9, class: "mempool" },
  batch: { byte: 10, class: "mempool" },
  "sync-request": { byte: 11, class: "sync" },
  "sync-response": { byte: 12, class: "sync" },
  "sync-none": { byte: 13, class: "sync" },
  "watermark-request": { byte: 14, class: "control" },
  "watermark-response": { byte: 15, class: "control" },
  cosignature: { byte: 16, class: "control" },
};

const TYPE_OF_BYTE: ReadonlyMap<number, MessageType> = new Map(
  (Object.keys(LAYOUT) as MessageType[]).map((type) => [LAYOUT[type].byte, type]),
);

/** The message that a frame's first byte announces; undefined for a byte that announces none. */
export const messageTypeOf = (byte: number): MessageType | undefined => TYPE_OF_BYTE.get(byte);

const BLOCK_BYTES_MAX =
  LIMITS.blockBatchesMax * 32 + 4096 + LIMITS.revealBytesMax + LIMITS.blockOpeningsBytesMax;
const VOTE_BYTES_MAX = 51 + LIMITS.falconSignatureBytes;
const BITMAP_BYTES_MAX = LIMITS.validatorsMax / 8;

export const classOf = (message: Message): TrafficClass => LAYOUT[message.type].class;

/** Encodes a message; the caller keeps within the limits of its parts. */
export const encodeMessage = (message: Message): Uint8Array => {
  const writer = new Writer(1024).u8(LAYOUT[message.type].byte);
  writeFields(writer, message);
  return writer.finish();
};

/** Encodes messages and keeps the newest: what goes to all peers is one message, encoded once. */
export const createEncoder = (): ((message: Message) => Uint8Array) => {
  let newest: { readonly message: Message; readonly bytes: Uint8Array } | undefined;
  return (message) => {
    if (newest?.message !== message) newest = { message, bytes: encodeMessage(message) };
    return newest.bytes;
  };
};

const writeFields = (writer: Writer, message: Message): void => {
  switch (message.type) {
    case "proposal":
      writer.bytes(encodeVote(message.vote)).u64(message.parentView);
      writer.bytes(message.block ?? new Uint8Array(0));
      return;
    case "vote":
      writer.raw(encodeVote(message.vote));
      return;
    case "certificate":
      writer.raw(encodeCertificate(message.certificate, message.certificate.setSize));
      return;
    case "status":
      writeStatus(writer, message.status);
      return;
    case "certificate-request":
      writer.u64(message.epoch).u64(message.view).u8(kindNumber(message.kind));
      return;
    case "block-request":
      writer.hash(message.hash);
      return;
    case "block":
      writer.raw(message.block);
      return;
    case "batch-request":
      writer.u32(message.digests.length);
      for (const digest of message.digests) writer.hash(digest);
      return;
    case "batches":
      writeList(writer, message.batches);
      return;
    case "batch":
      writer.raw(message.batch);
      return;
    case "sync-request":
    case "sync-none":
      writer.u64(message.from);
      return;
    case "sync-response":
      writer
        .u64(message.from)
        .bytes(encodeCertificate(message.certificate, message.certificate.setSize));
      writer.u32(message.blocks.length);
      for (const { block, batches } of message.blocks) writeList(writer.bytes(block), batches);
      return;
    case "watermark-request":
      writer.u64(message.nonce);
      return;
    case "watermark-response":
      writer.u64(message.nonce);
      if (message.vote !== undefined) writer.raw(encodeVote(message.vote));
      return;
    case "cosignature":
      writer.u64(message.size).hash(message.root).u64(message.timeS);
      writer.fixed(message.ed25519, LIMITS.ed25519SignatureBytes);
      writer.fixed(message.mlDsa44, LIMITS.mlDsa44SignatureBytes);
      writer.fixed(message.falcon, LIMITS.falconSignatureBytes);
      return;
  }
};

const writeList = (writer: Writer, items: readonly Uint8Array[]): void => {
  writer.u32(items.length);
  for (const item of items) writer.bytes(item);
};

const writeStatus = (writer: Writer, status: Status): void => {
  writer.u64(status.epoch).u64(status.view).u64(status.finalView).u64(status.finalHeight);
  writer.hash(status.finalHash);
  writer.bytes(status.held.notarize).bytes(status.held.nullify).bytes(status.held.finalize);
};

/** Reads a frame from a peer: encoding.malformed unless it is exactly one message. */
export const decodeMessage = (frame: Uint8Array): Result<Message> => {
  try {
    const reader = new Reader(frame);
    const type = TYPE_OF_BYTE.get(reader.u8());
    if (type === undefined) return fail("encoding.version", "unknown message type");
    const message = READERS[type](reader);
    reader.end();
    return ok(message);
  } catch (error) {
    if (error instanceof DecodeError) return fail("encoding.malformed", error.message);
    if (error instanceof TetradError) return fail(error.code, error.message);
    throw error;
  }
};

const unwrap = <T>(result: Result<T>): T => {
  if (!result.ok) throw TetradError.from(result);
  return result.value;
};

const readKind = (reader: Reader): StatementKind => {
  const kind = kindOf(reader.u8());
  if (kind === undefined) throw new DecodeError("tag", reader.offset - 1, "unknown statement kind");
  return kind;
};

const readList = (reader: Reader, max: number, itemMax: number): Uint8Array[] => {
  const count = reader.count32(max, 4);
  const items: Uint8Array[] = [];
  for (let i = 0; i < count; i++) items.push(reader.bytes(itemMax));
  return items;
};

const READERS: Readonly<Record<MessageType, (reader: Reader) => Message>> = {
  proposal: (reader) => {
    const vote = unwrap(decodeVote(reader.bytes(VOTE_BYTES_MAX)));
    const parentView = reader.u64();
    const block = reader.bytes(BLOCK_BYTES_MAX);
    return { type: "proposal", vote, parentView, block: block.length === 0 ? undefined : block };
  },
  vote: (reader) => ({ type: "vote", vote: unwrap(decodeVote(reader.rest())) }),
  certificate: (reader) => ({
    type: "certificate",
    certificate: unwrap(decodeCertificate(reader.rest())),
  }),
  status: (reader) => ({ type: "status", status: readStatus(reader) }),
  "certificate-request": (reader) => ({
    type: "certificate-request",
    epoch: reader.u64(),
    view: reader.u64(),
    kind: readKind(reader),
  }),
  "block-request": (reader) => ({ type: "block-request", hash: reader.hash() }),
  block: (reader) => ({ type: "block", block: reader.rest() }),
  "batch-request": (reader) => {
    const count = reader.count32(LIMITS.fetchBatchesMax, 32);
    const digests: Hash[] = [];
    for (let i = 0; i < count; i++) digests.push(reader.hash());
    return { type: "batch-request", digests };
  },
  batches: (reader) => ({
    type: "batches",
    batches: readList(reader, LIMITS.fetchBatchesMax, LIMITS.batchBytesMax),
  }),
  batch: (reader) => ({ type: "batch", batch: reader.rest() }),
  "sync-request": (reader) => ({ type: "sync-request", from: reader.u64() }),
  "sync-none": (reader) => ({ type: "sync-none", from: reader.u64() }),
  "sync-response": (reader) => {
    const from = reader.u64();
    const certificate = unwrap(decodeCertificate(reader.bytes(LIMITS.certificateBytesMax)));
    const count = reader.count32(LIMITS.syncResponseBlocksMax, 8);
    const blocks: WireBlock[] = [];
    for (let i = 0; i < count; i++) {
      const block = reader.bytes(BLOCK_BYTES_MAX);
      const batches = readList(reader, LIMITS.blockBatchesMax, LIMITS.batchBytesMax);
      blocks.push({ block, batches });
    }
    return { type: "sync-response", from, certificate, blocks };
  },
  "watermark-request": (reader) => ({ type: "watermark-request", nonce: reader.u64() }),
  "watermark-response": (reader) => {
    const nonce = reader.u64();
    const vote = reader.remaining === 0 ? undefined : unwrap(decodeVote(reader.rest()));
    return { type: "watermark-response", nonce, vote };
  },
  cosignature: (reader) => ({
    type: "cosignature",
    size: reader.u64(),
    // Copies: they are kept, and views would keep the frame.
    root: reader.hash().slice(),
    timeS: readCheckpointTime(reader),
    ed25519: reader.fixed(LIMITS.ed25519SignatureBytes).slice(),
    mlDsa44: reader.fixed(LIMITS.mlDsa44SignatureBytes).slice(),
    falcon: reader.fixed(LIMITS.falconSignatureBytes).slice(),
  }),
};

const readCheckpointTime = (reader: Reader): number => {
  const timeS = reader.u64();
  if (timeS <= LIMITS.checkpointTimeSMax) return timeS;
  throw new DecodeError("range", reader.offset - 8, "a checkpoint of a time that no calendar has");
};

const readStatus = (reader: Reader): Status => ({
  epoch: reader.u64(),
  view: reader.u64(),
  finalView: reader.u64(),
  finalHeight: reader.u64(),
  finalHash: reader.hash(),
  held: {
    notarize: reader.bytes(BITMAP_BYTES_MAX),
    nullify: reader.bytes(BITMAP_BYTES_MAX),
    finalize: reader.bytes(BITMAP_BYTES_MAX),
  },
});
