/**
 * FALCON-1024 padded by liboqs compiled to WebAssembly: verification in 0.1 to 0.15 ms and key generation
 * in under 0.1 s, against about 1 ms and 1 s in JavaScript. It signs slower than JavaScript, so it is not
 * used for that: falcon-sign.ts is. Only loading is asynchronous; everything after is synchronous and pure.
 *
 * The module of the one algorithm is loaded by its own address in the package: the package's entry loads
 * the wrappers of all hundred algorithms, and its wrapper allocates anew for every signature. Here three
 * buffers are allocated once for the life of the instance, so there is nothing that a verification could
 * leak. Copying a public key in takes under a thousandth of a verification and the library has no form
 * of a key that is prepared in advance, so no cache of keys would save anything.
 */
import { LIMITS } from "../limits.ts";
import {
  type FalconKeyPair,
  type FalconVerifier,
  falconLengthsFit,
  falconVerify,
} from "./falcon.ts";

/** What of the Emscripten module is used here; HEAPU8 is replaced when the memory grows. */
type OqsModule = {
  readonly HEAPU8: Uint8Array;
  _OQS_init(): void;
  _OQS_SIG_new(namePointer: number): number;
  _OQS_SIG_keypair(sig: number, publicKey: number, secretKey: number): number;
  _OQS_SIG_verify(
    sig: number,
    message: number,
    messageLength: number,
    signature: number,
    signatureLength: number,
    publicKey: number,
  ): number;
  _OQS_MEM_cleanse(pointer: number, length: number): void;
  _malloc(length: number): number;
  _free(pointer: number): void;
  stringToUTF8(text: string, pointer: number, capacity: number): void;
};

export type WasmFalcon = FalconVerifier & {
  /**
   * A fresh key pair from the system's randomness. The memory of the instance may keep traces of its
   * making: use an instance for this alone and let go of it.
   */
  keygen(): FalconKeyPair;
  /** Size of the module's memory in bytes: it must not grow with use. */
  heapBytes(): number;
};

const ALGORITHM = "Falcon-padded-1024";
const MODULE_PATH = "../dist/falcon-padded-1024.min.js";
const PUBLIC_KEY_BYTES = LIMITS.falconPublicKeyBytes;
const SECRET_KEY_BYTES = LIMITS.falconSecretKeyBytes;
const SIGNATURE_BYTES = LIMITS.falconSignatureBytes;

/**
 * Loads an instance of its own; rejects when the package or WebAssembly is missing.
 * `onFault` is called once if the instance ever traps; from then on verification is done in JavaScript.
 */
export const loadFalconWasm = async (
  onFault: (detail: string) => void = () => {},
): Promise<WasmFalcon> => {
  const address = new URL(MODULE_PATH, import.meta.resolve("@oqs/liboqs-js/sig"));
  const loaded: { default: () => Promise<OqsModule> } = await import(address.href);
  const oqs = await loaded.default();
  oqs._OQS_init();
  return instance(oqs, newAlgorithm(oqs), onFault);
};

const newAlgorithm = (oqs: OqsModule): number => {
  const name = allocate(oqs, ALGORITHM.length + 1);
  oqs.stringToUTF8(ALGORITHM, name, ALGORITHM.length + 1);
  const algorithm = oqs._OQS_SIG_new(name);
  oqs._free(name);
  if (algorithm === 0) throw new Error(`liboqs was built without ${ALGORITHM}`);
  return algorithm;
};

const instance = (
  oqs: OqsModule,
  algorithm: number,
  onFault: (detail: string) => void,
): WasmFalcon => {
  const publicKeyAt = allocate(oqs, PUBLIC_KEY_BYTES);
  const signatureAt = allocate(oqs, SIGNATURE_BYTES);
  const messageAt = allocate(oqs, LIMITS.signedMessageBytesMax);
  let faulty = false;

  const verify = (signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean => {
    if (!falconLengthsFit(signature, message, publicKey)) return false;
    if (faulty) return falconVerify(signature, message, publicKey);
    try {
      const heap = oqs.HEAPU8;
      heap.set(publicKey, publicKeyAt);
      heap.set(signature, signatureAt);
      heap.set(message, messageAt);
      const status = oqs._OQS_SIG_verify(
        algorithm,
        messageAt,
        message.length,
        signatureAt,
        SIGNATURE_BYTES,
        publicKeyAt,
      );
      return status === 0;
    } catch (error) {
      // After a trap the instance's stack is in no known state, so it must not be asked again.
      faulty = true;
      onFault(String(error));
      return falconVerify(signature, message, publicKey);
    }
  };

  return {
    name: "liboqs-wasm",
    verify,
    keygen: () => generate(oqs, algorithm),
    heapBytes: () => oqs.HEAPU8.length,
  };
};

const generate = (oqs: OqsModule, algorithm: number): FalconKeyPair => {
  const publicKeyAt = allocate(oqs, PUBLIC_KEY_BYTES);
  const secretKeyAt = allocate(oqs, SECRET_KEY_BYTES);
  try {
    if (oqs._OQS_SIG_keypair(algorithm, publicKeyAt, secretKeyAt) !== 0) {
      throw new Error("liboqs could not generate a key pair");
    }
    const heap = oqs.HEAPU8;
    return {
      publicKey: heap.slice(publicKeyAt, publicKeyAt + PUBLIC_KEY_BYTES),
      secretKey: heap.slice(secretKeyAt, secretKeyAt + SECRET_KEY_BYTES),
    };
  } finally {
    oqs._OQS_MEM_cleanse(secretKeyAt, SECRET_KEY_BYTES);
    oqs._free(secretKeyAt);
    oqs._free(publicKeyAt);
  }
};

const allocate = (oqs: OqsModule, length: number): number => {
  const pointer = oqs._malloc(length);
  if (pointer === 0) throw new Error("no memory in the WebAssembly instance");
  return pointer;
};
