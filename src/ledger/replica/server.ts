/** What a replica serves to its peers on request: blocks, batches, certificates, runs of final blocks. */
import { LIMITS } from "../../limits.ts";
import type { PeerId } from "../ports.ts";
import type { SizedCertificate } from "../statement.ts";
import type { Batch, Block, Hash, Vote } from "../types.ts";
import type { Message, WireBlock } from "../wire.ts";
import type { BlockStore } from "./block-store.ts";
import type { Context } from "./context.ts";

export type ServedState = {
  finalHeight(): number;
  /** A block or batch that is in memory only. */
  block(hash: Hash): Block | undefined;
  batch(digest: Hash): Batch | undefined;
};

type CertifiedRun = {
  readonly blocks: readonly WireBlock[];
  readonly bytes: number;
  readonly certificate: SizedCertificate;
};

/** One answer with batches stays below the mempool class's frame limit. */
const BATCHES_REPLY_BYTES = LIMITS.frameBytesMax.mempool - 64 * 1024;

/** What looking something up costs a peer of its rate, in bytes, whether or not it is found. */
const LOOKUP_COST = 1024;

export class Server {
  readonly #context: Context;
  readonly #store: BlockStore;
  readonly #state: ServedState;
  readonly #send: (peer: PeerId, message: Message) => boolean;
  readonly #budgets = new Map<PeerId, { bytes: number; atMs: number }>();

  constructor(
    context: Context,
    store: BlockStore,
    state: ServedState,
    send: (peer: PeerId, message: Message) => boolean,
  ) {
    this.#context = context;
    this.#store = store;
    this.#state = state;
    this.#send = send;
  }

  forgetPeer(peer: PeerId): void {
    this.#budgets.delete(peer);
  }

  block(peer: PeerId, hash: Hash): void {
    if (!this.#spend(peer, LOOKUP_COST)) return;
    const bytes = this.#state.block(hash)?.bytes ?? this.#store.blockBytes(hash);
    if (bytes !== undefined && this.#spend(peer, bytes.length)) {
      this.#send(peer, { type: "block", block: bytes });
    }
  }

  /** A certificate of the running epoch that the core holds (`held`), or one of the store. */
  certificate(
    peer: PeerId,
    query: Message & { type: "certificate-request" },
    held: SizedCertificate | undefined,
  ): void {
    if (!this.#spend(peer, LOOKUP_COST)) return;
    const { epoch, view, kind } = query;
    const certificate = held ?? this.#store.certificate(epoch, view, kind);
    if (certificate === undefined) return;
    const bytes = certificate.signers.length * LIMITS.falconSignatureBytes;
    if (this.#spend(peer, bytes)) this.#send(peer, { type: "certificate", certificate });
  }

  /** The latest vote known of a validator, which asks for it before it votes. */
  watermark(peer: PeerId, nonce: number, vote: Vote | undefined): void {
    if (!this.#spend(peer, LOOKUP_COST + LIMITS.falconSignatureBytes)) return;
    this.#send(peer, { type: "watermark-response", nonce, vote });
  }

  batches(peer: PeerId, digests: readonly Hash[]): void {
    let reply: Uint8Array[] = [];
    let bytes = 0;
    const flush = (): boolean => {
      const full = reply;
      reply = [];
      bytes = 0;
      return full.length === 0 || this.#send(peer, { type: "batches", batches: full });
    };
    for (const digest of digests) {
      if (!this.#spend(peer, LOOKUP_COST)) return;
      const found = this.#state.batch(digest)?.bytes ?? this.#store.batchBytes(digest);
      if (found === undefined) continue;
      if (!this.#spend(peer, found.length)) return;
      if (bytes + found.length > BATCHES_REPLY_BYTES && !flush()) return;
      reply.push(found);
      bytes += found.length + 4;
    }
    flush();
  }

  /** A run of final blocks from a height, ending in one with its own certificate, within one epoch. */
  run(peer: PeerId, from: number): void {
    const none: Message = { type: "sync-none", from };
    if (from < 1 || from > this.#state.finalHeight()) {
      this.#send(peer, none);
      return;
    }
    // Before the work, not after it: a peer over its rate must not have megabytes read for nothing.
    const affordable = this.#spend(peer, LIMITS.syncResponseBytesMax);
    const run = affordable ? this.#certifiedRun(from) : undefined;
    if (affordable) this.#refund(peer, LIMITS.syncResponseBytesMax - costOf(run));
    if (run === undefined) {
      this.#send(peer, none);
      return;
    }
    const { certificate, blocks } = run;
    // A run too large for one frame: with the certificate the peer fetches block by block.
    if (blocks.length === 0) this.#send(peer, { type: "certificate", certificate });
    else this.#send(peer, { type: "sync-response", from, certificate, blocks });
    if (blocks.length === 0) this.#send(peer, none);
  }

  /** The longest run that fits; no blocks if not even the first certified block is within the limit. */
  #certifiedRun(from: number): CertifiedRun | undefined {
    const blocks: WireBlock[] = [];
    let bytes = 0;
    let best: CertifiedRun | undefined;
    for (let height = from; height < from + LIMITS.syncResponseBlocksMax; height++) {
      const wire = this.#wireBlock(height);
      if (wire === undefined) break;
      bytes += sizeOf(wire);
      const fits = bytes <= LIMITS.syncResponseBytesMax;
      if (!fits && best !== undefined) break;
      blocks.push(wire);
      const at = this.#store.finalizationAt(height);
      const certificate =
        at === undefined ? undefined : this.#store.certificate(at.epoch, at.view, "finalize");
      if (certificate !== undefined) {
        best = fits
          ? { blocks: blocks.slice(), bytes, certificate }
          : { blocks: [], bytes: 0, certificate };
      }
      if (!fits && best !== undefined) break;
      if (this.#isBoundary(height)) break;
    }
    return best;
  }

  #isBoundary(height: number): boolean {
    const hash = this.#store.hashAt(height);
    const header = hash === undefined ? undefined : this.#store.block(hash)?.header;
    return header?.nextSetHash.some((byte) => byte !== 0) === true;
  }

  #wireBlock(height: number): WireBlock | undefined {
    if (height > this.#state.finalHeight()) return undefined;
    const hash = this.#store.hashAt(height);
    const block = hash === undefined ? undefined : this.#store.block(hash);
    if (block === undefined) return undefined;
    const batches: Uint8Array[] = [];
    for (const digest of block.batchDigests) {
      const bytes = this.#store.batchBytes(digest);
      if (bytes === undefined) return undefined;
      batches.push(bytes);
    }
    return { block: block.bytes, batches };
  }

  /** Token bucket a peer, one second deep: what is over the rate is not served. */
  #spend(peer: PeerId, bytes: number): boolean {
    const rate = LIMITS.syncServeBytesPerSecond;
    const nowMs = this.#context.ports.clock.monotonicMs();
    const budget = this.#budgets.get(peer) ?? { bytes: rate, atMs: nowMs };
    budget.bytes = Math.min(rate, budget.bytes + ((nowMs - budget.atMs) * rate) / 1000);
    budget.atMs = nowMs;
    this.#budgets.set(peer, budget);
    if (budget.bytes < bytes) return false;
    budget.bytes -= bytes;
    return true;
  }

  #refund(peer: PeerId, bytes: number): void {
    const budget = this.#budgets.get(peer);
    if (budget !== undefined) budget.bytes += bytes;
  }
}

/** A run costs its bytes, and the reading of each block even where it is empty. */
const costOf = (run: CertifiedRun | undefined): number =>
  run === undefined ? LOOKUP_COST : run.bytes + run.blocks.length * LOOKUP_COST;

const sizeOf = (wire: WireBlock): number =>
  wire.batches.reduce((sum, batch) => sum + batch.length + 4, wire.block.length + 8);
