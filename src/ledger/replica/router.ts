/**
 * What a frame from a peer means: decoding, the class it must come on, and the part that answers. A peer
 * that breaks an encoding is cut off; whatever is merely late or unknown is dropped.
 */

import { toHex } from "../../crypto/bytes.ts";
import type { Failure } from "../../errors.ts";
import { fail, ok } from "../../errors.ts";
import { batchDigest, decodeBatch, readSealed } from "../batch.ts";
import { decodeBlock, HEADER_BYTES } from "../block.ts";
import type { PeerId, TrafficClass } from "../ports.ts";
import { statementBytes } from "../statement.ts";
import type { Batch, Hash, Vote } from "../types.ts";
import type { CoreTotals } from "../validity.ts";
import { classOf, decodeMessage, type Message } from "../wire.ts";
import type { BatchPool } from "./batch-pool.ts";
import type { BlockStore } from "./block-store.ts";
import type { BlockTree } from "./block-tree.ts";
import type { Committer } from "./committer.ts";
import type { Context } from "./context.ts";
import type { Cosigner } from "./cosigner.ts";
import type { Engine } from "./engine.ts";
import type { Server } from "./server.ts";
import type { Syncer } from "./syncer.ts";
import type { Watermark } from "./watermark.ts";

/** The parts of a participant that messages go to; each is absent until everything is loaded. */
export type RoutedParts = {
  readonly store: BlockStore;
  readonly cosigner: Cosigner;
  engine(): Engine | undefined;
  committer(): Committer | undefined;
  pool(): BatchPool | undefined;
  tree(): BlockTree | undefined;
  syncer(): Syncer | undefined;
  server(): Server | undefined;
  watermark(): Watermark | undefined;
  /** Index of a peer in the running epoch's set. */
  validatorOf(peer: PeerId): number | undefined;
  /** The key that this node had in an epoch, where its set is known. */
  ownKeyIn(epoch: number): Uint8Array | undefined;
  /** Whether this node is not in the running epoch's set. */
  observes(): boolean;
  send(peer: PeerId, message: Message): boolean;
  misbehaved(peer: PeerId, failure: Failure): void;
  /** A block or batches arrived: what is final needs no verdict, and a verdict may wait for it. */
  fetched(): void;
};

export class Router {
  readonly #context: Context;
  readonly #parts: RoutedParts;
  /** When each peer of another epoch was last told where we are. */
  readonly #asked = new Map<PeerId, number>();

  constructor(context: Context, parts: RoutedParts) {
    this.#context = context;
    this.#parts = parts;
  }

  forgetPeer(peer: PeerId): void {
    this.#asked.delete(peer);
  }

  onFrame(peer: PeerId, trafficClass: TrafficClass, bytes: Uint8Array): void {
    if (this.#context.stopped()) return;
    const decoded = decodeMessage(bytes);
    if (!decoded.ok) return this.#parts.misbehaved(peer, decoded);
    const message = decoded.value;
    if (classOf(message) !== trafficClass) {
      const failure = fail("encoding.malformed", `${message.type} on the ${trafficClass} stream`);
      return this.#parts.misbehaved(peer, failure);
    }
    this.#onMessage(peer, message);
  }

  #onMessage(peer: PeerId, message: Message): void {
    switch (message.type) {
      case "proposal":
        if (this.#isCurrent(peer, message.vote.statement.epoch)) {
          this.#parts.engine()?.onProposal(peer, message);
        }
        break;
      case "vote":
        if (this.#isCurrent(peer, message.vote.statement.epoch)) {
          this.#parts.engine()?.onVote(peer, message.vote);
        }
        break;
      case "certificate":
        if (this.#isCurrent(peer, message.certificate.statement.epoch, "certificate.wrong-epoch")) {
          this.#parts.engine()?.onCertificate(peer, message.certificate);
        }
        break;
      case "status":
        this.#onStatus(peer, message.status);
        break;
      case "certificate-request":
        this.#serveCertificate(peer, message);
        break;
      case "batch":
        this.#onPushedBatch(peer, message.batch);
        break;
      case "batches":
        this.#onFetchedBatches(peer, message.batches);
        break;
      default:
        this.#onSyncMessage(peer, message);
    }
  }

  #onSyncMessage(peer: PeerId, message: Message): void {
    switch (message.type) {
      case "block-request":
        this.#parts.server()?.block(peer, message.hash);
        break;
      case "block":
        this.#onFetchedBlock(peer, message.block);
        break;
      case "batch-request":
        this.#parts.server()?.batches(peer, message.digests);
        break;
      case "sync-request":
        this.#parts.server()?.run(peer, message.from);
        break;
      case "sync-response":
        this.#parts.syncer()?.onResponse(peer, message);
        break;
      case "sync-none":
        this.#parts.syncer()?.onNone(peer, message.from);
        break;
      case "watermark-request": {
        const validator = this.#parts.validatorOf(peer);
        const engine = this.#parts.engine();
        if (validator === undefined || engine === undefined) break;
        this.#parts.server()?.watermark(peer, message.nonce, engine.latestVote(validator));
        break;
      }
      case "watermark-response":
        this.#onWatermark(peer, message.nonce, message.vote);
        break;
      case "cosignature":
        this.#parts.cosigner.onCosignature(peer, message);
        break;
      default:
        break;
    }
  }

  /** Whether the running engine speaks of this epoch; a later one means that we are behind. */
  #isCurrent(
    peer: PeerId,
    epoch: number,
    code: "consensus.wrong-epoch" | "certificate.wrong-epoch" = "consensus.wrong-epoch",
  ): boolean {
    const current = this.#parts.committer()?.start.epoch ?? 0;
    if (epoch > current) this.#askStatus(peer);
    const running = this.#parts.engine()?.epoch;
    if (running !== undefined && epoch !== running) {
      this.#parts.misbehaved(peer, fail(code, `of epoch ${epoch}, this is ${running}`));
    }
    return epoch === running;
  }

  /** Tells a peer of another epoch where we are; it answers with what we need. */
  #askStatus(peer: PeerId): void {
    const nowMs = this.#context.ports.clock.monotonicMs();
    const last = this.#asked.get(peer) ?? Number.NEGATIVE_INFINITY;
    const engine = this.#parts.engine();
    if (engine === undefined || nowMs - last < this.#context.timing.retryMs / 2) return;
    this.#asked.set(peer, nowMs);
    this.#parts.send(peer, { type: "status", status: engine.status() });
  }

  #onStatus(peer: PeerId, status: Parameters<Engine["onStatus"]>[1]): void {
    const committer = this.#parts.committer();
    const validator = this.#parts.validatorOf(peer);
    if (committer === undefined) return;
    const epoch = this.#parts.engine()?.epoch ?? committer.start.epoch;
    const ahead = status.finalHeight - committer.tip.height;
    // A block or two come by the certificates of the epoch; more, or another epoch, by height.
    // A node that is in no set gets no certificates, and fetches each block.
    const isFar = ahead > 2 || (ahead > 0 && (status.epoch > epoch || this.#parts.observes()));
    if (isFar) {
      this.#parts.syncer()?.claim(peer, status.finalHeight);
    }
    if (status.epoch === epoch && validator !== undefined) {
      this.#parts.engine()?.onStatus(validator, status);
    } else if (status.epoch < epoch || (validator === undefined && ahead < 0)) {
      this.#askStatus(peer);
    }
  }

  #serveCertificate(peer: PeerId, query: Message & { type: "certificate-request" }): void {
    const { epoch, view, kind } = query;
    const engine = this.#parts.engine();
    const held = engine?.epoch === epoch ? engine.certificate(view, kind) : undefined;
    // Of the engine's own set: while that of the next epoch starts, the node has the next set already.
    const setSize = engine?.set.validators.length ?? 0;
    const sized = held === undefined ? undefined : { ...held, setSize };
    this.#parts.server()?.certificate(peer, query, sized);
  }

  #onWatermark(peer: PeerId, nonce: number, vote: Vote | undefined): void {
    const validator = this.#parts.validatorOf(peer);
    const watermark = this.#parts.watermark();
    if (validator === undefined || watermark?.wants(validator, nonce) !== true) return;
    if (vote === undefined) return watermark.answer(validator, nonce, undefined);
    // Of an epoch whose set is not here yet nothing can be said: it is asked again.
    const publicKey = this.#parts.ownKeyIn(vote.statement.epoch);
    if (publicKey === undefined) return;
    const message = statementBytes(this.#context.hasher, vote.statement);
    const job = { message, signature: vote.signature, publicKey };
    this.#context.ports.verifier.verify([job], "consensus", ([valid]) => {
      if (this.#context.stopped()) return;
      if (valid === true) return watermark.answer(validator, nonce, vote);
      const failure = fail("consensus.signature", "a watermark answer does not verify");
      this.#parts.misbehaved(peer, failure);
    });
  }

  #onPushedBatch(peer: PeerId, bytes: Uint8Array): void {
    const sealed = readSealed(this.#context.hasher, bytes);
    if (!sealed.ok) return this.#parts.misbehaved(peer, sealed);
    this.#parts.pool()?.admit(sealed.value, peer, (result) => {
      if (!result.ok) this.#parts.misbehaved(peer, result);
    });
  }

  /** Decoding hashes every digest: only what was asked of this peer is worth it, and once. */
  #onFetchedBlock(peer: PeerId, bytes: Uint8Array): void {
    const tree = this.#parts.tree();
    const hash = this.#context.hasher.ht("header", bytes.subarray(0, HEADER_BYTES));
    if (tree?.wantsBlock(hash) !== true || !tree.answers(peer, hash)) return;
    const block = decodeBlock(this.#context.hasher, bytes);
    if (!block.ok) return this.#parts.misbehaved(peer, block);
    tree.onBlock(block.value, peer);
    this.#parts.fetched();
  }

  /**
   * Cores alone first: they say how large the batches are, and a block that is too large with them is refused
   * before their events are hashed. What no block waits for then is not decoded. No rate is needed: what is decoded was
   * asked for by its digest, once, and for a block within its limits; a frame that was not asked for costs one hash of
   * its first batch at most, and none where nothing is open with the peer. A question is open while a block waits for
   * what was asked.
   */
  #onFetchedBatches(peer: PeerId, frame: readonly Uint8Array[]): void {
    const tree = this.#parts.tree();
    if (tree?.isAsked(peer) !== true) return;
    const { hasher } = this.#context;
    const fetched = new Map<string, Fetched>();
    for (const encoded of frame) {
      const digest = batchDigest(hasher, encoded);
      // Nobody asked this peer for it: the rest of the frame is not worth a look either.
      if (!tree.answers(peer, digest)) break;
      const held = this.#parts.pool()?.get(digest);
      const sealed = held === undefined ? readSealed(hasher, encoded) : undefined;
      if (sealed?.ok === false) return this.#parts.misbehaved(peer, sealed);
      const events = held?.events.length ?? sealed?.value.eventCount ?? 0;
      fetched.set(toHex(digest), { encoded, digest, held, bytes: encoded.length, events });
    }
    const awaited = tree.awaited(fetched);
    const batches: Batch[] = [];
    for (const [key, { encoded, digest, held }] of fetched) {
      if (!awaited.has(key)) continue;
      // A copy: a view would keep the whole frame, megabytes for a batch, as long as the batch.
      const batch = held === undefined ? decodeBatch(hasher, encoded.slice(), digest) : ok(held);
      if (!batch.ok) return this.#parts.misbehaved(peer, batch);
      batches.push(batch.value);
    }
    if (batches.length === 0) return;
    tree.onBatches(batches);
    this.#parts.fetched();
  }
}

/** A batch that was asked for, as it came, with what it adds to a block by its core. */
type Fetched = CoreTotals & {
  readonly encoded: Uint8Array;
  readonly digest: Hash;
  /** Where this node holds it already. */
  readonly held: Batch | undefined;
};
