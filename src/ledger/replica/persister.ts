/** Writing what the core wants durable: statements, and before them what they rest on (R0, adr/0004). */
import type { Effect } from "../consensus/types.ts";
import type { Certificate, Hash } from "../types.ts";
import { blockOps, certificateOp } from "./block-store.ts";
import type { BlockTree } from "./block-tree.ts";
import { storeFailure } from "./committer.ts";
import type { Context } from "./context.ts";
import type { VoteStore } from "./vote-store.ts";

export type PersisterParts = {
  readonly votes: VoteStore;
  tree(): BlockTree | undefined;
  setSize(): number;
};

export class Persister {
  readonly #context: Context;
  readonly #parts: PersisterParts;

  constructor(context: Context, parts: PersisterParts) {
    this.#context = context;
    this.#parts = parts;
  }

  /**
   * What a statement rests on becomes durable before the statement itself: a vote found after a restart
   * is sent again, and must then never name a block that the crash took with it.
   */
  persist(effect: Effect & { kind: "persist" }, done: () => void): void {
    this.writeBlocks(effect.blocks, effect.certificates, () => {
      this.#parts.votes.write(effect.votes, (failure) => {
        if (this.#context.stopped()) return;
        if (failure !== undefined) return this.#context.fatal(storeFailure(failure, "vote store"));
        done();
      });
    });
  }

  /** Makes blocks with their batches, and certificates, durable; at once where they are already. */
  writeBlocks(
    blocks: readonly Hash[],
    certificates: readonly Certificate[],
    done: () => void,
  ): void {
    const setSize = this.#parts.setSize();
    const ops = certificates.map((certificate) => certificateOp(certificate, setSize));
    const writing = blocks.map((hash) => this.#parts.tree()?.get(hash));
    for (const held of writing) {
      if (held?.block === undefined || held.persisted) continue;
      const batches = held.batches.filter((batch) => batch !== undefined);
      ops.push(...blockOps(held.block, batches));
    }
    if (ops.length === 0) return done();
    this.#context.ports.store.write(ops, { sync: true }, (failure) => {
      if (this.#context.stopped()) return;
      if (failure !== undefined) return this.#context.fatal(storeFailure(failure, "persist"));
      for (const held of writing) if (held?.block !== undefined) held.persisted = true;
      done();
    });
  }

  keep(certificate: Certificate): void {
    const setSize = this.#parts.setSize();
    this.#context.ports.store.write(
      [certificateOp(certificate, setSize)],
      { sync: true },
      (failure) => {
        if (failure !== undefined) this.#context.fatal(storeFailure(failure, "certificate"));
      },
    );
  }
}
