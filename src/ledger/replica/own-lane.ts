/**
 * The lane of the node itself: what a validator writes to the log with its own key: evidence, and
 * its proofs. One batch is on its way at a time; what is refused or lost is tried again with a new
 * reference until the state says that it is not needed any more. What has a last moment within seconds goes
 * before what may wait: a dozen answers of other proofs, a block each, would use that time up.
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

type InFlight = {
  readonly id: Hash;
  readonly seq: number;
  readonly make: MakeEvent;
  heightsLeft: number;
};

export class OwnLane {
  readonly #context: Context;
  readonly #chain: OwnLaneChain;
  readonly #urgent: MakeEvent[] = [];
  readonly #waiting: MakeEvent[] = [];
  /** The batch under way, what it was made from, and how many final heights it may still take. */
  #inFlight: InFlight | undefined;
  #making = false;

  constructor(context: Context, chain: OwnLaneChain) {
    this.#context = context;
    this.#chain = chain;
  }

  /**
   * Wants an event in the log, before those that are not urgent. Bounded: what does not fit is dropped, peers
   * hold the same evidence.
   */
  write(make: MakeEvent, isUrgent = false): void {
    const queue = isUrgent ? this.#urgent : this.#waiting;
    if (queue.length >= LIMITS.evidencePending) return;
    queue.push(make);
    this.#pump();
  }

  /** A block was executed: the batch under way may have arrived, or must be made again. */
  onExecuted(): void {
    const flight = this.#inFlight;
    if (flight !== undefined) {
      const head = this.#chain.laneHead();
      const arrived = head.seq >= flight.seq;
      if (arrived && equalBytes(head.id, flight.id)) this.#forget(flight.make);
      if (arrived || --flight.heightsLeft <= 0) this.#inFlight = undefined;
    }
    this.#pump();
  }

  #forget(make: MakeEvent): void {
    for (const queue of [this.#urgent, this.#waiting]) {
      const at = queue.indexOf(make);
      if (at >= 0) queue.splice(at, 1);
    }
  }

  /** The first that still has something to say; those before it that have not are forgotten. */
  #next(): { readonly make: MakeEvent; readonly event: EncodedEvent } | undefined {
    for (;;) {
      const make = this.#urgent[0] ?? this.#waiting[0];
      if (make === undefined) return undefined;
      const event = make();
      if (event !== undefined) return { make, event };
      this.#forget(make);
    }
  }

  #pump(): void {
    if (this.#inFlight !== undefined || this.#making || this.#context.stopped()) return;
    const next = this.#next();
    if (next === undefined) return;
    const { make, event } = next;
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
      if (proofs !== undefined) return this.#sign(make, unsigned, proofs);
      // The reference is one that this node cannot work for yet; the next height brings another try.
      this.#making = false;
    });
  }

  #sign(make: MakeEvent, unsigned: UnsignedBatch, proofs: readonly ProofSlot[]): void {
    const { hasher, ports } = this.#context;
    ports.signer.sign(batchSigningMessage(hasher, unsigned.id), (signature) => {
      this.#making = false;
      if (this.#context.stopped()) return;
      const batch = sealBatch(hasher, unsigned, signature, proofs);
      const { id, laneSeq: seq } = batch;
      this.#inFlight = { id, seq, make, heightsLeft: LIMITS.batchAgeBlocksMax };
      this.#chain.submit(batch.bytes, (accepted) => {
        if (!accepted) this.#inFlight = undefined;
      });
    });
  }
}
