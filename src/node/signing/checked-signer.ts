/**
 * FALCON signing with an expanded key, none of whose mistakes gets out: a self-test before it is used, and
 * a verification of every signature. After the first that does not verify noble signs, which costs ten
 * times as much and shares no code with it.
 */
import { randomBytes } from "node:crypto";
import {
  FALCON_SEED_BYTES,
  type FalconVerifier,
  falconSign,
  nobleVerifier,
} from "../../crypto/falcon.ts";
import {
  expandFalconKey,
  type FalconExpandedKey,
  wipeFalconKey,
} from "../../crypto/falcon-expanded-key.ts";
import { falconSignExpanded } from "../../crypto/falcon-sign.ts";
import { falconSignerSelfTest } from "../../crypto/falcon-signer-self-test.ts";

export type SigningImplementation = "expanded" | "noble";

export type CheckedSigner = {
  /** Who makes the next signature. */
  implementation(): SigningImplementation;
  /** A signature that verifies. Throws RangeError on a message that is too long. */
  sign(message: Uint8Array): Uint8Array<ArrayBuffer>;
  /** Overwrites the key; signing throws from then on. */
  wipe(): void;
};

export type CheckedSignerOptions = {
  /** Copied. */
  readonly secretKey: Uint8Array;
  readonly publicKey: Uint8Array;
  /** What checks the signatures; noble checks its own. */
  readonly verifier: FalconVerifier;
  /** Called, at most once, when noble takes over. */
  readonly onFault: (detail: string) => void;
  /** How an expanded key signs; given by tests that make it fail. */
  readonly signExpanded?: typeof falconSignExpanded;
};

/** Throws RangeError or Error when the bytes are no secret key. */
export const createCheckedSigner = (options: CheckedSignerOptions): CheckedSigner => {
  const { publicKey, verifier, onFault } = options;
  const signExpanded = options.signExpanded ?? falconSignExpanded;
  const secretKey = Uint8Array.from(options.secretKey);
  let key: FalconExpandedKey | undefined = expandFalconKey(secretKey);
  let wiped = false;

  const fallBack = (detail: string): void => {
    if (key !== undefined) wipeFalconKey(key);
    key = undefined;
    onFault(detail);
  };
  const wrong = falconSignerSelfTest(signExpanded);
  if (wrong !== undefined) fallBack(`signing with an expanded key fails its self-test: ${wrong}`);

  const signFast = (message: Uint8Array, expanded: FalconExpandedKey): Uint8Array | undefined => {
    try {
      const signature = signExpanded(message, expanded, randomBytes(FALCON_SEED_BYTES));
      if (verifier.verify(signature, message, publicKey)) return signature;
      fallBack("a signature with an expanded key does not verify");
    } catch (error) {
      // A message that is too long is the caller's mistake; noble would say the same.
      if (error instanceof RangeError) throw error;
      fallBack(
        `signing with an expanded key fails: ${error instanceof Error ? error.message : "?"}`,
      );
    }
    return undefined;
  };
  const signSlowly = (message: Uint8Array): Uint8Array => {
    const signature = falconSign(message, secretKey, randomBytes(FALCON_SEED_BYTES));
    if (nobleVerifier.verify(signature, message, publicKey)) return signature;
    throw new Error("a signature does not verify");
  };

  return {
    implementation: () => (key === undefined ? "noble" : "expanded"),
    sign(message) {
      if (wiped) throw new Error("the key was wiped");
      const fast = key === undefined ? undefined : signFast(message, key);
      return Uint8Array.from(fast ?? signSlowly(message));
    },
    wipe() {
      wiped = true;
      secretKey.fill(0);
      if (key !== undefined) wipeFalconKey(key);
    },
  };
};
