/**
 * The blocks that proposals carry, read from the frames that leave: once a frame, for all checkers that want
 * them. The layout is that of docs/protocol.md, "Header and block".
 */
import { HEADER_BYTES } from "./decode.ts";
import { Cursor, hex, taggedHash } from "./oracle.ts";
import { Recent } from "./recent.ts";
import type { CheckContext } from "./types.ts";

const PROPOSAL = 1;
/** Behind version and chain. */
const EPOCH_OFFSET = 2 + 32;
/** The next set's hash and the proposer end a header. */
const NEXT_SET_OFFSET = HEADER_BYTES - 2 - 32;
const NO_SET = "00".repeat(32);

export type Header = {
  readonly hash: string;
  readonly epoch: number;
  readonly view: number;
  readonly height: number;
  readonly parentView: number;
  readonly parentHash: string;
  readonly timeMs: number;
  /** Hex, where the block ends its epoch. */
  readonly nextSet: string | undefined;
  /** Index of who made it. */
  readonly proposer: number;
};

const readHeader = (chainId: string, bytes: Uint8Array): Header => {
  const cursor = new Cursor(bytes, EPOCH_OFFSET);
  const [epoch, view, height, parentView] = [
    cursor.u64(),
    cursor.u64(),
    cursor.u64(),
    cursor.u64(),
  ];
  const parentHash = hex(cursor.take(32));
  const timeMs = cursor.u64();
  const end = new Cursor(bytes, NEXT_SET_OFFSET);
  const nextSet = hex(end.take(32));
  return {
    ...{ epoch, view, height, parentView, parentHash, timeMs },
    hash: hex(taggedHash(chainId, "header", bytes)),
    nextSet: nextSet === NO_SET ? undefined : nextSet,
    proposer: end.u16(),
  };
};

/** The header of the block in a proposal; undefined where only the hash of one is proposed again. */
const read = (chainId: string, bytes: Uint8Array): Header | undefined => {
  const cursor = new Cursor(bytes, 1);
  cursor.sized();
  cursor.u64();
  const block = cursor.sized();
  return block.length < HEADER_BYTES
    ? undefined
    : readHeader(chainId, block.subarray(0, HEADER_BYTES));
};

export type Headers = {
  /** Takes in a frame that leaves. Every checker that wants headers calls it; the first call does it. */
  note(bytes: Uint8Array): void;
  get(hash: string): Header | undefined;
  /** Of all blocks that were proposed. */
  readonly highest: number;
};

const shared = new WeakMap<CheckContext, Headers>();

/** One store of headers for all checkers of a run. A frame to many is one array, and nobody writes into it. */
export const headersOf = (context: CheckContext): Headers => {
  let headers = shared.get(context);
  if (headers !== undefined) return headers;
  const known = new Recent<string, Header>();
  let newest: Uint8Array | undefined;
  let highest = 0;
  headers = {
    note: (bytes) => {
      if (bytes[0] !== PROPOSAL || bytes === newest) return;
      newest = bytes;
      const header = read(context.chainId, bytes);
      if (header === undefined) return;
      known.set(header.hash, header);
      highest = Math.max(highest, header.height);
    },
    get: (hash) => known.get(hash),
    get highest() {
      return highest;
    },
  };
  shared.set(context, headers);
  return headers;
};
