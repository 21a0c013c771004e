/**
 * The Certificate Transparency log: every certificate that the ledger accepted, in the order of the ledger.
 *
 * Rows: tag 0              -> the tree: size, root, and the roots of its complete subtrees
 *       tag 1, u64 index   -> an entry: RFC 6962 MerkleTreeLeaf, and the event that made it
 *       tag 2, fingerprint -> the index
 *
 * An entry is an effect of `ca.certificate.issued`, so no accepted certificate is without one, and there is no moment
 * between the two. The tree is that of RFC 6962: SHA-256 with the prefixes 0x00 and 0x01. The timestamp of an
 * entry is ledger time. There is no signed tree head yet: the ledger's certificates stand for the root.
 */
import { concatBytes, toHex } from "../crypto/bytes.ts";
import { Writer } from "../crypto/codec.ts";
import { sha256 } from "../crypto/hash.ts";
import { RFC6962_EMPTY_ROOT, rfc6962Leaf, rfc6962Node } from "../crypto/merkle.ts";
import { field, type Json } from "../ledger/event-schema.ts";
import { type Apply, defineProjection, listen, type Projection } from "../ledger/projection.ts";
import { defineRow, hashPart, KeyReader, keyOf, tagPart, u64Part } from "../ledger/row.ts";
import type { Hash } from "../ledger/types.ts";
import { LIMITS } from "../limits.ts";
import { type CertificateIssued, certificateIssued } from "./events.ts";
import { certificateJson } from "./projection.ts";

export const CT = "ct";

const TAGS = { tree: 0, entry: 1, index: 2 };

/** A tree of 2^53 leaves has at most 53 complete subtrees. */
const SUBTREES_MAX = 53;

const treeRow = defineRow(
  field.u64("size"),
  field.hash("root"),
  /** From the left, the largest first: the ones of the binary number `size`. */
  field.list("subtrees", SUBTREES_MAX, field.hash("subtree")),
);

const entryRow = defineRow(
  field.u64("timestampMs"),
  field.u64("event"),
  field.bytes("leaf", LIMITS.caCertificateBytesMax + 64),
);

const indexRow = defineRow(field.u64("index"));

export type CtTree = ReturnType<typeof treeRow.decode>;
export type CtEntry = ReturnType<typeof entryRow.decode>;

export const ctTreeKey: Uint8Array = tagPart(TAGS.tree);
export const ctEntriesPrefix: Uint8Array = tagPart(TAGS.entry);
export const ctEntryKey = (index: number): Uint8Array => keyOf(tagPart(TAGS.entry), u64Part(index));
export const ctIndexKey = (fingerprint: Hash): Uint8Array =>
  keyOf(tagPart(TAGS.index), hashPart(fingerprint));

export const decodeCtTree = (value: Uint8Array): CtTree => treeRow.decode(value);
export const decodeCtEntry = (value: Uint8Array): CtEntry => entryRow.decode(value);
export const decodeCtIndex = (value: Uint8Array): number => indexRow.decode(value).index;

const LEAF_HEADER_BYTES = 15;

/**
 * MerkleTreeLeaf of an X.509 entry (RFC 6962, section 3.4): version 0, leaf type 0, timestamp, entry type 0,
 * certificate with a length of three bytes, no extensions.
 */
export const merkleTreeLeaf = (certificate: Uint8Array, timestampMs: number): Uint8Array => {
  const header = new Writer(LEAF_HEADER_BYTES).u8(0).u8(0).u64(timestampMs).u16(0);
  header.u8(0).u16(certificate.length);
  return concatBytes(header.finish(), certificate, new Uint8Array(2));
};

/** The certificate in a leaf that `merkleTreeLeaf` made. */
export const certificateOfLeaf = (leaf: Uint8Array): Uint8Array =>
  leaf.subarray(LEAF_HEADER_BYTES, leaf.length - 2);

const EMPTY: CtTree = { size: 0, root: RFC6962_EMPTY_ROOT, subtrees: [] };

/** The tree with one more leaf: complete subtrees merge like the carry of a binary counter. */
export const appendLeaf = ({ size, subtrees }: CtTree, leaf: Uint8Array): CtTree => {
  const next = [...subtrees];
  let hash = rfc6962Leaf(leaf);
  for (let left = size; left % 2 === 1; left = Math.floor(left / 2)) {
    hash = rfc6962Node(next.pop() ?? hash, hash);
  }
  next.push(hash);
  const root = next.reduceRight((right, subtree) => rfc6962Node(subtree, right));
  return { size: size + 1, root, subtrees: next };
};

const applyIssued: Apply<CertificateIssued> = (tx, { certificate }, { timeMs, index: event }) => {
  const row = tx.get(ctTreeKey);
  const tree = row === undefined ? EMPTY : treeRow.decode(row);
  const leaf = merkleTreeLeaf(certificate, timeMs);
  tx.put(ctTreeKey, treeRow.encode(appendLeaf(tree, leaf)));
  tx.put(ctEntryKey(tree.size), entryRow.encode({ timestampMs: timeMs, event, leaf }));
  tx.put(ctIndexKey(sha256(certificate)), indexRow.encode({ index: tree.size }));
};

const leafField = field.bytes("leaf", LIMITS.caCertificateBytesMax + 64);

const formatRow = (key: Uint8Array, value: Uint8Array): Json => {
  const reader = new KeyReader(key);
  const tag = reader.tag();
  if (tag === TAGS.tree) {
    const { size, root } = treeRow.decode(value);
    return { size, root: toHex(root) };
  }
  if (tag === TAGS.index) return { fingerprint: toHex(reader.hash()), ...indexRow.decode(value) };
  const { timestampMs, event, leaf } = entryRow.decode(value);
  return {
    index: reader.u64(),
    timestampMs,
    event,
    leafHash: toHex(rfc6962Leaf(leaf)),
    ...certificateJson(certificateOfLeaf(leaf)),
    leaf: leafField.toJson(leaf),
  };
};

export const ct: Projection = defineProjection({
  name: CT,
  schemaVersion: 1,
  owns: [],
  listens: [listen(certificateIssued, applyIssued)],
  format: formatRow,
});
