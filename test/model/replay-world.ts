/**
 * The values that a replay of a model trace is made of: validator sets, blocks and statements as the
 * implementation has them, for the indices that the trace uses. The core checks no signature, so a
 * signature is 1280 bytes that name the signer and the statement.
 */

import { toHex, ZERO_HASH } from "../../src/crypto/bytes.ts";
import { utf8, Writer } from "../../src/crypto/codec.ts";
import { createHasher, sha256 } from "../../src/crypto/hash.ts";
import { NO_BLOCK_PROOFS } from "../../src/ledger/block-proofs.ts";
import type { BlockFacts, Proposal } from "../../src/ledger/consensus/types.ts";
import type {
  Block,
  Certificate,
  Hash,
  Statement,
  StatementKind,
  ValidatorSet,
  Vote,
} from "../../src/ledger/types.ts";
import { createValidatorSet } from "../../src/ledger/validator-set.ts";
import type { ModelInstance, ModelKind, ModelStatement } from "./trace-format.ts";

const SIGNATURE_BYTES = 1280;
const KIND_OF = { N: "notarize", S: "nullify", F: "finalize" } as const;
const LETTER_OF: Readonly<Record<StatementKind, ModelKind>> = {
  notarize: "N",
  nullify: "S",
  finalize: "F",
};

/** Who leads the views that a trace does not explore: nobody. */
const NOBODY = 1_000;

/** A proposal as the model names it. */
export type Offer = {
  readonly epoch: number;
  readonly view: number;
  readonly block: number;
  readonly parentView: number;
  readonly again: boolean;
};

/** A statement as text, "epoch:view:kind:block", the form in which both sides are compared. */
export const textOf = ({ epoch, view, kind, block }: ModelStatement): string =>
  kind === "S" ? `${epoch}:${view}:S` : `${epoch}:${view}:${kind}:${block}`;

const hasher = createHasher("model-replay");

/** Members in the order of the trace: ids are sorted first and then given the weights. */
const setOf = (epoch: number, weights: readonly number[]): ValidatorSet => {
  if (weights.some((weight) => weight <= 0)) {
    throw new Error(`epoch ${epoch}: a validator without weight has no index in the core`);
  }
  const members = weights.map((_, i) => {
    const publicKey = new Writer().u32(i).raw(utf8("key")).finish();
    const id = hasher.ht("id", publicKey);
    return { id, name: `v${i}`, publicKey, weight: 1n, tlsPin: ZERO_HASH, address: "[::1]:1" };
  });
  const sorted = createValidatorSet(hasher, epoch, members).validators;
  const weighted = sorted.map((one, i) => ({ ...one, weight: BigInt(weights[i] ?? 0) }));
  return createValidatorSet(hasher, epoch, weighted);
};

export class ReplayWorld {
  readonly instance: ModelInstance;
  readonly #sets: readonly ValidatorSet[];
  readonly #hashes: readonly Hash[];
  readonly #indices: ReadonlyMap<string, number>;

  constructor(instance: ModelInstance) {
    this.instance = instance;
    this.#sets = instance.weights.map((weights, epoch) => setOf(epoch, weights));
    this.#hashes = instance.blocks.map((_, i) => sha256(utf8(`block ${i}`)));
    this.#indices = new Map(this.#hashes.map((hash, i) => [toHex(hash), i]));
  }

  get epochs(): number {
    return this.#sets.length;
  }

  set(epoch: number): ValidatorSet {
    const set = this.#sets[epoch];
    if (set === undefined) throw new Error(`the trace has no epoch ${epoch}`);
    return set;
  }

  leader(epoch: number, view: number): number {
    return this.instance.leaders[epoch]?.[view - 1] ?? NOBODY;
  }

  hash(block: number): Hash {
    const hash = this.#hashes[block];
    if (hash === undefined) throw new Error(`the trace has no block ${block}`);
    return hash;
  }

  /** Index of the block with this hash; throws when a core names a block that is not of the run. */
  index(hash: Hash): number {
    const index = this.#indices.get(toHex(hash));
    if (index === undefined) throw new Error(`a core names an unknown block ${toHex(hash)}`);
    return index;
  }

  /** The block and what it stands on, oldest first, down to the last block of the epoch before it. */
  chain(block: number): readonly number[] {
    const { parent, epoch } = this.#block(block);
    return this.#block(parent).epoch < epoch || block === parent
      ? [block]
      : [...this.chain(parent), block];
  }

  /** The block with every ancestor: what arrives together. */
  ancestors(block: number): readonly number[] {
    return block === 0 ? [0] : [...this.ancestors(this.#block(block).parent), block];
  }

  epochOf(block: number): number {
    return this.#block(block).epoch;
  }

  heightOf(block: number): number {
    return this.#block(block).height;
  }

  /** Whether this block, final, ends the epoch. */
  endsEpoch(block: number, epoch: number): boolean {
    const { boundary, epoch: own } = this.#block(block);
    return boundary && own === epoch;
  }

  facts(block: number): BlockFacts {
    const { height, parent, parentView, boundary } = this.#block(block);
    return {
      hash: this.hash(block),
      height,
      parentHash: this.hash(parent),
      parentView,
      boundary,
    };
  }

  /** A block that says what the core looks at. */
  block(block: number): Block {
    const { epoch, view, height, parentView, parent, boundary } = this.#block(block);
    const hash = this.hash(block);
    const header = {
      protocolVersion: 1,
      chainHash: hasher.chainHash,
      epoch,
      view,
      height,
      parentView,
      parentHash: this.hash(parent),
      timeMs: height,
      batchesRoot: ZERO_HASH,
      batchCount: 0,
      executedHeight: 0,
      logSize: 0,
      logRoot: ZERO_HASH,
      stateRoot: ZERO_HASH,
      proofsHash: ZERO_HASH,
      nextSetHash: boundary ? sha256(utf8("next set")) : ZERO_HASH,
      proposer: this.leader(epoch, view),
    };
    return { hash, batchDigests: [], proofs: NO_BLOCK_PROOFS, bytes: hash, header };
  }

  statement(said: ModelStatement): Statement {
    const hash = said.block === undefined ? ZERO_HASH : this.hash(said.block);
    return { epoch: said.epoch, view: said.view, kind: KIND_OF[said.kind], hash };
  }

  text(statement: Statement): string {
    const kind = LETTER_OF[statement.kind];
    const block = kind === "S" ? undefined : this.index(statement.hash);
    return textOf({ epoch: statement.epoch, view: statement.view, kind, block });
  }

  signature(signer: number, statement: Statement): Uint8Array {
    const name = utf8(`${signer} ${this.text(statement)}`);
    const signature = new Uint8Array(SIGNATURE_BYTES);
    signature.set(name);
    return signature;
  }

  /** What a Byzantine validator signs: anything. */
  vote(signer: number, said: ModelStatement): Vote {
    const statement = this.statement(said);
    return { statement, signer, signature: this.signature(signer, statement) };
  }

  proposal(offer: Offer, vote: Vote): Proposal {
    return {
      epoch: offer.epoch,
      view: offer.view,
      hash: this.hash(offer.block),
      parentView: offer.parentView,
      block: offer.again ? undefined : this.block(offer.block),
      vote,
    };
  }

  #block(block: number): ModelInstance["blocks"][number] {
    const found = this.instance.blocks[block];
    if (found === undefined) throw new Error(`the trace has no block ${block}`);
    return found;
  }
}

/** A certificate of these votes, which are of one statement and in ascending order of signer. */
export const certificateOfVotes = (votes: readonly Vote[]): Certificate => {
  const first = votes[0];
  if (first === undefined) throw new Error("a certificate needs votes");
  return {
    statement: first.statement,
    signers: votes.map((vote) => vote.signer),
    signatures: votes.map((vote) => vote.signature),
  };
};
