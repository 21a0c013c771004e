/**
 * What an audit is fed: the final blocks in the order of their heights, each with its batches and with
 * the finalization certificate of exactly that block where the source holds one. Bytes as they are
 * stored; nothing is believed of them.
 *
 * Many in one piece, as a node serves them:
 *
 *     u8 version = 1   u64 first height   u32 count
 *     count × (u32 length || block   u32 count || count × (u32 length || batch)
 *              u32 length || certificate (length 0: it has none of its own))
 */
import { equalBytes, toHex } from "../../crypto/bytes.ts";
import { DecodeError, Reader, Writer } from "../../crypto/codec.ts";
import type { Hasher } from "../../crypto/hash.ts";
import { fail, ok, type Result, TetradError } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import { decodeBatch } from "../batch.ts";
import { BATCH_COUNT_AT, BLOCK_BYTES_MAX, decodeBlock, HEADER_BYTES } from "../block.ts";
import type { BlockStore } from "../replica/block-store.ts";
import { decodeCertificate, encodeCertificate, type SizedCertificate } from "../statement.ts";
import type { Batch, Block } from "../types.ts";
import { bad, type Checked, findingOf, good } from "./finding.ts";

export type AuditItem = {
  readonly block: Uint8Array;
  /** In the order of the block's digests. */
  readonly batches: readonly Uint8Array[];
  readonly certificate: Uint8Array | undefined;
};

export type AuditItems = { readonly from: number; readonly items: readonly AuditItem[] };

/** An item that decodes, and whose parts belong together. */
export type OpenedItem = {
  readonly height: number;
  readonly block: Block;
  readonly batches: readonly Batch[];
  readonly certificate: SizedCertificate | undefined;
};

const VERSION = 1;
const NOTHING = new Uint8Array(0);

export const encodeItems = ({ from, items }: AuditItems): Uint8Array => {
  const writer = new Writer(64 * 1024).u8(VERSION).u64(from).u32(items.length);
  for (const { block, batches, certificate } of items) {
    writer.bytes(block).u32(batches.length);
    for (const batch of batches) writer.bytes(batch);
    writer.bytes(certificate ?? NOTHING);
  }
  return writer.finish();
};

/** Bytes of nobody's: "encoding.malformed", "encoding.version". Parts are views into `bytes`. */
export const decodeItems = (bytes: Uint8Array): Result<AuditItems> => {
  try {
    const reader = new Reader(bytes);
    const version = reader.u8();
    if (version !== VERSION) return fail("encoding.version", `blocks in version ${version}`);
    const from = reader.u64();
    const items: AuditItem[] = [];
    for (let left = reader.count32(LIMITS.auditBlocksMax, HEADER_BYTES + 12); left > 0; left--) {
      const block = reader.bytes(BLOCK_BYTES_MAX);
      const batches: Uint8Array[] = [];
      for (let more = reader.count32(LIMITS.blockBatchesMax, 4); more > 0; more--) {
        batches.push(reader.bytes(LIMITS.batchBytesMax));
      }
      const certificate = reader.bytes(LIMITS.certificateBytesMax);
      items.push({
        block,
        batches,
        certificate: certificate.length === 0 ? undefined : certificate,
      });
    }
    reader.end();
    return ok({ from, items });
  } catch (error) {
    if (error instanceof DecodeError) return fail("encoding.malformed", error.message);
    throw error;
  }
};

const missing = (height: number, what: string): TetradError =>
  new TetradError("store.corrupt", `${what} of height ${height} is missing`, { height });

/**
 * Reads a final height of a store. Throws store.corrupt for a part that is missing or whose row is
 * damaged. Nothing else is checked.
 */
export const readItem = (store: BlockStore, height: number): AuditItem => {
  const hash = store.hashAt(height);
  const block = hash === undefined ? undefined : store.blockBytes(hash);
  if (block === undefined) throw missing(height, "the block");
  const batches: Uint8Array[] = [];
  for (const digest of digestsIn(block)) {
    const batch = store.batchBytes(digest);
    if (batch === undefined) throw missing(height, `batch ${toHex(digest)}`);
    batches.push(batch);
  }
  const pointer = store.finalizationAt(height);
  if (pointer === undefined) return { block, batches, certificate: undefined };
  const certificate = store.certificate(pointer.epoch, pointer.view, "finalize");
  if (certificate === undefined) throw missing(height, "the finalization certificate");
  return { block, batches, certificate: encodeCertificate(certificate, certificate.setSize) };
};

/** The digests in a block's bytes, as many as its header counts; none of damaged bytes. */
function* digestsIn(block: Uint8Array): Generator<Uint8Array> {
  if (block.length < HEADER_BYTES) return;
  const view = new DataView(block.buffer, block.byteOffset);
  const end = Math.min(block.length, HEADER_BYTES + 32 * view.getUint32(BATCH_COUNT_AT));
  for (let at = HEADER_BYTES; at + 32 <= end; at += 32) yield block.subarray(at, at + 32);
}

/**
 * Neighbouring final heights from..last, as many as one answer may hold: the first one always, whatever
 * its size, and then as long as bytes and look-ups are within the limits and nothing is damaged. Throws as
 * `readItem` for the first.
 */
export const readItems = (store: BlockStore, from: number, last: number): AuditItem[] => {
  const items: AuditItem[] = [];
  let bytes = 0;
  let lookups = 0;
  for (let height = from; height <= last && items.length < LIMITS.auditBlocksMax; height++) {
    if (bytes >= LIMITS.auditBytesMax || lookups >= LIMITS.auditLookupsMax) break;
    const item = readOr(store, height, items.length > 0);
    if (item === undefined) break;
    const size = itemBytes(item);
    if (items.length > 0 && bytes + size > LIMITS.auditBytesMax) break;
    items.push(item);
    bytes += size;
    lookups += 4 + item.batches.length;
  }
  return items;
};

/** Undefined instead of a throw where what stands before it can be given. */
const readOr = (store: BlockStore, height: number, lenient: boolean): AuditItem | undefined => {
  try {
    return readItem(store, height);
  } catch (error) {
    if (lenient && error instanceof TetradError) return undefined;
    throw error;
  }
};

export const itemBytes = ({ block, batches, certificate }: AuditItem): number =>
  batches.reduce((sum, batch) => sum + batch.length, block.length + (certificate?.length ?? 0));

/** Decodes the parts of a height and checks that the block names these batches. */
export const openItem = (hasher: Hasher, height: number, item: AuditItem): Checked<OpenedItem> => {
  const block = decodeBlock(hasher, item.block);
  if (!block.ok) return bad(findingOf(block, height, "block"));
  const { header, batchDigests } = block.value;
  if (header.height !== height) {
    const detail = `the block at height ${height} says that it is of height ${header.height}`;
    return bad(findingOf(fail("block.header", detail), height, "header"));
  }
  if (item.batches.length !== batchDigests.length) {
    const detail = `${item.batches.length} batches for the ${batchDigests.length} that the block names`;
    return bad(findingOf(fail("block.batches-root", detail), height, "block"));
  }
  const batches: Batch[] = [];
  for (const [i, bytes] of item.batches.entries()) {
    const named = batchDigests[i] ?? NOTHING;
    const more = { batch: toHex(named) };
    const batch = decodeBatch(hasher, bytes);
    if (!batch.ok) return bad(findingOf(batch, height, "batch", more));
    if (!equalBytes(batch.value.digest, named)) {
      const detail = "the bytes of a batch do not hash to the digest that the block names";
      return bad(findingOf(fail("block.batches-root", detail), height, "batch", more));
    }
    batches.push(batch.value);
  }
  const certificate =
    item.certificate === undefined ? undefined : decodeCertificate(item.certificate);
  if (certificate?.ok === false) return bad(findingOf(certificate, height, "certificate"));
  return good({ height, block: block.value, batches, certificate: certificate?.value });
};
