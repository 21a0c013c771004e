/**
 * The lane of the node itself: what a validator writes to the log with its own key: evidence, and
 * its proofs. One batch is on its way at a time; what is refused or lost is tried again with a new
 * reference until the state says that it is not needed any more.
 */
import { equalBytes } from "../../crypto/bytes.ts";
import { LIMITS } from "../../limits.ts";
import {
  type BatchInput,
  batchSigningMessage,
  buildBatch,
  type LaneHead,
  sealBatch,
  type UnsignedBatch,
} from "../batch.ts";
import type { EncodedEvent, Hash, ProofSlot } from "../types.ts";
import type { Context } from "./context.ts";
import { workFor } from "./own-work.ts";

export type OwnLaneChain = {
  readonly actor: Hash;
  laneHead(): LaneHead;
  reference(): { readonly height: number; readonly hash: Hash };
  submit(bytes: Uint8Array, done: (accepted: boolean) => void): void;
};

/** Makes the event again from the current state; undefined when there is nothing left to say. */
export type MakeEvent = () => EncodedEvent | undefined;

export class OwnLane {
  readonly #context: Context;
  readonly #chain: OwnLaneChain;
  readonly #waiting: MakeEvent[] = [];
  /** The id of the batch under way and how many final heights it may still take. */
  #inFlight: { readonly id: Hash; readonly seq: number; heightsLeft: number } | undefined;
  #making = false;

  constructor(context: Context, chain: OwnLaneChain) {
    this.#context = context;
    this.#chain = chain;
  }

  /** Wants an event in the log. Bounded: what does not fit is dropped, peers hold the same evidence. */
  write(make: MakeEvent): void {
    if (this.#waiting.length >= LIMITS.evidencePending) return;
    this.#waiting.push(make);
    this.#pump();
  }

  /** A block was executed: the batch under way may have arrived, or must be made again. */
  onExecuted(): void {
    const flight = this.#inFlight;
    if (flight !== undefined) {
      const head = this.#chain.laneHead();
      const arrived = head.seq >= flight.seq;
      if (arrived && equalBytes(head.id, flight.id)) this.#waiting.shift();
      if (arrived || --flight.heightsLeft <= 0) this.#inFlight = undefined;
    }
    this.#pump();
  }

  #pump(): void {
    if (this.#inFlight !== undefined || this.#making || this.#context.stopped()) return;
    let event: EncodedEvent | undefined;
    while (event === undefined && this.#waiting.length > 0) {
      event = this.#waiting[0]?.();
      if (event === undefined) this.#waiting.shift();
    }
    if (event === undefined) return;
    const head = this.#chain.laneHead();
    const reference = this.#chain.reference();
    const { hasher } = this.#context;
    const input: BatchInput = {
      actor: this.#chain.actor,
      laneSeq: head.seq + 1,
      prevBatchId: head.id,
      refHeight: reference.height,
      refHash: reference.hash,
      events: [event],
    };
    const unsigned = buildBatch(hasher, input);
    this.#making = true;
    workFor(this.#context, unsigned, (proofs) => {
      if (this.#context.stopped()) return;
      if (proofs !== undefined) return this.#sign(unsigned, proofs);
      // The reference is one that this node cannot work for yet; the next height brings another try.
      this.#making = false;
    });
  }

  #sign(unsigned: UnsignedBatch, proofs: readonly ProofSlot[]): void {
    const { hasher, ports } = this.#context;
    ports.signer.sign(batchSigningMessage(hasher, unsigned.id), (signature) => {
      this.#making = false;
      if (this.#context.stopped()) return;
      const batch = sealBatch(hasher, unsigned, signature, proofs);
      this.#inFlight = { id: batch.id, seq: batch.laneSeq, heightsLeft: LIMITS.batchAgeBlocksMax };
      this.#chain.submit(batch.bytes, (accepted) => {
        if (!accepted) this.#inFlight = undefined;
      });
    });
  }
}
