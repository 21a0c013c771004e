/** Headers and blocks: their bytes and hashes (docs/protocol.md, "Header and block"). */
import { equalBytes, ZERO_HASH } from "../crypto/bytes.ts";
import { DecodeError, Reader, Writer } from "../crypto/codec.ts";
import type { Hasher } from "../crypto/hash.ts";
import { merkleRoot } from "../crypto/merkle.ts";
import { fail, ok, type Result } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { decodeBlockProofs, NO_BLOCK_PROOFS } from "./block-proofs.ts";
import type { Block, BlockProofs, Hash, Header } from "./types.ts";

export const PROTOCOL_VERSION = 1;

export const HEADER_BYTES = 288;

/** Where a header counts its batches: behind version, chain, four numbers, parent, time and root. */
export const BATCH_COUNT_AT = 2 + 32 + 4 * 8 + 32 + 8 + 32;

/** A proof section: the two lengths and what they count. */
const SECTION_BYTES_MAX = 6 + LIMITS.revealBytesMax + LIMITS.blockOpeningsBytesMax;

/** A header, the digests, and the proof section behind its length. */
export const BLOCK_BYTES_MAX: number =
  HEADER_BYTES + 32 * LIMITS.blockBatchesMax + 4 + SECTION_BYTES_MAX;

/** Hash of a proof section: what the header commits to. */
export const proofsHash = (hasher: Hasher, proofs: BlockProofs = NO_BLOCK_PROOFS): Hash =>
  hasher.ht("proofs", proofs.bytes);

/** Merkle root over the digests of a block's batches; 32 zero bytes for none. */
export const batchesRoot = (hasher: Hasher, digests: readonly Hash[]): Hash =>
  digests.length === 0
    ? ZERO_HASH
    : merkleRoot(
        digests.map((digest) => hasher.ht("batch/leaf", digest)),
        (left, right) => hasher.ht("batch/node", left, right),
      );

/** Throws RangeError for a field out of its range. */
export const encodeHeader = (header: Header): Uint8Array => {
  const writer = new Writer(HEADER_BYTES);
  writeHeader(writer, header);
  return writer.finish();
};

export const headerHash = (hasher: Hasher, header: Header): Hash =>
  hasher.ht("header", encodeHeader(header));

/**
 * The block of a header and the digests that it counts. Throws RangeError when there are more or fewer,
 * or a field is out of range; whether the header is *valid* is the predicate's business (validity.ts).
 */
export const encodeBlock = (
  hasher: Hasher,
  header: Header,
  digests: readonly Hash[],
  proofs: BlockProofs = NO_BLOCK_PROOFS,
): Block => {
  if (header.batchCount !== digests.length) {
    throw new RangeError(`header counts ${header.batchCount} batches, got ${digests.length}`);
  }
  const writer = new Writer(HEADER_BYTES + 32 * digests.length + 4 + proofs.bytes.length);
  writeHeader(writer, header);
  for (const digest of digests) writer.hash(digest);
  const bytes = writer.bytes(proofs.bytes).finish();
  const hash = hasher.ht("header", bytes.subarray(0, HEADER_BYTES));
  return { header, batchDigests: [...digests], proofs, hash, bytes };
};

/**
 * Decodes a block, and checks what ties its body to its header: a block's hash covers only the header,
 * so without that two different bodies could go by one hash.
 * Codes, cheapest first: block.too-large, encoding.malformed, encoding.version, block.wrong-chain,
 * block.too-many-batches, block.header (hash of the proof section), block.batches-root.
 */
export const decodeBlock = (hasher: Hasher, bytes: Uint8Array): Result<Block> => {
  if (bytes.length > BLOCK_BYTES_MAX) {
    return fail("block.too-large", `${bytes.length} bytes, limit ${BLOCK_BYTES_MAX}`);
  }
  try {
    return readBlock(hasher, bytes);
  } catch (error) {
    if (error instanceof DecodeError) return fail("encoding.malformed", error.message);
    throw error;
  }
};

/** Decodes a header alone. Codes: encoding.malformed, encoding.version, block.wrong-chain. */
export const decodeHeader = (hasher: Hasher, bytes: Uint8Array): Result<Header> => {
  try {
    const reader = new Reader(bytes);
    const header = readHeader(hasher, reader);
    if (header.ok) reader.end();
    return header;
  } catch (error) {
    if (error instanceof DecodeError) return fail("encoding.malformed", error.message);
    throw error;
  }
};

function readBlock(hasher: Hasher, bytes: Uint8Array): Result<Block> {
  const reader = new Reader(bytes);
  const decoded = readHeader(hasher, reader);
  if (!decoded.ok) return decoded;
  const header = decoded.value;
  const count = header.batchCount;
  if (count > LIMITS.blockBatchesMax) {
    return fail("block.too-many-batches", `${count} batches, limit ${LIMITS.blockBatchesMax}`);
  }
  if (count * 32 + 4 > reader.remaining) {
    return fail("encoding.malformed", `${count} digests do not fit ${reader.remaining} bytes`);
  }
  const batchDigests: Hash[] = [];
  for (let i = 0; i < count; i++) batchDigests.push(reader.hash());
  const proofs = decodeBlockProofs(reader.bytes(SECTION_BYTES_MAX));
  if (!proofs.ok) return proofs;
  reader.end();
  if (!equalBytes(header.proofsHash, proofsHash(hasher, proofs.value))) {
    return fail("block.header", "proofsHash is not of the proof section");
  }
  if (!equalBytes(header.batchesRoot, batchesRoot(hasher, batchDigests))) {
    return fail("block.batches-root", "the digests do not hash to the header's root");
  }
  const hash = hasher.ht("header", bytes.subarray(0, HEADER_BYTES));
  return ok({ header, batchDigests, proofs: proofs.value, hash, bytes });
}

function writeHeader(writer: Writer, header: Header): void {
  writer
    .u16(header.protocolVersion)
    .hash(header.chainHash)
    .u64(header.epoch)
    .u64(header.view)
    .u64(header.height)
    .u64(header.parentView)
    .hash(header.parentHash)
    .u64(header.timeMs)
    .hash(header.batchesRoot)
    .u32(header.batchCount)
    .u64(header.executedHeight)
    .u64(header.logSize)
    .hash(header.logRoot)
    .hash(header.stateRoot)
    .hash(header.proofsHash)
    .hash(header.nextSetHash)
    .u16(header.proposer);
}

/** Throws DecodeError. */
function readHeader(hasher: Hasher, reader: Reader): Result<Header> {
  const protocolVersion = reader.u16();
  if (protocolVersion !== PROTOCOL_VERSION) {
    return fail("encoding.version", `protocol version ${protocolVersion}`);
  }
  const chainHash = reader.hash();
  if (!equalBytes(chainHash, hasher.chainHash)) {
    return fail("block.wrong-chain", "the header is of another chain");
  }
  return ok({
    protocolVersion,
    chainHash,
    epoch: reader.u64(),
    view: reader.u64(),
    height: reader.u64(),
    parentView: reader.u64(),
    parentHash: reader.hash(),
    timeMs: reader.u64(),
    batchesRoot: reader.hash(),
    batchCount: reader.u32(),
    executedHeight: reader.u64(),
    logSize: reader.u64(),
    logRoot: reader.hash(),
    stateRoot: reader.hash(),
    proofsHash: reader.hash(),
    nextSetHash: reader.hash(),
    proposer: reader.u16(),
  });
}
