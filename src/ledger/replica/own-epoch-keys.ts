/**
 * This node's keys of epochs on a chain that asks for them: signs with the one that the running epoch's set has
 * of it, registers further ones ahead of time, and erases those that are over.
 *
 * When a key is over: the running epoch's first moment is that the boundary block of the one before is durable
 * here with its finalization certificate. Nothing of the last epoch is signed after it: whoever lacks a block or
 * a certificate of it gets them as bytes, and a restart begins at the running epoch. So what is erased then is
 * every key that was made for an epoch up to this one and is not the key of this one. A key of a later epoch is
 * never touched, whatever the state says: where the data was wiped and comes again, the state is an old one.
 */
import { equalBytes } from "../../crypto/bytes.ts";
import { fail } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import type { EpochKeyring } from "../ports.ts";
import { actorAt, mayWrite } from "../projections/actors.ts";
import {
  type EpochKeyRegistration,
  epochKeyAt,
  epochKeyMessage,
  epochKeysAt,
  epochKeysRegistered,
} from "../projections/epoch-keys.ts";
import type { EncodedEvent, Hash, Header, ValidatorSet } from "../types.ts";
import type { Committer } from "./committer.ts";
import type { Context } from "./context.ts";
import type { Sign } from "./engine.ts";
import { storedValidatorSet } from "./set-codec.ts";

/** Heights between two looks at what is registered. */
const LOOK_EVERY = 16;
/** Who begins to catch up takes old blocks for the newest: a block of now is not much older than this. */
const CURRENT_MS = 30_000;
/** Keys are registered when fewer of the next epochs that may still have one do. */
const AHEAD_MIN = LIMITS.epochKeysPerEventMax / 2;

export type OwnEpochKeysChain = {
  syncing(): boolean;
  committer(): Pick<Committer, "tip"> | undefined;
  write(make: () => EncodedEvent | undefined): void;
};

export class OwnEpochKeys {
  readonly #context: Context;
  readonly #self: Hash;
  readonly #chain: OwnEpochKeysChain;
  readonly #keyring: EpochKeyring | undefined;
  #lookedAt = { height: -LOOK_EVERY, epoch: 0 };
  #epoch = 0;
  /** What is on its way into the log. */
  #prepared: readonly EpochKeyRegistration[] = [];
  #preparing = false;
  #sign: Sign | undefined;
  #isKeyless = false;
  #isTold = false;

  constructor(context: Context, self: Hash, chain: OwnEpochKeysChain) {
    this.#context = context;
    this.#self = self;
    this.#chain = chain;
    const { proofs } = context.options.genesis;
    this.#keyring = proofs.epochKeys === true ? context.ports.epochKeys : undefined;
    this.#sign = (message, done) => context.ports.signer.sign(message, done);
  }

  /** The running epoch's set has a key of this node that is not here: it cannot sign. */
  get isKeyless(): boolean {
    return this.#isKeyless;
  }

  /** What this node signed with in an epoch; undefined while the epoch's set is not known here. */
  keyIn(epoch: number): Uint8Array | undefined {
    const { options, read, hasher, ports } = this.#context;
    if (options.genesis.proofs.epochKeys !== true) return ports.signer.publicKey;
    const set = storedValidatorSet(hasher, read, epoch);
    return set?.validators.find(({ id }) => equalBytes(id, this.#self))?.publicKey;
  }

  /** Signs with the key that this node has in the running epoch's set; nothing where that is not here. */
  sign(message: Uint8Array, done: (signature: Uint8Array) => void): void {
    this.#sign?.(message, done);
  }

  /** An epoch runs, whose predecessor is over for good here. */
  begin(set: ValidatorSet, self: number | undefined): void {
    this.#epoch = set.epoch;
    const key = self === undefined ? undefined : set.validators[self]?.publicKey;
    this.#sign = this.#signerOf(key);
    this.#isKeyless = this.#sign === undefined;
    if (this.#keyring === undefined) return;
    const current = epochKeyAt(this.#context.read, this.#self, set.epoch)?.publicKey;
    for (const { epoch, publicKey } of this.#keyring.held()) {
      const isCurrent = current !== undefined && equalBytes(current, publicKey);
      if (epoch <= set.epoch && !isCurrent) this.#keyring.erase(epoch);
    }
  }

  #signerOf(publicKey: Uint8Array | undefined): Sign | undefined {
    const { signer } = this.#context.ports;
    if (publicKey === undefined || equalBytes(publicKey, signer.publicKey)) {
      return (message, done) => signer.sign(message, done);
    }
    const keyring = this.#keyring;
    if (keyring?.held().some((one) => equalBytes(one.publicKey, publicKey)) !== true) {
      return undefined;
    }
    return (message, done) => keyring.sign(publicKey, message, done);
  }

  /** The state is that after this height. Cheap but for one height in some. */
  onExecuted({ height, epoch, timeMs }: Pick<Header, "height" | "epoch" | "timeMs">): void {
    if (this.#keyring === undefined || !this.#isCurrent(height, timeMs)) return;
    const last = this.#lookedAt;
    if (height < last.height + LOOK_EVERY && epoch === last.epoch) return;
    this.#lookedAt = { height, epoch };
    // Who catches up executes later epochs before it runs in them: what it lacks of an old one is no problem.
    if (epoch === this.#epoch) this.#tellKeyless();
    this.#renew(this.#keyring);
  }

  /** Whether this node is so near the final height that what it sees is the chain as it stands. */
  #isCurrent(height: number, timeMs: number): boolean {
    const tip = this.#chain.committer()?.tip.height ?? 0;
    if (this.#chain.syncing() || tip - height > LIMITS.executionLagMax) return false;
    return this.#context.ports.clock.wallMs() - timeMs < CURRENT_MS;
  }

  /** Told once: every epoch until the next registered key would say the same. */
  #tellKeyless(): void {
    if (!this.#isKeyless || this.#isTold) return;
    this.#isTold = true;
    const detail = `this node does not hold the key that it must sign with in epoch ${this.#epoch}`;
    this.#context.problem(fail("epoch-key.missing", detail, { epoch: this.#epoch }));
  }

  /** The key that the state has for an epoch; another one of the same epoch may have been replaced. */
  #isRegistered({ epoch, publicKey }: { readonly epoch: number; readonly publicKey: Uint8Array }) {
    return epochKeysAt(this.#context.read, this.#self).some(
      (one) => one.epoch === epoch && equalBytes(one.publicKey, publicKey),
    );
  }

  /** The epochs from `first` on that have no registered key which is held here. */
  #missing(keyring: EpochKeyring, first: number): readonly number[] {
    const held = keyring.held();
    const registered = epochKeysAt(this.#context.read, this.#self).filter((one) =>
      held.some(({ publicKey }) => equalBytes(publicKey, one.publicKey)),
    );
    const wanted = Array.from({ length: LIMITS.epochKeysPerEventMax }, (_, i) => first + i);
    return wanted.filter((epoch) => !registered.some((one) => one.epoch === epoch));
  }

  #renew(keyring: EpochKeyring): void {
    const first = this.#epoch + LIMITS.epochKeyLeadEpochs;
    if (this.#preparing || this.#waits(first)) return;
    this.#prepared = [];
    const actor = actorAt(this.#context.read, this.#self);
    if (actor === undefined || !mayWrite(actor, epochKeysRegistered.type)) return;
    const missing = this.#missing(keyring, first);
    if (!missing.some((one) => one < first + AHEAD_MIN)) return;
    this.#preparing = true;
    this.#prepare(keyring, missing, []);
  }

  /** Whether what was prepared may still get into the log. */
  #waits(first: number): boolean {
    return this.#prepared.some((one) => one.epoch >= first && !this.#isRegistered(one));
  }

  /** One key after the other, each durable before it is registered. */
  #prepare(
    keyring: EpochKeyring,
    [epoch, ...rest]: readonly number[],
    made: readonly EpochKeyRegistration[],
  ): void {
    if (this.#context.stopped()) return;
    if (epoch === undefined) return this.#register(made);
    keyring.make(epoch, (publicKey) => {
      if (this.#context.stopped()) return;
      const message = epochKeyMessage(this.#context.hasher, this.#self, { epoch, publicKey });
      keyring.sign(publicKey, message, (possession) =>
        this.#prepare(keyring, rest, [...made, { epoch, publicKey, possession }]),
      );
    });
  }

  #register(made: readonly EpochKeyRegistration[]): void {
    this.#preparing = false;
    this.#prepared = made;
    const [first, last] = [made[0]?.epoch, made.at(-1)?.epoch];
    this.#context.log("info", "registering keys of epochs", { first, last });
    this.#chain.write(() => this.#event());
  }

  /** What is still to be registered and may be; undefined where nothing is. */
  #event(): EncodedEvent | undefined {
    const keys = this.#prepared.filter(
      (one) => one.epoch >= this.#epoch + LIMITS.epochKeyLeadEpochs && !this.#isRegistered(one),
    );
    return keys.length === 0 ? undefined : epochKeysRegistered.encode({ keys });
  }
}
