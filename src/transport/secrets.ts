/**
 * The transport's use of the system's random source: connection ids, which must not be guessable from
 * outside, and the key of Retry tokens. Nothing of it is replicated or reaches the ledger.
 */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { DecodeError, Reader, utf8, Writer } from "../crypto/codec.ts";
import { CONNECTION_ID_BYTES, type HostPort } from "./quiche-binding.ts";

export const newConnectionId = (): Uint8Array => randomBytes(CONNECTION_ID_BYTES);

/** Tells one run of a node from the next: 8 random bytes. */
export const newRunId = (): Uint8Array => randomBytes(8);

const MAC_BYTES = 16;
const ORIGINAL_ID_BYTES_MAX = 20;
const TOKEN_BYTES_MAX = 64;

/**
 * Stateless Retry tokens (RFC 9000, 8.1.2): the client proves that it receives at its address before we
 * keep anything about it. A token is `u64 expiry || u32 length || original id || mac(16)`, bound to the
 * address, the port and the id that the Retry packet gave out.
 */
export class RetryTokens {
  readonly #key = randomBytes(32);
  readonly #lifetimeMs: number;

  constructor(lifetimeMs: number) {
    this.#lifetimeMs = lifetimeMs;
  }

  #mac(body: Uint8Array, remote: HostPort, newId: Uint8Array): Uint8Array {
    const context = new Writer()
      .bytes(utf8(remote.host))
      .u16(remote.port)
      .bytes(newId)
      .bytes(body)
      .finish();
    return createHmac("sha256", this.#key).update(context).digest().subarray(0, MAC_BYTES);
  }

  mint(remote: HostPort, originalId: Uint8Array, newId: Uint8Array, nowMs: number): Uint8Array {
    const expiry = Math.ceil(nowMs + this.#lifetimeMs);
    const body = new Writer().u64(expiry).bytes(originalId).finish();
    return new Writer()
      .raw(body)
      .raw(this.#mac(body, remote, newId))
      .finish();
  }

  /** The client's original id, or undefined when the token is forged, of another client or too old. */
  open(
    token: Uint8Array,
    remote: HostPort,
    newId: Uint8Array,
    nowMs: number,
  ): Uint8Array | undefined {
    if (token.length > TOKEN_BYTES_MAX || token.length <= MAC_BYTES) return undefined;
    const body = token.subarray(0, token.length - MAC_BYTES);
    const mac = token.subarray(token.length - MAC_BYTES);
    if (!timingSafeEqual(mac, this.#mac(body, remote, newId))) return undefined;
    try {
      const reader = new Reader(body);
      const expiry = reader.u64();
      const originalId = reader.bytes(ORIGINAL_ID_BYTES_MAX);
      reader.end();
      return nowMs <= expiry ? originalId.slice() : undefined;
    } catch (error) {
      if (error instanceof DecodeError) return undefined;
      throw error;
    }
  }
}
