/**
 * Evidence against members that served what is not of the object: a file each, and beside it the bytes that came.
 *
 *     <folder>/<time>-<member>-<object>-<place>.json   what happened, and what of it proves what
 *     <folder>/<time>-<member>-<object>-<place>.bin    the bytes
 *
 * Two kinds, which prove different things, and each file says which:
 *
 * - **manifest**: the member signed, with its node key, that it serves this manifest under this name, and the
 *   manifest does not hash to the name. Anybody can check that, with the member's public key alone.
 * - **chunk**: the bytes that came as a chunk have another hash than the object's. Who the chunk came from only this
 *   node knows, by the session that it came over: nothing in the bytes shows it to others. What others can check is
 *   that the chunk is wrong, and, where `claim` is there, that the member signed that it serves the object. The
 *   claim comes later, if it does, and the record is written again then: what came is not kept waiting for it.
 */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { toHex } from "../../crypto/bytes.ts";
import { sha256 } from "../../crypto/hash.ts";
import type { ChunkProof } from "../../crypto/objects/tree.ts";
import type { Observation, ObservationPort } from "../../detect/index.ts";
import type { Logger, Metrics } from "../../ledger/ports.ts";
import { LIMITS } from "../../limits.ts";
import type { ServedManifest } from "../../transport/objects/messages.ts";
import { namesIn, readWhole, removeDrafts, syncFolder, writeFailure, writeWhole } from "./files.ts";

const SUFFIX = ".json";
const MANIFEST_PLACE = "manifest";
const RECORD_BYTES_MAX = 64 * 1024;

export type Claim = {
  /** SHA-256 of the manifest that is signed for, hex. */
  readonly manifestHash: string;
  readonly publicKey: string;
  readonly signature: string;
};

export type EvidenceRecord = {
  readonly version: 1;
  readonly kind: "manifest" | "chunk";
  readonly timeMs: number;
  readonly chainId: string;
  readonly member: string;
  readonly root: string;
  /** Whether others can check who did it. */
  readonly transferable: boolean;
  readonly shows: string;
  readonly receivedHash: string;
  readonly receivedBytes: number;
  /** The member's signature that it serves the object; null where it gave none. */
  readonly claim: Claim | null;
  /** Of a chunk: which, and what shows that the object's has another hash. */
  readonly chunk: {
    readonly index: number;
    readonly length: number;
    readonly hash: string;
    readonly top: string;
    readonly path: readonly string[];
  } | null;
};

export type NewEvidence =
  | {
      readonly kind: "manifest";
      readonly member: string;
      readonly root: Uint8Array;
      readonly served: ServedManifest;
    }
  | {
      readonly kind: "chunk";
      readonly member: string;
      readonly root: Uint8Array;
      readonly received: Uint8Array;
      readonly hash: Uint8Array;
      readonly proof: ChunkProof;
    };

const SHOWS = {
  manifest:
    "the member signed with its node key that it serves this manifest under this name; the manifest, in the file " +
    "beside this one, does not hash to the name",
  chunk:
    "the bytes in the file beside this one came as this chunk, and have another hash than the object's; that they " +
    "came from this member only the node that kept this knows, by its session",
} as const;

const claimOf = (served: ServedManifest): Claim => ({
  manifestHash: toHex(sha256(served.manifest)),
  publicKey: toHex(served.publicKey),
  signature: toHex(served.signature),
});

export type EvidenceOptions = {
  readonly folder: string;
  readonly chainId: string;
  readonly wallMs: () => number;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Told of each lie, and at the start of those that are kept from before. */
  readonly observations: ObservationPort;
};

export class EvidenceFolder {
  readonly #options: EvidenceOptions;
  /** What is on the disk, the oldest first. */
  readonly #records: EvidenceRecord[] = [];
  /** What is being written, which counts as if it were there. */
  readonly #adding = new Set<EvidenceRecord>();
  readonly #writes = new Set<Promise<unknown>>();

  private constructor(options: EvidenceOptions) {
    this.#options = options;
  }

  /** Reads what is there; a file that is none of ours is left alone. Throws store.io, store.full. */
  static async open(options: EvidenceOptions): Promise<EvidenceFolder> {
    const evidence = new EvidenceFolder(options);
    await mkdir(options.folder, { recursive: true, mode: 0o700 }).catch((error: unknown) => {
      throw writeFailure(options.folder, error);
    });
    await removeDrafts(options.folder);
    const names = (await namesIn(options.folder)).filter((name) => name.endsWith(SUFFIX)).sort();
    for (const name of names) {
      const bytes = await readWhole(join(options.folder, name), RECORD_BYTES_MAX);
      const record = bytes === undefined ? undefined : readRecord(bytes);
      if (record === undefined) continue;
      evidence.#records.push(record);
      options.observations.observed(observationOf(record));
    }
    return evidence;
  }

  /** The oldest first. */
  list(): readonly EvidenceRecord[] {
    return this.#records;
  }

  /**
   * Keeps it, unless there is as much as may be, in all or of this member: who goes on lying shall not push out
   * what others did. Counted all the same. Begins to write before it returns, and gives the record when it is on the
   * disk; undefined where it is not kept. Never throws.
   */
  add(found: NewEvidence): Promise<EvidenceRecord | undefined> {
    const { chainId, logger, metrics, wallMs } = this.#options;
    const { kind, member, root } = found;
    const received = kind === "manifest" ? found.served.manifest : found.received;
    metrics.count("tetrad_object_lies_total", 1, { kind });
    const timeMs = Math.round(wallMs());
    const record: EvidenceRecord = {
      ...{ version: 1, kind, timeMs, chainId, member, root: toHex(root) },
      transferable: kind === "manifest",
      shows: SHOWS[kind],
      receivedHash: toHex(sha256(received)),
      receivedBytes: received.length,
      claim: kind === "manifest" ? claimOf(found.served) : null,
      chunk: kind === "manifest" ? null : chunkOf(found.hash, found.proof),
    };
    const fields = { member, root: record.root, kind, index: record.chunk?.index };
    this.#options.observations.observed(observationOf(record));
    logger.log("warn", "a member served what is not of the object", fields);
    const known = [...this.#records, ...this.#adding];
    const ofMember = known.filter((one) => one.member === member).length;
    const isFull = known.length >= LIMITS.objectEvidenceMax;
    if (isFull || ofMember >= LIMITS.objectEvidencePerMemberMax) return Promise.resolve(undefined);
    return this.#track(this.#keep(record, received));
  }

  /** Puts beside a record that is kept what its member has signed. Never throws. */
  claim(record: EvidenceRecord, served: ServedManifest): Promise<void> {
    return this.#track(this.#claim(record, { ...record, claim: claimOf(served) }));
  }

  /** Whatever was begun is on the disk, or could not be written. */
  async idle(): Promise<void> {
    while (this.#writes.size > 0) await Promise.all(this.#writes);
  }

  async #keep(record: EvidenceRecord, received: Uint8Array): Promise<EvidenceRecord | undefined> {
    this.#adding.add(record);
    const isKept = await this.#write(record, received);
    this.#adding.delete(record);
    if (!isKept) return undefined;
    this.#records.push(record);
    this.#records.sort((a, b) => a.timeMs - b.timeMs);
    return record;
  }

  async #claim(record: EvidenceRecord, claimed: EvidenceRecord): Promise<void> {
    if (!(await this.#write(claimed))) return;
    const at = this.#records.indexOf(record);
    if (at >= 0) this.#records[at] = claimed;
  }

  /** The bytes before the record, so that no record is without them. False where that failed. */
  async #write(record: EvidenceRecord, received?: Uint8Array): Promise<boolean> {
    const { folder, logger } = this.#options;
    const place = record.chunk?.index ?? MANIFEST_PLACE;
    const { timeMs, member, root } = record;
    const name = [timeMs, member.slice(0, 16), root.slice(0, 16), place].join("-");
    const bytesPath = join(folder, `${name}.bin`);
    try {
      if (received !== undefined) await writeWhole(bytesPath, received);
      const text = `${JSON.stringify(record, null, 2)}\n`;
      await writeWhole(join(folder, `${name}${SUFFIX}`), Buffer.from(text));
      await syncFolder(folder);
      return true;
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error);
      logger.log("warn", "evidence could not be written", { folder, detail });
      if (received !== undefined) await rm(bytesPath, { force: true }).catch(() => {});
      return false;
    }
  }

  #track<T>(write: Promise<T>): Promise<T> {
    const tracked = write.finally(() => this.#writes.delete(tracked));
    this.#writes.add(tracked);
    return tracked;
  }
}

const observationOf = ({ kind, member, timeMs, transferable }: EvidenceRecord): Observation => ({
  kind: kind === "chunk" ? "object-chunk" : "object-manifest",
  ...{ member, timeMs, transferable: transferable === true },
});

const chunkOf = (hash: Uint8Array, proof: ChunkProof): EvidenceRecord["chunk"] => ({
  index: proof.index,
  length: proof.length,
  hash: toHex(hash),
  top: toHex(proof.top),
  path: proof.path.map(toHex),
});

/** Our own file, read back: undefined where somebody has changed what it is. */
const readRecord = (bytes: Uint8Array): EvidenceRecord | undefined => {
  try {
    const value = JSON.parse(Buffer.from(bytes).toString("utf8")) as Partial<EvidenceRecord> | null;
    const isOurs =
      value?.version === 1 &&
      (value.kind === "manifest" || value.kind === "chunk") &&
      typeof value.member === "string" &&
      typeof value.root === "string" &&
      typeof value.timeMs === "number";
    return isOurs ? (value as EvidenceRecord) : undefined;
  } catch {
    return undefined;
  }
};
