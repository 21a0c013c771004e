/**
 * Where an interrupted audit goes on, as a row of its scratch store. It says of which chain it is, up to
 * which height everything was checked, and what came out there, so that it can be held against the rows
 * beside it and against the source. Written in the same atomic write as the height's rows.
 */
import { DecodeError, Reader, Writer } from "../../crypto/codec.ts";
import { fail, ok, type Result } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import { metaKey } from "../keys.ts";
import type { StoreOp } from "../ports.ts";
import type { ExecutionRecord } from "../records.ts";
import type { Hash } from "../types.ts";
import type { AuditPosition } from "./chain.ts";

export type AuditCounts = {
  readonly blocks: number;
  readonly batches: number;
  readonly events: number;
  readonly certificates: number;
  readonly signatures: number;
};

export type SavedAudit = {
  readonly genesisHash: Hash;
  /** The program's version: another one may have other rules. */
  readonly version: string;
  /** Signatures were checked from this height on; 1 for all. */
  readonly signaturesFrom: number;
  /** The audit has come to the end of its source without a finding. */
  readonly finished: boolean;
  readonly position: AuditPosition;
  readonly logSize: number;
  readonly logRoot: Hash;
  readonly stateRoot: Hash;
  readonly counts: AuditCounts;
};

const SAVED_VERSION = 1;

export const SAVED_KEY: Uint8Array = metaKey("audit");

export const NO_COUNTS: AuditCounts = {
  blocks: 0,
  batches: 0,
  events: 0,
  certificates: 0,
  signatures: 0,
};

/** Only of a height above the genesis. */
export const savedOp = (
  fixed: Pick<SavedAudit, "genesisHash" | "version" | "signaturesFrom" | "finished">,
  position: AuditPosition,
  record: Pick<ExecutionRecord, "logSize" | "logRoot" | "stateRoot">,
  counts: AuditCounts,
): StoreOp => {
  const { parent } = position;
  const writer = new Writer(512)
    .u16(SAVED_VERSION)
    .hash(fixed.genesisHash)
    .string(fixed.version)
    .u64(fixed.signaturesFrom)
    .u8(fixed.finished ? 1 : 0)
    .hash(parent.hash)
    .u64(parent.height)
    .u64(parent.epoch)
    .u64(parent.view)
    .u64(parent.timeMs)
    .u64(parent.executedHeight)
    .u8(parent.boundary ? 1 : 0)
    .u64(position.epochStartMs)
    .u64(position.certifiedHeight)
    .u64(position.certifiedEpoch)
    .u64(position.certifiedView)
    .u64(record.logSize)
    .hash(record.logRoot)
    .hash(record.stateRoot)
    .u64(counts.blocks)
    .u64(counts.batches)
    .u64(counts.events)
    .u64(counts.certificates)
    .u64(counts.signatures);
  return { type: "put", key: SAVED_KEY, value: writer.finish() };
};

const flag = (reader: Reader): boolean => {
  const at = reader.offset;
  const value = reader.u8();
  if (value > 1) throw new DecodeError("tag", at, "not a flag");
  return value === 1;
};

/** Codes: encoding.malformed, encoding.version. */
export const decodeSaved = (bytes: Uint8Array): Result<SavedAudit> => {
  try {
    const reader = new Reader(bytes);
    const version = reader.u16();
    if (version !== SAVED_VERSION) return fail("encoding.version", `version ${version}`);
    const saved = readSaved(reader);
    reader.end();
    return ok(saved);
  } catch (error) {
    if (error instanceof DecodeError) return fail("encoding.malformed", error.message);
    throw error;
  }
};

const readSaved = (reader: Reader): SavedAudit => ({
  genesisHash: reader.hash(),
  version: reader.string(LIMITS.nameBytesMax),
  signaturesFrom: reader.u64(),
  finished: flag(reader),
  position: {
    parent: {
      hash: reader.hash(),
      height: reader.u64(),
      epoch: reader.u64(),
      view: reader.u64(),
      timeMs: reader.u64(),
      executedHeight: reader.u64(),
      boundary: flag(reader),
    },
    epochStartMs: reader.u64(),
    certifiedHeight: reader.u64(),
    certifiedEpoch: reader.u64(),
    certifiedView: reader.u64(),
  },
  logSize: reader.u64(),
  logRoot: reader.hash(),
  stateRoot: reader.hash(),
  counts: {
    blocks: reader.u64(),
    batches: reader.u64(),
    events: reader.u64(),
    certificates: reader.u64(),
    signatures: reader.u64(),
  },
});
