/**
 * The shares of an epoch that were found so far, in one file that only grows: a head that says what they are of,
 * then 12 bytes for each slot, with a check that covers slot and head. What a crash cut short is found again. The
 * layout is of this machine only.
 *
 *     head:  u32 magic   seed(32)   validator(32)   u32 scryptN   u32 difficulty   check(32) = SHA-256 of all that
 *     slot:  u64 nonce   check(4) = first bytes of SHA-256(check of the head || u32 slot || u64 nonce)
 */
import { appendFileSync, existsSync, readFileSync, statSync, truncateSync } from "node:fs";
import { concatBytes, equalBytes } from "../../crypto/bytes.ts";
import { Reader, Writer } from "../../crypto/codec.ts";
import { sha256 } from "../../crypto/hash.ts";
import { LIMITS } from "../../limits.ts";
import type { ShareParameters, ShareSubject } from "../../proofs/work/index.ts";
import { fileError, writeFileAtomic } from "../folder.ts";

const MAGIC = 0x7474_7368;
const SLOT_BYTES = 12;

export type SharesFile = {
  /** Nonces of slots 0, 1, 2 … that were found before. */
  readonly nonces: readonly number[];
  /** Adds the next slot. Throws the codes of fileError. */
  append(slot: number, nonce: number): void;
};

const headOf = (subject: ShareSubject, { scryptN, difficulty }: ShareParameters): Uint8Array => {
  const head = new Writer().u32(MAGIC).hash(subject.epochSeed).hash(subject.validator);
  const bytes = head.u32(scryptN).u32(difficulty).finish();
  return concatBytes(bytes, sha256(bytes));
};

const slotOf = (head: Uint8Array, slot: number, nonce: number): Uint8Array => {
  const what = new Writer().hash(head.slice(-32)).u32(slot).u64(nonce).finish();
  return new Writer(SLOT_BYTES).u64(nonce).raw(sha256(what).subarray(0, 4)).finish();
};

/** The whole slots behind a head, up to the first whose check fails. */
const slotsIn = (bytes: Uint8Array, head: Uint8Array): number[] => {
  const nonces: number[] = [];
  for (let at = head.length; at + SLOT_BYTES <= bytes.length; at += SLOT_BYTES) {
    const stored = bytes.slice(at, at + SLOT_BYTES);
    const nonce = Number(new Reader(stored).u64big());
    if (!Number.isSafeInteger(nonce)) break;
    if (!equalBytes(slotOf(head, nonces.length, nonce), stored)) break;
    nonces.push(nonce);
  }
  return nonces;
};

const BYTES_MAX = 256 + SLOT_BYTES * LIMITS.workSharesMax;

/** Whether a file holds shares of that subject. */
export const hasShares = (
  path: string,
  subject: ShareSubject,
  parameters: ShareParameters,
): boolean => {
  if (!existsSync(path) || statSync(path).size > BYTES_MAX) return false;
  const head = headOf(subject, parameters);
  return equalBytes(new Uint8Array(readFileSync(path)).slice(0, head.length), head);
};

/** Opens the file of a subject, and begins it where it is not there or of another. Throws fileError's codes. */
export const openSharesFile = (
  path: string,
  subject: ShareSubject,
  parameters: ShareParameters,
): SharesFile => {
  const head = headOf(subject, parameters);
  if (!hasShares(path, subject, parameters)) writeFileAtomic(path, head, 0o600);
  const nonces = slotsIn(new Uint8Array(readFileSync(path)), head);
  truncateSync(path, head.length + SLOT_BYTES * nonces.length);
  return {
    nonces,
    append(slot, nonce) {
      try {
        appendFileSync(path, slotOf(head, slot, nonce));
      } catch (error) {
        throw fileError(path, error);
      }
    },
  };
};
