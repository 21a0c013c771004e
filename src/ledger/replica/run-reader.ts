/**
 * Reads the run of final blocks that answers a sync request, a slice at a time: what a peer asks with nine
 * bytes may be megabytes on the disk, and everything else in this node waits while it is read. Counts what
 * it has read, so that the peer is charged for the work and not for the answer.
 */
import { isZero } from "../../crypto/bytes.ts";
import { LIMITS } from "../../limits.ts";
import { HEADER_BYTES } from "../block.ts";
import type { SizedCertificate } from "../statement.ts";
import type { Hash } from "../types.ts";
import type { WireBlock } from "../wire.ts";
import type { BlockStore } from "./block-store.ts";

/** What a run found. No blocks: the first certified run does not fit one answer. */
export type CertifiedRun = {
  readonly blocks: readonly WireBlock[];
  readonly certificate: SizedCertificate;
};

/** The block that is being read, batch by batch. */
type Open = {
  readonly block: Uint8Array;
  readonly digests: readonly Hash[];
  readonly batches: Uint8Array[];
  readonly boundary: boolean;
};

type Pointer = { readonly epoch: number; readonly view: number };

export class RunReader {
  readonly from: number;
  readonly #store: BlockStore;
  readonly #finalHeight: number;
  readonly #blocks: WireBlock[] = [];
  #height: number;
  #open: Open | undefined;
  /** Bytes of the answer so far. */
  #answerBytes = 0;
  /** The longest run that fits and ends in a block with a certificate of its own. */
  #best: { readonly count: number; readonly at: Pointer } | undefined;
  /** Over the size of an answer before any certificate: only the next certificate is looked for. */
  #over = false;
  #done = false;
  #lookups = 0;
  #bytes = 0;

  constructor(store: BlockStore, from: number, finalHeight: number) {
    this.#store = store;
    this.from = from;
    this.#height = from;
    this.#finalHeight = Math.min(finalHeight, from + LIMITS.syncResponseBlocksMax - 1);
  }

  /** What was read so far, in bytes of a peer's rate. */
  get cost(): number {
    return this.#bytes + this.#lookups * LIMITS.syncLookupCostBytes;
  }

  /** Reads on for one slice; true when nothing is left to read. */
  slice(): boolean {
    const lookups = this.#lookups + LIMITS.syncSliceLookupsMax;
    const bytes = this.#bytes + LIMITS.syncSliceBytesMax;
    while (!this.#done && this.#lookups < lookups && this.#bytes < bytes) this.#step();
    return this.#done;
  }

  /** The answer, once nothing is left to read. */
  result(): CertifiedRun | undefined {
    const best = this.#best;
    if (best === undefined) return undefined;
    const { epoch, view } = best.at;
    this.#lookups += 1;
    const certificate = this.#store.certificate(epoch, view, "finalize");
    if (certificate === undefined) return undefined;
    this.#bytes += certificate.signers.length * LIMITS.falconSignatureBytes;
    return { blocks: this.#blocks.slice(0, best.count), certificate };
  }

  /** One block's bytes, one of its batches, or one pointer. */
  #step(): void {
    const open = this.#open;
    if (this.#over) this.#seekCertificate();
    else if (open === undefined) this.#openBlock();
    else if (open.batches.length < open.digests.length) this.#readBatch(open);
    else this.#closeBlock(open);
  }

  #openBlock(): void {
    if (this.#height > this.#finalHeight) return this.#end();
    this.#lookups += 2;
    const hash = this.#store.hashAt(this.#height);
    const header = hash === undefined ? undefined : this.#store.header(hash);
    if (header === undefined) return this.#end();
    const { bytes: block, batchCount, nextSetHash } = header;
    const digests: Hash[] = [];
    for (let i = 0; i < batchCount; i++) {
      digests.push(block.subarray(HEADER_BYTES + 32 * i, HEADER_BYTES + 32 * (i + 1)));
    }
    this.#open = { block, digests, batches: [], boundary: !isZero(nextSetHash) };
    this.#take(block, 8);
  }

  #readBatch({ digests, batches }: Open): void {
    const digest = digests[batches.length];
    this.#lookups += 1;
    const batch = digest === undefined ? undefined : this.#store.batchBytes(digest);
    if (batch === undefined) return this.#end();
    batches.push(batch);
    this.#take(batch, 4);
  }

  /** Counts bytes of the answer; stops reading where they are more than one answer may have. */
  #take(bytes: Uint8Array, lengthBytes: number): void {
    this.#bytes += bytes.length;
    this.#answerBytes += bytes.length + lengthBytes;
    if (this.#answerBytes <= LIMITS.syncResponseBytesMax) return;
    if (this.#best !== undefined) return this.#end();
    this.#over = true;
    this.#open = undefined;
    this.#blocks.length = 0;
  }

  #closeBlock({ block, batches, boundary }: Open): void {
    this.#blocks.push({ block, batches });
    this.#open = undefined;
    const at = this.#pointer();
    if (at !== undefined) this.#best = { count: this.#blocks.length, at };
    if (boundary) this.#end();
    this.#height += 1;
  }

  #seekCertificate(): void {
    if (this.#height > this.#finalHeight) return this.#end();
    const at = this.#pointer();
    this.#height += 1;
    if (at === undefined) return;
    this.#best = { count: 0, at };
    this.#end();
  }

  #pointer(): Pointer | undefined {
    this.#lookups += 1;
    return this.#store.finalizationAt(this.#height);
  }

  #end(): void {
    this.#done = true;
    this.#open = undefined;
  }
}
