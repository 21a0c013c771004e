/**
 * What of a sector is made already: one record a part, in the order in which parts are made, with the
 * SHA-256 of its bytes. A part counts when its record is there and its bytes have the digest, so a process
 * that is killed at any moment, or a machine that loses what was not on the disk yet, costs the parts that
 * are not whole and nothing else; no write needs to wait for the disk.
 *
 *     u32 stage   u32 part   digest(32)
 */
import { closeSync, ftruncateSync, statSync, writeSync } from "node:fs";
import { equalBytes } from "../../crypto/bytes.ts";
import { Writer } from "../../crypto/codec.ts";
import { sha256 } from "../../crypto/hash.ts";
import { openPrivate, readAt } from "./files.ts";

const RECORD_BYTES = 40;

/** How many parts a journal says are made; 0 where there is none. */
export const recordedParts = (path: string): number => {
  const { size } = statSync(path, { throwIfNoEntry: false }) ?? { size: 0 };
  return Math.floor(size / RECORD_BYTES);
};

export type Journal = {
  /** Whether the next record is of these bytes; once it is not, what follows is forgotten. */
  has(stage: number, part: number, bytes: Uint8Array): boolean;
  /** Writes the next record. */
  add(stage: number, part: number, bytes: Uint8Array): void;
  close(): void;
};

const recordOf = (stage: number, part: number, bytes: Uint8Array): Uint8Array =>
  new Writer(RECORD_BYTES).u32(stage).u32(part).hash(sha256(bytes)).finish();

export const openJournal = (path: string): Journal => {
  const fd = openPrivate(path);
  let at = 0;
  let isReplay = true;
  const stored = new Uint8Array(RECORD_BYTES);
  return {
    has(stage, part, bytes) {
      if (!isReplay) return false;
      const isWhole = readAt(fd, stored, at) === RECORD_BYTES;
      if (isWhole && equalBytes(stored, recordOf(stage, part, bytes))) {
        at += RECORD_BYTES;
        return true;
      }
      isReplay = false;
      ftruncateSync(fd, at);
      return false;
    },
    add(stage, part, bytes) {
      writeSync(fd, recordOf(stage, part, bytes), 0, RECORD_BYTES, at);
      at += RECORD_BYTES;
    },
    close: () => closeSync(fd),
  };
};
