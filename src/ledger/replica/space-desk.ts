/**
 * Space at a replica: hosts the batches that it is given, opens its own sectors for the blocks that it
 * proposes, and says of others' batches whether their hosts have done so.
 */
import { equalBytes } from "../../crypto/bytes.ts";
import { type Failure, fail, ok, type Result } from "../../errors.ts";
import { readProofs, readSealed, type SealedBatch, withoutProof, withProof } from "../batch.ts";
import { SPACE_SLOT, slotOf } from "../batch-proofs.ts";
import { readPoint } from "../chain-point.ts";
import {
  blockOpeningTask,
  checkHost,
  hasLostHost,
  hostOpeningTask,
  hostSlot,
  type SpaceFacts,
  spaceFacts,
} from "../space-openings.ts";
import type { Batch, Hash, ValidatorSet } from "../types.ts";
import type { Context } from "./context.ts";
import { Verdicts } from "./verdicts.ts";

const NOTHING = new Uint8Array(0);

export class SpaceDesk {
  readonly #context: Context;
  readonly #set: () => ValidatorSet | undefined;
  readonly #self: Hash;
  readonly #refused = new Verdicts<Failure>();

  /** `set`: that of the running epoch. */
  constructor(context: Context, set: () => ValidatorSet | undefined) {
    this.#context = context;
    this.#set = set;
    this.#self = context.hasher.ht("id", context.ports.signer.publicKey);
  }

  /** Undefined on a chain that asks for no space, and before the epoch is known. */
  facts(set: ValidatorSet | undefined = this.#set()): SpaceFacts | undefined {
    const { space } = this.#context.options.genesis.proofs;
    return spaceFacts(space, this.#context.read, set, this.#refused);
  }

  /** Why the opening of an envelope was refused before; undefined where it was not, or is forgotten. */
  refused(digest: Hash): Failure | undefined {
    return this.#refused.get(digest);
  }

  /** Whether this node has written the batch. */
  isOwn({ actor }: Pick<SealedBatch, "actor">): boolean {
    return equalBytes(actor, this.#self);
  }

  #finalBeacon(height: number): Hash | undefined {
    return readPoint(this.#context.read, height)?.beacon;
  }

  /** Of a batch before it is hosted here: what it brings of a host. Codes: those of `checkHost`. */
  checkBrought(batch: Batch): Failure | undefined {
    return slotOf(batch.proofs, SPACE_SLOT) === undefined ? undefined : this.check(batch);
  }

  /** Of a batch that is admitted, or that is chosen for a block. Codes: those of `checkHost`. */
  check(batch: Batch): Failure | undefined {
    return checkHost(this.#context.hasher, this.facts(), batch, (height) =>
      this.#finalBeacon(height),
    );
  }

  /**
   * The batch as this node hosts it: its envelope with an opening of a sector of this node's. One that has a
   * host already is left as it is. Codes: space.no-host, and those of `withProof`.
   */
  host(sealed: SealedBatch): Result<Uint8Array> {
    const facts = this.facts();
    const slots = facts === undefined ? undefined : readProofs(sealed);
    if (facts === undefined || slots === undefined) return ok(sealed.bytes);
    if (!slots.ok) return slots;
    const isHosted = slotOf(slots.value, SPACE_SLOT) !== undefined;
    if (isHosted || !facts.needsHost()) return ok(sealed.bytes);
    const beacon = this.#finalBeacon(sealed.refHeight);
    // What the reference is worth is looked at next: it is not final here.
    if (beacon === undefined) return ok(sealed.bytes);
    for (const sector of facts.sectorsOf(this.#self)) {
      const task = hostOpeningTask(this.#context.hasher, facts, sector, sealed, beacon);
      const openings = this.#context.ports.sectors?.open(task);
      if (openings !== undefined) return withProof(sealed, hostSlot(sector, openings));
    }
    return fail("space.no-host", "no sector of this node can be opened in this epoch");
  }

  /** Of a batch that is held: whether the running epoch does not count its host, so that no block takes it. */
  hasLostHost(batch: Batch): boolean {
    return hasLostHost(this.facts(), batch);
  }

  /** The batch as its author sent it. Codes: those of `withoutProof`. */
  withoutHost(batch: Batch): Result<Uint8Array> {
    const sealed = readSealed(this.#context.hasher, batch.bytes);
    return sealed.ok ? withoutProof(sealed.value, SPACE_SLOT) : sealed;
  }

  /** The batch as this node hosts it, in place of whoever did. Codes: those of `host`. */
  hostAnew(batch: Batch): Result<Uint8Array> {
    const bare = this.withoutHost(batch);
    if (!bare.ok) return bare;
    const sealed = readSealed(this.#context.hasher, bare.value);
    return sealed.ok ? this.host(sealed.value) : sealed;
  }

  /** Openings for a block on this parent; undefined where they are due and cannot be made. */
  blockOpenings(
    set: ValidatorSet,
    height: number,
    parentBeacon: Hash | undefined,
  ): Uint8Array | undefined {
    const facts = this.facts(set);
    if (facts === undefined || parentBeacon === undefined) return NOTHING;
    const { hasher, ports } = this.#context;
    const task = blockOpeningTask(hasher, facts, this.#self, parentBeacon);
    if (task === undefined) return NOTHING;
    const openings = ports.sectors?.open(task);
    if (openings === undefined) {
      this.#context.log(
        "error",
        "no block can be proposed: a sector of this node cannot be opened",
        {
          code: "space.damaged",
          height,
        },
      );
    }
    return openings;
  }
}
