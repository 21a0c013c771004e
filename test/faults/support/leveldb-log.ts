/**
 * Reads LevelDB's write-ahead logs (LevelDB, doc/log_format.md and write_batch.cc), sharing no code with
 * the product: what a node wrote, and when in the file it was complete. Checksums are left aside: the
 * end of a log that a SIGKILL cut off is told by its lengths.
 */

const BLOCK = 32 * 1024;
const HEADER = 7;
const FULL = 1;
const FIRST = 2;
const MIDDLE = 3;
const LAST = 4;

export type Change =
  | { readonly kind: "put"; readonly key: Buffer; readonly value: Buffer }
  | { readonly kind: "del"; readonly key: Buffer };

/** One atomic batch. `end` is the offset in the file behind its last byte. */
export type LogBatch = { readonly changes: readonly Change[]; readonly end: number };

type Piece = { readonly type: number; readonly data: Buffer; readonly next: number };

const pieceAt = (log: Buffer, at: number): Piece | undefined => {
  if (at + HEADER > log.length) return undefined;
  const length = log.readUInt16LE(at + 4);
  const type = log.readUInt8(at + 6);
  const next = at + HEADER + length;
  if (type < FULL || type > LAST || next > log.length) return undefined;
  return { type, data: log.subarray(at + HEADER, next), next };
};

/** Whole batches in order. Ends without complaint where the log does. */
export const readLogBatches = (log: Buffer): LogBatch[] => {
  const batches: LogBatch[] = [];
  let parts: Buffer[] = [];
  let at = 0;
  for (;;) {
    const left = BLOCK - (at % BLOCK);
    if (left < HEADER) at += left;
    const piece = pieceAt(log, at);
    if (piece === undefined) return batches;
    if (piece.type === FULL || piece.type === FIRST) parts = [];
    parts.push(piece.data);
    at = piece.next;
    if (piece.type === FIRST || piece.type === MIDDLE) continue;
    batches.push({ changes: readBatch(Buffer.concat(parts)), end: at });
    parts = [];
  }
};

/** u64 LE sequence, u32 LE count, then changes: tag 1 put with key and value, tag 0 delete with key. */
const readBatch = (bytes: Buffer): Change[] => {
  const count = bytes.readUInt32LE(8);
  const changes: Change[] = [];
  let at = 12;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes.readUInt8(at);
      at += 1;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  };
  const slice = (): Buffer => {
    const length = varint();
    if (at + length > bytes.length) throw new RangeError("a batch is shorter than it says");
    at += length;
    return bytes.subarray(at - length, at);
  };
  for (let i = 0; i < count; i++) {
    const tag = bytes.readUInt8(at);
    at += 1;
    const key = slice();
    changes.push(tag === 1 ? { kind: "put", key, value: slice() } : { kind: "del", key });
  }
  if (at !== bytes.length) throw new RangeError("a batch is longer than it says");
  return changes;
};
