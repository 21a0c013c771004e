/**
 * AES-128 in the two shapes that the delay of the beacon needs (src/proofs/time/delay.ts). Node's native
 * cipher where there is one, @noble/ciphers in a browser; both are synchronous, so this module stays pure.
 */
import { cbc, ecb } from "@noble/ciphers/aes.js";

type Cipher = { setAutoPadding(on: boolean): void; update(bytes: Uint8Array): Uint8Array };
type NodeCrypto = {
  createCipheriv(algorithm: string, key: Uint8Array, iv: Uint8Array | null): Cipher;
};

// biome-ignore lint/nursery/noJsRestrictedProperties: a cipher is all that is taken of it.
const nodeCrypto = globalThis.process?.getBuiltinModule?.("node:crypto") as unknown as
  | NodeCrypto
  | undefined;

export const AES_BLOCK_BYTES = 16;

/** Whole blocks at a time, each on its own (ECB without padding): what checks many chains in lock-step. */
export type BlockCipher = (blocks: Uint8Array) => Uint8Array;

/** Encrypts blocks under one key of 16 bytes. */
export const aesBlocks = (key: Uint8Array): BlockCipher => {
  if (nodeCrypto === undefined) {
    const cipher = ecb(key, { disablePadding: true });
    return (blocks) => cipher.encrypt(blocks);
  }
  const cipher = nodeCrypto.createCipheriv("aes-128-ecb", key, null);
  cipher.setAutoPadding(false);
  return (blocks) => cipher.update(blocks);
};

/** How much of a chain one call computes: more is no faster. */
const ZEROS = new Uint8Array(64 * 1024);

/** Goes on with a chain by so many encryptions (at least one); the block it is at then. */
export type AesChain = (iterations: number) => Uint8Array;

/**
 * A chain of encryptions, each of the block before, beginning with `block`. CBC over zeros is exactly that, and
 * one native call for thousands of them.
 */
export const createAesChain = (key: Uint8Array, block: Uint8Array): AesChain => {
  let last = block.slice();
  const native = nodeCrypto?.createCipheriv("aes-128-cbc", key, block);
  native?.setAutoPadding(false);
  return (iterations) => {
    for (let left = iterations; left > 0; ) {
      const count = Math.min(left, ZEROS.length / AES_BLOCK_BYTES);
      const piece = ZEROS.subarray(0, count * AES_BLOCK_BYTES);
      const out =
        native === undefined
          ? cbc(key, last, { disablePadding: true }).encrypt(piece)
          : native.update(piece);
      // A copy: a Buffer's slice would keep all of the output alive.
      last = new Uint8Array(out.subarray(out.length - AES_BLOCK_BYTES));
      left -= count;
    }
    return last;
  };
};
