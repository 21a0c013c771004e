/**
 * SHA-256, plain and tagged. Node's native hash where there is one, @noble/hashes in a browser; both are
 * synchronous, so this module stays pure and browser-safe.
 */
import { sha256 as nobleSha256 } from "@noble/hashes/sha2.js";
import { concatBytes } from "./bytes.ts";
import { utf8 } from "./codec.ts";

type NodeCrypto = {
  hash(algorithm: string, data: Uint8Array, outputEncoding: "buffer"): Uint8Array;
};

const nodeCrypto = globalThis.process?.getBuiltinModule?.("node:crypto") as NodeCrypto | undefined;

/** SHA-256 of the bytes (FIPS 180-4): 32 bytes. */
export const sha256: (bytes: Uint8Array) => Uint8Array =
  nodeCrypto === undefined
    ? (bytes) => nobleSha256(bytes)
    : (bytes) => plain(nodeCrypto.hash("sha256", bytes, "buffer"));

/** A Buffer's `slice` shares memory where a Uint8Array's copies: nobody here shall be handed a Buffer. */
const plain = ({ buffer, byteOffset, length }: Uint8Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, length);

/**
 * Tagged hash bound to one chain: Ht(tag, m) = SHA256(SHA256("hm/v1/" + tag) || SHA256(chainId) || m).
 * The 64-byte prefix is computed once a tag, so no statement, batch or header of one chain ever means
 * anything on another.
 */
export type Hasher = {
  readonly chainId: string;
  /** SHA256(chainId): what headers and batches carry. */
  readonly chainHash: Uint8Array;
  ht(tag: string, ...parts: readonly Uint8Array[]): Uint8Array;
};

export const createHasher = (chainId: string): Hasher => {
  const chainHash = sha256(utf8(chainId));
  const prefixes = new Map<string, Uint8Array>();
  const prefixOf = (tag: string): Uint8Array => {
    let prefix = prefixes.get(tag);
    if (prefix === undefined) {
      prefix = concatBytes(sha256(utf8(`hm/v1/${tag}`)), chainHash);
      prefixes.set(tag, prefix);
    }
    return prefix;
  };
  return {
    chainId,
    chainHash,
    ht: (tag, ...parts) => sha256(concatBytes(prefixOf(tag), ...parts)),
  };
};
