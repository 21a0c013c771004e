/**
 * Pairs of statements that contradict each other, from the moment when this node holds both until the log
 * has them. A pair is durable before it becomes an event, because this node may be the only one that got
 * both halves, and votes of others are in memory only. Once a culprit and epoch, since stake is liable for
 * each epoch on its own; who caused the first pair must not have hidden the second. One row a culprit has
 * all of its pairs, one after the other (`p/`, keys.ts).
 */
import { fromHex, toHex } from "../../crypto/bytes.ts";
import { DecodeError, Reader, Writer } from "../../crypto/codec.ts";
import { type Failure, fail } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import { evidenceKey } from "../keys.ts";
import type { StoreOp } from "../ports.ts";
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
  /** By culprit in hex, one an epoch; what is being written, too. */
  readonly #held = new Map<string, readonly Pair[]>();

  constructor(context: Context, lane: OwnLane) {
    this.#context = context;
    this.lane = lane;
  }

  /** Takes up what an earlier life has left unreported. Code: store.corrupt. */
  load(validators: readonly Hash[]): Failure | undefined {
    for (const culprit of validators) {
      const bytes = this.#context.read(evidenceKey(culprit));
      if (bytes === undefined) continue;
      const pairs = decodePairs(culprit, bytes);
      if (pairs === undefined) {
        return fail("store.corrupt", `the evidence against ${toHex(culprit).slice(0, 16)}`);
      }
      this.#held.set(toHex(culprit), pairs);
      for (const pair of pairs) this.#report(pair);
    }
    return undefined;
  }

  /** A pair was found; it is written first, and then becomes an event. */
  found(pair: Pair): void {
    const { culprit, first } = pair;
    this.#context.log("warn", "conflicting statements by one validator", {
      code: "evidence",
      signer: first.signer,
      view: first.statement.view,
    });
    this.#context.ports.metrics.count("tetrad_equivocations_total");
    const held = this.#held.get(toHex(culprit)) ?? [];
    if (held.some((other) => epochOf(other) === epochOf(pair))) return;
    if (held.length >= LIMITS.evidenceEpochsHeldMax || this.#event(pair) === undefined) return;
    this.#hold(culprit, [...held, pair], () => this.#report(pair));
  }

  /** A block was executed: what the log has by now, from whomever, is not held any longer. */
  onExecuted(): void {
    for (const [key, pairs] of this.#held) {
      const left = pairs.filter((pair) => this.#event(pair) !== undefined);
      if (left.length < pairs.length) this.#hold(fromHex(key), left);
    }
    this.lane.onExecuted();
  }

  /** Keeps the pairs of a culprit, of which `durable` waits for one that is new. */
  #hold(culprit: Hash, pairs: readonly Pair[], durable?: () => void): void {
    if (pairs.length === 0) this.#held.delete(toHex(culprit));
    else this.#held.set(toHex(culprit), pairs);
    const key = evidenceKey(culprit);
    const op: StoreOp =
      pairs.length === 0 ? { type: "del", key } : { type: "put", key, value: encodePairs(pairs) };
    this.#context.ports.store.write([op], { sync: durable !== undefined }, (failure) => {
      if (this.#context.stopped()) return;
      if (failure !== undefined) return this.#context.fatal(storeFailure(failure, "evidence"));
      durable?.();
    });
  }

  #report(pair: Pair): void {
    this.lane.write(() => this.#event(pair));
  }

  /** Undefined once the log has what it needs of them. */
  #event({ culprit, first, second }: Pair): EncodedEvent | undefined {
    return this.#context.options.evidenceEvent(this.#context.read, culprit, first, second);
  }
}

const epochOf = ({ first }: Pair): number => first.statement.epoch;

const encodePairs = (pairs: readonly Pair[]): Uint8Array => {
  const writer = new Writer(PAIR_BYTES * pairs.length);
  for (const { first, second } of pairs) {
    writeVote(writer, first);
    writeVote(writer, second);
  }
  return writer.finish();
};

const decodePairs = (culprit: Hash, bytes: Uint8Array): readonly Pair[] | undefined => {
  const reader = new Reader(bytes.slice());
  const pairs: Pair[] = [];
  try {
    do pairs.push({ culprit, first: readVote(reader), second: readVote(reader) });
    while (reader.remaining > 0);
    return pairs;
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    return undefined;
  }
};
