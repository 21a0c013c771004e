/**
 * Signatures that cost a hash: a MAC under a secret that only the key ring of one world knows, padded to
 * the size of a FALCON-1024 signature. Nobody can forge one without the ring, adversaries included: they
 * are given their own signing function only. Like FALCON it is randomised: each call gives other bytes,
 * unless a scenario asks for a deterministic scheme.
 */
import { hash as nodeHash } from "node:crypto";
import { ScratchViews } from "../src/crypto/hash.ts";
import type {
  CheckpointSignatures,
  CheckpointSigner,
  Signer,
  Verifier,
  VerifyJob,
} from "../src/ledger/ports.ts";
import type { CheckpointKeys } from "../src/ledger/types.ts";
import { LIMITS } from "../src/limits.ts";
import { Recent } from "./checkers/recent.ts";
import type { Host } from "./host.ts";
import { Prng } from "./prng.ts";

const NONCE_BYTES = 8;
const NO_NONCE = new Uint8Array(NONCE_BYTES);

export type SignerKnobs = {
  /** Virtual time of one signature, and of one verification, microseconds. */
  signUs: number;
  verifyUs: number;
  /** Other bytes for the same message on each call, as FALCON does. */
  randomised: boolean;
  /** Whether nodes sign checkpoints, as production does. */
  checkpoints: boolean;
};

export const FREE_SIGNER: SignerKnobs = {
  signUs: 1000,
  verifyUs: 100,
  randomised: true,
  checkpoints: true,
};

export type KeyPair = {
  readonly publicKey: Uint8Array;
  /** Where the key stands in the ring; the only handle for signing. */
  readonly serial: number;
};

/** What the simulator needs of a signature scheme; real FALCON fits too (test/sim/falcon-ring.ts). */
export type SignatureScheme = {
  createKey(name: string): KeyPair;
  sign(key: KeyPair, message: Uint8Array): Uint8Array;
  verify(job: VerifyJob): boolean;
};

const bufferOf = (bytes: Uint8Array): Buffer =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** What a MAC was made of. */
type Made = {
  readonly serial: number;
  readonly nonce: Uint8Array;
  readonly message: Uint8Array;
  readonly mac: string;
};

/** At a hundred nodes the votes of some forty views. */
const SIGNATURES_REMEMBERED = 8_192;
const SCRATCH_BYTES = 512;

/** The first six bytes of a nonce as a number. */
const numberOf = (nonce: Uint8Array): number => {
  let value = 0;
  for (let i = 0; i < 6; i++) value = value * 256 + (nonce[i] ?? 0);
  return value;
};

/**
 * The key ring of one world: makes keys, signs with them and checks signatures. Where it remembers what it has
 * made, a check compares instead of hashing; one altered bit of key, message or signature, and it hashes.
 */
export class KeyRing implements SignatureScheme {
  readonly #secret: Uint8Array;
  readonly #random: Prng;
  readonly #seed: number;
  readonly #byPublicKey = new Map<string, KeyPair>();
  /** The same by the array that holds the key: a lookup by its 1793 bytes costs more than the check. */
  readonly #byArray = new WeakMap<Uint8Array, KeyPair>();
  readonly #randomised: boolean;
  readonly #scratch = new ScratchViews(SCRATCH_BYTES);
  readonly #expected = Buffer.alloc(LIMITS.falconSignatureBytes);
  /** By nonce: the MACs of the newest signatures that this ring has made, where it may remember them. */
  readonly #made: Recent<number, Made> | undefined;

  constructor(seed: number, randomised = true, remembers = false) {
    this.#seed = seed;
    this.#secret = new Prng(seed, "ring/secret").bytes(24);
    this.#random = new Prng(seed, "ring/nonce");
    this.#randomised = randomised;
    this.#made = remembers && randomised ? new Recent(SIGNATURES_REMEMBERED) : undefined;
  }

  createKey(name: string): KeyPair {
    const publicKey = new Prng(this.#seed, `key/${name}`).bytes(LIMITS.falconPublicKeyBytes);
    // The header byte of a FALCON-1024 public key, for codecs that look at it.
    publicKey[0] = 0x0a;
    const pair: KeyPair = { publicKey, serial: this.#byPublicKey.size + 1 };
    this.#byPublicKey.set(bufferOf(publicKey).toString("latin1"), pair);
    return pair;
  }

  /** One character a byte: a Buffer for the digest costs more than the digest. */
  #mac(serial: number, nonce: Uint8Array, message: Uint8Array): string {
    const at = this.#secret.length;
    const length = at + 4 + NONCE_BYTES + message.length;
    const isShort = length <= SCRATCH_BYTES;
    const bytes = isShort ? this.#scratch.bytes : new Uint8Array(length);
    bytes.set(this.#secret, 0);
    for (let i = 0; i < 4; i++) bytes[at + i] = serial >>> (24 - 8 * i);
    bytes.set(nonce, at + 4);
    bytes.set(message, at + 4 + NONCE_BYTES);
    return nodeHash("sha256", isShort ? this.#scratch.first(length) : bytes, "binary");
  }

  /** Writes the signature into `target`, which has its length. */
  #write(target: Buffer, nonce: Uint8Array, mac: string): void {
    // The header byte of a padded FALCON-1024 signature.
    target[0] = 0x3a;
    target.set(nonce, 1);
    target.fill(mac, 1 + NONCE_BYTES, target.length, "latin1");
  }

  sign(key: KeyPair, message: Uint8Array): Uint8Array {
    const nonce = this.#randomised ? this.#random.bytes(NONCE_BYTES) : NO_NONCE;
    const signature = new Uint8Array(LIMITS.falconSignatureBytes);
    const mac = this.#mac(key.serial, nonce, message);
    this.#write(bufferOf(signature), nonce, mac);
    const { serial } = key;
    this.#made?.set(numberOf(nonce), { serial, nonce, message: message.slice(), mac });
    return signature;
  }

  #keyOf(publicKey: Uint8Array): KeyPair | undefined {
    const known = this.#byArray.get(publicKey);
    if (known !== undefined) return known;
    const key = this.#byPublicKey.get(bufferOf(publicKey).toString("latin1"));
    if (key !== undefined) this.#byArray.set(publicKey, key);
    return key;
  }

  /** The MAC that a signature must have: remembered where it was made for just this. */
  #macOf(serial: number, nonce: Uint8Array, message: Uint8Array): string {
    const made = this.#made?.get(numberOf(nonce));
    const isSame =
      made?.serial === serial &&
      Buffer.compare(made.nonce, nonce) === 0 &&
      Buffer.compare(made.message, message) === 0;
    return made !== undefined && isSame ? made.mac : this.#mac(serial, nonce, message);
  }

  verify(job: VerifyJob): boolean {
    const { message, signature, publicKey } = job;
    if (signature.length !== LIMITS.falconSignatureBytes) return false;
    const key = this.#keyOf(publicKey);
    if (key === undefined) return false;
    const nonce = signature.subarray(1, 1 + NONCE_BYTES);
    this.#write(this.#expected, nonce, this.#macOf(key.serial, nonce, message));
    return this.#expected.compare(signature) === 0;
  }
}

/**
 * Leaders follow from the hash of the genesis, and so from these keys too. With this number slots lead
 * in the order that the directed scenarios name; another one needs other scenarios.
 */
const KEY_SALT = 136;

/** Checkpoint keys of a simulated validator: they follow from its public key. */
export const checkpointKeysOf = (publicKey: Uint8Array): CheckpointKeys => {
  const bytes = (name: string, length: number): Uint8Array =>
    Uint8Array.from(
      { length },
      (_, i) => (publicKey[1 + (i % 1792)] ?? 0) ^ (name.length + i + KEY_SALT),
    );
  return {
    ed25519Key: bytes("ed25519", LIMITS.ed25519PublicKeyBytes),
    mlDsa44Key: bytes("ml-dsa-44", LIMITS.mlDsa44PublicKeyBytes),
  };
};

/** A stand-in of `length` bytes for a signature, which anybody could make: adversaries make only their own. */
const standIn = (length: number, key: Uint8Array, message: Uint8Array): Uint8Array => {
  const out = new Uint8Array(length);
  const digest = nodeHash("sha256", Buffer.concat([key, message]), "buffer");
  for (let at = 0; at < length; at += digest.length) {
    out.set(digest.subarray(0, Math.min(digest.length, length - at)), at);
  }
  return out;
};

/** The lines of a checkpoint beside FALCON, whose signature comes from the node's signer as in production. */
export const checkpointSignaturesOf = (
  { ed25519Key, mlDsa44Key }: CheckpointKeys,
  messages: CheckpointSignatures,
): CheckpointSignatures => ({
  ed25519: standIn(LIMITS.ed25519SignatureBytes, ed25519Key, messages.ed25519),
  mlDsa44: standIn(LIMITS.mlDsa44SignatureBytes, mlDsa44Key, messages.mlDsa44),
});

/** Calls back later, as node:crypto does from its threads. */
export const createTestCheckpointSigner = (
  own: CheckpointKeys,
  later: (run: () => void) => void,
): CheckpointSigner => ({
  sign: (messages, done) => later(() => done(checkpointSignaturesOf(own, messages))),
  verify: (keys, messages, { ed25519, mlDsa44 }, done) => {
    const expected = checkpointSignaturesOf(keys, messages);
    const valid =
      bufferOf(ed25519).equals(expected.ed25519) && bufferOf(mlDsa44).equals(expected.mlDsa44);
    later(() => done(valid));
  },
});

/** The port of a simulated node. */
export const createSimCheckpointSigner = (
  host: Host,
  incarnation: number,
  { publicKey }: KeyPair,
  knobs: SignerKnobs,
): CheckpointSigner =>
  createTestCheckpointSigner(checkpointKeysOf(publicKey), (run) => {
    if (host.isLive(incarnation)) host.defer(incarnation, knobs.signUs, run);
  });

/** A node has checked a signature of this message, as one of so many together. */
export type VerifyTap = (slot: number, message: Uint8Array, together: number) => void;

export type SignTap = (slot: number, message: Uint8Array, signature: Uint8Array) => void;

/** A signing worker: one signature at a time, in order, each taking its virtual time. */
export const createSimSigner = (
  host: Host,
  incarnation: number,
  scheme: SignatureScheme,
  key: KeyPair,
  knobs: SignerKnobs,
  tap?: SignTap,
): Signer => {
  let freeAtUs = 0;
  return {
    publicKey: key.publicKey,
    sign: (message, done) => {
      if (!host.isLive(incarnation) || host.reached("sign")) return;
      const copy = message.slice();
      const beginsUs = Math.max(freeAtUs, host.world.nowUs);
      freeAtUs = beginsUs + host.workUs(knobs.signUs, beginsUs);
      host.defer(incarnation, freeAtUs - host.world.nowUs, () => {
        const signature = scheme.sign(key, copy);
        tap?.(host.slot, copy, signature);
        host.world.trace.add(host.world.nowUs, "sign", host.slot, -1, copy);
        if (host.reached("signed")) return;
        done(signature);
      });
    },
  };
};

const PRIORITIES = ["consensus", "batch", "sync"] as const;
type Priority = (typeof PRIORITIES)[number];

type Asked = {
  readonly jobs: readonly VerifyJob[];
  readonly done: (valid: readonly boolean[]) => void;
};

/** One checker of signatures: what waits with the highest priority is next, in order within it. */
export const createSimVerifier = (
  host: Host,
  incarnation: number,
  scheme: SignatureScheme,
  knobs: SignerKnobs,
  tap?: VerifyTap,
): Verifier => {
  const waiting: Record<Priority, Asked[]> = { consensus: [], batch: [], sync: [] };
  let busy = false;
  const next = (): void => {
    const priority = PRIORITIES.find((name) => waiting[name].length > 0);
    const asked = priority === undefined ? undefined : waiting[priority].shift();
    busy = asked !== undefined;
    if (asked === undefined) return;
    host.defer(incarnation, host.workUs(knobs.verifyUs * asked.jobs.length), () => {
      const answers = asked.jobs.map((job) => scheme.verify(job));
      for (const { message } of asked.jobs) tap?.(host.slot, message, asked.jobs.length);
      next();
      asked.done(answers);
    });
  };
  return {
    verify: (jobs, priority, done) => {
      if (!host.isLive(incarnation)) return;
      waiting[priority].push({ jobs: [...jobs], done });
      if (busy) return;
      busy = true;
      host.defer(incarnation, 0, next);
    },
  };
};
