/**
 * The objects of a node, for its API: what is here, what is fetched from members when somebody asks, and what an
 * actor has it keep. Bounded in everything that an asker can cause.
 */
import { join } from "node:path";
import { toHex } from "../../crypto/bytes.ts";
import type { Hasher } from "../../crypto/hash.ts";
import { encodeManifest, manifestOf } from "../../crypto/objects/manifest.ts";
import { orderStatement } from "../../crypto/objects/statements.ts";
import type { ObservationPort } from "../../detect/index.ts";
import { type Failure, fail, ok, type Result, TetradError } from "../../errors.ts";
import type {
  Clock,
  Logger,
  Metrics,
  PeerId,
  Signer,
  Timers,
  Verifier,
} from "../../ledger/ports.ts";
import { LIMITS } from "../../limits.ts";
import type { BulkPort } from "../../transport/bulk/port.ts";
import type { ObjectFigures } from "../node-metrics.ts";
import { EvidenceFolder, type EvidenceRecord } from "./evidence.ts";
import { ObjectFetch } from "./fetch.ts";
import { FollowedOrders } from "./followed.ts";
import { checkOrder, type OrderContext } from "./orders.ts";
import type { CheckedPage, ObjectState, ObjectsPort, OrderedState } from "./port.ts";
import { ObjectServer } from "./serve.ts";
import { ObjectSources } from "./sources.ts";
import { ObjectStore, type StoredObject } from "./store.ts";

export type ObjectExchangeOptions = {
  /** Folder of the objects; evidence lies in one below. */
  readonly folder: string;
  readonly budgetBytes: number;
  readonly chainId: string;
  readonly hasher: Hasher;
  readonly self: PeerId;
  readonly signer: Signer;
  readonly verifier: Verifier;
  readonly bulk: BulkPort;
  readonly rttMs: (peer: PeerId) => number | undefined;
  readonly handle: OrderContext["handle"];
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Told of members that serve what is not of an object. */
  readonly observations: ObservationPort;
};

type Upload = { readonly object: StoredObject; idleMs: number };

const EVIDENCE_FOLDER = "evidence";

export class ObjectExchange implements ObjectsPort {
  readonly #options: ObjectExchangeOptions;
  readonly #store: ObjectStore;
  readonly #evidence: EvidenceFolder;
  readonly #followed: FollowedOrders;
  readonly #sources: ObjectSources;
  readonly #server: ObjectServer;
  readonly #fetches = new Map<string, ObjectFetch>();
  /** Names that no member had lately, and until when that is not asked again. */
  readonly #absent = new Map<string, { readonly untilMs: number; readonly failure: Failure }>();
  readonly #uploads = new Map<string, Upload>();
  /** Reads of chunks for clients: those under way, and who waits for its turn. */
  #reading = 0;
  readonly #readers: (() => void)[] = [];
  /** Of the next look for uploads that get nothing, while there are any. */
  #cancelIdle: (() => void) | undefined;
  #closed = false;

  private constructor(
    options: ObjectExchangeOptions,
    parts: { store: ObjectStore; evidence: EvidenceFolder; followed: FollowedOrders },
  ) {
    const { store, evidence, followed } = parts;
    this.#options = options;
    this.#store = store;
    this.#evidence = evidence;
    this.#followed = followed;
    const { hasher, bulk, verifier, clock, timers } = options;
    const idOf = (falconKey: Uint8Array): PeerId => toHex(hasher.ht("id", falconKey));
    this.#sources = new ObjectSources({ bulk, hasher, verifier, idOf, clock, timers, evidence });
    this.#server = new ObjectServer({ ...options, store });
    bulk.serve((peer, name) => this.#server.answer(peer, name));
  }

  /** Throws store.io, store.full. */
  static async open(options: ObjectExchangeOptions): Promise<ObjectExchange> {
    const { folder, budgetBytes, clock, logger, metrics, chainId, observations } = options;
    const { wallMs } = clock;
    const store = await ObjectStore.open({ folder, budgetBytes, wallMs, logger });
    const evidenceFolder = join(folder, EVIDENCE_FOLDER);
    const evidence = await EvidenceFolder.open({
      ...{ folder: evidenceFolder, chainId, wallMs, logger, metrics, observations },
    });
    const followed = await FollowedOrders.open({ folder, wallMs });
    return new ObjectExchange(options, { store, evidence, followed });
  }

  /** The one used last first. */
  list(): readonly ObjectState[] {
    return this.#store.list().map((object) => this.#stateOf(object));
  }

  state(root: string): ObjectState | undefined {
    const object = this.#store.get(root);
    return object === undefined ? undefined : this.#stateOf(object);
  }

  evidence(): readonly EvidenceRecord[] {
    return this.#evidence.list();
  }

  /** Bytes of all objects, and what goes to make room; for metrics. */
  figures(): ObjectFigures {
    return {
      objects: this.#store.list().length,
      bytes: this.#store.usedBytes,
      evicted: this.#store.evicted,
      fetches: this.#fetches.size,
    };
  }

  /**
   * The encoded manifest, as soon as it is known; the rest is fetched from then on, as long as somebody asks. What
   * it returns ends the waiting. Codes: object.not-found, object.no-room, node.overloaded, store.*.
   */
  manifest(root: string, done: (result: Result<Uint8Array>) => void): () => void {
    return this.#wait(root, done, (object) => encodeManifest(object.manifest));
  }

  /** A chunk, as soon as it is here. Codes: as of `manifest`, object.stalled, object.mismatch for no such chunk. */
  chunk(root: string, index: number, done: (result: Result<Uint8Array>) => void): () => void {
    let isReading = false;
    let ended = false;
    let stop = (): void => {};
    const answer = (result: Result<Uint8Array>): void => {
      if (ended) return;
      ended = true;
      done(result);
    };
    const wanted = (object: StoredObject): StoredObject | undefined =>
      index >= object.held.size || object.held.has(index) ? object : undefined;
    const read = (result: Result<StoredObject>): void => {
      if (!result.ok) answer(result);
      else if (index >= result.value.held.size) {
        answer(fail("object.not-found", `the object has no chunk ${index}`, { root }));
      } else if (!isReading) {
        isReading = true;
        void this.#read(result.value, index).then((chunk) => {
          if (ended) return;
          if (!chunk.ok || chunk.value !== undefined) {
            answer(chunk as Result<Uint8Array>);
            return;
          }
          // It was damaged: it is missing now, and comes from somebody else.
          isReading = false;
          stop = this.#wait(root, read, wanted);
        });
      }
    };
    stop = this.#wait(root, read, wanted);
    return () => {
      ended = true;
      stop();
    };
  }

  async order(bytes: Uint8Array): Promise<OrderedState> {
    const order = await checkOrder(this.#options, bytes);
    const statement = orderStatement(this.#options.hasher, order);
    await this.#followed.follow({ ...order, statement });
    if (order.action === "keep") return orderedOf(await this.#keep(order.root, order.manifest));
    const root = toHex(order.root);
    if (!(await this.#drop(root))) {
      throw new TetradError("object.not-found", "the object is not here", { root });
    }
    return { root, chunks: 0, held: 0, kept: false, bits: new Uint8Array(0) };
  }

  /** Its chunks are taken until they are all here. */
  async #keep(root: Uint8Array, manifestBytes: Uint8Array): Promise<StoredObject> {
    const manifest = manifestOf(root, manifestBytes);
    if (!manifest.ok) throw TetradError.from(manifest);
    const name = toHex(root);
    this.#endIdleUploads();
    const known = this.#uploads.get(name);
    if (known !== undefined) {
      known.idleMs = this.#options.clock.monotonicMs();
      return known.object;
    }
    if (this.#uploads.size >= LIMITS.objectUploadsMax) {
      throw new TetradError("node.overloaded", "Too many objects are being put at once");
    }
    const object = await this.#store.begin(name, manifest.value);
    if (object.held.isFull) {
      await this.#store.keep(object).finally(() => this.#store.release(object));
      return object;
    }
    const other = this.#uploads.get(name);
    if (other === undefined) {
      this.#uploads.set(name, { object, idleMs: this.#options.clock.monotonicMs() });
      this.#watchUploads();
    } else this.#store.release(object);
    return object;
  }

  async upload(root: string, index: number, chunk: Uint8Array): Promise<OrderedState> {
    const upload = this.#uploads.get(root);
    if (upload === undefined) {
      throw new TetradError("object.not-ordered", "no actor has had this node keep the object", {
        root,
      });
    }
    upload.idleMs = this.#options.clock.monotonicMs();
    const { object } = upload;
    if (!object.held.has(index)) await this.#store.write(object, index, chunk);
    if (object.held.isFull && this.#uploads.get(root) === upload) {
      await this.#store.keep(object);
      if (this.#uploads.delete(root)) this.#store.release(object);
    }
    return orderedOf(object);
  }

  /** Takes an object away. False where there is none. */
  async #drop(root: string): Promise<boolean> {
    const object = this.#store.get(root);
    if (object === undefined) return false;
    this.#fetches.get(root)?.stop(fail("object.not-found", "the object was dropped", { root }));
    const upload = this.#uploads.get(root);
    if (upload !== undefined) {
      this.#uploads.delete(root);
      this.#store.release(upload.object);
    }
    await this.#store.remove(object);
    return true;
  }

  /** Holds chunks on the disk against their hashes, `count` at most; `turn` is waited for before each. */
  async check(
    root: string,
    from: number,
    count: number,
    turn: () => Promise<void>,
  ): Promise<CheckedPage> {
    const object = this.#store.get(root);
    if (object === undefined) {
      throw new TetradError("object.not-found", "the object is not here", { root });
    }
    this.#store.hold(object);
    const damaged: number[] = [];
    let checked = 0;
    let missing = 0;
    const end = Math.min(from + count, object.held.size);
    try {
      for (let i = from; i < end; i++) {
        if (!object.held.has(i)) {
          missing += 1;
          continue;
        }
        await turn();
        checked += 1;
        if ((await this.#store.read(object, i)) === undefined) damaged.push(i);
      }
    } finally {
      this.#store.release(object);
    }
    return { next: end < object.held.size ? end : undefined, checked, damaged, missing };
  }

  /** Ends what is under way; evidence that was found is on the disk after it. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelIdle?.();
    for (const fetch of [...this.#fetches.values()]) {
      fetch.stop(fail("node.stopping", "The node is stopping"));
    }
    this.#server.close();
    await this.#sources.close();
  }

  #stateOf(object: StoredObject): ObjectState {
    const { root, manifest, held, isKept, usedMs } = object;
    const fetch = this.#fetches.get(root)?.figures();
    const sizes = { length: manifest.length, chunks: held.size, held: held.count };
    return { root, ...sizes, kept: isKept, usedMs, fetch };
  }

  async #read(object: StoredObject, index: number): Promise<Result<Uint8Array | undefined>> {
    this.#store.hold(object);
    if (this.#reading >= LIMITS.objectReadsMax) {
      await new Promise<void>((resolve) => void this.#readers.push(resolve));
    } else this.#reading += 1;
    try {
      this.#store.touch(object);
      return ok(await this.#store.read(object, index));
    } catch (error) {
      if (!(error instanceof TetradError)) throw error;
      return fail(error.code, error.message, error.data);
    } finally {
      // Who waits takes the place over, so that there are never more.
      const next = this.#readers.shift();
      if (next === undefined) this.#reading -= 1;
      else next();
      this.#store.release(object);
    }
  }

  /** Calls `done` once, when `look` gives something of the object or when it is known that it will not. */
  #wait<T>(
    root: string,
    done: (result: Result<T>) => void,
    look: (object: StoredObject) => T | undefined,
  ): () => void {
    const here = this.#store.get(root);
    const found = here === undefined ? undefined : look(here);
    const isWhole = here?.held.isFull === true;
    if (found !== undefined) {
      // What is only partly here is fetched on: who asked for this part will ask for the next.
      if (!isWhole && !this.#uploads.has(root)) this.#fetchOf(root);
      done(ok(found));
      return () => {};
    }
    const fetch = this.#fetchOf(root);
    if (!fetch.ok) {
      done(fetch);
      return () => {};
    }
    const change = (): void => {
      const { over, object } = fetch.value;
      const value = object === undefined ? undefined : look(object);
      if (value === undefined && over === undefined) return;
      stop();
      if (value !== undefined) done(ok(value));
      else done(over?.failure ?? fail("object.stalled", "the object has changed", { root }));
    };
    const stop = fetch.value.onChange(change);
    return stop;
  }

  #fetchOf(root: string): Result<ObjectFetch> {
    const running = this.#fetches.get(root);
    if (running !== undefined) {
      running.wanted();
      return ok(running);
    }
    const { clock, metrics } = this.#options;
    const nowMs = clock.monotonicMs();
    for (const [name, { untilMs }] of this.#absent) if (nowMs >= untilMs) this.#absent.delete(name);
    const absent = this.#absent.get(root);
    if (absent !== undefined) return absent.failure;
    if (this.#closed) return fail("node.stopping", "The node is stopping");
    // What they hold could make room for this one.
    this.#endIdleUploads();
    if (this.#fetches.size >= LIMITS.objectFetchesMax) {
      return fail("node.overloaded", "Too many objects are being fetched at once");
    }
    const fetch = new ObjectFetch({
      ...this.#options,
      ...{ root, store: this.#store, sources: this.#sources },
      ended: (failure) => {
        this.#fetches.delete(root);
        metrics.count("tetrad_object_fetches_total", 1, { end: failure?.code ?? "done" });
        if (failure?.code !== "object.not-found") return;
        if (this.#absent.size >= LIMITS.objectAbsentMax) return;
        const untilMs = clock.monotonicMs() + LIMITS.objectAbsentMs;
        this.#absent.set(root, { untilMs, failure });
      },
    });
    this.#fetches.set(root, fetch);
    fetch.start();
    return ok(fetch);
  }

  #watchUploads(): void {
    if (this.#closed || this.#cancelIdle !== undefined) return;
    this.#cancelIdle = this.#options.timers.set(LIMITS.objectUploadCheckMs, () => {
      this.#cancelIdle = undefined;
      this.#endIdleUploads();
      if (this.#uploads.size > 0) this.#watchUploads();
    });
  }

  /** So that what they hold, and nobody sends, can go. */
  #endIdleUploads(): void {
    const nowMs = this.#options.clock.monotonicMs();
    for (const [root, { object, idleMs }] of this.#uploads) {
      if (nowMs - idleMs < LIMITS.objectUploadIdleMs) continue;
      this.#uploads.delete(root);
      this.#store.release(object);
    }
  }
}

const orderedOf = ({ root, held, isKept }: StoredObject): OrderedState => ({
  root,
  chunks: held.size,
  held: held.count,
  kept: isKept,
  bits: held.encode(),
});
