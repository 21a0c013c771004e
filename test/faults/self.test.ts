/** The checks of this suite, checked: each of them finds what it is there to find. */
import { describe, expect, it } from "vitest";
import { readLogBatches } from "./support/leveldb-log.ts";
import {
  FINALIZE,
  findContradictions,
  NOTARIZE,
  NULLIFY,
  readCertificate,
  readVote,
  type Signed,
} from "./support/statements.ts";
import { parseTrace, repliesIn, writtenTo } from "./support/strace.ts";

const one = (kind: number, hash: string, change: Partial<Signed> = {}): Signed => ({
  signer: 1,
  epoch: 0,
  view: 7,
  kind,
  hash,
  signature: `${kind}${hash}`,
  ...change,
});
const N = (hash: string, change?: Partial<Signed>): Signed => one(NOTARIZE, hash, change);
const S = (): Signed => one(NULLIFY, "00");
const F = (hash: string): Signed => one(FINALIZE, hash);
const whys = (...all: Signed[]): string[] => findContradictions(all).map(({ why }) => why);

describe("contradictions", () => {
  it.each([
    ["two notarize votes", N("aa"), N("bb")],
    ["two finalize votes", F("aa"), F("bb")],
    ["nullify and finalize", S(), F("aa")],
    ["finalize and nullify", F("aa"), S()],
    ["notarize one, finalize another", N("aa"), F("bb")],
  ])("%s", (_, first, second) => {
    expect(whys(first, second)).toEqual(["contradicts"]);
  });

  it("a statement with two signatures", () => {
    expect(whys(N("aa"), N("aa", { signature: "other" }))).toEqual(["signed twice"]);
  });

  it("are not what a validator may sign in one view, nor what is of another view or signer", () => {
    expect(whys(N("aa"), S())).toEqual([]);
    expect(whys(N("aa"), F("aa"), N("aa"))).toEqual([]);
    expect(whys(N("aa"), N("bb", { view: 8 }), N("cc", { signer: 2 }))).toEqual([]);
    expect(whys(N("aa"), N("bb", { epoch: 1 }))).toEqual([]);
  });
});

const head = (view: number, kind: number): Buffer => {
  const bytes = Buffer.alloc(49, 0xab);
  bytes.writeBigUInt64BE(3n, 0);
  bytes.writeBigUInt64BE(BigInt(view), 8);
  bytes.writeUInt8(kind, 16);
  return bytes;
};

describe("statements on disk", () => {
  it("of a vote", () => {
    const bytes = Buffer.concat([head(9, 1), Buffer.of(0, 2), Buffer.alloc(1280, 0xcd)]);
    const hash = "ab".repeat(32);
    const signature = "cd".repeat(1280);
    expect(readVote(bytes)).toEqual({ epoch: 3, view: 9, kind: 1, hash, signer: 2, signature });
    expect(() => readVote(bytes.subarray(0, -1))).toThrow();
  });

  it("of a certificate: the signers of the bitmap, in order", () => {
    const signatures = [1, 2, 3].map((fill) => Buffer.alloc(1280, fill));
    const bytes = Buffer.concat([head(9, 3), Buffer.of(0, 4, 0b1101), ...signatures]);
    const read = readCertificate(bytes);
    expect(read.map(({ signer }) => signer)).toEqual([0, 2, 3]);
    expect(read.map(({ signature }) => signature.slice(0, 2))).toEqual(["01", "02", "03"]);
    expect(() => readCertificate(bytes.subarray(0, -1))).toThrow();
  });
});

/** A batch of one put, and the log record or records around batches. */
const batchOf = (key: string, value: Buffer): Buffer => {
  const header = Buffer.alloc(12);
  header.writeUInt32LE(1, 8);
  const size = Buffer.of((value.length & 0x7f) | 0x80, value.length >> 7);
  return Buffer.concat([header, Buffer.of(1, key.length), Buffer.from(key), size, value]);
};
const record = (type: number, data: Buffer): Buffer => {
  const header = Buffer.alloc(7);
  header.writeUInt16LE(data.length, 4);
  header.writeUInt8(type, 6);
  return Buffer.concat([header, data]);
};

describe("write-ahead logs", () => {
  const first = batchOf("k1", Buffer.alloc(200, 1));
  const second = batchOf("k2", Buffer.alloc(200, 2));

  it("are read batch by batch, also where one is split", () => {
    const parts = [record(2, second.subarray(0, 50)), record(4, second.subarray(50))];
    const log = Buffer.concat([record(1, first), ...parts]);
    const batches = readLogBatches(log);
    expect(batches.map(({ changes }) => changes[0]?.key.toString())).toEqual(["k1", "k2"]);
    expect(batches.map(({ end }) => end)).toEqual([first.length + 7, log.length]);
  });

  it("end where a cut record begins", () => {
    const log = Buffer.concat([record(1, first), record(1, second).subarray(0, -1)]);
    expect(readLogBatches(log)).toHaveLength(1);
  });
});

const hex = (bytes: Buffer | string): string =>
  Buffer.from(bytes as string)
    .toString("hex")
    .replaceAll(/../g, "\\x$&");

describe("traces", () => {
  const log = record(1, batchOf("k1", Buffer.alloc(200, 1)));
  const path = hex("/net/a/db/000003.log");
  const answer = 'HTTP/1.1 200 OK\r\ncontent-type: x\r\n\r\n{"batchId":"ff","height":4}';
  const traceOf = (syncEnds: string): string =>
    [
      `10 100.000000 write(37<${path}>, "${hex(log)}", ${log.length}) = ${log.length} <0.001000>`,
      `10 100.100000 fdatasync(37<${path}> <unfinished ...>`,
      `11 100.200000 write(49<TCPv6:[[::1]:1->[::1]:2]>, "${hex(answer)}", 99) = 99 <0.000100>`,
      `10 ${syncEnds} <... fdatasync resumed>) = 0 (DELAYED) <0.300000>`,
      "10 101.000000 +++ exited with 0 +++",
    ].join("\n");

  it("tell when a batch was durable and when an answer left", () => {
    const calls = parseTrace(traceOf("100.400000"));
    const [written] = writtenTo(calls, /\/db\/\d+\.log$/);
    expect(written?.writtenAt).toBeCloseTo(100.001);
    expect(written?.durableAt).toBe(100.4);
    expect(repliesIn(calls)).toEqual([{ at: 100.2, body: { batchId: "ff", height: 4 } }]);
  });

  it("do not count a sync that failed, or that began before the write had returned", () => {
    const failed = traceOf("100.400000").replace(
      " = 0 (DELAYED)",
      " = -1 EIO (Input/output error)",
    );
    const early = traceOf("100.400000").replace("100.100000", "100.000500");
    for (const text of [failed, early]) {
      const [written] = writtenTo(parseTrace(text), /\/db\/\d+\.log$/);
      expect(written?.durableAt).toBe(Number.POSITIVE_INFINITY);
    }
  });
});
