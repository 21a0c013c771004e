/**
 * Manifests that this node signs for members that ask. The key is that of its votes, and whoever holds it signs in
 * the order in which it is asked, so it is given one of these at a time: a vote never stands behind more than one.
 * Who asks for what is not signed yet waits in a line of its own, which moves at a rate of its own, and members take
 * turns. What is signed is kept, and goes, used longest ago first, to make room.
 */
import { fromHex } from "../../crypto/bytes.ts";
import type { Hasher } from "../../crypto/hash.ts";
import { encodeManifest, type Manifest } from "../../crypto/objects/manifest.ts";
import { manifestStatement } from "../../crypto/objects/statements.ts";
import type { Clock, PeerId, Signer, Timers } from "../../ledger/ports.ts";
import { LIMITS } from "../../limits.ts";
import { encodeServedManifest } from "../../transport/objects/messages.ts";
import { TokenBucket } from "../../transport/token-bucket.ts";

export type SignedManifestsOptions = {
  readonly hasher: Hasher;
  /** Id of this node. */
  readonly self: PeerId;
  readonly signer: Signer;
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly timers: Timers;
};

/** An object by its name, hex, and what is to be signed. */
export type NamedManifest = { readonly root: string; readonly manifest: Manifest };

type Job = NamedManifest & { readonly resolve: (answer: Uint8Array | undefined) => void };

/** Of one member; kept while the node runs, for its bucket. */
type Line = { readonly bucket: TokenBucket; readonly jobs: Job[] };

const PER_SECOND = LIMITS.objectManifestsPerPeerPerSecond;
const TURN_MS = Math.ceil(1000 / PER_SECOND);

export class SignedManifests {
  readonly #options: SignedManifestsOptions;
  /** Answers; the one used last at the end. */
  readonly #signed = new Map<string, Uint8Array>();
  /** Those that wait or are being signed, each once however many ask for it. */
  readonly #making = new Map<string, Promise<Uint8Array | undefined>>();
  /** The member whose turn is next first. */
  readonly #lines = new Map<PeerId, Line>();
  #isSigning = false;
  #closed = false;
  #cancelTurn: (() => void) | undefined;

  constructor(options: SignedManifestsOptions) {
    this.#options = options;
  }

  /** The answer to a member; undefined, at once or later, where this node is too busy to sign it. */
  async answer(peer: PeerId, object: NamedManifest): Promise<Uint8Array | undefined> {
    const { root, manifest } = object;
    const known = this.#signed.get(root);
    if (known !== undefined) {
      this.#keep(root, known);
      return known;
    }
    const making = this.#making.get(root);
    if (making !== undefined) return making;
    const line = this.#lineOf(peer);
    if (this.#closed || line.jobs.length >= LIMITS.objectManifestsWaitingPerPeerMax)
      return undefined;
    const made = new Promise<Uint8Array | undefined>((resolve) => {
      line.jobs.push({ root, manifest, resolve });
    });
    this.#making.set(root, made);
    this.#next();
    return made;
  }

  /** Who waits is told that the node is busy. */
  close(): void {
    this.#closed = true;
    this.#cancelTurn?.();
    for (const { jobs } of this.#lines.values()) {
      for (const { resolve } of jobs.splice(0)) resolve(undefined);
    }
  }

  /** Has the next one signed, when none is being signed and somebody may. */
  #next(): void {
    if (this.#isSigning || this.#closed) return;
    const nowMs = this.#options.clock.monotonicMs();
    let hasWaiting = false;
    for (const [peer, line] of this.#lines) {
      const [job] = line.jobs;
      if (job === undefined) continue;
      hasWaiting = true;
      if (!line.bucket.take(nowMs)) continue;
      line.jobs.shift();
      this.#lines.delete(peer);
      this.#lines.set(peer, line);
      this.#sign(job);
      return;
    }
    if (!hasWaiting || this.#cancelTurn !== undefined) return;
    this.#cancelTurn = this.#options.timers.set(TURN_MS, () => {
      this.#cancelTurn = undefined;
      this.#next();
    });
  }

  #sign({ root, manifest, resolve }: Job): void {
    const { hasher, self, signer } = this.#options;
    const bytes = encodeManifest(manifest);
    const message = manifestStatement(hasher, fromHex(self), fromHex(root), bytes);
    this.#isSigning = true;
    signer.sign(message, (signature) => {
      const { publicKey } = signer;
      const answer = encodeServedManifest({ manifest: bytes, publicKey, signature });
      this.#isSigning = false;
      this.#making.delete(root);
      this.#keep(root, answer);
      resolve(answer);
      this.#next();
    });
  }

  #keep(root: string, answer: Uint8Array): void {
    this.#signed.delete(root);
    this.#signed.set(root, answer);
    for (const oldest of this.#signed.keys()) {
      if (this.#signed.size <= LIMITS.objectSignedManifestsMax) break;
      this.#signed.delete(oldest);
    }
  }

  #lineOf(peer: PeerId): Line {
    const known = this.#lines.get(peer);
    if (known !== undefined) return known;
    const nowMs = this.#options.clock.monotonicMs();
    const bucket = new TokenBucket(PER_SECOND, LIMITS.objectManifestsPerPeerBurst, nowMs);
    const made = { bucket, jobs: [] };
    this.#lines.set(peer, made);
    return made;
  }
}
