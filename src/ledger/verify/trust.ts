/**
 * What a verifier starts from. Everything else in a proof is checked against it; it is not checked itself,
 * so it must come from somewhere else than the proof: a genesis that one's own organisation has agreed to,
 * or a checkpoint that one's own program has verified not long ago.
 *
 * **Weak subjectivity.** Signatures of validators do not age, keys do: whoever gets hold of a quorum of the
 * keys of a past epoch can sign another history from there on, and no proof can tell it from the real one.
 * Trust in the genesis alone is therefore for who has followed the chain, or asks about a chain whose past
 * validators still guard their keys. Everybody else starts from a recent checkpoint.
 *
 * Pure and browser-safe.
 */
import { toHex } from "../../crypto/bytes.ts";
import { fail, ok, type Result } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import type { WorkParameters } from "../../proofs/work/index.ts";
import { CHAIN_ID, firstValidators, type ParsedGenesis, parseGenesis } from "../genesis.ts";
import { hexAt, integerAt, objectAt, parseStrictJson, textAt, Wrong } from "../strict-json.ts";
import type { Hash } from "../types.ts";
import { createValidatorSet } from "../validator-set.ts";

/** The set of validators that one trusts, by its hash. Later sets are proven from it. */
export type Trust = {
  readonly origin: "genesis" | "checkpoint";
  readonly chainId: string;
  readonly genesisHash: Hash;
  readonly epoch: number;
  readonly setHash: Hash;
  /** A block that was verified before: another one at its height is a fork. */
  readonly block?: { readonly height: number; readonly hash: Hash; readonly timeMs: number };
  /** Names of validators by id in hex, where the genesis was given: for people. */
  readonly names: ReadonlyMap<string, string>;
  /** What the chain asks batches to show of work, where the genesis was given. */
  readonly work?: WorkParameters | null;
};

/** What a verified proof lets one trust from then on. A file: `formatCheckpoint`, `parseTrust`. */
export type Checkpoint = {
  readonly chainId: string;
  readonly genesisHash: Hash;
  readonly epoch: number;
  readonly setHash: Hash;
  readonly height: number;
  readonly blockHash: Hash;
  /** Ledger time of the block, milliseconds: how old the checkpoint is. */
  readonly timeMs: number;
};

export const CHECKPOINT_FORMAT = "tetrad-checkpoint";

/** Trusts the first set of validators that a genesis names. */
export const trustGenesis = ({ genesis, hasher, hash }: ParsedGenesis): Trust => ({
  origin: "genesis",
  chainId: genesis.chainId,
  genesisHash: hash,
  epoch: 0,
  setHash: createValidatorSet(hasher, 0, firstValidators(genesis), {
    rotates: genesis.proofs.epochKeys === true,
  }).hash,
  names: new Map(genesis.validators.map(({ id, name }) => [toHex(id), name])),
  work: genesis.proofs.work,
});

export const trustCheckpoint = (checkpoint: Checkpoint): Trust => ({
  origin: "checkpoint",
  chainId: checkpoint.chainId,
  genesisHash: checkpoint.genesisHash,
  epoch: checkpoint.epoch,
  setHash: checkpoint.setHash,
  block: { height: checkpoint.height, hash: checkpoint.blockHash, timeMs: checkpoint.timeMs },
  names: new Map(),
});

/** The checkpoint that trust is from; undefined where it is a genesis, or only a set. */
export const checkpointOfTrust = (trust: Trust): Checkpoint | undefined => {
  const { chainId, genesisHash, epoch, setHash, block } = trust;
  if (block === undefined) return undefined;
  const { height, hash: blockHash, timeMs } = block;
  return { chainId, genesisHash, epoch, setHash, height, blockHash, timeMs };
};

/** The file of a checkpoint: JSON with a newline at the end. */
export const formatCheckpoint = (checkpoint: Checkpoint): string =>
  `${JSON.stringify({
    format: CHECKPOINT_FORMAT,
    version: 1,
    chainId: checkpoint.chainId,
    genesisHash: toHex(checkpoint.genesisHash),
    epoch: checkpoint.epoch,
    setHash: toHex(checkpoint.setHash),
    height: checkpoint.height,
    blockHash: toHex(checkpoint.blockHash),
    timeMs: checkpoint.timeMs,
  })}\n`;

const CHECKPOINT_KEYS = [
  "format",
  "version",
  "chainId",
  "genesisHash",
  "epoch",
  "setHash",
  "height",
  "blockHash",
  "timeMs",
] as const;

/** A checkpoint from parsed JSON. Throws `Wrong`, with the path of what is not as it must be. */
export const readCheckpoint = (json: unknown): Checkpoint => {
  const root = objectAt("", json, CHECKPOINT_KEYS);
  if (root.version !== 1) throw new Wrong("version", "only version 1 is known");
  const number = (path: (typeof CHECKPOINT_KEYS)[number]): number =>
    integerAt(path, root[path], 0, Number.MAX_SAFE_INTEGER);
  return {
    chainId: textAt("chainId", root.chainId, CHAIN_ID, LIMITS.chainIdBytesMax),
    genesisHash: hexAt("genesisHash", root.genesisHash, 32),
    epoch: number("epoch"),
    setHash: hexAt("setHash", root.setHash, 32),
    height: number("height"),
    blockHash: hexAt("blockHash", root.blockHash, 32),
    timeMs: number("timeMs"),
  };
};

/**
 * Reads what to trust from the text of a file: a genesis, or a checkpoint.
 * Codes: config.genesis, or proof.trust for what is neither.
 */
export const parseTrust = (text: string): Result<Trust> => {
  if (text.length > LIMITS.genesisBytesMax) {
    return fail("proof.trust", `the file is over ${LIMITS.genesisBytesMax} bytes`);
  }
  if (!text.includes(`"${CHECKPOINT_FORMAT}"`)) {
    const genesis = parseGenesis(text);
    return genesis.ok ? ok(trustGenesis(genesis.value)) : genesis;
  }
  try {
    return ok(trustCheckpoint(readCheckpoint(parseStrictJson(text))));
  } catch (error) {
    if (error instanceof Wrong) {
      return fail("proof.trust", `${error.path || "checkpoint"}: ${error.message}`);
    }
    if (error instanceof SyntaxError) return fail("proof.trust", `not JSON: ${error.message}`);
    throw error;
  }
};
