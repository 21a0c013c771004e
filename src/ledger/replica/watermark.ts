/**
 * Before it votes, a node asks its peers for the latest statement that carries its signature. While fewer
 * than a quorum (with itself) have answered it does not vote. A statement that its vote store does not
 * know means that the store was restored or cloned: the node refuses to vote and says so.
 */
import type { Failure } from "../../errors.ts";
import type { ValidatorSet, Vote } from "../types.ts";
import { behindFailure, type VoteStore } from "./vote-store.ts";

export type WatermarkHooks = {
  /** Sends the question to one validator. */
  ask(validator: number, nonce: number): void;
  /** Runs a function after a while, unless the node has stopped. */
  later(run: () => void): void;
  confirmed(): void;
  refused(failure: Failure): void;
};

export class Watermark {
  readonly #set: ValidatorSet;
  readonly #votes: VoteStore;
  readonly #hooks: WatermarkHooks;
  readonly #nonce: number;
  readonly #answered = new Set<number>();
  #settled = false;

  constructor(
    self: number,
    set: ValidatorSet,
    votes: VoteStore,
    nonce: number,
    hooks: WatermarkHooks,
  ) {
    this.#set = set;
    this.#votes = votes;
    this.#nonce = nonce;
    this.#hooks = hooks;
    this.#answered.add(self);
  }

  /** Asks whoever has not answered, and again until it is settled. */
  askAll(): void {
    if (this.#settled) return;
    for (let v = 0; v < this.#set.validators.length; v++) this.ask(v);
    this.#check();
    if (!this.#settled) this.#hooks.later(() => this.askAll());
  }

  /** It is known without an answer that this node may not vote. */
  end(): void {
    this.#settled = true;
  }

  ask(validator: number): void {
    if (this.#settled || this.#answered.has(validator)) return;
    this.#hooks.ask(validator, this.#nonce);
  }

  /** Whether an answer of this validator would still say something: before its signature is checked. */
  wants(validator: number, nonce: number): boolean {
    return !this.#settled && nonce === this.#nonce && !this.#answered.has(validator);
  }

  /** An answer whose vote, if any, was verified to carry our signature. */
  answer(validator: number, nonce: number, vote: Vote | undefined): void {
    if (!this.wants(validator, nonce)) return;
    // The signature is ours. Under which index it was made depends on the set of its epoch.
    if (vote !== undefined && !this.#votes.knows(vote.statement)) {
      this.#settled = true;
      this.#hooks.refused(behindFailure(vote.statement));
      return;
    }
    this.#answered.add(validator);
    this.#check();
  }

  #check(): void {
    let weight = 0n;
    for (const validator of this.#answered) {
      weight += this.#set.validators[validator]?.weight ?? 0n;
    }
    if (this.#settled || weight < this.#set.quorum) return;
    this.#settled = true;
    this.#hooks.confirmed();
  }
}
