/** The frames with which nodes ask each other and answer, by the layouts of docs/protocol.md, "Messages". */
import { HEADER_BYTES } from "../checkers/decode.ts";
import { Cursor, hex, taggedHash } from "../checkers/oracle.ts";

const PROPOSAL = 1;
const CERTIFICATE = 3;
const CERTIFICATE_REQUEST = 5;
const BLOCK_REQUEST = 6;
const BLOCK = 7;
const BATCH_REQUEST = 8;
const BATCHES = 9;
const BATCH = 10;
const SYNC_REQUEST = 11;
const SYNC_RESPONSE = 12;
const SYNC_NONE = 13;

const CORE_BYTES = 186;
const DIGEST_COUNT_AT = 138;
/** Of a frame that says that there are more, the rest is not looked at. */
const ITEMS_MAX = 4_096;
const NOTARIZE = 1;
const FINALIZE = 3;

export type BatchName = { readonly id: string; readonly digest: string };
/** Of a block: its hash, and the digests of its batches. */
export type BlockName = { readonly hash: string; readonly digests: readonly string[] };

/** A view of an epoch. */
export type Place = { readonly epoch: number; readonly view: number };

/** What a frame asks for or brings; undefined for every other one. */
export type Exchange =
  | {
      readonly kind: "asks";
      readonly what: "block" | "batch" | "certificate";
      readonly names: readonly string[];
      /** Of a certificate: the view that it is of. */
      readonly place?: Place;
    }
  | { readonly kind: "asks-from"; readonly height: number }
  | {
      readonly kind: "brings";
      readonly proposes: boolean;
      readonly blocks: readonly BlockName[];
      readonly batches: readonly BatchName[];
      readonly certificates: readonly string[];
    }
  | {
      readonly kind: "answers";
      readonly from: number;
      readonly certificates: readonly string[];
      readonly blocks: readonly BlockName[];
      readonly batches: readonly BatchName[];
    }
  | { readonly kind: "has-none"; readonly from: number };

const sizedList = (cursor: Cursor): Uint8Array[] => {
  const count = cursor.u32();
  const items: Uint8Array[] = [];
  for (let i = 0; i < Math.min(count, ITEMS_MAX) && cursor.ok; i++) items.push(cursor.sized());
  return cursor.ok ? items : [];
};

/**
 * What a node asks for that asks for a certificate: F, or whichever of N and S others hold. It asks for both of
 * these at once, and who has one answers with that.
 */
const wantedName = ({ epoch, view }: Place, kind: number): string =>
  `${kind === FINALIZE ? "F" : "N/S"}(${view})${epoch === 0 ? "" : ` of epoch ${epoch}`}`;

/** What a certificate satisfies: after F a view needs no other one. */
export const certificateNames = (place: Place, kind: number): string[] =>
  kind === FINALIZE
    ? [wantedName(place, FINALIZE), wantedName(place, NOTARIZE)]
    : [wantedName(place, kind)];

/** Epoch, view and kind, with which questions and certificates begin. */
const placeOf = (cursor: Cursor): { readonly place: Place; readonly kind: number } => ({
  place: { epoch: cursor.u64(), view: cursor.u64() },
  kind: cursor.u8(),
});

const certificatesAt = (cursor: Cursor): string[] => {
  const { place, kind } = placeOf(cursor);
  return cursor.ok ? certificateNames(place, kind) : [];
};

/** The names of a batch by its envelope. */
export const batchName = (chainId: string, envelope: Uint8Array): BatchName => ({
  id: hex(taggedHash(chainId, "batch/id", envelope.subarray(0, CORE_BYTES))),
  digest: hex(taggedHash(chainId, "batch/digest", envelope)),
});

/** Of a block by its bytes; none where these are too few. */
export const blockNames = (chainId: string, bytes: Uint8Array): BlockName[] => {
  if (bytes.length < HEADER_BYTES) return [];
  const hash = hex(taggedHash(chainId, "header", bytes.subarray(0, HEADER_BYTES)));
  const count = Math.min(new Cursor(bytes, DIGEST_COUNT_AT).u32(), ITEMS_MAX);
  const cursor = new Cursor(bytes, HEADER_BYTES);
  const digests = Array.from({ length: count }, () => hex(cursor.take(32)));
  return [{ hash, digests: cursor.ok ? digests : [] }];
};

/** Height, certificate, and a list of blocks, each with its batches. */
const answerOf = (chainId: string, cursor: Cursor): Exchange => {
  const from = cursor.u64();
  const certificates = certificatesAt(new Cursor(cursor.sized()));
  const count = Math.min(cursor.u32(), ITEMS_MAX);
  const blocks: BlockName[] = [];
  const batches: BatchName[] = [];
  for (let i = 0; i < count && cursor.ok; i++) {
    blocks.push(...blockNames(chainId, cursor.sized()));
    batches.push(...sizedList(cursor).map((bytes) => batchName(chainId, bytes)));
  }
  return { kind: "answers", from, certificates, blocks, batches };
};

const hashes = (cursor: Cursor): string[] => {
  const count = Math.min(cursor.u32(), ITEMS_MAX);
  return Array.from({ length: count }, () => hex(cursor.take(32)));
};

const proposed = (cursor: Cursor): Uint8Array => {
  cursor.sized();
  cursor.u64();
  return cursor.sized();
};

const BRINGS_NOTHING: Exchange & { readonly kind: "brings" } = {
  kind: "brings",
  proposes: false,
  blocks: [],
  batches: [],
  certificates: [],
};

/** Reads a frame. Nobody else may have made it: what is cut off is read as far as it goes. */
export const exchangeOf = (chainId: string, bytes: Uint8Array): Exchange | undefined => {
  const cursor = new Cursor(bytes, 1);
  const brings = (
    blocks: readonly BlockName[],
    batches: readonly BatchName[],
    proposes = false,
  ): Exchange => ({ ...BRINGS_NOTHING, proposes, blocks, batches });
  switch (bytes[0]) {
    case PROPOSAL:
      return brings(blockNames(chainId, proposed(cursor)), [], true);
    case CERTIFICATE:
      return { ...BRINGS_NOTHING, certificates: certificatesAt(cursor) };
    case CERTIFICATE_REQUEST: {
      const { place, kind } = placeOf(cursor);
      if (kind < NOTARIZE || kind > FINALIZE) return undefined;
      return { kind: "asks", what: "certificate", names: [wantedName(place, kind)], place };
    }
    case BLOCK_REQUEST:
      return { kind: "asks", what: "block", names: [hex(cursor.take(32))] };
    case BLOCK:
      return brings(blockNames(chainId, bytes.subarray(1)), []);
    case BATCH_REQUEST:
      return { kind: "asks", what: "batch", names: hashes(cursor) };
    case BATCHES:
      return brings(
        [],
        sizedList(cursor).map((batch) => batchName(chainId, batch)),
      );
    case BATCH:
      return brings([], [batchName(chainId, bytes.subarray(1))]);
    case SYNC_REQUEST:
      return { kind: "asks-from", height: cursor.u64() };
    case SYNC_RESPONSE:
      return answerOf(chainId, cursor);
    case SYNC_NONE:
      return { kind: "has-none", from: cursor.u64() };
    default:
      return undefined;
  }
};
