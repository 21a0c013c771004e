/**
 * What a data folder may hold (keys.ts), held against what an audit has worked out itself. Areas that
 * follow from the log (DERIVED) must be the same row for row; here is what is to be said of a row that is
 * not, and what must be true of all others.
 */
import { equalBytes, toHex } from "../../crypto/bytes.ts";
import { DecodeError, Reader } from "../../crypto/codec.ts";
import type { Hasher } from "../../crypto/hash.ts";
import { fail, TetradError } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import { batchDigest, decodeBatch } from "../batch.ts";
import { decodeBlock } from "../block.ts";
import { blockKey, executionKey, firstIndexOf, type KeyArea } from "../keys.ts";
import { decodeLogBatch } from "../log-batch.ts";
import { TILE_WIDTH } from "../log-tree.ts";
import type { StoreOp, VerifyJob } from "../ports.ts";
import { compareRecords } from "../rebuild.ts";
import { decodeExecutionRecord, type ReadStore } from "../records.ts";
import { decodeForgotten, FORGOTTEN_KEY } from "../replica/forget.ts";
import { decodeLatest, LATEST_KEY } from "../replica/latest-votes.ts";
import {
  decodeCertificate,
  evidenceOf,
  kindNumber,
  readVote,
  statementBytes,
} from "../statement.ts";
import type { Hash, ValidatorSet, Vote } from "../types.ts";
import { certificateJobs, checkCertificateShape } from "../verify/certificate.ts";
import type { AuditStep } from "./chain.ts";
import { type Finding, type FindingSubject, findingOf } from "./finding.ts";

/** Follow from executing the log: as of the last executed height. */
export const EXECUTED_AREAS = ["x", "e", "i", "t", "s", "r", "n"] as const satisfies KeyArea[];
/** Follow from the final blocks: as of the final tip. */
export const FINAL_AREAS = ["h", "v", "l", "w"] as const satisfies KeyArea[];
/** Hold what was agreed or is being agreed; each row speaks for itself. */
export const OWN_AREAS = ["b", "d", "c", "f", "o", "p", "m"] as const satisfies KeyArea[];

const SUBJECTS: Readonly<Record<KeyArea, FindingSubject>> = {
  b: "block",
  h: "height index",
  v: "chain point",
  d: "batch",
  o: "open block",
  p: "evidence",
  l: "lane head",
  c: "certificate",
  f: "finalization index",
  s: "validator set",
  w: "price",
  e: "outcomes",
  t: "log tile",
  i: "batch index",
  x: "execution record",
  r: "row",
  n: "tree node",
  m: "fact",
};

export const subjectOfArea = (area: KeyArea): FindingSubject => SUBJECTS[area];

/** A row of an area, by its whole key. `stored` or `expected` undefined: one side has none. */
export type RowDifference = {
  readonly area: KeyArea;
  readonly key: Uint8Array;
  readonly stored: Uint8Array | undefined;
  readonly expected: Uint8Array | undefined;
};

const u64At = (key: Uint8Array, at: number): number | undefined => {
  if (key.length < at + 8) return undefined;
  const value = Number(new DataView(key.buffer, key.byteOffset + at, 8).getBigUint64(0));
  return Number.isSafeInteger(value) ? value : undefined;
};

/** The projection, and the key of the row or the path of the node, of a key of area r or n. */
export const projectionOfKey = (
  key: Uint8Array,
): { readonly projection: string; readonly rest: Uint8Array } => {
  const slash = key.indexOf(0x2f, 2);
  const end = slash < 0 ? key.length : slash;
  return {
    projection: String.fromCharCode(...key.subarray(2, end)),
    rest: key.subarray(end + 1),
  };
};

/** The global index of an event that the row is about, from which its height can be told. */
export const indexOfDifference = ({
  area,
  key,
  stored,
  expected,
}: RowDifference): number | undefined => {
  if (area === "e") return firstIndexOf(key);
  // A stored row begins with the index of the event that last changed it.
  if (area === "r") {
    const row = expected ?? stored;
    const origin = row === undefined ? undefined : u64At(row, 0);
    return origin === Number.MAX_SAFE_INTEGER ? undefined : origin;
  }
  if (area !== "t" || key.length !== 11) return undefined;
  const at = u64At(key, 3);
  const first = at === undefined ? Number.NaN : at * TILE_WIDTH * TILE_WIDTH ** (key[2] ?? 0);
  return Number.isSafeInteger(first) ? first : undefined;
};

/** The height that a key or a row names itself. */
const heightOfDifference = ({ area, key, stored, expected }: RowDifference): number | undefined => {
  if (area === "x" || area === "h" || area === "f" || area === "w") return u64At(key, 2);
  // Batch location: u16 version, u64 height.
  if (area === "i") return u64At(expected ?? stored ?? key.subarray(0, 0), 2);
  return undefined;
};

/** What differs, in words. `height` where the caller has found it by the index. */
export const describeDifference = (
  difference: RowDifference,
  keyText: (projection: string, key: Uint8Array) => string,
  heightOfIndex?: number,
): Finding => {
  const { area, key, stored, expected } = difference;
  const subject = subjectOfArea(area);
  const how =
    stored === undefined
      ? "is missing"
      : expected === undefined
        ? "is there, and nothing in the log gives it"
        : "is not what the log gives";
  const failure = fail("state.mismatch", `the stored ${subject} ${how}`);
  const height = heightOfDifference(difference) ?? heightOfIndex;
  const index = indexOfDifference(difference);
  const place = index === undefined ? {} : { index };
  if (area === "r" || area === "n") {
    const { projection, rest } = projectionOfKey(key);
    const named = area === "r" ? keyText(projection, rest) : nibbles(rest);
    return findingOf(failure, height, subject, { projection, key: named, ...place });
  }
  return findingOf(failure, height, subject, { key: toHex(key.subarray(2)), ...place });
};

const nibbles = (path: Uint8Array): string =>
  path.length === 0 ? "root" : Array.from(path, (nibble) => nibble.toString(16)).join("");

/**
 * Compares what a folder keeps of a height for good with what executing it gave just now, so that the first
 * height that differs is found on the way, with the projection that does.
 */
export const compareHeight = (read: ReadStore, step: AuditStep): Finding | undefined => {
  const { height, ops } = step;
  const recorded = ops.find((op) => op.key[0] === 0x78);
  const differing = recorded === undefined ? undefined : differs(read, height, "x", recorded);
  if (differing !== undefined) return nameProjection(read, step, differing) ?? differing;
  for (const op of ops) {
    const area = op.key[0] === 0x65 ? "e" : op.key[0] === 0x69 ? "i" : undefined;
    if (area === undefined) continue;
    const finding = differs(read, height, area, op);
    if (finding !== undefined) return area === "e" ? nameEntry(read, op, finding) : finding;
  }
  return undefined;
};

const differs = (
  read: ReadStore,
  height: number,
  area: "x" | "e" | "i",
  op: StoreOp,
): Finding | undefined => {
  if (op.type === "del") return undefined;
  let stored: Uint8Array | undefined;
  try {
    stored = read(op.key);
  } catch (error) {
    if (!(error instanceof TetradError) || error.code !== "store.corrupt") throw error;
    const failure = fail("store.corrupt", error.message);
    return findingOf(failure, height, subjectOfArea(area), { key: toHex(op.key.subarray(2)) });
  }
  if (stored !== undefined && equalBytes(stored, op.value)) return undefined;
  const difference = { area, key: op.key, stored, expected: op.value };
  return describeDifference(difference, () => "", height);
};

const nameProjection = (
  read: ReadStore,
  { height, record }: AuditStep,
  finding: Finding,
): Finding | undefined => {
  const bytes = finding.code === "store.corrupt" ? undefined : read(executionKey(height));
  const stored = bytes === undefined ? undefined : decodeExecutionRecord(bytes);
  if (stored?.ok !== true) return undefined;
  const mismatch = compareRecords(stored.value, record);
  if (mismatch === undefined) return undefined;
  return findingOf(
    fail(mismatch.code, mismatch.message, mismatch.data),
    height,
    "execution record",
  );
};

/** The first event of the batch whose outcome or effects are others. */
const nameEntry = (read: ReadStore, op: StoreOp, finding: Finding): Finding => {
  const first = firstIndexOf(op.key) ?? 0;
  const bytes = finding.code === "store.corrupt" ? undefined : read(op.key);
  const stored = bytes === undefined ? undefined : decodeLogBatch(first, bytes);
  const expected = op.type === "put" ? decodeLogBatch(first, op.value) : undefined;
  if (stored?.ok !== true || expected?.ok !== true) return finding;
  const [is, must] = [stored.value, expected.value];
  const batch = toHex(must.digest);
  for (let at = 0; at < must.count; at++) {
    const same =
      JSON.stringify(is.outcomes[at]) === JSON.stringify(must.outcomes[at]) &&
      equalBytes(
        is.effects.subarray(32 * at, 32 * at + 32),
        must.effects.subarray(32 * at, 32 * at + 32),
      );
    if (!same) return { ...finding, index: first + at, batch };
  }
  return { ...finding, batch };
};

/** What is known when the rows of OWN_AREAS are looked at. */
export type StoredContext = {
  readonly hasher: Hasher;
  /** Sets that the audit worked out, by epoch. */
  setOf(epoch: number): ValidatorSet | undefined;
  /** Hash of a final height, from the audit's own chain. */
  hashAt(height: number): Hash | undefined;
  /** The audited folder. */
  read: ReadStore;
  /** The last final height, and epoch and view of the certificate that makes it final. */
  readonly tip: { readonly epoch: number; readonly view: number; readonly height: number };
  /** Facts (area m) that must be there with these values, by the key in hex. */
  readonly facts: ReadonlyMap<string, Uint8Array>;
};

export type StoredVerdict = {
  readonly finding?: Finding;
  /** All must verify. */
  readonly jobs?: readonly VerifyJob[];
};

const FINE: StoredVerdict = {};

/** Judges one row of OWN_AREAS. Any bytes: throws nothing of its own. */
export const judgeRow = (
  context: StoredContext,
  area: (typeof OWN_AREAS)[number],
  key: Uint8Array,
  value: Uint8Array,
): StoredVerdict => {
  const wrong = (detail: string, height?: number): StoredVerdict => ({
    finding: findingOf(fail("state.mismatch", detail), height, subjectOfArea(area), {
      key: toHex(key.subarray(2)),
      ...(area === "d" ? { batch: toHex(key.subarray(2)) } : {}),
    }),
  });
  const { hasher } = context;
  switch (area) {
    case "b": {
      const block = decodeBlock(hasher, value);
      if (!block.ok) return wrong(`the stored block does not decode: ${block.detail}`);
      const { height } = block.value.header;
      return equalBytes(block.value.hash, key.subarray(2))
        ? FINE
        : wrong("the stored block does not have the hash that it is stored under", height);
    }
    case "d": {
      const digest = batchDigest(hasher, value);
      if (!equalBytes(digest, key.subarray(2))) {
        return wrong("the stored batch does not have the digest that it is stored under");
      }
      const batch = decodeBatch(hasher, value, digest);
      return batch.ok ? FINE : wrong(`the stored batch does not decode: ${batch.detail}`);
    }
    case "c":
      return judgeCertificate(context, key, value, wrong);
    case "f":
      return judgePointer(context, key, wrong);
    case "o": {
      const hash = key.subarray(10);
      const bytes = key.length === 42 ? context.read(blockKey(hash)) : undefined;
      if (bytes === undefined || value.length !== 0) return wrong("names no stored block");
      const block = decodeBlock(hasher, bytes);
      const height = u64At(key, 2);
      const same = block.ok && block.value.header.height === height;
      return same ? FINE : wrong("names a block of another height");
    }
    case "p":
      return judgeEvidence(context, key, value, wrong);
    case "m": {
      if (equalBytes(key, LATEST_KEY)) return judgeLatest(context, value, wrong);
      if (equalBytes(key, FORGOTTEN_KEY)) return judgeForgotten(context, value, wrong);
      const expected = context.facts.get(toHex(key));
      if (expected === undefined) return wrong("a fact that this version does not write");
      return equalBytes(expected, value)
        ? FINE
        : wrong("the stored fact is not what the chain gives");
    }
  }
};

type Wrong = (detail: string, height?: number) => StoredVerdict;

function judgeCertificate(
  context: StoredContext,
  key: Uint8Array,
  value: Uint8Array,
  wrong: Wrong,
): StoredVerdict {
  const certificate = decodeCertificate(value);
  if (!certificate.ok)
    return wrong(`the stored certificate does not decode: ${certificate.detail}`);
  const { statement } = certificate.value;
  const named =
    u64At(key, 2) === statement.epoch &&
    u64At(key, 10) === statement.view &&
    key.length === 19 &&
    key[18] === kindNumber(statement.kind);
  if (!named) return wrong("the stored certificate is of another epoch, view or kind");
  const set = context.setOf(statement.epoch);
  if (set === undefined) return wrong("the stored certificate is of an epoch that has not begun");
  const shape = checkCertificateShape(set, certificate.value);
  if (shape !== undefined) return wrong(shape.detail);
  return { jobs: certificateJobs(context.hasher, set, certificate.value) };
}

/** What an entry below the tip points to was checked with the chain; here only that it has a height. */
function judgePointer(context: StoredContext, key: Uint8Array, wrong: Wrong): StoredVerdict {
  const height = u64At(key, 2);
  const known = height !== undefined && height > 0 && context.hashAt(height) !== undefined;
  return key.length === 10 && known ? FINE : wrong("there is no such final height", height);
}

/**
 * How far certificates were forgotten: the node's note for itself. How many views were skipped is not in the
 * chain, so it is held within bounds: behind the tip's certificate and, by its height, behind the window.
 */
function judgeForgotten({ tip }: StoredContext, value: Uint8Array, wrong: Wrong): StoredVerdict {
  const note = decodeForgotten(value);
  if (note === undefined) return wrong("the note of forgotten certificates does not decode");
  const left = tip.height - LIMITS.certificateWindowHeights;
  const behind = note.epoch < tip.epoch || (note.epoch === tip.epoch && note.view <= tip.view);
  if (left > 0 && note.kept <= left && behind) return FINE;
  return wrong("certificates are noted as forgotten that the chain has not left behind");
}

/** Votes of others that the node remembers: each must be the validator's own. */
function judgeLatest(context: StoredContext, value: Uint8Array, wrong: Wrong): StoredVerdict {
  const latest = decodeLatest(value);
  if (!latest.ok) return wrong(`the latest votes do not decode: ${latest.detail}`);
  const jobs: VerifyJob[] = [];
  for (const { id, vote } of latest.value) {
    const { statement, signature, signer } = vote;
    const validator = context.setOf(statement.epoch)?.validators[signer];
    if (validator === undefined || !equalBytes(validator.id, id)) {
      return wrong("a latest vote is not of the validator that it is noted for");
    }
    const message = statementBytes(context.hasher, statement);
    jobs.push({ message, signature, publicKey: validator.publicKey });
  }
  return { jobs };
}

function judgeEvidence(
  context: StoredContext,
  key: Uint8Array,
  value: Uint8Array,
  wrong: Wrong,
): StoredVerdict {
  let votes: readonly [Vote, Vote];
  try {
    const reader = new Reader(value);
    votes = [readVote(reader), readVote(reader)];
    reader.end();
  } catch (error) {
    if (error instanceof DecodeError) return wrong("the stored evidence does not decode");
    throw error;
  }
  const [first, second] = votes;
  const set = context.setOf(first.statement.epoch);
  const validator = set?.validators[first.signer];
  const about = validator !== undefined && equalBytes(validator.id, key.subarray(2));
  if (!about || evidenceOf(first, second) === undefined) {
    return wrong("the stored votes are not of this validator or do not contradict each other");
  }
  const jobs = votes.map(({ statement, signature }) => ({
    message: statementBytes(context.hasher, statement),
    signature,
    publicKey: validator.publicKey,
  }));
  return { jobs };
}
