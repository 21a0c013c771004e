/**
 * The vote store: every statement this key has signed above the last final view, with its bytes, the
 * highest statement ever, and the floor at or below which nothing may be signed because what was signed
 * there has been forgotten. It lies beside the key and not with the data, and it is the watermark:
 * EIP-3076 in spirit. A key without its vote store does not vote.
 *
 *     f                     format: u16 version, node id
 *     w                     floor: u64 epoch, u64 view
 *     g                     genesis hash of the chain that the key signs for
 *     v/ epoch view kind    own vote: vote, u8 has proposal, u64 parentView, u8 reproposal
 */
import { equalBytes, toHex } from "../../crypto/bytes.ts";
import { DecodeError, Reader, utf8, Writer } from "../../crypto/codec.ts";
import { type Failure, fail, ok, type Result, TetradError } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import type { OwnVote } from "../consensus/types.ts";
import type { Store, StoreFailure, StoreOp } from "../ports.ts";
import { kindNumber, readVote, sameStatement, writeVote } from "../statement.ts";
import type { Hash, Statement } from "../types.ts";
import { storeFailure } from "./committer.ts";
import { readAll } from "./read-all.ts";

const VERSION = 1;
const FORMAT_KEY = utf8("f");
const FLOOR_KEY = utf8("w");
const CHAIN_KEY = utf8("g");

export type Floor = { readonly epoch: number; readonly view: number };

const voteKey = (statement: Pick<Statement, "epoch" | "view" | "kind">): Uint8Array =>
  new Writer(19)
    .raw(utf8("v/"))
    .u64(statement.epoch)
    .u64(statement.view)
    .u8(kindNumber(statement.kind))
    .finish();

/** Marks a new vote store as belonging to this key. Done once, when the key is made. */
export const initVoteStore = (
  store: Store,
  nodeId: Hash,
  done: (failure?: StoreFailure) => void,
): void => {
  const value = new Writer(34).u16(VERSION).hash(nodeId).finish();
  store.write([{ type: "put", key: FORMAT_KEY, value }], { sync: true }, done);
};

/** All keys of a vote store. */
const EVERYTHING = { gte: Uint8Array.of(0), lt: Uint8Array.of(0xff) };

/**
 * Binds the vote store of a key to the chain that it signs for, once. Statements name the chain's id and not
 * its genesis, so a key that signed for two chains of one id could make a proof of one pass for the other's:
 * a validator's key never does. One that was bound and has signed nothing since is bound anew: a start with
 * a wrong genesis that came to nothing costs no key. Code: folder.foreign, and store.*. A store that is none
 * stays none.
 */
export const bindVoteStore = (
  store: Store,
  genesisHash: Hash,
  done: (failure?: Failure) => void,
): void => {
  const bound = store.get(CHAIN_KEY);
  if (bound !== undefined && equalBytes(bound, genesisHash)) return done();
  if (store.get(FORMAT_KEY) === undefined) return done();
  const bind = (): void => {
    const op: StoreOp = { type: "put", key: CHAIN_KEY, value: genesisHash };
    store.write([op], { sync: true }, (failure) => {
      done(failure === undefined ? undefined : storeFailure(failure, "vote store"));
    });
  };
  if (bound === undefined) return bind();
  // Whatever is signed leaves a row before it is: a vote or the floor above it, or a checkpoint.
  store.range({ ...EVERYTHING, limit: 3 }, (failure, rows) => {
    if (failure !== undefined) return done(storeFailure(failure, "vote store"));
    if (rows.length <= 2) return bind();
    const other = `${toHex(bound).slice(0, 12)}…`;
    const detail = `this key has signed for another chain of this name, genesis ${other}: make a new key`;
    done(fail("folder.foreign", detail));
  });
};

const isAtOrBelow = (epoch: number, view: number, floor: Floor): boolean =>
  epoch < floor.epoch || (epoch === floor.epoch && view <= floor.view);

export class VoteStore {
  readonly #store: Store;
  readonly #votes = new Map<string, OwnVote>();
  #floor: Floor = { epoch: 0, view: 0 };
  #isWhole = false;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Every statement above the floor, of whatever epoch. */
  get all(): readonly OwnVote[] {
    return [...this.#votes.values()];
  }

  get floor(): Floor {
    return this.#floor;
  }

  /**
   * Reads everything. Codes: votes.missing (no or another key's store), store.corrupt, store.full, store.io. Throws
   * store.io where the first rows cannot be read.
   */
  load(nodeId: Hash, done: (result: Result<readonly OwnVote[]>) => void): void {
    const floor = this.#readFloor(nodeId);
    if (!floor.ok) return done(floor);
    this.#floor = floor.value;
    const range = { gte: utf8("v/"), lt: utf8("v0") };
    readAll(this.#store, range, LIMITS.recoveredVotesMax, (failure, entries) => {
      if (failure !== undefined) return done(fail(failure.code, `vote store: ${failure.detail}`));
      const all = this.#decodeAll(entries.map(([, value]) => value));
      this.#isWhole = all.ok;
      done(all);
    });
  }

  /** The floor of this key's own store. A row that fails its check is an answer, as it is where a range meets it. */
  #readFloor(nodeId: Hash): Result<Floor> {
    try {
      const format = this.#store.get(FORMAT_KEY);
      const expected = new Writer(34).u16(VERSION).hash(nodeId).finish();
      return format !== undefined && equalBytes(format, expected)
        ? readFloor(this.#store.get(FLOOR_KEY))
        : fail("votes.missing", "the vote store beside the key is missing or of another key");
    } catch (error) {
      if (!(error instanceof TetradError) || error.code !== "store.corrupt") throw error;
      return fail("store.corrupt", `vote store: ${error.message}`);
    }
  }

  #decodeAll(values: readonly Uint8Array[]): Result<readonly OwnVote[]> {
    try {
      for (const value of values) {
        const own = readOwnVote(value);
        this.#votes.set(keyOf(own.vote.statement), own);
      }
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      return fail("store.corrupt", `vote store: ${error.message}`);
    }
    return ok([...this.#votes.values()]);
  }

  /** Writes own votes, synced. They are known from this call on, durable when `done` says so. */
  write(votes: readonly OwnVote[], done: (failure?: StoreFailure) => void): void {
    const ops: StoreOp[] = votes.map((own) => {
      this.#votes.set(keyOf(own.vote.statement), own);
      return { type: "put", key: voteKey(own.vote.statement), value: writeOwnVote(own) };
    });
    this.#store.write(ops, { sync: true }, done);
  }

  /**
   * Forgets votes of views that are durably final, and raises the floor with the same write. A store that was not
   * read whole is left as it is: a new floor over a damaged one would let the next start take it for whole.
   */
  forget(floor: Floor, done: (failure?: StoreFailure) => void): void {
    // A node that catches up from nothing passes old heights again: the floor never goes back.
    if (isAtOrBelow(floor.epoch, floor.view, this.#floor)) return done();
    const value = new Writer(16).u64(floor.epoch).u64(floor.view).finish();
    const ops: StoreOp[] = [{ type: "put", key: FLOOR_KEY, value }];
    for (const [key, own] of this.#votes) {
      const { epoch, view } = own.vote.statement;
      if (!isAtOrBelow(epoch, view, floor)) continue;
      this.#votes.delete(key);
      ops.push({ type: "del", key: voteKey(own.vote.statement) });
    }
    this.#floor = floor;
    if (!this.#isWhole) return done();
    this.#store.write(ops, { sync: true }, done);
  }

  /** Whether a statement that a peer shows as ours is one we know of (or have safely forgotten). */
  knows(statement: Statement): boolean {
    if (isAtOrBelow(statement.epoch, statement.view, this.#floor)) return true;
    const own = this.#votes.get(keyOf(statement));
    return own !== undefined && sameStatement(own.vote.statement, statement);
  }
}

/** Why a node whose key signed what its store does not know must not vote. */
export const behindFailure = (statement: Statement): Failure =>
  fail(
    "votes.behind",
    `peers hold a ${statement.kind} statement of epoch ${statement.epoch}, view ${statement.view} ` +
      "by this key that the vote store does not know: it was restored or cloned",
    { epoch: statement.epoch, view: statement.view },
  );

const keyOf = (statement: Statement): string =>
  `${statement.epoch}/${statement.view}/${statement.kind}`;

const writeOwnVote = (own: OwnVote): Uint8Array => {
  const writer = new Writer(1400);
  writeVote(writer, own.vote);
  writer.u8(own.proposed === undefined ? 0 : 1).u64(own.proposed?.parentView ?? 0);
  return writer.u8(own.proposed?.reproposal === true ? 1 : 0).finish();
};

const readFloor = (bytes: Uint8Array | undefined): Result<Floor> => {
  if (bytes === undefined) return ok({ epoch: 0, view: 0 });
  try {
    const reader = new Reader(bytes);
    const floor = { epoch: reader.u64(), view: reader.u64() };
    reader.end();
    return ok(floor);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    return fail("store.corrupt", `vote store: ${error.message}`);
  }
};

const readOwnVote = (bytes: Uint8Array): OwnVote => {
  const reader = new Reader(bytes.slice());
  const vote = readVote(reader);
  const has = reader.u8() === 1;
  const parentView = reader.u64();
  const reproposal = reader.u8() === 1;
  reader.end();
  return { vote, proposed: has ? { parentView, reproposal } : undefined };
};
