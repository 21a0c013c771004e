/**
 * Blocks that this node wrote for a vote and that are not final: an index in the store, `o/ height hash`,
 * and the same in memory. A leader may show each voter another block of 4 MiB in every view that it leads;
 * without the index whatever did not become final would lie in the store for ever. The append that passes
 * a height deletes the blocks that lost there, with those of their batches that no other block names.
 */
import { equalBytes, toHex } from "../../crypto/bytes.ts";
import { type Failure, fail } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import { batchKey, blockKey, openKey, rangeOfArea } from "../keys.ts";
import type { StoreEntry, StoreOp } from "../ports.ts";
import type { Block, Hash } from "../types.ts";
import type { BlockStore } from "./block-store.ts";
import type { Context } from "./context.ts";
import { readAll } from "./read-all.ts";

type Open = {
  readonly hash: Hash;
  readonly height: number;
  readonly digests: readonly Hash[];
};

const HEIGHT_AT = 2;
const HASH_AT = 10;

export class OpenIndex {
  readonly #context: Context;
  readonly #store: BlockStore;
  /** By hash in hex. Ahead of the store by what is being written, so that no decision waits for a read. */
  readonly #open = new Map<string, Open>();

  constructor(context: Context, store: BlockStore) {
    this.#context = context;
    this.#store = store;
  }

  get size(): number {
    return this.#open.size;
  }

  load(done: (failure?: Failure) => void): void {
    const max = LIMITS.recoveredBlocksMax;
    readAll(this.#context.ports.store, rangeOfArea("o"), max, (failure, entries) => {
      if (failure !== undefined) return done(failure);
      for (const [key] of entries) {
        const open = this.#read(key);
        if (open === undefined) {
          return done(fail("store.corrupt", "the index of open blocks names one that is missing"));
        }
        this.#open.set(toHex(open.hash), open);
      }
      done();
    });
  }

  /** Block and entry are written together, so an entry without its block is damage. */
  #read(key: StoreEntry[0]): Open | undefined {
    const hash = key.slice(HASH_AT);
    const block = hash.length === 32 ? this.#store.block(hash) : undefined;
    if (block === undefined) return undefined;
    const view = new DataView(key.buffer, key.byteOffset + HEIGHT_AT, 8);
    const height = Number(view.getBigUint64(0));
    return { hash, height, digests: block.batchDigests };
  }

  /** The block is about to be written: the operation goes into the same write. */
  add(block: Block): StoreOp {
    const { hash } = block;
    const { height } = block.header;
    this.#open.set(toHex(hash), { hash, height, digests: block.batchDigests });
    return { type: "put", key: openKey(height, hash), value: new Uint8Array(0) };
  }

  /** What the append of this run deletes: the entries that it passes, and whatever lost. */
  settle(run: readonly Block[]): StoreOp[] {
    const tip = run.at(-1)?.header.height ?? 0;
    const passed = [...this.#open.values()].filter(({ height }) => height <= tip);
    const losers = passed.filter(({ height, hash }) => !this.#isFinal(run, height, hash));
    for (const { hash } of passed) this.#open.delete(toHex(hash));
    const ops = passed.map(({ height, hash }): StoreOp => del(openKey(height, hash)));
    if (losers.length === 0) return ops;
    for (const { hash } of losers) ops.push(del(blockKey(hash)));
    for (const digest of this.#unnamed(run, losers)) ops.push(del(batchKey(digest)));
    return ops;
  }

  #isFinal(run: readonly Block[], height: number, hash: Hash): boolean {
    const inRun = run.find((block) => block.header.height === height)?.hash;
    const final = inRun ?? this.#store.hashAt(height);
    return final !== undefined && equalBytes(final, hash);
  }

  /**
   * Batches of the losers that are in no open block and in no final one. What a block includes its own
   * ancestors do not, and its last final ancestor is at most the execution lag below it: so only final
   * blocks from there on can share a batch with it.
   */
  #unnamed(run: readonly Block[], losers: readonly Open[]): Iterable<Hash> {
    const unnamed = new Map<string, Hash>();
    for (const { digests } of losers) {
      for (const digest of digests) unnamed.set(toHex(digest), digest);
    }
    const keep = (digests: readonly Hash[]): void => {
      for (const digest of digests) unnamed.delete(toHex(digest));
    };
    for (const { digests } of this.#open.values()) keep(digests);
    for (const block of run) keep(block.batchDigests);
    const first = run[0]?.header.height ?? 0;
    const lowest = Math.min(...losers.map(({ height }) => height)) - LIMITS.executionLagMax;
    for (let height = Math.max(1, lowest); height < first && unnamed.size > 0; height++) {
      const hash = this.#store.hashAt(height);
      keep((hash === undefined ? undefined : this.#store.block(hash))?.batchDigests ?? []);
    }
    return unnamed.values();
  }
}

const del = (key: Uint8Array): StoreOp => ({ type: "del", key });
