/**
 * Pairs of statements that contradict each other, from the moment when this node holds both until the log
 * has them. A pair is durable before it becomes an event, because this node may be the only one that got
 * both halves, and votes of others are in memory only. Once a culprit: the log needs no more than one
 * proof, so at most one row a validator exists (`p/`, keys.ts).
 */
import { toHex } from "../../crypto/bytes.ts";
import { DecodeError, Reader, Writer } from "../../crypto/codec.ts";
import { type Failure, fail } from "../../errors.ts";
import { evidenceKey } from "../keys.ts";
import { readVote, writeVote } from "../statement.ts";
import type { EncodedEvent, Hash, Vote } from "../types.ts";
import { storeFailure } from "./committer.ts";
import type { Context } from "./context.ts";
import type { OwnLane } from "./own-lane.ts";

const PAIR_BYTES = 2 * 1400;

type Pair = { readonly culprit: Hash; readonly first: Vote; readonly second: Vote };

export class EvidenceBox {
  readonly #context: Context;
  /** What this node writes with its own key. */
  readonly lane: OwnLane;
  /** By culprit in hex; what is being written, too. */
  readonly #held = new Map<string, Pair>();

  constructor(context: Context, lane: OwnLane) {
    this.#context = context;
    this.lane = lane;
  }

  /** Takes up what an earlier life has left unreported. Code: store.corrupt. */
  load(validators: readonly Hash[]): Failure | undefined {
    for (const culprit of validators) {
      const bytes = this.#context.read(evidenceKey(culprit));
      if (bytes === undefined) continue;
      const pair = decodePair(culprit, bytes);
      if (pair === undefined) {
        return fail("store.corrupt", `the evidence against ${toHex(culprit).slice(0, 16)}`);
      }
      this.#held.set(toHex(culprit), pair);
      this.#report(pair);
    }
    return undefined;
  }

  /** A pair was found; it is written first, and then becomes an event. */
  found(pair: Pair): void {
    const { culprit, first, second } = pair;
    this.#context.log("warn", "conflicting statements by one validator", {
      code: "evidence",
      signer: first.signer,
      view: first.statement.view,
    });
    this.#context.ports.metrics.count("tetrad_equivocations_total");
    if (this.#held.has(toHex(culprit)) || this.#event(pair) === undefined) return;
    this.#held.set(toHex(culprit), pair);
    const writer = new Writer(PAIR_BYTES);
    writeVote(writer, first);
    writeVote(writer, second);
    const op = { type: "put", key: evidenceKey(culprit), value: writer.finish() } as const;
    this.#context.ports.store.write([op], { sync: true }, (failure) => {
      if (this.#context.stopped()) return;
      if (failure !== undefined) return this.#context.fatal(storeFailure(failure, "evidence"));
      this.#report(pair);
    });
  }

  /** A block was executed: what the log has by now, from whomever, is not held any longer. */
  onExecuted(): void {
    for (const [key, pair] of this.#held) {
      if (this.#event(pair) !== undefined) continue;
      this.#held.delete(key);
      const op = { type: "del", key: evidenceKey(pair.culprit) } as const;
      this.#context.ports.store.write([op], { sync: false }, (failure) => {
        if (failure === undefined || this.#context.stopped()) return;
        this.#context.fatal(storeFailure(failure, "evidence"));
      });
    }
    this.lane.onExecuted();
  }

  #report(pair: Pair): void {
    this.lane.write(() => this.#event(pair));
  }

  /** Undefined once the culprit is in the log. */
  #event({ culprit, first, second }: Pair): EncodedEvent | undefined {
    return this.#context.options.evidenceEvent(this.#context.read, culprit, first, second);
  }
}

const decodePair = (culprit: Hash, bytes: Uint8Array): Pair | undefined => {
  try {
    const reader = new Reader(bytes.slice());
    const pair = { culprit, first: readVote(reader), second: readVote(reader) };
    reader.end();
    return pair;
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    return undefined;
  }
};
