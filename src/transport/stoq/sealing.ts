/**
 * Sealed records: AES-256-GCM under keys that follow from the ML-KEM secret alone. Records of a stream are
 * numbered from 0 and the number is not sent: a stream is reliable and in order, so a record that is missing,
 * doubled, out of order or of another stream does not open, and the session ends. There is no second try.
 *
 * The number is the nonce, so no nonce comes twice under a key. After `rekeyRecords` records a key gives way to
 * the next of a one-way chain, at the same number on both sides, without a message: who takes a running node
 * cannot open what went before. Pure.
 */
import { createCipheriv, createDecipheriv } from "node:crypto";
import { Writer } from "../../crypto/codec.ts";
import { type Failure, fail, ok, type Result } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import { expand } from "./keys.ts";

export const SEAL_TAG_BYTES = 16;

const CIPHER = "aes-256-gcm";
const KEY_BYTES = 32;
const CHAIN_BYTES = 64;
const NONCE_BYTES = 12;

export type SealLimits = {
  /** Records under one key, and numbers of one stream and direction. */
  readonly rekeyRecords: number;
  readonly recordsMax: number;
  /** Of what is sealed, without the tag. */
  readonly recordBytesMax: number;
};

export const SEAL_LIMITS: SealLimits = {
  rekeyRecords: LIMITS.sealedRekeyRecords,
  recordsMax: LIMITS.sealedRecordsMax,
  recordBytesMax: LIMITS.sealedRecordBytesMax,
};

export type SealOptions = {
  /** Of one direction; copied. */
  readonly trafficSecret: Uint8Array;
  readonly sessionId: Uint8Array;
  /** Place of the stream among those of its direction: each has keys of its own. */
  readonly stream: number;
  readonly limits?: SealLimits;
};

/** The keys of one stream and direction, as both of its ends step through them. */
class KeyChain {
  readonly limits: SealLimits;
  readonly #sessionId: Uint8Array;
  readonly #stream: number;
  #chain: Uint8Array;
  #key: Uint8Array;
  #used = 0;
  #number = 0;

  constructor({ trafficSecret, sessionId, stream, limits = SEAL_LIMITS }: SealOptions) {
    this.limits = limits;
    this.#sessionId = Uint8Array.from(sessionId);
    this.#stream = stream;
    this.#chain = expand(trafficSecret, `stream ${stream}`, CHAIN_BYTES);
    this.#key = expand(this.#chain, "key", KEY_BYTES);
  }

  get number(): number {
    return this.#number;
  }

  get isSpent(): boolean {
    return this.#number >= this.limits.recordsMax;
  }

  /** Key, nonce and associated data of the record with the current number. */
  current(): { readonly key: Uint8Array; readonly nonce: Uint8Array; readonly data: Uint8Array } {
    if (this.#used === this.limits.rekeyRecords) this.#step();
    const nonce = new Writer().u32(0).u64(this.#number).finish();
    const data = new Writer().hash(this.#sessionId).u8(this.#stream).u64(this.#number).finish();
    if (nonce.length !== NONCE_BYTES) throw new RangeError("a nonce has 96 bits");
    return { key: this.#key, nonce, data };
  }

  advance(): void {
    this.#number += 1;
    this.#used += 1;
  }

  wipe(): void {
    this.#chain.fill(0);
    this.#key.fill(0);
  }

  #step(): void {
    const next = expand(this.#chain, "next", CHAIN_BYTES);
    this.wipe();
    this.#chain = next;
    this.#key = expand(next, "key", KEY_BYTES);
    this.#used = 0;
  }
}

export class Sealer {
  readonly #keys: KeyChain;

  constructor(options: SealOptions) {
    this.#keys = new KeyChain(options);
  }

  /** Codes: transport.frame-too-large, session.exhausted. */
  seal(plain: Uint8Array): Result<Uint8Array> {
    const { recordBytesMax, recordsMax } = this.#keys.limits;
    if (plain.length > recordBytesMax) {
      const detail = `a sealed record of ${plain.length} bytes, limit ${recordBytesMax}`;
      return fail("transport.frame-too-large", detail);
    }
    if (this.#keys.isSpent) return fail("session.exhausted", `${recordsMax} records are sealed`);
    const { key, nonce, data } = this.#keys.current();
    const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: SEAL_TAG_BYTES });
    cipher.setAAD(data);
    const body = cipher.update(plain);
    cipher.final();
    const record = new Uint8Array(plain.length + SEAL_TAG_BYTES);
    record.set(body);
    record.set(cipher.getAuthTag(), plain.length);
    this.#keys.advance();
    return ok(record);
  }

  /** Records sealed so far. */
  get records(): number {
    return this.#keys.number;
  }

  wipe(): void {
    this.#keys.wipe();
  }
}

export class Opener {
  readonly #keys: KeyChain;
  #failure: Failure | undefined;

  constructor(options: SealOptions) {
    this.#keys = new KeyChain(options);
  }

  /** The next record. Codes: session.exhausted, session.unsealed, which is final. */
  open(record: Uint8Array): Result<Uint8Array> {
    if (this.#failure !== undefined) return this.#failure;
    const { recordBytesMax, recordsMax } = this.#keys.limits;
    if (record.length < SEAL_TAG_BYTES || record.length > recordBytesMax + SEAL_TAG_BYTES) {
      return this.#end(fail("session.unsealed", `a sealed record of ${record.length} bytes`));
    }
    if (this.#keys.isSpent) {
      return this.#end(fail("session.exhausted", `${recordsMax} records are opened`));
    }
    const { key, nonce, data } = this.#keys.current();
    const length = record.length - SEAL_TAG_BYTES;
    const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: SEAL_TAG_BYTES });
    decipher.setAAD(data);
    decipher.setAuthTag(record.subarray(length));
    try {
      const plain = Uint8Array.from(decipher.update(record.subarray(0, length)));
      decipher.final();
      this.#keys.advance();
      return ok(plain);
    } catch {
      const detail = `record ${this.#keys.number} does not open: it is forged, repeated or out of order`;
      return this.#end(fail("session.unsealed", detail));
    }
  }

  wipe(): void {
    this.#keys.wipe();
  }

  #end(failure: Failure): Failure {
    this.#failure = failure;
    return failure;
  }
}
