/**
 * The iVRF keys of this node on a chain with a beacon: has those made that the log says it has, and registers
 * the next one in time, so that it is usable before the newest runs out. That takes two epochs: how many
 * heights those are is guessed from the last ones. A secret that does not fit what is registered (another
 * machine's, or a lost one) is replaced in the same way: the newest key counts.
 */
import { equalBytes } from "../../crypto/bytes.ts";
import { fail } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import type { IvrfRegistration } from "../../proofs/beacon/ivrf.ts";
import type { Revealer } from "../ports.ts";
import { actorAt, mayWrite } from "../projections/actors.ts";
import { beaconKeyRegistered, beaconKeysAt, dueReveal } from "../projections/beacon.ts";
import type { EncodedEvent, Hash, Header } from "../types.ts";
import type { Context } from "./context.ts";

/** Heights between two looks at what is registered. */
const LOOK_EVERY = 16;
/** Heights back from which the length of an epoch is guessed. */
const PACE_HEIGHTS = 256;
/** A key is registered when what is covered lasts for less than so many epochs. */
const EPOCHS_AHEAD = 4;
/** Heights that a registration may take to get into the log. */
const LEAD_HEIGHTS = 256;

const NOTHING = new Uint8Array(0);

export type OwnKeysChain = {
  timeAt(height: number): number | undefined;
  write(make: () => EncodedEvent | undefined): void;
};

export class OwnIvrfKeys {
  readonly #context: Context;
  readonly #self: Hash;
  readonly #chain: OwnKeysChain;
  readonly #revealer: Revealer | undefined;
  readonly #depth: number;
  /** Roots by first height; undefined while one is made. */
  readonly #made = new Map<number, Hash | undefined>();
  #lookedAt = -LOOK_EVERY;
  #awaited: (() => void) | undefined;
  #isMissing = false;
  /** First height of a key that is being made or on its way into the log. */
  #pending: number | undefined;

  constructor(context: Context, self: Hash, chain: OwnKeysChain) {
    this.#context = context;
    this.#self = self;
    this.#chain = chain;
    this.#revealer = context.ports.revealer;
    this.#depth = context.options.genesis.proofs.beacon?.depth ?? 0;
  }

  /** Whether a key that the log says this node has is still being made. */
  get #busy(): boolean {
    return [...this.#made.values()].includes(undefined);
  }

  /**
   * What this node must reveal in a block: empty bytes where nothing is due. "later" while a key is made:
   * `again` is called when it is. "missing" where the key is another's: this node cannot lead then.
   */
  reveal(
    at: { readonly height: number; readonly epoch: number },
    again: () => void,
  ): Uint8Array | "later" | "missing" {
    if (this.#depth === 0) return NOTHING;
    const due = dueReveal(beaconKeysAt(this.#context.read, this.#self), at);
    if (due === undefined) return NOTHING;
    const reveal = this.#revealer?.reveal(due.key.root, due.index);
    if (reveal !== undefined) return reveal;
    this.#look(at.height - 1);
    if (this.#busy) {
      this.#awaited = again;
      return "later";
    }
    this.#missing(at.height);
    return "missing";
  }

  /** Told once: every height of a key that is not here would say the same. */
  #missing(height: number): void {
    if (this.#isMissing) return;
    this.#isMissing = true;
    const detail = `this node does not hold the iVRF key that it must reveal from at height ${height}`;
    this.#context.problem(fail("beacon.key-missing", detail, { height }));
  }

  /** The state is that after this height. Cheap but for one height in some. */
  onExecuted({ height, timeMs }: Pick<Header, "height" | "timeMs">): void {
    if (this.#revealer === undefined || this.#depth === 0) return;
    if (height < this.#lookedAt + LOOK_EVERY) return;
    this.#lookedAt = height;
    this.#renew(this.#look(height), height, timeMs);
  }

  /** Has the registered keys made that are not, and forgets those that have run out. */
  #look(height: number): readonly IvrfRegistration[] {
    const keys = beaconKeysAt(this.#context.read, this.#self);
    for (const [firstHeight] of this.#made) {
      if (this.#end(firstHeight) >= height) continue;
      this.#made.delete(firstHeight);
      this.#revealer?.forget(firstHeight);
    }
    for (const { firstHeight } of keys) {
      if (this.#end(firstHeight) > height) this.#make(firstHeight);
    }
    return keys;
  }

  #end(firstHeight: number): number {
    return firstHeight + 2 ** this.#depth - 1;
  }

  #make(firstHeight: number): void {
    if (this.#made.has(firstHeight)) return;
    this.#made.set(firstHeight, undefined);
    this.#revealer?.make(firstHeight, (root) => {
      if (this.#context.stopped()) return;
      this.#made.set(firstHeight, root);
      this.#awaited?.();
      this.#awaited = undefined;
    });
  }

  #isOwn({ firstHeight, root }: IvrfRegistration): boolean {
    const made = this.#made.get(firstHeight);
    return made !== undefined && equalBytes(made, root);
  }

  #renew(keys: readonly IvrfRegistration[], height: number, timeMs: number): void {
    // What is still being made may be this node's own: it is looked at again.
    if (this.#pending !== undefined || this.#busy) return;
    const left = keys.filter(({ firstHeight }) => this.#end(firstHeight) > height);
    if (left.length >= LIMITS.beaconKeysMax) return;
    const own = left.filter((key) => this.#isOwn(key));
    const covered = own.reduce((last, key) => Math.max(last, this.#end(key.firstHeight)), height);
    if (covered - height >= this.#wanted(height, timeMs)) return;
    const actor = actorAt(this.#context.read, this.#self);
    if (actor === undefined || !mayWrite(actor, beaconKeyRegistered.type)) return;
    const lead = Math.min(LEAD_HEIGHTS, 2 ** this.#depth);
    this.#register(Math.max(covered + 1, height + lead));
  }

  /** Heights that should be covered: half a key, or what some epochs take at the pace of the last heights. */
  #wanted(height: number, timeMs: number): number {
    const heights = Math.min(height, PACE_HEIGHTS);
    const tookMs = timeMs - (this.#chain.timeAt(height - heights) ?? timeMs);
    const { epochMs } = this.#context.options.genesis.parameters;
    const ahead = tookMs <= 0 ? 0 : Math.ceil((EPOCHS_AHEAD * epochMs * heights) / tookMs);
    const most = (LIMITS.beaconKeysMax - 1) * 2 ** this.#depth;
    return Math.min(most, Math.max(2 ** (this.#depth - 1), ahead));
  }

  #register(firstHeight: number): void {
    this.#pending = firstHeight;
    this.#revealer?.make(firstHeight, (root) => {
      if (this.#context.stopped()) return;
      this.#context.log("info", "registering the next iVRF key", { firstHeight });
      this.#chain.write(() => this.#event(firstHeight, root));
    });
  }

  /** Until the state has it, or it is too late for this one: then the next look begins anew. */
  #event(firstHeight: number, root: Hash): EncodedEvent | undefined {
    const isThere = beaconKeysAt(this.#context.read, this.#self).some((key) =>
      equalBytes(key.root, root),
    );
    if (!isThere && firstHeight > this.#lookedAt + LOOK_EVERY) {
      return beaconKeyRegistered.encode({ root, firstHeight });
    }
    this.#pending = undefined;
    if (!isThere) this.#revealer?.forget(firstHeight);
    return undefined;
  }
}
