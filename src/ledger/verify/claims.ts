/**
 * What a proof bundle claims, checked against one header. Pure and browser-safe.
 *
 * What this trusts: the header, which links.ts proves. What it proves: `events` are leaves of the log whose
 * root the header has, with the outcome that execution gave them, and a `range` of them without a gap; where
 * a batch is shown, also that the
 * holder of the actor's key signed them (once the signature job holds). `rows` are, or are not, in the state
 * whose root the header has. `no-event` follows from the header's log size alone.
 */
import { compareBytes, equalBytes, toHex } from "../../crypto/bytes.ts";
import { Writer } from "../../crypto/codec.ts";
import type { Hasher } from "../../crypto/hash.ts";
import { verifyMerklePath } from "../../crypto/merkle.ts";
import { fail, ok, type Result } from "../../errors.ts";
import {
  actorId,
  BATCH_CORE_BYTES,
  batchSigningMessage,
  readSealed,
  type SealedBatch,
} from "../batch.ts";
import { decodeLeaf } from "../leaf.ts";
import { leafHash, nodeHash } from "../log-tree.ts";
import type { VerifyJob } from "../ports.ts";
import { decodeRow, GENESIS_ORIGIN } from "../row.ts";
import { verifyStateProof } from "../state-proof.ts";
import type { Hash, Header, LogEntry } from "../types.ts";
import type { BatchProof, Claim, ProjectionRoot, RowProof } from "./bundle.ts";
import { appendLeaf, type CompactRange, rangeBefore, subtreesOf } from "./compact-range.ts";
import type { ProvenEvent, ProvenRow } from "./proven.ts";

/** Which event of a claim, for messages. */
const eventAt = (i: number, count: number): string => (count === 1 ? "event" : `event ${i}`);

/** The leaves of the log that the claim shows. */
export const checkInclusion = (
  header: Header,
  claim: Claim & { readonly kind: "events" },
): Result<readonly LogEntry[]> => {
  const entries: LogEntry[] = [];
  for (const [i, { leaf, path }] of claim.events.entries()) {
    const what = eventAt(i, claim.events.length);
    const entry = decodeLeaf(leaf);
    if (!entry.ok) return fail("proof.malformed", `${what}: ${entry.detail}`);
    const { index, height } = entry.value;
    const { logSize, logRoot } = header;
    if (!verifyMerklePath(leafHash(leaf), index, logSize, path, logRoot, nodeHash)) {
      return fail("proof.invalid", `${what}: the path does not lead from the leaf to the log root`);
    }
    if (height > header.executedHeight) {
      return fail("proof.invalid", `${what}: of a height above the one that was executed`);
    }
    const before = entries.at(-1);
    if (before !== undefined && before.index >= index) {
      return fail("proof.malformed", "events are not in the order of their indexes");
    }
    entries.push(entry.value);
  }
  return ok(entries);
};

/**
 * That the leaves are the log from the first one's index on, without a gap. The path of the last leaf holds
 * the whole log before it, as the complete subtrees of that part; these are computed once more from the
 * subtrees before the first leaf and the leaves between. So one path proves all of them.
 */
export const checkRange = (
  header: Header,
  claim: Claim & { readonly kind: "range" },
): Result<readonly LogEntry[]> => {
  const entries: LogEntry[] = [];
  for (const [i, leaf] of claim.leaves.entries()) {
    const entry = decodeLeaf(leaf);
    if (!entry.ok) return fail("proof.malformed", `leaf ${i}: ${entry.detail}`);
    const first = entries[0]?.index ?? entry.value.index;
    if (entry.value.index !== first + i) {
      return fail("proof.malformed", `leaf ${i}: not the one behind leaf ${i - 1}`);
    }
    if (entry.value.height > header.executedHeight) {
      return fail("proof.invalid", `leaf ${i}: of a height above the one that was executed`);
    }
    entries.push(entry.value);
  }
  const [first] = entries;
  const last = entries.at(-1);
  const lastLeaf = claim.leaves.at(-1);
  if (first === undefined || last === undefined || lastLeaf === undefined) {
    return fail("proof.malformed", "a range of no events");
  }
  const { path, before } = claim;
  const { logSize, logRoot } = header;
  if (!verifyMerklePath(leafHash(lastLeaf), last.index, logSize, path, logRoot, nodeHash)) {
    return fail("proof.invalid", "the path does not lead from the last leaf to the log root");
  }
  if (before.length !== subtreesOf(first.index) || before.some(({ length }) => length !== 32)) {
    return fail("proof.malformed", `not the subtrees of the ${first.index} events before`);
  }
  let range: CompactRange = { size: first.index, subtrees: before };
  for (const leaf of claim.leaves.slice(0, -1)) range = appendLeaf(range, leafHash(leaf));
  const proven = rangeBefore(last.index, logSize, path)?.subtrees ?? [];
  const equal =
    proven.length === range.subtrees.length &&
    proven.every((hash, i) => equalBytes(hash, range.subtrees[i] ?? hash));
  return equal ? ok(entries) : fail("proof.invalid", "the leaves are not those of the log");
};

type OpenBatch = {
  readonly sealed: SealedBatch;
  readonly batch: BatchProof;
  used: boolean;
};

const openBatches = (
  hasher: Hasher,
  batches: readonly BatchProof[],
): Result<Map<string, OpenBatch>> => {
  const open = new Map<string, OpenBatch>();
  for (const batch of batches) {
    if (batch.core.length !== BATCH_CORE_BYTES) {
      return fail("proof.malformed", `a batch core of ${batch.core.length} bytes`);
    }
    const sealed = readSealed(hasher, batch.core);
    if (!sealed.ok) return fail("proof.invalid", `batch: ${sealed.detail}`);
    const id = toHex(sealed.value.id);
    if (open.has(id)) return fail("proof.malformed", "a batch is shown twice");
    if (!equalBytes(actorId(hasher, batch.publicKey), sealed.value.actor)) {
      return fail("proof.invalid", "the key shown is not of the batch's actor");
    }
    open.set(id, { sealed: sealed.value, batch, used: false });
  }
  return ok(open);
};

export type Authorship = {
  readonly events: readonly ProvenEvent[];
  readonly jobs: readonly VerifyJob[];
};

/** That each event whose batch is shown is in what its actor signed. */
export const checkAuthorship = (
  hasher: Hasher,
  claim: Claim & { readonly kind: "events" },
  entries: readonly LogEntry[],
): Result<Authorship> => {
  const open = openBatches(hasher, claim.batches);
  if (!open.ok) return open;
  const node = (left: Hash, right: Hash): Hash => hasher.ht("event/node", left, right);
  const events: ProvenEvent[] = [];
  for (const [i, entry] of entries.entries()) {
    const batchPath = claim.events[i]?.batchPath ?? [];
    const known = open.value.get(toHex(entry.batchId));
    if (known === undefined) {
      if (batchPath.length > 0) {
        return fail("proof.malformed", "a path into a batch that is not shown");
      }
      events.push({ ...entry, author: undefined });
      continue;
    }
    const { actor, laneSeq, refHeight, eventCount, eventsRoot } = known.sealed;
    const leaf = hasher.ht("event/leaf", entry.event.bytes);
    if (!verifyMerklePath(leaf, entry.position, eventCount, batchPath, eventsRoot, node)) {
      const what = eventAt(i, entries.length);
      return fail("proof.invalid", `${what}: the path does not lead to what the actor signed`);
    }
    known.used = true;
    const { publicKey } = known.batch;
    events.push({ ...entry, author: { actor, publicKey, laneSeq, refHeight } });
  }
  const jobs: VerifyJob[] = [];
  for (const { sealed, batch, used } of open.value.values()) {
    if (!used) return fail("proof.malformed", "a batch is shown that no event is of");
    const message = batchSigningMessage(hasher, sealed.id);
    jobs.push({ message, signature: batch.signature, publicKey: batch.publicKey });
  }
  return ok({ events, jobs });
};

/** The root that a header has of a list of projections (docs/protocol.md, "State"). */
export const rootOfProjections = (hasher: Hasher, projections: readonly ProjectionRoot[]): Hash => {
  const writer = new Writer(1024).u32(projections.length);
  for (const { name, schemaVersion, root } of projections) {
    writer.string(name).u16(schemaVersion).hash(root);
  }
  return hasher.ht("state/root", writer.finish());
};

/** That the projection's root is in the state that the header commits to. */
export const checkProjection = (
  hasher: Hasher,
  header: Header,
  claim: Claim & { readonly kind: "rows" },
): Result<ProjectionRoot> => {
  const { projections, projection } = claim;
  if (projections.some(({ root }) => root.length !== 32)) {
    return fail("proof.malformed", "a root that is no hash");
  }
  if (!equalBytes(rootOfProjections(hasher, projections), header.stateRoot)) {
    return fail("proof.invalid", "the projections do not hash to the header's state root");
  }
  const found = projections.filter(({ name }) => name === projection);
  const [only] = found;
  if (only === undefined || found.length > 1) {
    return fail("proof.invalid", `the state has no one projection ${projection}`);
  }
  return ok(only);
};

/** That each row is, or is not, under its key. */
export const checkRows = (
  hasher: Hasher,
  root: Hash,
  rows: readonly RowProof[],
): Result<readonly ProvenRow[]> => {
  const proven: ProvenRow[] = [];
  for (const [i, { key, row, proof }] of rows.entries()) {
    const before = rows[i - 1];
    if (before !== undefined && compareBytes(before.key, key) >= 0) {
      return fail("proof.malformed", "rows are not in the order of their keys");
    }
    const checked = verifyStateProof(hasher, root, key, row, proof);
    if (!checked.ok) {
      const code = checked.code === "proof.invalid" ? "proof.invalid" : "proof.malformed";
      return fail(code, `row ${i}: ${checked.detail}`);
    }
    const stored = row === undefined ? undefined : decodeRow(row);
    const origin = stored?.origin === GENESIS_ORIGIN ? undefined : stored?.origin;
    proven.push({ key, value: stored?.value, origin });
  }
  return ok(proven);
};
