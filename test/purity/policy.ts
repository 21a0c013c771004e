/** Which code is pure, what pure code may use, and what one file may do beyond, each with its reason. */
import type { Policy } from "./reach.ts";

const words = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/));

/** Folders whose every file is a root of the walk, but for the drivers. */
export const PURE_FOLDERS: readonly string[] = [
  "src/crypto",
  "src/proofs",
  "src/ledger",
  "src/ca",
  "src/assets",
  "src/detect",
];

/** What is composed of them and runs in every replica. */
export const PURE_FILES: readonly string[] = [
  "src/errors.ts",
  "src/limits.ts",
  "src/node/product.ts",
  "src/node/quarantine-watch.ts",
];

/** Files that are no roots, for they are ports; a root that loads one is found all the same. */
export const DRIVERS: readonly string[] = [
  "src/ledger/store/",
  // Loading WebAssembly is asynchronous; node/signing does it once, at start.
  "src/crypto/falcon-wasm.ts",
  // Reads the computer.
  "src/assets/probe.ts",
];

/** Names of the language that give the same everywhere and always. */
const GLOBALS = words(`
  Array ArrayBuffer BigInt BigInt64Array BigUint64Array Boolean DataView Error Float64Array Int8Array
  Int16Array Int32Array Iterator JSON Map Math Number Object RangeError RegExp Set String Symbol
  SyntaxError TextDecoder TextEncoder TypeError Uint8Array Uint16Array Uint32Array WeakMap WeakSet
  Infinity NaN atob btoa isNaN parseInt undefined
`);

/** Members of those that do not: chance, the language and zone of the computer, code made from text. */
const MEMBERS = words(`
  Math.random Atomics.wait Atomics.waitAsync
  *.localeCompare *.toLocaleString *.toLocaleLowerCase *.toLocaleUpperCase *.toLocaleDateString
  *.constructor
`);

/** Of a package that also draws randomness, only the functions that do not. */
const PACKAGES: Policy["packages"] = new Map([
  ["@noble/ciphers/aes.js", words("rngAesCtrDrbg256 cbc ecb")],
  ["@noble/curves/ed25519.js", words("ed25519.verify")],
  ["@noble/curves/nist.js", words("p256.verify")],
  ["@noble/hashes/argon2.js", words("argon2id")],
  ["@noble/hashes/blake2.js", words("blake2b blake2b.create")],
  ["@noble/hashes/scrypt.js", words("scrypt")],
  ["@noble/hashes/sha2.js", words("sha256 sha512")],
  ["@noble/hashes/sha3.js", words("shake256.create")],
  ["@noble/post-quantum/falcon.js", words("falcon1024padded.verify")],
  ["@noble/post-quantum/ml-dsa.js", words("ml_dsa44.verify")],
]);

const FALCON = "@noble/post-quantum/falcon.js falcon1024padded";

const EXCEPTIONS: Policy["exceptions"] = new Map([
  // Takes the hash function of node:crypto where there is one, which is what the walk forbids elsewhere.
  ["src/crypto/hash.ts", new Set(["globalThis", ".process", "Process.getBuiltinModule"])],
  // The same for the two memory-hard functions.
  ["src/crypto/memory-hard.ts", new Set(["globalThis", ".process", "Process.getBuiltinModule"])],
  // The same for the block cipher of node:crypto.
  ["src/crypto/aes.ts", new Set(["globalThis", ".process", "Process.getBuiltinModule"])],
  // Takes WebAssembly: of a module that imports nothing, so that what it computes follows from its memory.
  ["src/proofs/work/wasm-solver.ts", new Set(["globalThis"])],
  // The caller gives the seed of a key and the randomness of a signature.
  [
    "src/crypto/falcon.ts",
    new Set([`${FALCON}.keygen`, `${FALCON}.getPublicKey`, `${FALCON}.sign`]),
  ],
  // RFC 6979 without extra entropy: the signature follows from key and message.
  ["src/ca/p256.ts", new Set(["@noble/curves/nist.js p256.sign"])],
]);

export const PURE: Policy = {
  globals: GLOBALS,
  members: MEMBERS,
  packages: PACKAGES,
  exceptions: EXCEPTIONS,
};

/** Where a simulated world begins: what a run is made of, all adversaries and all checkers. */
export const SIM_FOLDERS: readonly string[] = ["sim/adversary", "sim/checkers"];
export const SIM_FILES: readonly string[] = ["sim/simulate.ts", "sim/system.ts", "sim/swarm.ts"];

/** A world may hash and copy with Node's own functions; time and chance come from its seed alone. */
export const SIMULATED: Policy = {
  globals: new Set([...GLOBALS, "Buffer", "BufferConstructor", "Hash"]),
  members: MEMBERS,
  packages: new Map([
    ...PACKAGES,
    ["@noble/curves/nist.js", words("p256.verify p256.getPublicKey")],
    ["node:crypto", words("argon2Sync createHash hash scryptSync")],
    ["node:zlib", words("crc32")],
  ]),
  exceptions: EXCEPTIONS,
};

/** The state machines of a session between nodes, and nothing else of the transport. */
export const SESSION_FOLDER = "src/transport/stoq";

/**
 * They use Node's hashes and ciphers and ML-KEM, all of which give the same for the same bytes: whatever is drawn
 * is handed in. That ML-KEM is always given its seed is for the test of the handshake's bytes.
 */
export const SESSION: Policy = {
  globals: new Set([
    ...GLOBALS,
    ...words("Cipheriv CipherGCM Decipheriv DecipherGCM Hash Hmac Buffer BufferConstructor"),
  ]),
  members: MEMBERS,
  packages: new Map([
    ...PACKAGES,
    [
      "@noble/post-quantum/ml-kem.js",
      words("ml_kem1024.keygen ml_kem1024.encapsulate ml_kem1024.decapsulate"),
    ],
    ["node:crypto", words("createCipheriv createDecipheriv createHash createHmac timingSafeEqual")],
  ]),
  exceptions: EXCEPTIONS,
};
