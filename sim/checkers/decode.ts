/** The oracle's own readers of statements, votes, certificates and headers (docs/protocol.md). */
import { createHash } from "node:crypto";
import { Cursor, hex, taggedHash } from "./oracle.ts";

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

/** A consensus statement as it is signed, or undefined if the message is something else. */
export const decodeStatement = (message: Uint8Array): Statement | undefined => {
  if (message.length !== STATEMENT_BYTES) return undefined;
  const cursor = new Cursor(message);
  if (Buffer.from(cursor.take(16)).toString("latin1") !== STATEMENT_PREFIX) return undefined;
  cursor.take(32);
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

export type HeaderView = {
  readonly hash: string;
  readonly epoch: number;
  readonly view: number;
  readonly height: number;
  readonly parentView: number;
  readonly parentHash: string;
  readonly timeMs: number;
  readonly batchCount: number;
  readonly executedHeight: number;
  readonly logSize: number;
  readonly logRoot: string;
  readonly stateRoot: string;
  readonly proposer: number;
};

/** Reads a header and computes its hash. */
export const decodeHeader = (chainId: string, bytes: Uint8Array): HeaderView | undefined => {
  if (bytes.length < HEADER_BYTES) return undefined;
  const raw = bytes.subarray(0, HEADER_BYTES);
  const cursor = new Cursor(raw);
  if (cursor.u16() !== 1) return undefined;
  if (hex(cursor.take(32)) !== hex(chainHashOf(chainId))) return undefined;
  const epoch = cursor.u64();
  const view = cursor.u64();
  const height = cursor.u64();
  const parentView = cursor.u64();
  const parentHash = hex(cursor.take(32));
  const timeMs = cursor.u64();
  cursor.take(32);
  const batchCount = cursor.u32();
  const executedHeight = cursor.u64();
  const logSize = cursor.u64();
  const logRoot = hex(cursor.take(32));
  const stateRoot = hex(cursor.take(32));
  cursor.take(64);
  const proposer = cursor.u16();
  if (!cursor.ok) return undefined;
  const hash = hex(taggedHash(chainId, "header", raw));
  return {
    hash,
    epoch,
    view,
    height,
    parentView,
    parentHash,
    timeMs,
    batchCount,
    executedHeight,
    logSize,
    logRoot,
    stateRoot,
    proposer,
  };
};

/** Every place in `bytes` where a block header of this chain begins. */
export const findHeaders = (chainId: string, bytes: Uint8Array): HeaderView[] => {
  const out: HeaderView[] = [];
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const needle = Buffer.concat([Buffer.from([0, 1]), chainHashOf(chainId)]);
  for (let at = buffer.indexOf(needle); at >= 0; at = buffer.indexOf(needle, at + 1)) {
    const header = decodeHeader(chainId, bytes.subarray(at));
    if (header !== undefined) out.push(header);
  }
  return out;
};
