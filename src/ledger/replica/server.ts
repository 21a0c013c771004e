/** What a replica serves to its peers on request: blocks, batches, certificates, runs of final blocks. */
import { LIMITS } from "../../limits.ts";
import type { PeerId } from "../ports.ts";
import type { SizedCertificate } from "../statement.ts";
import type { Batch, Block, Hash, Vote } from "../types.ts";
import type { Message } from "../wire.ts";
import type { BlockStore } from "./block-store.ts";
import type { Context } from "./context.ts";
import { RateBudget } from "./peer-budget.ts";
import { RunReader } from "./run-reader.ts";

export type ServedState = {
  finalHeight(): number;
  /** A block or batch that is in memory only. */
  block(hash: Hash): Block | undefined;
  batch(digest: Hash): Batch | undefined;
};

/** One answer with batches stays below the mempool class's frame limit. */
const BATCHES_REPLY_BYTES = LIMITS.frameBytesMax.mempool - 64 * 1024;

const LOOKUP_COST = LIMITS.syncLookupCostBytes;

export class Server {
  readonly #context: Context;
  readonly #store: BlockStore;
  readonly #state: ServedState;
  readonly #send: (peer: PeerId, message: Message) => boolean;
  readonly #budget: RateBudget;
  /** In the order of their turns. */
  readonly #runs = new Map<PeerId, RunReader>();
  #pausing = false;

  constructor(
    context: Context,
    store: BlockStore,
    state: ServedState,
    send: (peer: PeerId, message: Message) => boolean,
  ) {
    this.#context = context;
    this.#store = store;
    this.#state = state;
    this.#budget = new RateBudget(context.ports.clock, LIMITS.syncServeBytesPerSecond);
    this.#send = send;
  }

  /** Its session is over. What it has spent stays spent: a new session is no new second. */
  forgetPeer(peer: PeerId): void {
    const reader = this.#runs.get(peer);
    if (reader !== undefined) this.#settle(peer, reader);
  }

  block(peer: PeerId, hash: Hash): void {
    if (!this.#budget.take(peer, LOOKUP_COST)) return;
    const bytes = this.#state.block(hash)?.bytes ?? this.#store.blockBytes(hash);
    if (bytes !== undefined && this.#budget.take(peer, bytes.length)) {
      this.#send(peer, { type: "block", block: bytes });
    }
  }

  /** A certificate of the running epoch that the core holds (`held`), or one of the store. */
  certificate(
    peer: PeerId,
    query: Message & { type: "certificate-request" },
    held: SizedCertificate | undefined,
  ): void {
    if (!this.#budget.take(peer, LOOKUP_COST)) return;
    const { epoch, view, kind } = query;
    const certificate = held ?? this.#store.certificate(epoch, view, kind);
    if (certificate === undefined) return;
    const bytes = certificate.signers.length * LIMITS.falconSignatureBytes;
    if (this.#budget.take(peer, bytes)) this.#send(peer, { type: "certificate", certificate });
  }

  /** The latest vote known of a validator, which asks for it before it votes. */
  watermark(peer: PeerId, nonce: number, vote: Vote | undefined): void {
    if (!this.#budget.take(peer, LOOKUP_COST + LIMITS.falconSignatureBytes)) return;
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
      if (!this.#budget.take(peer, LOOKUP_COST)) return;
      const found = this.#state.batch(digest)?.bytes ?? this.#store.batchBytes(digest);
      if (found === undefined) continue;
      if (!this.#budget.take(peer, found.length)) return;
      if (bytes + found.length > BATCHES_REPLY_BYTES && !flush()) return;
      reply.push(found);
      bytes += found.length + 4;
    }
    flush();
  }

  /**
   * A run of final blocks from a height, ending in one with its own certificate, within one epoch. One run
   * a peer is in progress; runs are read in slices with pauses between them, and peers take turns.
   */
  run(peer: PeerId, from: number): void {
    if (from < 1 || from > this.#state.finalHeight()) {
      this.#send(peer, { type: "sync-none", from });
      return;
    }
    const current = this.#runs.get(peer);
    // Asked again: it waits already. Asked for something else: the peer does not want the first any more.
    if (current?.from === from) return;
    if (current !== undefined) this.#settle(peer, current);
    // Before the work, not after it: a peer over its rate must not have megabytes read for nothing.
    if (!this.#budget.take(peer, LIMITS.syncResponseBytesMax)) {
      this.#send(peer, { type: "sync-none", from });
      return;
    }
    this.#runs.set(peer, new RunReader(this.#store, from, this.#state.finalHeight()));
    if (!this.#pausing) this.#turn();
  }

  /** One slice of the run whose turn it is, and a pause after it whatever came of it. */
  #turn(): void {
    const [next] = this.#runs;
    if (next === undefined) return;
    this.#pausing = true;
    this.#context.ports.timers.set(LIMITS.syncSlicePauseMs, () => {
      this.#pausing = false;
      if (!this.#context.stopped()) this.#turn();
    });
    const [peer, reader] = next;
    this.#runs.delete(peer);
    if (reader.slice()) this.#answer(peer, reader);
    else this.#runs.set(peer, reader);
  }

  #answer(peer: PeerId, reader: RunReader): void {
    const { from } = reader;
    const run = reader.result();
    this.#settle(peer, reader);
    if (run === undefined) {
      this.#send(peer, { type: "sync-none", from });
      return;
    }
    const { certificate, blocks } = run;
    // A run too large for one frame: with the certificate the peer fetches block by block.
    if (blocks.length === 0) this.#send(peer, { type: "certificate", certificate });
    if (blocks.length === 0) this.#send(peer, { type: "sync-none", from });
    else this.#send(peer, { type: "sync-response", from, certificate, blocks });
  }

  /** Charges what was read instead of what was set aside, be it more or less. */
  #settle(peer: PeerId, reader: RunReader): void {
    this.#runs.delete(peer);
    this.#budget.give(peer, LIMITS.syncResponseBytesMax - reader.cost);
  }
}
