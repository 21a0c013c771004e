/**
 * Members as sources of objects: what they are asked, over whatever carries bulk, and whether what they answer is
 * right. Who has served one wrong thing is asked nothing for a while, for no object.
 */
import { equalBytes, fromHex } from "../../crypto/bytes.ts";
import type { Hasher } from "../../crypto/hash.ts";
import { type Manifest, manifestOf } from "../../crypto/objects/manifest.ts";
import { manifestStatement } from "../../crypto/objects/statements.ts";
import { proveChunk } from "../../crypto/objects/tree.ts";
import type { Clock, PeerId, Timers, Verifier } from "../../ledger/ports.ts";
import { LIMITS } from "../../limits.ts";
import type { BulkPort } from "../../transport/bulk/port.ts";
import {
  decodeHolding,
  decodeServedManifest,
  encodeRequest,
  type Holding,
  isBusy,
  openChunkAnswer,
  type ServedManifest,
} from "../../transport/objects/messages.ts";
import type { EvidenceFolder, EvidenceRecord } from "./evidence.ts";

export type ObjectSourcesOptions = {
  readonly bulk: Pick<BulkPort, "request" | "peers">;
  readonly hasher: Hasher;
  readonly verifier: Verifier;
  readonly idOf: (falconKey: Uint8Array) => PeerId;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly evidence: EvidenceFolder;
};

/** Of a chunk that was asked for. */
export type ChunkAnswer =
  | { readonly kind: "chunk"; readonly chunk: Uint8Array }
  | { readonly kind: "missing" | "busy" | "silent" }
  | { readonly kind: "lie" };

export type ManifestAnswer =
  | { readonly kind: "manifest"; readonly manifest: Manifest }
  | { readonly kind: "none" }
  | { readonly kind: "lie" };

type Asked = Uint8Array | "missing" | "busy" | "silent";

export class ObjectSources {
  readonly #options: ObjectSourcesOptions;
  readonly #liars = new Map<PeerId, number>();
  /** Connected members that kept us waiting for a manifest, and gave none, when they were asked last. */
  readonly #slow = new Set<PeerId>();
  /** Ends what is asked for no fetch. */
  readonly #ending = new AbortController();
  readonly #claims = new Set<Promise<void>>();

  constructor(options: ObjectSourcesOptions) {
    this.#options = options;
  }

  /** Members that can be asked now. */
  members(): readonly PeerId[] {
    const nowMs = this.#options.clock.monotonicMs();
    for (const [id, until] of this.#liars) if (nowMs >= until) this.#liars.delete(id);
    const peers = this.#options.bulk.peers().map(({ id }) => id);
    for (const id of this.#slow) if (!peers.includes(id)) this.#slow.delete(id);
    return peers.filter((id) => !this.#liars.has(id));
  }

  /** Whether a member said nothing when it was asked for a manifest the last time. */
  isSlow(peer: PeerId): boolean {
    return this.#slow.has(peer);
  }

  /** What a member has of an object; undefined: nothing, as far as it says. */
  async holding(peer: PeerId, root: Uint8Array, signal: AbortSignal): Promise<Holding | undefined> {
    const request = encodeRequest({ kind: "have", root });
    const answer = await this.#askOften(peer, request, LIMITS.objectAskMs, signal);
    if (typeof answer === "string") return undefined;
    const holding = decodeHolding(answer);
    return holding.ok ? holding.value : undefined;
  }

  /** The manifest of an object, right. Where it is not and the member has signed it, that is kept as evidence. */
  async manifest(peer: PeerId, root: Uint8Array, signal: AbortSignal): Promise<ManifestAnswer> {
    const served = await this.#servedManifest(peer, root, signal);
    if (served === undefined) return { kind: "none" };
    const manifest = manifestOf(root, served.manifest);
    if (manifest.ok) return { kind: "manifest", manifest: manifest.value };
    this.#convict(peer);
    await this.#options.evidence.add({ kind: "manifest", member: peer, root, served });
    return { kind: "lie" };
  }

  /**
   * A chunk, right. What is not is kept as evidence, and the member asked for nothing more but what it signed: its
   * lie is told at once, and written, since it may keep silent about that for long.
   */
  async chunk(
    peer: PeerId,
    object: { readonly root: Uint8Array; readonly manifest: Manifest },
    index: number,
    deadlineMs: number,
    signal: AbortSignal,
  ): Promise<ChunkAnswer> {
    const { root, manifest } = object;
    const hash = manifest.hashes[index];
    if (hash === undefined) throw new RangeError(`no chunk ${index}`);
    const request = encodeRequest({ kind: "chunk", root, index });
    const answer = await this.#ask(peer, request, deadlineMs, signal);
    if (typeof answer === "string") return { kind: answer };
    const opened = openChunkAnswer(answer);
    if (opened !== undefined && equalBytes(opened.hash, hash)) {
      return { kind: "chunk", chunk: opened.chunk };
    }
    // Of what it had on its way when it was found out, one is enough.
    if (this.#liars.has(peer)) return { kind: "lie" };
    this.#convict(peer);
    const proof = proveChunk(manifest.length, manifest.hashes, index);
    const found = { kind: "chunk", member: peer, root, received: answer, hash, proof } as const;
    const claim = this.#askClaim(peer, root, this.#options.evidence.add(found)).finally(() =>
      this.#claims.delete(claim),
    );
    this.#claims.add(claim);
    return { kind: "lie" };
  }

  /** Asks nobody for anything from now on; what was found out is on the disk after it. */
  async close(): Promise<void> {
    this.#ending.abort();
    await Promise.all(this.#claims);
    await this.#options.evidence.idle();
  }

  /** Asked now, it may sign that it serves the object: then others can check that much. Never throws. */
  async #askClaim(
    peer: PeerId,
    root: Uint8Array,
    keeping: Promise<EvidenceRecord | undefined>,
  ): Promise<void> {
    const record = await keeping;
    if (record === undefined || this.#ending.signal.aborted) return;
    // Where too many signatures wait to be checked there is no claim, as where it gives none.
    const served = await this.#servedManifest(peer, root, this.#ending.signal).catch(
      () => undefined,
    );
    if (served !== undefined) await this.#options.evidence.claim(record, served);
  }

  #convict(peer: PeerId): void {
    this.#liars.set(peer, this.#options.clock.monotonicMs() + LIMITS.objectLiarMs);
  }

  /** A manifest that the member has signed, whatever is in it. */
  async #servedManifest(
    peer: PeerId,
    root: Uint8Array,
    signal: AbortSignal,
  ): Promise<ServedManifest | undefined> {
    const request = encodeRequest({ kind: "manifest", root });
    const { idOf, hasher, verifier, clock } = this.#options;
    const sinceMs = clock.monotonicMs();
    const answer = await this.#askOften(peer, request, LIMITS.objectManifestMs, signal);
    if (answer !== "silent") this.#slow.delete(peer);
    else if (clock.monotonicMs() - sinceMs >= LIMITS.objectManifestPatienceMs) this.#slow.add(peer);
    if (typeof answer === "string") return undefined;
    const served = decodeServedManifest(answer);
    if (!served.ok) return undefined;
    const { manifest, publicKey, signature } = served.value;
    if (idOf(publicKey) !== peer) return undefined;
    const message = manifestStatement(hasher, fromHex(peer), root, manifest);
    const [isSigned] = await new Promise<readonly boolean[]>((resolve) => {
      verifier.verify([{ message, signature, publicKey }], "sync", resolve);
    });
    return isSigned === true ? served.value : undefined;
  }

  /** Again, as long as the member says that it is busy and there is time. */
  async #askOften(
    peer: PeerId,
    request: Uint8Array,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<Asked> {
    const { clock } = this.#options;
    const endMs = clock.monotonicMs() + timeoutMs;
    for (let leftMs = timeoutMs; ; leftMs = endMs - clock.monotonicMs()) {
      const answer = await this.#ask(peer, request, leftMs, signal);
      const pauseMs = LIMITS.objectBusyMs;
      if (answer !== "busy" || clock.monotonicMs() + pauseMs >= endMs) return answer;
      await this.#pause(pauseMs, signal);
      if (signal.aborted) return answer;
    }
  }

  #pause(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        cancel();
        signal.removeEventListener("abort", end);
        resolve();
      };
      const cancel = this.#options.timers.set(ms, end);
      signal.addEventListener("abort", end);
    });
  }

  async #ask(
    peer: PeerId,
    request: Uint8Array,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<Asked> {
    const result = await this.#options.bulk.request(peer, request, timeoutMs, signal);
    if (result.ok) return isBusy(result.value.bytes) ? "busy" : result.value.bytes;
    const code: string = result.code;
    return code === "bulk.not-found" ? "missing" : code === "node.overloaded" ? "busy" : "silent";
  }
}
