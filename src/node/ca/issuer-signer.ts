/**
 * What signs for an issuer. All of it is a function of the key and of what is signed: an issuer that crashed,
 * or waited for nothing, and answers a request again must not make a second certificate.
 */
import { createHmac, createPublicKey, hkdfSync, type KeyObject } from "node:crypto";
import { signP256 } from "../../ca/index.ts";
import { utf8 } from "../../crypto/codec.ts";

/** Asynchronous, so that a key in a device can be one. */
export type IssuerSigner = {
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
  /** ECDSA with SHA-256 and the nonce of RFC 6979: r and s, 32 bytes each. The same for the same body. */
  sign(body: Uint8Array): Promise<Uint8Array>;
  /** 16 bytes that are the same for the same message, and that nobody without the key can tell from random. */
  serialBits(message: Uint8Array): Promise<Uint8Array>;
};

const SERIAL_INFO = utf8("tetrad/issuer-serial/v1");
const SERIAL_BYTES = 16;

/** The secret scalar of a P-256 key, 32 bytes. */
const scalarOf = (privateKey: KeyObject): Uint8Array => {
  const { crv, d } = privateKey.export({ format: "jwk" });
  if (crv !== "P-256" || d === undefined) throw new RangeError("not a private key of P-256");
  return new Uint8Array(Buffer.from(d, "base64url"));
};

/**
 * A signer over a P-256 key in memory. Serials come from HMAC-SHA-256 under a key of their own, which HKDF
 * (RFC 5869) derives from the private key: the key's file need not hold a second secret.
 */
export const issuerSigner = (privateKey: KeyObject): IssuerSigner => {
  const secret = scalarOf(privateKey);
  const serialKey = Buffer.from(hkdfSync("sha256", secret, new Uint8Array(0), SERIAL_INFO, 32));
  return {
    spki: new Uint8Array(createPublicKey(privateKey).export({ type: "spki", format: "der" })),
    sign: async (body) => signP256(body, secret),
    serialBits: async (message) => {
      const mac = createHmac("sha256", serialKey).update(message).digest();
      return new Uint8Array(mac.subarray(0, SERIAL_BYTES));
    },
  };
};
