/** A Signer of a secret key in memory. Not constant-time: it must not sign for strangers. */
import { FALCON_SEED_BYTES, falconPublicKey, falconSign } from "../crypto/falcon.ts";
import type { Signer } from "./submit.ts";

/**
 * Signs with a secret key (2305 bytes), which is copied and stays in the memory of this program; some ms a
 * signature. Throws RangeError or Error for bytes that are no key. In Node `fileSigner` is faster.
 */
export const keySigner = (secretKey: Uint8Array): Signer => {
  const key = secretKey.slice();
  return {
    publicKey: falconPublicKey(key),
    async sign(message) {
      const entropy = crypto.getRandomValues(new Uint8Array(FALCON_SEED_BYTES));
      return falconSign(message, key, entropy);
    },
  };
};
