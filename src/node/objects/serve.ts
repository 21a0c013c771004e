/**
 * What this node answers members that ask for objects: what it has, and says so by what is on its disk. A chunk is
 * held against its hash before it is given for the first time since the start; then whoever carries bulk reads the
 * file. A member that asks too often is told that this node is busy, and so is one that asks for what has to be read
 * here while there is enough of that already.
 */
import { fromHex, toHex } from "../../crypto/bytes.ts";
import type { Hasher } from "../../crypto/hash.ts";
import { encodeManifest } from "../../crypto/objects/manifest.ts";
import { manifestStatement } from "../../crypto/objects/statements.ts";
import { chunkLength } from "../../crypto/objects/tree.ts";
import type { Clock, Metrics, PeerId, Signer } from "../../ledger/ports.ts";
import { LIMITS } from "../../limits.ts";
import type { BulkSource } from "../../transport/bulk/port.ts";
import {
  BUSY_ANSWER,
  CHUNK_ANSWER_HEAD,
  decodeRequest,
  encodeHolding,
  encodeServedManifest,
} from "../../transport/objects/messages.ts";
import { TokenBucket } from "../../transport/token-bucket.ts";
import type { ObjectStore, StoredObject } from "./store.ts";

export type ObjectServerOptions = {
  readonly store: ObjectStore;
  readonly hasher: Hasher;
  /** Id of this node. */
  readonly self: PeerId;
  readonly signer: Signer;
  readonly clock: Clock;
  readonly metrics: Metrics;
};

/** Signed manifests that are kept: signing one again costs milliseconds. */
const SIGNED_MAX = 64;

export class ObjectServer {
  readonly #options: ObjectServerOptions;
  readonly #buckets = new Map<PeerId, TokenBucket>();
  /** Chunks that are held against their hashes now, each once however many ask for it. */
  readonly #checks = new Map<string, Promise<string | undefined>>();
  readonly #signed = new Map<string, Promise<Uint8Array>>();

  constructor(options: ObjectServerOptions) {
    this.#options = options;
  }

  /** The answer to a member; undefined where there is no such thing here, or what it asks is no request. */
  async answer(peer: PeerId, name: Uint8Array): Promise<BulkSource | undefined> {
    const { store, metrics } = this.#options;
    const request = decodeRequest(name);
    if (!request.ok) return undefined;
    if (!this.#bucketOf(peer).take(this.#options.clock.monotonicMs())) return this.#busy();
    const object = store.get(toHex(request.value.root));
    if (object === undefined) return undefined;
    metrics.count("tetrad_object_requests_total", 1, { kind: request.value.kind });
    if (request.value.kind === "have") {
      const { length } = object.manifest;
      if (object.held.count === 0 && length > 0) return undefined;
      return { head: encodeHolding({ length, chunks: object.held }), file: undefined };
    }
    if (request.value.kind === "manifest")
      return { head: await this.#manifest(object), file: undefined };
    return this.#chunk(object, request.value.index);
  }

  async #chunk(object: StoredObject, index: number): Promise<BulkSource | undefined> {
    const { store, metrics } = this.#options;
    const checking = this.#check(object, index);
    if (checking === undefined) return this.#busy();
    const path = await checking;
    if (path === undefined) return undefined;
    store.touch(object);
    const length = chunkLength(object.manifest.length, index);
    metrics.count("tetrad_object_served_bytes_total", length);
    return { head: CHUNK_ANSWER_HEAD, file: { path, offset: 0, length } };
  }

  /** Where the chunk lies, when it is right; undefined where as many are being read as may be. */
  #check(object: StoredObject, index: number): Promise<string | undefined> | undefined {
    const { store } = this.#options;
    if (object.sound.has(index) || !object.held.has(index)) return store.soundFile(object, index);
    const key = `${object.root}/${index}`;
    const known = this.#checks.get(key);
    if (known !== undefined) return known;
    if (this.#checks.size >= LIMITS.objectChecksMax) return undefined;
    const check = store.soundFile(object, index).finally(() => this.#checks.delete(key));
    this.#checks.set(key, check);
    return check;
  }

  #busy(): BulkSource {
    this.#options.metrics.count("tetrad_object_requests_refused_total");
    return { head: BUSY_ANSWER, file: undefined };
  }

  #manifest(object: StoredObject): Promise<Uint8Array> {
    const known = this.#signed.get(object.root);
    if (known !== undefined) return known;
    const { hasher, self, signer } = this.#options;
    const manifest = encodeManifest(object.manifest);
    const message = manifestStatement(hasher, fromHex(self), fromHex(object.root), manifest);
    const made = new Promise<Uint8Array>((resolve) => {
      signer.sign(message, (signature) =>
        resolve(encodeServedManifest({ manifest, publicKey: signer.publicKey, signature })),
      );
    });
    this.#signed.set(object.root, made);
    for (const oldest of this.#signed.keys()) {
      if (this.#signed.size <= SIGNED_MAX) break;
      this.#signed.delete(oldest);
    }
    return made;
  }

  #bucketOf(peer: PeerId): TokenBucket {
    const known = this.#buckets.get(peer);
    if (known !== undefined) return known;
    const { objectRequestsPerPeerPerSecond: rate, objectRequestsPerPeerBurst: burst } = LIMITS;
    const made = new TokenBucket(rate, burst, this.#options.clock.monotonicMs());
    this.#buckets.set(peer, made);
    return made;
  }
}
