/**
 * The two memory-hard functions of the proofs of work: scrypt (RFC 7914) and Argon2id (RFC 9106). Node's
 * native ones where it has them (Argon2 since Node 24.7), those of @noble/hashes elsewhere: the same bytes,
 * which the tests compare, at two to nine times the time. Both are synchronous and draw no randomness.
 */
import { argon2id as nobleArgon2id } from "@noble/hashes/argon2.js";
import { scrypt as nobleScrypt } from "@noble/hashes/scrypt.js";

type NodeCrypto = {
  scryptSync(
    password: Uint8Array,
    salt: Uint8Array,
    length: number,
    options: {
      readonly N: number;
      readonly r: number;
      readonly p: number;
      readonly maxmem: number;
    },
  ): Uint8Array;
  argon2Sync?(
    algorithm: "argon2id",
    parameters: {
      readonly message: Uint8Array;
      readonly nonce: Uint8Array;
      readonly parallelism: number;
      readonly tagLength: number;
      readonly memory: number;
      readonly passes: number;
    },
  ): Uint8Array;
};

// biome-ignore lint/nursery/noJsRestrictedProperties: two hash functions are all that is taken of it.
const nodeCrypto = globalThis.process?.getBuiltinModule?.("node:crypto") as unknown as
  | NodeCrypto
  | undefined;

/** Bytes of a result: all callers hash it on. */
const TAG_BYTES = 32;

/** A view without the class of Node's: what compares and copies these expects plain arrays. */
const plain = (bytes: Uint8Array): Uint8Array =>
  new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/**
 * scrypt with r = p = 1: 32 bytes, in 128·N bytes of memory. `n` is a power of two of 2 to 32,768 (RFC 7914,
 * section 2: below 2^16 where r is 1); throws for others.
 */
export const scrypt32 = (password: Uint8Array, salt: Uint8Array, n: number): Uint8Array => {
  if (nodeCrypto === undefined) {
    return nobleScrypt(password, salt, { N: n, r: 1, p: 1, dkLen: TAG_BYTES });
  }
  // What OpenSSL counts: the table, one block, and the working space of one lane.
  const maxmem = 128 * n + 4096;
  return plain(nodeCrypto.scryptSync(password, salt, TAG_BYTES, { N: n, r: 1, p: 1, maxmem }));
};

/** Argon2id, version 0x13, one pass, one lane: 32 bytes, in so many KiB of memory (at least 8). */
export const argon2id32 = (
  message: Uint8Array,
  salt: Uint8Array,
  memoryKiB: number,
): Uint8Array => {
  const native = nodeCrypto?.argon2Sync;
  if (native === undefined) {
    return nobleArgon2id(message, salt, { t: 1, m: memoryKiB, p: 1, dkLen: TAG_BYTES });
  }
  return plain(
    native("argon2id", {
      message,
      nonce: salt,
      parallelism: 1,
      tagLength: TAG_BYTES,
      memory: memoryKiB,
      passes: 1,
    }),
  );
};
