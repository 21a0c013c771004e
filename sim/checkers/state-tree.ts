/** The oracle's own state root, from the rows as they are stored, by docs/protocol.md, "State". */
import { Cursor, hex, taggedHash } from "./oracle.ts";
import type { StoredState } from "./types.ts";

const ZERO = new Uint8Array(32);
const SLASH = 0x2f;
/** "r/", before the name of a projection. */
const AREA_BYTES = 2;
const RECORD_VERSION = 1;

type Leaf = { readonly path: Uint8Array; readonly hash: Uint8Array };

/** The head of a binary tree over 256 bits, by its definition. `leaves` share their first `level` bits. */
const subtree = (chainId: string, leaves: readonly Leaf[], level: number): Uint8Array => {
  const [only] = leaves;
  if (only === undefined) return ZERO;
  if (leaves.length === 1) return only.hash;
  if (level === 8 * ZERO.length) throw new RangeError("two rows have one key");
  const sides: [Leaf[], Leaf[]] = [[], []];
  for (const leaf of leaves) {
    const isRight = (((leaf.path[level >> 3] ?? 0) >> (7 - (level & 7))) & 1) === 1;
    sides[isRight ? 1 : 0].push(leaf);
  }
  const [left, right] = sides.map((side) => subtree(chainId, side, level + 1));
  return taggedHash(chainId, "state/node", left ?? ZERO, right ?? ZERO);
};

export type StoredRow = { readonly key: Uint8Array; readonly stored: Uint8Array };

/** Root of a projection with these rows. */
export const projectionRoot = (chainId: string, rows: readonly StoredRow[]): Uint8Array => {
  const leaves = rows.map(({ key, stored }) => {
    const path = taggedHash(chainId, "state/key", key);
    const valueHash = taggedHash(chainId, "state/value", stored);
    return { path, hash: taggedHash(chainId, "state/leaf", path, valueHash) };
  });
  return subtree(chainId, leaves, 0);
};

export type CommittedProjection = {
  readonly name: string;
  readonly schemaVersion: number;
  readonly root: Uint8Array;
};

/** What a node notes of a height that it has executed, as far as the state root goes by it. */
export type ExecutedHeight = {
  readonly height: number;
  readonly logSize: number;
  readonly stateRoot: string;
  /** In the order of the chain. */
  readonly projections: readonly CommittedProjection[];
};

/** Undefined for bytes that are no record. */
export const executedOf = (record: Uint8Array): ExecutedHeight | undefined => {
  const cursor = new Cursor(record);
  const version = cursor.u16();
  const height = cursor.u64();
  // Block time and the first index; how many entries.
  cursor.take(8 + 8 + 4);
  const logSize = cursor.u64();
  cursor.take(32);
  const stateRoot = hex(cursor.take(32));
  const projections: CommittedProjection[] = [];
  for (let left = cursor.u32(); left > 0 && cursor.ok; left -= 1) {
    const name = Buffer.from(cursor.sized()).toString("utf8");
    projections.push({ name, schemaVersion: cursor.u16(), root: cursor.take(32) });
  }
  const isRecord = cursor.ok && cursor.left === 0 && version === RECORD_VERSION;
  return isRecord ? { height, logSize, stateRoot, projections } : undefined;
};

/** Rows by the projection that their key names. */
export const rowsByProjection = ({ rows }: StoredState): Map<string, StoredRow[]> => {
  const all = new Map<string, StoredRow[]>();
  for (const [key, stored] of rows) {
    const end = key.indexOf(SLASH, AREA_BYTES);
    const name = Buffer.from(key.subarray(AREA_BYTES, end)).toString("utf8");
    const row = { key: key.subarray(end + 1), stored };
    const known = all.get(name);
    if (known === undefined) all.set(name, [row]);
    else known.push(row);
  }
  return all;
};

/** Root over the roots of all projections, in the order of the chain. */
export const stateRootOf = (
  chainId: string,
  projections: readonly CommittedProjection[],
): Uint8Array => {
  const count = Buffer.alloc(4);
  count.writeUInt32BE(projections.length);
  const parts = projections.flatMap(({ name, schemaVersion, root }) => {
    const bytes = Buffer.from(name, "utf8");
    const head = Buffer.alloc(4);
    head.writeUInt32BE(bytes.length);
    const version = Buffer.alloc(2);
    version.writeUInt16BE(schemaVersion);
    return [head, bytes, version, root];
  });
  return taggedHash(chainId, "state/root", count, ...parts);
};
