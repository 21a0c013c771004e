/**
 * Whether this node may vote: it asks its peers first (watermark.ts), votes once they have confirmed that
 * its vote store is whole, and never where it is missing or behind. Outlives epochs.
 */
import { equalBytes, toHex } from "../../crypto/bytes.ts";
import type { Failure } from "../../errors.ts";
import { foreignFailure } from "../consensus/core.ts";
import type { PeerId } from "../ports.ts";
import type { Certificate, Hash, Statement, ValidatorSet } from "../types.ts";
import { indexOf } from "../validator-set.ts";
import type { Message } from "../wire.ts";
import type { Context, VotingState } from "./context.ts";
import { behindFailure, type VoteStore } from "./vote-store.ts";
import { Watermark } from "./watermark.ts";

/** Whether two sets have the same members with the same weights. */
const isAlike = (a: ValidatorSet, b: ValidatorSet): boolean =>
  a.validators.length === b.validators.length &&
  a.validators.every(({ id, weight }, i) => {
    const other = b.validators[i];
    return other !== undefined && equalBytes(other.id, id) && other.weight === weight;
  });

export type PermitHooks = {
  send(peer: PeerId, message: Message): void;
  /** The state has changed. */
  changed(): void;
};

export class VotingPermit {
  readonly #context: Context;
  readonly #votes: VoteStore;
  readonly #hooks: PermitHooks;
  /** Why the vote store cannot be used, if it cannot. */
  #failure: Failure | undefined;
  #watermark: Watermark | undefined;
  #state: VotingState = "asking";
  #set: ValidatorSet | undefined;
  /** A quorum of some set has confirmed that the vote store is whole. */
  #confirmed = false;

  constructor(context: Context, votes: VoteStore, hooks: PermitHooks) {
    this.#context = context;
    this.#votes = votes;
    this.#hooks = hooks;
  }

  get state(): VotingState {
    return this.#state;
  }

  get watermark(): Watermark | undefined {
    return this.#watermark;
  }

  /** What reading the vote store found. */
  loaded(failure: Failure | undefined): void {
    this.#failure = failure;
  }

  /**
   * An epoch runs. Asks the validators of the first one in which this node is one of them; while it is in no
   * set it observes, and what was confirmed before stays so, because its vote store has not left it.
   */
  begin(set: ValidatorSet, self: number | undefined): void {
    if (this.#state === "refused" || this.#state === "halted") return;
    // Indices and weights are those of a set: with another one the questions are asked again.
    if (this.#set !== undefined && isAlike(this.#set, set)) return;
    this.#set = set;
    this.#watermark?.end();
    this.#watermark = undefined;
    if (self === undefined) {
      this.#state = "observer";
      return;
    }
    if (this.#confirmed) {
      this.#state = "yes";
      return;
    }
    this.#state = "asking";
    if (this.#failure !== undefined) return this.#refuse(this.#failure);
    this.#ask(set, self);
  }

  #ask(set: ValidatorSet, self: number): void {
    const { ports, timing } = this.#context;
    this.#watermark = new Watermark(self, set, this.#votes, ports.random.u32(), {
      ask: (validator, nonce) => {
        const id = set.validators[validator]?.id;
        if (id !== undefined) this.#hooks.send(toHex(id), { type: "watermark-request", nonce });
      },
      later: (run) => ports.timers.set(timing.retryMs, () => this.#context.stopped() || run()),
      confirmed: () => {
        this.#confirmed = true;
        this.#state = "yes";
        this.#hooks.changed();
      },
      refused: (failure) => this.#refuse(failure),
    });
    this.#watermark.askAll();
  }

  /** A verified certificate that the consensus core does not come to see: is its own signature known? */
  meet({ statement, signers }: Certificate, set: ValidatorSet, selfId: Hash): void {
    const self = indexOf(set, selfId);
    if (self === undefined || !signers.includes(self) || this.#votes.knows(statement)) return;
    this.forgotten(statement);
  }

  /** A statement of this key that the vote store does not know has come, as no answer of a peer. */
  forgotten(statement: Statement): void {
    // Confirmed, and then such a statement: another process signs with this key.
    if (this.#confirmed) return this.#context.fatal(foreignFailure(statement));
    const mayAskYet = this.#state === "asking" || this.#state === "observer";
    if (mayAskYet) this.#refuse(this.#failure ?? behindFailure(statement));
  }

  halt(): void {
    this.#state = "halted";
  }

  #refuse(failure: Failure): void {
    this.#watermark?.end();
    this.#state = "refused";
    this.#context.problem(failure);
    this.#hooks.changed();
  }
}
