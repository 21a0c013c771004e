/** The state at a height, made again from the log, and what the blocks between two heights changed in it. */
import { equalBytes, toHex } from "../../crypto/bytes.ts";
import { TetradError } from "../../errors.ts";
import type { AuditRules, AuditStep } from "../../ledger/audit/chain.ts";
import { projectionOfKey } from "../../ledger/audit/stored.ts";
import { rangeOfPrefix, rowPrefix } from "../../ledger/keys.ts";
import type { Store } from "../../ledger/ports.ts";
import type { ExecutionRecord } from "../../ledger/records.ts";
import { decodeRow } from "../../ledger/row.ts";
import { LIMITS } from "../../limits.ts";
import type { NodeVerifier } from "../signing/types.ts";
import { Auditor, type AuditSource } from "./auditor.ts";
import { rowsOf } from "./compare.ts";

export type RowAt = { readonly value: Uint8Array; readonly origin: number };

export type RowChange = {
  readonly projection: string;
  readonly key: Uint8Array;
  /** At the lower height; undefined where the row is not there. */
  readonly before: RowAt | undefined;
  readonly after: RowAt | undefined;
};

export type Replayed = {
  readonly from: ExecutionRecord;
  readonly to: ExecutionRecord;
  /** By projection, in the order of registration, and then by key. */
  readonly changes: readonly RowChange[];
};

export type ReplayOptions = {
  readonly rules: AuditRules;
  readonly source: AuditSource;
  /** Empty; holds the state at `to` afterwards. */
  readonly scratch: Store;
  readonly verifier: NodeVerifier;
  /** At most `to`. */
  readonly from: number;
  readonly to: number;
  readonly signal: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
};

const rowOf = (stored: Uint8Array | undefined): RowAt | undefined =>
  stored === undefined ? undefined : decodeRow(stored);

/**
 * Executes the log up to a height. Hashes, headers and the roots that they state are checked on the way,
 * signatures are not. Throws audit.mismatch where they do not fit, audit.unverified where the log does not
 * go so far or too many rows differ, and what the source throws.
 */
export const replay = async (options: ReplayOptions): Promise<Replayed> => {
  const { rules, source, scratch, verifier, from, to, signal } = options;
  const touched = new Map<
    string,
    { readonly key: Uint8Array; readonly stored: Uint8Array | undefined }
  >();
  const inspect = ({ height, ops }: AuditStep): undefined => {
    if (height <= from) return;
    for (const { key } of ops) {
      // Area r: the rows. The scratch store does not have this height yet.
      if (key[0] !== 0x72 || key[1] !== 0x2f) continue;
      const name = toHex(key);
      if (!touched.has(name)) touched.set(name, { key, stored: scratch.get(key) });
    }
    if (touched.size <= LIMITS.replayRowsMax) return;
    const detail = `more than ${LIMITS.replayRowsMax} rows differ: compare heights that are nearer`;
    throw new TetradError("audit.unverified", detail);
  };
  const auditor = await Auditor.open({
    rules,
    scratch,
    verifier,
    signaturesFrom: Number.MAX_SAFE_INTEGER,
    inspect,
    onStep: ({ height }) => options.onProgress?.(height, to),
  });
  await go(auditor, source, from, signal);
  const before = auditor.record;
  await go(auditor, source, to, signal);
  const order = auditor.record.projections.map(({ name }) => name);
  const changes: RowChange[] = [];
  for (const { key, stored } of touched.values()) {
    const now = scratch.get(key);
    if (stored === undefined && now === undefined) continue;
    if (stored !== undefined && now !== undefined && equalBytes(stored, now)) continue;
    const { projection, rest } = projectionOfKey(key);
    changes.push({ projection, key: rest, before: rowOf(stored), after: rowOf(now) });
  }
  changes.sort(
    (a, b) =>
      order.indexOf(a.projection) - order.indexOf(b.projection) || Buffer.compare(a.key, b.key),
  );
  return { from: before, to: auditor.record, changes };
};

const go = async (
  auditor: Auditor,
  source: AuditSource,
  to: number,
  signal: AbortSignal,
): Promise<void> => {
  const finding = await auditor.advance(source, to, signal);
  if (finding !== undefined) {
    const detail = `height ${finding.height ?? auditor.height + 1}, ${finding.subject}: ${finding.detail}`;
    throw new TetradError("audit.mismatch", `${source.name}: ${detail}`);
  }
  if (auditor.height < to) {
    throw new TetradError("audit.unverified", `${source.name} ends at height ${auditor.height}`);
  }
};

/** Rows of a projection in a scratch store, in key order. */
export async function* stateRows(
  scratch: Store,
  projection: string,
): AsyncGenerator<{ readonly key: Uint8Array; readonly row: RowAt }> {
  const prefix = rowPrefix(projection);
  for await (const [key, stored] of rowsOf(scratch, rangeOfPrefix(prefix))) {
    yield { key: key.subarray(prefix.length), row: decodeRow(stored) };
  }
}
