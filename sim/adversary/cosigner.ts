/** Adversaries that lie about the log beside consensus: false checkpoints (docs/protocol.md, Checkpoints). */
import type { Hash } from "../../src/ledger/types.ts";
import type { Powers, StrategyFactory } from "./types.ts";

/** The end of the year 9999, which no ledger time reaches. */
const LAST_SECOND = 253_402_300_799;
const FLOOD = 12;
/** More than any run appends: what is larger comes from another liar. */
const REAL_SIZE_MAX = 1_000_000;

type Claim = { readonly size: number; readonly root: Hash; readonly timeS: number };

/** What is false about a checkpoint: each is signed by all three keys, so only its content gives it away. */
const lies = (powers: Powers, { size, root, timeS }: Claim): readonly Claim[] => {
  const other = powers.hasher.ht("adversary", root);
  return [
    { size, root: other, timeS: timeS + 1 },
    { size: size + 1 + powers.random.below(1_000_000), root: other, timeS },
    { size: Number.MAX_SAFE_INTEGER, root, timeS },
    { size, root, timeS: LAST_SECOND },
    { size: size + 1, root, timeS: timeS + 1 },
    { size: size + 1, root: other, timeS: timeS + 2 },
  ];
};

/**
 * Instead of its checkpoint it sends false ones: a root that nobody has, sizes far ahead, times of the far
 * future, two roots of one size, signatures that do not verify, and all of that as fast as it may.
 */
export const falseCosignatures: StrategyFactory = (powers) => {
  let latest: Claim | undefined;
  return {
    watch: (message) => {
      if (message?.type !== "cosignature" || message.size > REAL_SIZE_MAX) return;
      if (message.size >= (latest?.size ?? 0)) latest = message;
    },
    outgoing: (_peer, _class, _bytes, read) => {
      const message = read();
      if (message?.type !== "cosignature") return false;
      latest = message;
      return true;
    },
    tick: () => {
      if (latest === undefined) return;
      const claims = lies(powers, latest);
      for (const peer of powers.flooded()) {
        for (let i = 0; i < FLOOD; i++) {
          const cosignature = powers.cosign(powers.random.pick(claims));
          const falcon =
            i === 0 ? powers.random.bytes(cosignature.falcon.length) : cosignature.falcon;
          powers.lie(peer, { type: "cosignature", ...cosignature, falcon });
        }
      }
    },
  };
};

/** States the true root with a FALCON signature that is none: only who checks it knows that it did not sign. */
export const forgedCosignatures: StrategyFactory = (powers) => ({
  outgoing: (peer, _class, _bytes, read) => {
    const message = read();
    if (message?.type !== "cosignature") return false;
    powers.lie(peer, { ...message, falcon: powers.random.bytes(message.falcon.length) });
    return true;
  },
});
