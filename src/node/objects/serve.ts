/**
 * What this node answers members that ask for objects: what it has, and says so by what is on its disk. A chunk is
 * held against its hash before it is given for the first time since the start; then whoever carries bulk reads the
 * file. A member that asks too often is told that this node is busy, and so is one that asks for what has to be read
 * or signed here while there is enough of that already.
 */
import { toHex } from "../../crypto/bytes.ts";
import type { Hasher } from "../../crypto/hash.ts";
import { manifestBytes } from "../../crypto/objects/manifest.ts";
import { chunkLength } from "../../crypto/objects/tree.ts";
import type { Clock, Metrics, PeerId, Signer, Timers } from "../../ledger/ports.ts";
import { LIMITS } from "../../limits.ts";
import type { BulkSource } from "../../transport/bulk/port.ts";
import {
  BUSY_ANSWER,
  CHUNK_ANSWER_HEAD,
  decodeRequest,
  encodeHolding,
} from "../../transport/objects/messages.ts";
import { TokenBucket } from "../../transport/token-bucket.ts";
import { SignedManifests } from "./signed-manifests.ts";
import type { ObjectStore, StoredObject } from "./store.ts";

export type ObjectServerOptions = {
  readonly store: Pick<ObjectStore, "get" | "soundFile" | "touch">;
  readonly hasher: Hasher;
  /** Id of this node. */
  readonly self: PeerId;
  readonly signer: Signer;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly metrics: Metrics;
};

export class ObjectServer {
  readonly #options: ObjectServerOptions;
  readonly #buckets = new Map<PeerId, TokenBucket>();
  /** Chunks that are held against their hashes now, each once however many ask for it. */
  readonly #checks = new Map<string, Promise<string | undefined>>();
  readonly #manifests: SignedManifests;

  constructor(options: ObjectServerOptions) {
    this.#options = options;
    this.#manifests = new SignedManifests(options);
  }

  /** Signs nothing for anybody from now on. */
  close(): void {
    this.#manifests.close();
  }

  /** The answer to a member; undefined where there is no such thing here, or what it asks is no request. */
  async answer(peer: PeerId, name: Uint8Array): Promise<BulkSource | undefined> {
    const { store, metrics } = this.#options;
    // What is no request costs as much as one.
    if (!this.#bucketOf(peer).take(this.#options.clock.monotonicMs())) return this.#busy();
    const request = decodeRequest(name);
    if (!request.ok) return undefined;
    const object = store.get(toHex(request.value.root));
    if (object === undefined) return undefined;
    metrics.count("tetrad_object_requests_total", 1, { kind: request.value.kind });
    if (request.value.kind === "have") {
      const { length } = object.manifest;
      if (object.held.count === 0 && length > 0) return undefined;
      return { head: encodeHolding({ length, chunks: object.held }), file: undefined };
    }
    if (request.value.kind === "manifest") return this.#manifest(peer, object);
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

  /** It goes through this process whole, and may be half as long as a chunk: so it costs more than a request. */
  async #manifest(peer: PeerId, object: StoredObject): Promise<BulkSource> {
    const bytes = manifestBytes(object.manifest.length);
    const more = Math.floor(bytes / LIMITS.objectManifestBytesPerRequest);
    const isTaken = this.#bucketOf(peer).take(this.#options.clock.monotonicMs(), more);
    const answer = isTaken ? await this.#manifests.answer(peer, object) : undefined;
    return answer === undefined ? this.#busy() : { head: answer, file: undefined };
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
