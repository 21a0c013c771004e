/** The oracle's own readers of statements, votes, certificates and headers (docs/protocol.md). */
import { createHash } from "node:crypto";
import { Cursor, hex, taggedHash } from "./oracle.ts";
import { Recent } from "./recent.ts";

export const NOTARIZE = 1;
export const NULLIFY = 2;
export const FINALIZE = 3;

export type Statement = {
  readonly epoch: number;
  readonly view: number;
  readonly kind: number;
  /** Hex; zeros for nullify. */
  readonly hash: string;
};

const STATEMENT_PREFIX = "tetrad-statement";
export const STATEMENT_BYTES = 16 + 32 + 8 + 8 + 1 + 32;
export const SIGNATURE_BYTES = 1280;
export const HEADER_BYTES = 2 + 32 + 8 * 4 + 32 + 8 + 32 + 4 + 8 + 8 + 32 * 4 + 2;

/** Messages that are kept read: a hundred nodes have as many arrays, each with the votes of a hundred. */
const MESSAGES_READ = 1_024;
const read = new Recent<Uint8Array, Statement | undefined>(MESSAGES_READ);
let newest: { readonly message: Uint8Array; readonly statement: Statement | undefined } | undefined;

/**
 * A consensus statement as it is signed, or undefined if the message is something else. All checkers are
 * shown one message after the other, and a node checks the votes for one statement with one array, so each array
 * is read once; nobody writes into a message.
 */
export const decodeStatement = (message: Uint8Array): Statement | undefined => {
  if (newest?.message === message) return newest.statement;
  let statement = read.get(message);
  if (statement === undefined && !read.has(message)) {
    statement = readStatement(message);
    read.set(message, statement);
  }
  newest = { message, statement };
  return statement;
};

const hasPrefix = (message: Uint8Array): boolean => {
  for (let i = 0; i < STATEMENT_PREFIX.length; i++) {
    if (message[i] !== STATEMENT_PREFIX.charCodeAt(i)) return false;
  }
  return true;
};

const readStatement = (message: Uint8Array): Statement | undefined => {
  if (message.length !== STATEMENT_BYTES || !hasPrefix(message)) return undefined;
  const cursor = new Cursor(message, STATEMENT_PREFIX.length + 32);
  return {
    epoch: cursor.u64(),
    view: cursor.u64(),
    kind: cursor.u8(),
    hash: hex(cursor.take(32)),
  };
};

/** The bytes that a statement's signature covers. */
export const statementBytes = (chainId: string, statement: Statement): Uint8Array => {
  const out = Buffer.alloc(STATEMENT_BYTES);
  out.write(STATEMENT_PREFIX, 0, "latin1");
  out.set(chainHashOf(chainId), 16);
  out.writeBigUInt64BE(BigInt(statement.epoch), 48);
  out.writeBigUInt64BE(BigInt(statement.view), 56);
  out[64] = statement.kind;
  out.write(statement.hash, 65, "hex");
  return out;
};

const chainHashes = new Map<string, Uint8Array>();

export const chainHashOf = (chainId: string): Uint8Array => {
  let hash = chainHashes.get(chainId);
  if (hash === undefined) {
    hash = new Uint8Array(createHash("sha256").update(chainId, "utf8").digest());
    chainHashes.set(chainId, hash);
  }
  return hash;
};

export type CertificateView = {
  readonly statement: Statement;
  readonly setSize: number;
  readonly signers: readonly number[];
  readonly signatures: readonly Uint8Array[];
  readonly canonical: boolean;
};

/** Reads a certificate; undefined when the bytes are not one from this place on. */
export const decodeCertificate = (cursor: Cursor): CertificateView | undefined => {
  const statement = {
    epoch: cursor.u64(),
    view: cursor.u64(),
    kind: cursor.u8(),
    hash: hex(cursor.take(32)),
  };
  const setSize = cursor.u16();
  const bitmap = cursor.take(Math.ceil(setSize / 8));
  const signers: number[] = [];
  let canonical = true;
  for (let bit = 0; bit < bitmap.length * 8; bit++) {
    if (((bitmap[bit >> 3] ?? 0) & (1 << (bit & 7))) === 0) continue;
    if (bit >= setSize) canonical = false;
    signers.push(bit);
  }
  const signatures = signers.map(() => cursor.take(SIGNATURE_BYTES));
  return cursor.ok ? { statement, setSize, signers, signatures, canonical } : undefined;
};

/**
 * By the array that holds a block: nodes that share rows show one and the same, within moments. Nobody writes into
 * it. Few, as blocks may be large; weakly held by the array they would stay as long as the chain does.
 */
const BLOCKS_REMEMBERED = 256;
const blockHashes = new Recent<Uint8Array, string>(BLOCKS_REMEMBERED);

/** Hash of the block whose encoding these bytes begin with, if they begin with a header of this chain. */
export const blockHashOf = (chainId: string, bytes: Uint8Array): string | undefined => {
  if (bytes.length < HEADER_BYTES || bytes[0] !== 0 || bytes[1] !== 1) return undefined;
  const chainHash = chainHashOf(chainId);
  for (let i = 0; i < 32; i++) if (bytes[2 + i] !== chainHash[i]) return undefined;
  const known = blockHashes.get(bytes);
  if (known !== undefined) return known;
  const hash = hex(taggedHash(chainId, "header", bytes.subarray(0, HEADER_BYTES)));
  blockHashes.set(bytes, hash);
  return hash;
};
