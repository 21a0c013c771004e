/**
 * What follows for a node from who the members are, on a chain on which they change: whom sessions may be with,
 * whose signatures on checkpoints count, and how a node that is in no set learns what is final. Validators do
 * not send such a node anything of consensus: it says what it has, and whoever is further says so, too.
 */
import { toHex } from "../../crypto/bytes.ts";
import type { Status } from "../consensus/types.ts";
import type { PeerId, TransportMember } from "../ports.ts";
import { candidatesAt, identityAt } from "../projections/stake/rows.ts";
import type { Hash, LogEntry, ValidatorSet } from "../types.ts";
import type { Message } from "../wire.ts";
import type { Context } from "./context.ts";
import type { CosigningValidator } from "./cosigner.ts";

export type MembershipParts = {
  readonly cosigner: { begin(validators: readonly CosigningValidator[]): void };
  /** What this node has final, of the running epoch. */
  status(): Status | undefined;
  connected(): readonly PeerId[];
  send(peer: PeerId, message: Message): boolean;
};

export class Membership {
  readonly #context: Context;
  readonly #parts: MembershipParts;
  /** Sets do not change without stake: nothing here has an effect then. */
  readonly #isFixed: boolean;
  #cancel: (() => void) | undefined;
  #turn = 0;

  constructor(context: Context, parts: MembershipParts) {
    this.#context = context;
    this.#parts = parts;
    this.#isFixed = context.options.genesis.proofs.stake === null;
  }

  /** All who may be asked about by name: those of the genesis, and who has registered since. */
  known(): readonly Hash[] {
    const first = this.#context.options.genesis.validators.map(({ id }) => id);
    const ids = new Map(
      [...first, ...candidatesAt(this.#context.read)].map((id) => [toHex(id), id]),
    );
    return this.#isFixed ? first : [...ids.values()];
  }

  /** What is stored says who the members are: before sessions begin, and after each registration. */
  tell(): void {
    if (this.#isFixed) return;
    const members = candidatesAt(this.#context.read).flatMap((id): TransportMember[] => {
      const identity = identityAt(this.#context.read, id);
      if (identity === undefined) return [];
      return [{ id: toHex(id), tlsPin: identity.tlsPin, address: identity.address }];
    });
    this.#context.ports.transport.know?.(members);
  }

  /** An epoch runs; `self` is this node's place in its set. */
  begin(set: ValidatorSet, self: number | undefined): void {
    if (this.#isFixed) return;
    this.tell();
    const validators = set.validators.flatMap((validator): CosigningValidator[] => {
      const keys = identityAt(this.#context.read, validator.id);
      if (keys === undefined) return [];
      return [{ ...validator, ed25519Key: keys.ed25519Key, mlDsa44Key: keys.mlDsa44Key }];
    });
    this.#parts.cosigner.begin(validators);
    this.#cancel?.();
    this.#cancel = undefined;
    if (self === undefined) this.#follow();
  }

  /** Somebody who registers may be a peer from now on; who has withdrawn everything is none any more. */
  onExecuted(entries: readonly LogEntry[]): void {
    if (this.#isFixed) return;
    const changes = entries.some(
      ({ event: { type } }) => type.startsWith("validator.") || type === "stake.withdrawn",
    );
    if (changes) this.tell();
  }

  /** Tells one peer after the other what is final here, for as long as this node is in no set. */
  #follow(): void {
    const { ports, timing } = this.#context;
    this.#cancel = ports.timers.set(timing.retryMs, () => {
      if (this.#context.stopped()) return;
      const peers = this.#parts.connected();
      const peer = peers[this.#turn++ % Math.max(1, peers.length)];
      const status = this.#parts.status();
      if (peer !== undefined && status !== undefined) {
        this.#parts.send(peer, { type: "status", status });
      }
      this.#follow();
    });
  }
}
