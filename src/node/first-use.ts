/** A key's first use: its vote store is empty then, because it has signed nothing, and never again. */
import { closeSync, existsSync, fsyncSync, openSync, rmSync } from "node:fs";
import { equalBytes } from "../crypto/bytes.ts";
import type { Hasher } from "../crypto/hash.ts";
import { TetradError } from "../errors.ts";
import { rangeOfArea } from "../ledger/keys.ts";
import type { Logger, Store } from "../ledger/ports.ts";
import { BlockStore } from "../ledger/replica/block-store.ts";
import { bindVoteStore, initVoteStore } from "../ledger/replica/vote-store.ts";
import { decodeCertificate } from "../ledger/statement.ts";
import type { Hash } from "../ledger/types.ts";
import { rowsOf } from "./audit/compare.ts";
import type { NodePaths } from "./folder.ts";

export type FirstUse = {
  readonly paths: Pick<NodePaths, "keys" | "unused">;
  readonly voteStore: Store;
  /** The node's data: a backup that was restored, or a copy, may know more than the marker does. */
  readonly store: Store;
  readonly hasher: Hasher;
  readonly id: Hash;
  readonly logger: Logger;
};

/**
 * Makes the vote store where the marker says that the key has signed nothing, and takes the marker away,
 * durably. Where a certificate in the data has a signature of the key, keys and marker are a copy from
 * before it was used: then no vote store is made, and the node does not vote (votes.missing).
 */
export const beginVoteStore = async (options: FirstUse): Promise<void> => {
  const { paths, voteStore, id, logger } = options;
  if (!existsSync(paths.unused)) return;
  if (await hasSigned(options)) {
    const detail = `${paths.unused} says that the key has signed nothing, and the data has its signatures`;
    logger.log("error", "the keys are a copy from before their first use", { detail });
  } else {
    await new Promise<void>((resolve, reject) => {
      initVoteStore(voteStore, id, (failure) => {
        if (failure === undefined) return resolve();
        const code = failure.code === "full" ? "store.full" : "store.io";
        reject(new TetradError(code, `the vote store cannot be made: ${failure.detail}`));
      });
    });
  }
  rmSync(paths.unused);
  // The removal must be durable before the first signature: else a power cut could bring back a marker
  // that says the key has signed nothing.
  const folder = openSync(paths.keys, "r");
  fsyncSync(folder);
  closeSync(folder);
};

/**
 * Binds the vote store to the chain, unless the data beside it is of another one: then the start is refused
 * before anything is signed, and must not leave a mark. Throws folder.foreign for a key that has signed for
 * another genesis (bindVoteStore), store.*.
 */
export const bindVotes = async (
  voteStore: Store,
  store: Pick<Store, "get">,
  { hash, hasher }: { readonly hash: Hash; readonly hasher: Hasher },
): Promise<void> => {
  const data = new BlockStore((key) => store.get(key), hasher).genesisHash();
  if (data !== undefined && !equalBytes(data, hash)) return;
  await new Promise<void>((resolve, reject) => {
    bindVoteStore(voteStore, hash, (failure) => {
      if (failure === undefined) resolve();
      else reject(TetradError.from(failure));
    });
  });
};

/** Whether a stored certificate names the validator among its signers. Throws store.corrupt, store.io. */
const hasSigned = async ({ store, hasher, id }: FirstUse): Promise<boolean> => {
  const blocks = new BlockStore((key) => store.get(key), hasher);
  for await (const [, value] of rowsOf(store, rangeOfArea("c"))) {
    const certificate = decodeCertificate(value);
    if (!certificate.ok) throw new TetradError("store.corrupt", certificate.detail);
    const { statement, signers } = certificate.value;
    const validators = blocks.validatorSet(statement.epoch)?.validators ?? [];
    const own = validators.findIndex((validator) => equalBytes(validator.id, id));
    if (signers.includes(own)) return true;
  }
  return false;
};
