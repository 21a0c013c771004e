/** Writing what the core wants durable: statements, and before them what they rest on (R0, adr/0004). */
import type { Effect } from "../consensus/types.ts";
import type { Certificate, Hash } from "../types.ts";
import { blockOps, certificateOp } from "./block-store.ts";
import type { BlockTree } from "./block-tree.ts";
import { storeFailure } from "./committer.ts";
import type { Context } from "./context.ts";
import type { Held } from "./held-block.ts";
import type { OpenIndex } from "./open-index.ts";
import type { VoteStore } from "./vote-store.ts";

export type PersisterParts = {
  readonly votes: VoteStore;
  readonly open: OpenIndex;
  tree(): BlockTree | undefined;
  setSize(): number;
};

export class Persister {
  readonly #context: Context;
  readonly #parts: PersisterParts;

  /** Certificates handed to the store, and those that it has answered: it answers in order. */
  #kept = 0;
  #durable = 0;
  readonly #waiting: { readonly kept: number; readonly then: () => void }[] = [];
  /** Of those: a statement that rests on one waits for it anyway and does not write it once more. */
  readonly #known = new WeakSet<Certificate>();
  /** Blocks whose write is under way, and who else waits for that. */
  readonly #writing = new WeakMap<Held, (() => void)[]>();

  constructor(context: Context, parts: PersisterParts) {
    this.#context = context;
    this.#parts = parts;
  }

  /**
   * What a statement rests on becomes durable before the statement itself: a vote found after a restart
   * is sent again, and must then never name a block that the crash took with it. That includes every
   * certificate taken in before: a node that forgets the nullification by which it left a view can
   * neither show it nor sign for that view again, and two such losses halt the network for good.
   */
  persist(effect: Effect & { kind: "persist" }, done: () => void): void {
    const certificates = effect.certificates.filter((one) => !this.#known.has(one));
    this.writeBlocks(effect.blocks, certificates, () => {
      this.#whenKept(() => {
        this.#parts.votes.write(effect.votes, (failure) => {
          if (this.#context.stopped()) return;
          if (failure !== undefined) {
            return this.#context.fatal(storeFailure(failure, "vote store"));
          }
          done();
        });
      });
    });
  }

  #whenKept(then: () => void): void {
    if (this.#durable === this.#kept) then();
    else this.#waiting.push({ kept: this.#kept, then });
  }

  /**
   * Makes blocks with their batches, and certificates, durable; at once where they are already. A block whose
   * write is under way, as while its vote is signed, is not written twice: under load that is the most there is.
   */
  writeBlocks(
    blocks: readonly Hash[],
    certificates: readonly Certificate[],
    done: () => void,
  ): void {
    const setSize = this.#parts.setSize();
    const ops = certificates.map((certificate) => certificateOp(certificate, setSize));
    const whole: Held[] = [];
    const others: (() => void)[][] = [];
    for (const hash of blocks) {
      const held = this.#parts.tree()?.get(hash);
      if (held?.block === undefined || held.persisted) continue;
      const writing = this.#writing.get(held);
      if (writing !== undefined) {
        others.push(writing);
        continue;
      }
      const batches = held.batches.filter((batch) => batch !== undefined);
      ops.push(...blockOps(held.block, batches), this.#parts.open.add(held.block));
      // The log is read from the batches: append leaves out only what was written with all of them.
      if (batches.length === held.block.batchDigests.length) whole.push(held);
    }
    if (ops.length === 0) return afterAll(others, done);
    for (const held of whole) this.#writing.set(held, []);
    // The store answers in order: what was under way before is durable when this is.
    this.#context.ports.store.write(ops, { sync: true }, (failure) => {
      if (this.#context.stopped()) return;
      if (failure !== undefined) return this.#context.fatal(storeFailure(failure, "persist"));
      const waiting = whole.flatMap((held) => this.#written(held));
      done();
      for (const then of waiting) then();
    });
  }

  /** Who waits for the write of a block that is durable now. */
  #written(held: Held): (() => void)[] {
    const waiting = this.#writing.get(held) ?? [];
    this.#writing.delete(held);
    held.persisted = true;
    return waiting;
  }

  /** Writes a certificate; no later statement is written before it is durable. */
  keep(certificate: Certificate): void {
    const op = certificateOp(certificate, this.#parts.setSize());
    this.#kept += 1;
    this.#known.add(certificate);
    this.#context.ports.store.write([op], { sync: true }, (failure) => {
      if (this.#context.stopped()) return;
      if (failure !== undefined) return this.#context.fatal(storeFailure(failure, "certificate"));
      this.#durable += 1;
      while ((this.#waiting[0]?.kept ?? Number.POSITIVE_INFINITY) <= this.#durable) {
        this.#waiting.shift()?.then();
      }
    });
  }
}

/** Calls `done` once all of these writes have been answered; at once where there are none. */
function afterAll(writes: readonly (() => void)[][], done: () => void): void {
  let left = writes.length;
  if (left === 0) return done();
  const one = (): void => {
    left -= 1;
    if (left === 0) done();
  };
  for (const waiting of writes) waiting.push(one);
}
