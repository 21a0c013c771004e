/** The node's iVRF keys, behind the replica's port: made in threads, kept in memory, and given up when they end. */
import { equalBytes } from "../../crypto/bytes.ts";
import type { Hasher } from "../../crypto/hash.ts";
import { type Failure, fail } from "../../errors.ts";
import type { Revealer } from "../../ledger/ports.ts";
import type { IvrfKey } from "../../proofs/beacon/ivrf.ts";
import { removeCaps } from "./caps-file.ts";
import { makeIvrfKey } from "./make-key.ts";

export type NodeRevealer = Revealer & { close(): void };

export const createRevealer = (args: {
  readonly hasher: Hasher;
  /** 32 bytes (ivrf-secret.ts); wiped by `close`. */
  readonly secret: Uint8Array;
  readonly depth: number;
  /** Where trees are kept; nowhere if it is not given. */
  readonly folder?: string;
  readonly onFailure: (failure: Failure) => void;
}): NodeRevealer => {
  const { hasher, secret, depth, folder, onFailure } = args;
  const made = new Map<number, Promise<IvrfKey>>();
  const held = new Map<number, IvrfKey>();
  let closed = false;
  const begin = (firstHeight: number): Promise<IvrfKey> => {
    const isWanted = (first: number): boolean => !closed && made.has(first);
    const trees = folder === undefined ? undefined : { folder, isWanted };
    const key = makeIvrfKey(hasher, secret, firstHeight, depth, trees);
    made.set(firstHeight, key);
    return key;
  };
  return {
    make(firstHeight, done) {
      if (closed) return;
      const key = made.get(firstHeight) ?? begin(firstHeight);
      key.then(
        (one) => {
          if (closed) return;
          if (made.has(firstHeight)) held.set(firstHeight, one);
          done(one.root);
        },
        (error: unknown) => {
          made.delete(firstHeight);
          if (!closed) onFailure(fail("internal", `an iVRF key was not made: ${String(error)}`));
        },
      );
    },
    reveal: (root, index) =>
      [...held.values()].find((key) => equalBytes(key.root, root))?.reveal(index),
    forget(firstHeight) {
      made.delete(firstHeight);
      held.delete(firstHeight);
      if (folder !== undefined) removeCaps({ folder, firstHeight });
    },
    close() {
      closed = true;
      made.clear();
      held.clear();
      secret.fill(0);
    },
  };
};
