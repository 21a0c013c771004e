/**
 * From events to outcomes: cut into batches, sign, keep, send until the outcome is known.
 *
 * What makes a repeat safe: a batch is kept before it is sent, the same bytes are sent
 * again whatever happens in between, and its id is its identity on the network. New events are signed only
 * when everything kept from before has an outcome.
 *
 * What makes it safe to sign events anew, when a node says that their batch has run out of time: they are
 * signed for the same place in the lane, or one before it. The log has one batch at a place, and none before
 * it after it, so of the two at most one gets in, whatever the node knew or made up.
 */
import { fromHex, toHex } from "../crypto/bytes.ts";
import { createHasher, type Hasher } from "../crypto/hash.ts";
import { type ErrorCode, TetradError } from "../errors.ts";
import { actorId, buildBatch, decodeBatch, sealBatch } from "../ledger/batch.ts";
import type { WaitLevel } from "../ledger/handle.ts";
import type { Batch, EncodedEvent } from "../ledger/types.ts";
import { LIMITS } from "../limits.ts";
import type { WorkParameters } from "../proofs/work/index.ts";
import type { ApiClient, JsonObject, LaneJson, ReceiptJson, StatusJson } from "./api.ts";
import { pause, within } from "./within.ts";
import { doWork, type WorkOptions, workTask } from "./work.ts";

/** A batch whose outcome is not known yet, as it was kept. */
export type KeptBatch = {
  readonly seq: number;
  readonly bytes: Uint8Array;
  /** Whoever made it was told "accepted" and went on; else it was interrupted or failed. */
  readonly accepted: boolean;
};

/** Where signed batches are kept until their outcome is known: one place a key, used by one at a time. */
export type BatchKeeper = {
  /** In order of the lane. */
  pending(): readonly KeptBatch[] | Promise<readonly KeptBatch[]>;
  /** As durable as a crash should not be able to lose, when it returns. */
  keep(seq: number, bytes: Uint8Array): void | Promise<void>;
  accepted(seq: number): void | Promise<void>;
  drop(seq: number): void | Promise<void>;
};

/** Keeps batches as long as the program runs. */
export const memoryKeeper = (): BatchKeeper => {
  const kept = new Map<number, KeptBatch>();
  return {
    pending: () => [...kept.values()].sort((a, b) => a.seq - b.seq),
    keep(seq, bytes) {
      kept.set(seq, { seq, bytes: bytes.slice(), accepted: false });
    },
    accepted(seq) {
      const one = kept.get(seq);
      if (one !== undefined) kept.set(seq, { ...one, accepted: true });
    },
    drop(seq) {
      kept.delete(seq);
    },
  };
};

/** A key that signs: in memory, in a thread, or in a device. */
export type Signer = {
  /** 1793 bytes. */
  readonly publicKey: Uint8Array;
  /** The padded FALCON-1024 signature of the message: 1280 bytes. */
  sign(message: Uint8Array): Promise<Uint8Array>;
};

/** The chain that is signed for. */
export type SignedChain = {
  readonly chainId: string;
  readonly genesisHash: string;
  /** What its genesis asks of a batch; undefined where that is not known. */
  readonly work?: WorkParameters | null | undefined;
};

export type SubmitOptions = {
  /** Undefined: the one that the node names, for who believes the node. */
  readonly chain: SignedChain | undefined;
  readonly client: Pick<ApiClient, "base" | "get" | "lane" | "status" | "submit">;
  readonly key: Signer;
  readonly outbox: BatchKeeper;
  readonly wait: WaitLevel;
  /** Milliseconds without a batch that got an answer, after which the command gives up. */
  readonly patienceMs: number;
  readonly signal: AbortSignal;
  readonly note: (text: string) => void;
  readonly now: () => number;
  /** How the work that the chain asks for is done. */
  readonly work?: WorkOptions | undefined;
};

export type Submitted = {
  readonly batch: Batch;
  readonly receipt: ReceiptJson;
  /** Kept by a command that did not learn the outcome: asking for the same events again means this. */
  readonly interrupted: boolean;
};

type Delivered = Omit<Submitted, "interrupted">;

/** Bytes of an envelope around its events, generously: core, lengths, signature, work. */
const ENVELOPE_BYTES = 2048;

/** Cuts events into runs that fit a batch, in order. */
export const cutBatches = (events: readonly EncodedEvent[]): EncodedEvent[][] => {
  const batches: EncodedEvent[][] = [];
  let current: EncodedEvent[] = [];
  let bytes = ENVELOPE_BYTES;
  for (const event of events) {
    const size = event.bytes.length + 4;
    const full = current.length === LIMITS.batchEventsMax || bytes + size > LIMITS.batchBytesMax;
    if (full && current.length > 0) {
      batches.push(current);
      current = [];
      bytes = ENVELOPE_BYTES;
    }
    current.push(event);
    bytes += size;
  }
  if (current.length > 0) batches.push(current);
  return batches;
};

/** Trying again can help, with the same bytes. */
const passing = (error: unknown): boolean =>
  error instanceof TetradError && (error.spec.retryable || error.code === "http.timeout");

/** A node that waits says itself that the time is over; one that hangs is given this much longer. */
const GRACE_MS = 500;

type Attempt<T> = (signal: AbortSignal, leftMs: number) => Promise<T>;

/** One attempt, cut off when the time that is left is over. */
const attemptOnce = <T>(options: SubmitOptions, attempt: Attempt<T>, leftMs: number): Promise<T> =>
  within(
    options.signal,
    leftMs + GRACE_MS,
    (signal) => attempt(signal, leftMs),
    () => {
      throw new TetradError("http.timeout", `${options.client.base} has not answered in time`);
    },
  );

/** Runs `attempt` until it succeeds, fails for good, or the time is over. Pauses grow to 2 s. */
const persist = async <T>(
  options: SubmitOptions,
  deadlineMs: number,
  attempt: Attempt<T>,
): Promise<T> => {
  let pauseMs = 100;
  let told = false;
  for (;;) {
    try {
      const leftMs = Math.max(1, Math.ceil(deadlineMs - options.now()));
      return await attemptOnce(options, attempt, leftMs);
    } catch (error) {
      options.signal.throwIfAborted();
      if (!passing(error) || options.now() + pauseMs > deadlineMs) throw error;
      if (!told && error instanceof TetradError) options.note(`waiting: ${error.message}`);
      told = true;
      await pause(pauseMs, options.signal);
      pauseMs = Math.min(2_000, pauseMs * 2);
    }
  }
};

const KEPT = "the batch is kept; run the command again to learn its outcome";

/** Codes that say the batch can never get in, so that its events may be signed anew. */
const DEAD: ReadonlySet<ErrorCode> = new Set(["batch.expired", "batch.ref-mismatch"]);

/** Codes that say that its place in the lane is taken, maybe by itself. */
const TAKEN: ReadonlySet<ErrorCode> = new Set(["batch.lane-replay", "batch.lane-fork"]);

export class Submitter {
  readonly #options: SubmitOptions;
  readonly #hasher: Hasher;
  readonly #chain: SignedChain;
  readonly actor: Uint8Array;
  /** Moved on by each batch that got an answer: a long file may take long, one batch may not. */
  #deadlineMs: number;

  private constructor(options: SubmitOptions, chain: SignedChain, deadlineMs: number) {
    this.#options = options;
    this.#chain = chain;
    this.#deadlineMs = deadlineMs;
    this.#hasher = createHasher(chain.chainId);
    this.actor = actorId(this.#hasher, options.key.publicKey);
  }

  /** Throws folder.foreign where the node is of another chain than `options.chain`. */
  static async open(options: SubmitOptions): Promise<Submitter> {
    const deadlineMs = options.now() + options.patienceMs;
    const status = await persist(options, deadlineMs, (signal) => options.client.status(signal));
    const { chainId, genesisHash } = status;
    const chain = options.chain ?? { chainId, genesisHash };
    requireSame(options.client.base, chain, status);
    return new Submitter(options, chain, deadlineMs);
  }

  get hasher(): Hasher {
    return this.#hasher;
  }

  /** Sends what was kept from before. Yields what became of each batch. */
  async *flush(): AsyncGenerator<Submitted> {
    for (const { seq, bytes, accepted } of await this.#options.outbox.pending()) {
      const decoded = decodeBatch(this.#hasher, bytes);
      if (!decoded.ok) {
        await this.#options.outbox.drop(seq);
        this.#options.note(`dropped a kept batch: it is not of chain ${this.#chain.chainId}`);
        continue;
      }
      if (!accepted) this.#options.note(`sending batch ${seq} again, kept from an earlier command`);
      const receipt = await this.#deliver(decoded.value);
      yield { ...receipt, interrupted: !accepted };
    }
  }

  /** Signs, keeps and sends events as one batch. */
  async submit(events: readonly EncodedEvent[]): Promise<Submitted> {
    return {
      ...(await this.#deliver(await this.#sign(events, await this.#ask()))),
      interrupted: false,
    };
  }

  /** What the next batch is made from: the newest reference, and the lane. */
  async #ask(): Promise<readonly [StatusJson, LaneJson]> {
    const { client } = this.#options;
    const [status, lane] = await persist(this.#options, this.#deadlineMs, (signal) =>
      Promise.all([client.status(signal), client.lane(toHex(this.actor), signal)]),
    );
    requireSame(client.base, this.#chain, status);
    return [status, lane];
  }

  async #sign(
    events: readonly EncodedEvent[],
    [status, lane]: readonly [StatusJson, LaneJson],
  ): Promise<Batch> {
    const { key, outbox, work = {}, signal } = this.#options;
    const unsigned = buildBatch(this.#hasher, {
      actor: this.actor,
      laneSeq: lane.pendingSeq + 1,
      prevBatchId: fromHex(lane.pendingId),
      refHeight: status.refHeight,
      refHash: fromHex(status.refHash),
      events,
    });
    const { chainId, work: known } = this.#chain;
    const task = workTask(chainId, known, status.work, unsigned, work);
    const proofs = task === undefined ? [] : [await doWork(task, work, signal)];
    // Patience is for nodes that do not answer, and work takes what it takes.
    if (task !== undefined) this.#deadlineMs = this.#options.now() + this.#options.patienceMs;
    const signature = await key.sign(unsigned.signingMessage);
    const batch = sealBatch(this.#hasher, unsigned, signature, proofs);
    await outbox.keep(batch.laneSeq, batch.bytes);
    return batch;
  }

  /** `dead`: the batch whose events this one has anew. */
  async #deliver(batch: Batch, dead?: Batch): Promise<Delivered> {
    const { client, outbox, wait } = this.#options;
    try {
      const receipt = await persist(this.#options, this.#deadlineMs, (signal, leftMs) =>
        client.submit(batch.bytes, wait, signal, Math.min(LIMITS.httpWaitMsMax, leftMs)),
      );
      this.#deadlineMs = this.#options.now() + this.#options.patienceMs;
      // An accepted batch is only in one node's memory: it stays until its outcome is known.
      if (receipt.level === "accepted") await outbox.accepted(batch.laneSeq);
      else await outbox.drop(batch.laneSeq);
      return { batch, receipt };
    } catch (error) {
      if (!(error instanceof TetradError)) {
        this.#options.note(KEPT);
        throw error;
      }
      if (TAKEN.has(error.code)) {
        return this.#itsOwn(dead === undefined ? [batch] : [batch, dead], error);
      }
      // A node that calls each batch dead would have the key sign for ever.
      if (DEAD.has(error.code) && dead === undefined) return this.#anew(batch, error);
      if (DEAD.has(error.code)) this.#options.note(KEPT);
      else if (!passing(error)) await outbox.drop(batch.laneSeq);
      else this.#options.note(KEPT);
      throw error;
    }
  }

  /** Signs the events of a dead batch for the same place, or throws `error` where that is taken. */
  async #anew(dead: Batch, error: TetradError): Promise<Delivered> {
    const { outbox, note } = this.#options;
    const [status, lane] = await this.#ask();
    if (lane.laneSeq >= dead.laneSeq) return this.#itsOwn([dead], error);
    if (lane.pendingSeq >= dead.laneSeq) {
      note(KEPT);
      throw error;
    }
    note(`batch ${dead.laneSeq} ran out of time; signing its events anew`);
    const batch = await this.#sign(dead.events, [status, lane]);
    if (batch.laneSeq !== dead.laneSeq) await outbox.drop(dead.laneSeq);
    return this.#deliver(batch, dead);
  }

  /** The receipt where an earlier try got through; throws when another batch has the place. */
  async #itsOwn(batches: readonly Batch[], error: TetradError): Promise<Delivered> {
    const { client, outbox } = this.#options;
    let found: Delivered | undefined;
    for (const batch of batches) {
      try {
        const leftMs = Math.max(1, Math.ceil(this.#deadlineMs - this.#options.now()));
        const path = `/v1/batches/${toHex(batch.id)}`;
        const ask: Attempt<JsonObject> = (signal) => client.get(path, {}, signal);
        const receipt = await attemptOnce(this.#options, ask, leftMs);
        found ??= { batch, receipt: receipt as unknown as ReceiptJson };
      } catch (lookup) {
        if (!(lookup instanceof TetradError) || lookup.code !== "batch.not-found") throw lookup;
      }
    }
    for (const { laneSeq } of batches) await outbox.drop(laneSeq);
    if (found === undefined) throw error;
    return found;
  }
}

/** A signature is good on every chain of the name that it was made for, so the node does not choose that. */
export const requireSame = (
  base: string,
  chain: Pick<SignedChain, "chainId" | "genesisHash">,
  status: Pick<StatusJson, "chainId" | "genesisHash">,
): void => {
  const same = status.chainId === chain.chainId && status.genesisHash === chain.genesisHash;
  if (same) return;
  throw new TetradError(
    "folder.foreign",
    `${base} is of chain ${String(status.chainId).slice(0, 64)}, ` +
      `genesis ${status.genesisHash.slice(0, 12)}…; to sign for is ${chain.chainId}, ` +
      `genesis ${chain.genesisHash.slice(0, 12)}…`,
  );
};
