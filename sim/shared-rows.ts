/**
 * Rows that nodes write alike are kept once: all nodes write the same blocks, batches, entries and tree nodes within
 * moments of each other, and a run would hold each of them n times. Certificates differ from node to node, but are
 * made of the same signatures, so these are kept once too. What is not byte for byte the newest of its kind is
 * kept by itself. Nobody writes into what is kept, so nobody can tell.
 */
import { LIMITS } from "../src/limits.ts";
import { Recent } from "./checkers/recent.ts";
import { SortedMap, type Stored } from "./sorted-map.ts";

export type Row = {
  /** The key, one character a byte. */
  readonly name: string;
  /** The same key as bytes, for who is shown what was written. */
  readonly key: Uint8Array;
  readonly value: Stored;
};

/** Keeps what a node writes, whatever becomes of the writer's array. */
export type RowKeeper = { keep(name: string, value: Uint8Array): Row };

/** Nodes that are level write a row within a few heights; who catches up later has rows of its own. */
const ROWS_REMEMBERED = 4_096;
const SIGNATURES_REMEMBERED = 4_096;
const SIGNATURE_BYTES = LIMITS.falconSignatureBytes;
/** The header byte of a padded FALCON-1024 signature. */
const SIGNATURE_HEADER = 0x3a;
/** Enough of a signature to look it up by; then all of it is compared. */
const TAG_BYTES = 16;

/** Every row of every node by itself. */
export const OWN_ROWS: RowKeeper = {
  keep: (name, value) => ({ name, key: SortedMap.bytesOf(name), value: value.slice() }),
};

const isEqual = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && Buffer.compare(a, b) === 0;

/** Where the signatures begin of which a value is a list to its end; undefined where it is no such list. */
const signaturesAt = (value: Uint8Array): number | undefined => {
  const first = value.length % SIGNATURE_BYTES;
  if (value.length < 2 * SIGNATURE_BYTES) return undefined;
  for (let at = first; at < value.length; at += SIGNATURE_BYTES) {
    if (value[at] !== SIGNATURE_HEADER) return undefined;
  }
  return first;
};

const isSame = (a: Stored, b: Stored): boolean => {
  if (a instanceof Uint8Array) return b instanceof Uint8Array && isEqual(a, b);
  if (b instanceof Uint8Array || a.length !== b.length) return false;
  // Signatures that are kept once are the same array; the head is few bytes.
  return a.every((piece, i) => piece === b[i] || isEqual(piece, b[i] ?? new Uint8Array(0)));
};

export const createSharedRows = (): RowKeeper => {
  const newest = new Recent<string, Row>(ROWS_REMEMBERED);
  const signatures = new Recent<string, Uint8Array>(SIGNATURES_REMEMBERED);
  const signature = (bytes: Uint8Array): Uint8Array => {
    const tag = SortedMap.keyOf(bytes.subarray(0, TAG_BYTES));
    const known = signatures.get(tag);
    if (known !== undefined && isEqual(known, bytes)) return known;
    const copy = bytes.slice();
    signatures.set(tag, copy);
    return copy;
  };
  const inPieces = (value: Uint8Array, first: number): Stored => {
    const pieces: Uint8Array[] = [value.slice(0, first)];
    for (let at = first; at < value.length; at += SIGNATURE_BYTES) {
      pieces.push(signature(value.subarray(at, at + SIGNATURE_BYTES)));
    }
    return pieces;
  };
  return {
    keep: (name, value) => {
      const known = newest.get(name);
      const first = signaturesAt(value);
      const stored = first === undefined ? value : inPieces(value, first);
      if (known !== undefined && isSame(known.value, stored)) return known;
      const row = {
        name,
        key: known?.key ?? SortedMap.bytesOf(name),
        value: stored === value ? value.slice() : stored,
      };
      newest.set(name, row);
      return row;
    },
  };
};
