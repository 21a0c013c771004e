/**
 * The blocks that proposals carry, read from the frames that leave: once a frame, for all checkers that want
 * them. The layout is that of docs/protocol.md, "Header and block".
 */
import { HEADER_BYTES } from "./decode.ts";
import { Cursor, hex, taggedHash } from "./oracle.ts";

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

const read = (chainId: string, bytes: Uint8Array): Header | undefined => {
  const cursor = new Cursor(bytes, 1);
  cursor.sized();
  cursor.u64();
  const block = cursor.sized();
  return block.length < HEADER_BYTES
    ? undefined
    : readHeader(chainId, block.subarray(0, HEADER_BYTES));
};

let newest:
  | { readonly bytes: Uint8Array; readonly chainId: string; readonly header: Header | undefined }
  | undefined;

/**
 * The header of the block in a proposal; undefined for other frames and for a block that is proposed again,
 * of which only the hash is sent. A frame to many is one array, and nobody writes into it.
 */
export const proposedHeader = (chainId: string, bytes: Uint8Array): Header | undefined => {
  if (bytes[0] !== PROPOSAL) return undefined;
  if (newest?.bytes !== bytes || newest.chainId !== chainId) {
    newest = { bytes, chainId, header: read(chainId, bytes) };
  }
  return newest.header;
};
