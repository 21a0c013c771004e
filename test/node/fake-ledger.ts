/**
 * An in-memory LedgerHandle for tests of the API alone: a log that the test appends to, and knobs for
 * what a real replica does by itself (readiness, refusals, slow outcomes). End-to-end tests run the real one.
 */
import { compareBytes, concatBytes, toHex } from "../../src/crypto/bytes.ts";
import { utf8 } from "../../src/crypto/codec.ts";
import { sha256 } from "../../src/crypto/hash.ts";
import { NOBODY_OBSERVED } from "../../src/detect/index.ts";
import { fail, ok, type Result, TetradError } from "../../src/errors.ts";
import type { AuditItem } from "../../src/ledger/audit/item.ts";
import type {
  BatchReceipt,
  LedgerHandle,
  NodeStatus,
  ProofOptions,
  ProofSource,
  StateView,
  WaitLevel,
} from "../../src/ledger/handle.ts";
import type { PeerFigures, Timers } from "../../src/ledger/ports.ts";
import type { ExecutionRecord } from "../../src/ledger/records.ts";
import { finalize } from "../../src/ledger/statement.ts";
import type {
  Block,
  EncodedEvent,
  LogEntry,
  Outcome,
  ServedCheckpoint,
} from "../../src/ledger/types.ts";
import type { Bundle } from "../../src/ledger/verify/bundle.ts";
import type { Formats } from "../../src/node/api/context.ts";
import { type Api, createApi } from "../../src/node/api/server.ts";
import type { ApiTls } from "../../src/node/api/tls.ts";
import { createMetrics, type MetricsRegistry } from "../../src/node/metrics.ts";
import type { ObjectsPort } from "../../src/node/objects/port.ts";
import { blockOf, certificateOf, setOf } from "../golden/fixtures.ts";
import { World } from "../ledger/verify/support.ts";

type Submission = {
  readonly bytes: Uint8Array;
  readonly level: WaitLevel;
  readonly done: (result: Result<BatchReceipt>) => void;
  cancelled: boolean;
};

export const HASH = sha256(utf8("fake"));
const SET = setOf([1n, 1n, 1n, 1n]);
const START_MS = 1_790_000_000_000;

export const encodedEvent = (type: string, payload: Uint8Array): EncodedEvent => ({
  type,
  version: 1,
  payload,
  bytes: concatBytes(utf8(type), payload),
});

/** A whole proof, of another chain than the fake's: routes do not look into it. */
export const BUNDLE: Bundle = new World({ events: 2 }).events(1);

export class FakeLedger {
  readonly entries: LogEntry[] = [];
  /** What GET /v1/audit/blocks serves, from height 1. */
  readonly blocks: AuditItem[] = [];
  readonly rowsByName = new Map<string, [Uint8Array, Uint8Array][]>();
  readonly submissions: Submission[] = [];
  readonly listeners = new Set<(height: number, logSize: number) => void>();
  readonly reasons: string[] = [];
  /** What every proof is answered with. */
  proof: Result<Bundle> = ok(BUNDLE);
  /** What proofs were asked for. */
  readonly proofsAsked: { readonly what: string; readonly options: ProofOptions }[] = [];
  height = 0;
  /** States that are held, by height. */
  readonly held = new Map<number, () => StateView>();
  /** Reads of events that the test answers; undefined: they are answered at once. */
  heldReads: (() => void)[] | undefined;
  /** Called before rows are read. */
  onRows: () => void = () => {};
  checkpoint: ServedCheckpoint | undefined;
  readonly tiles = new Map<string, Uint8Array>();
  /** Answers a submission at once; undefined leaves it open until the test answers it. */
  answer: ((bytes: Uint8Array, level: WaitLevel) => Result<BatchReceipt>) | undefined;

  append(events: readonly EncodedEvent[], outcome: Outcome = { kind: "accepted" }): void {
    this.height += 1;
    for (const [position, event] of events.entries()) {
      this.entries.push({
        index: this.entries.length,
        height: this.height,
        batchId: HASH,
        position,
        outcome,
        effectsHash: HASH,
        event,
      });
    }
    for (const listener of this.listeners) listener(this.height, this.entries.length);
  }

  status(): NodeStatus {
    return {
      chainId: "fake-1",
      genesisHash: HASH,
      nodeId: toHex(HASH),
      name: "a",
      validatorIndex: 0,
      epoch: 0,
      view: this.height + 1,
      leader: toHex(HASH),
      finalHeight: this.height,
      finalHash: HASH,
      finalTimeMs: START_MS + this.height,
      executedHeight: this.height,
      logSize: this.entries.length,
      logRoot: HASH,
      stateRoot: HASH,
      refHeight: 0,
      refHash: HASH,
      peers: [],
      voting: "yes",
      problems: [],
      mempoolBytes: 0,
      mempoolBatches: 0,
      viewTimeMs: 5,
      checkpoint: this.checkpoint,
    };
  }

  blockAt(height: number): Block | undefined {
    if (height < 1 || height > this.height) return undefined;
    return blockOf([HASH], { height, epoch: 0, executedHeight: height - 1 });
  }

  executionAt(height: number): ExecutionRecord | undefined {
    if (height > this.height) return undefined;
    const logSize = this.entries.filter((entry) => entry.height <= height).length;
    const before = this.entries.filter((entry) => entry.height < height).length;
    return {
      height,
      timeMs: START_MS + height,
      firstIndex: before,
      count: logSize - before,
      logSize,
      logRoot: HASH,
      stateRoot: HASH,
      schemaVersions: [1, 1],
      projections: fakeFormats.projections.map((name) => ({ name, root: HASH })),
    };
  }

  #proofs(): ProofSource {
    return {
      event: (index, options, done) => done(noteProof(this, `event ${index}`, options)),
      set: (options, done) => done(noteProof(this, "set", options)),
      stateAt: (height) => this.held.get(height)?.(),
      range: ({ from, limit }, options, done) => {
        const bundle = noteProof(this, `${limit} events from ${from}`, options);
        done(bundle.ok ? ok({ bundle: bundle.value, more: true }) : bundle);
      },
      rows: (name, keys, options, done) =>
        done(noteProof(this, `${name} ${keys.map((key) => Buffer.from(key))}`, options)),
      page: (name, query, options, done) => {
        const { limit, after } = query;
        const from = after === undefined ? "" : ` after ${Buffer.from(after)}`;
        const bundle = noteProof(this, `${name} page of ${limit}${from}`, options);
        done(bundle.ok ? ok({ bundle: bundle.value, more: true }) : bundle);
      },
    };
  }

  handle(): LedgerHandle {
    return {
      status: () => this.status(),
      checkpoint: () => this.checkpoint,
      checkpointPolicy: () => "quorum none\n",
      tile: (level, index, width) => this.tiles.get(`${level}/${index}`)?.subarray(0, width * 32),
      submit: (bytes, level, done) => {
        const submission: Submission = { bytes, level, done, cancelled: false };
        this.submissions.push(submission);
        if (this.answer !== undefined) done(this.answer(bytes, level));
        return () => {
          submission.cancelled = true;
        };
      },
      receipt: (batchId) =>
        compareBytes(batchId, HASH) === 0 ? { batchId, level: "projected", height: 1 } : undefined,
      lane: (actor) => ({ actor, laneSeq: 3, batchId: HASH, pendingSeq: 4, pendingId: HASH }),
      events: (from, limit, done) => {
        const entries = this.entries.slice(from, from + limit);
        const answer = (): void => done(ok({ entries, next: from + entries.length }));
        if (this.heldReads === undefined) queueMicrotask(answer);
        else this.heldReads.push(answer);
      },
      block: (height) => this.blockAt(height),
      finalization: (height) => {
        // Every third height has a certificate of its own.
        const own = Math.max(3, Math.ceil(height / 3) * 3);
        if (own > this.height) return undefined;
        const statement = finalize(0, own, this.blockAt(own)?.hash ?? HASH);
        return { height: own, certificate: { ...certificateOf(statement, [0, 1, 3]), setSize: 4 } };
      },
      execution: (height) => this.executionAt(height),
      beacon: () => undefined,
      workPrice: () => undefined,
      validatorSet: (epoch) => (epoch === 0 ? SET : undefined),
      network: (views) => ({
        set: SET,
        view: this.height + 1,
        leaders: Array.from({ length: views }, (_, i) => (this.height + i) % 4),
      }),
      timeOf: (height) => (height <= this.height ? START_MS + height : undefined),
      point: () => undefined,
      rows: (projection, options, done) => {
        this.onRows();
        const { after, prefix } = options;
        const rows = [...(this.rowsByName.get(projection) ?? [])]
          .sort(([a], [b]) => compareBytes(a, b))
          .filter(([key]) => after === undefined || compareBytes(key, after) > 0)
          .filter(([key]) => prefix?.every((byte, i) => key[i] === byte) ?? true)
          .slice(0, options.limit)
          .map(([key, value]) => ({ key, value }));
        queueMicrotask(() => done(ok(rows)));
      },
      row: (projection, key) =>
        this.rowsByName.get(projection)?.find(([known]) => compareBytes(known, key) === 0)?.[1],
      finalBlocks: (from) => this.blocks.slice(from - 1),
      proofs: () => this.#proofs(),
      write: () => undefined,
      onExecuted: (listener) => {
        this.listeners.add(listener);
        return () => this.listeners.delete(listener);
      },
      onHalt: () => () => {},
      ready: () => ({ ready: this.reasons.length === 0, reasons: this.reasons }),
      stop: (done) => done(),
    };
  }
}

const noteProof = (ledger: FakeLedger, what: string, options: ProofOptions): Result<Bundle> => {
  ledger.proofsAsked.push({ what, options });
  return ledger.proof;
};

/** Keys and values are text; the type of an event with no JSON form is "unknown.type". */
export const fakeFormats: Formats = {
  projections: ["records", "actors"],
  event: (event) =>
    event.type === "unknown.type" ? undefined : { text: Buffer.from(event.payload).toString() },
  row: (_projection, _key, value) => ({ text: Buffer.from(value).toString() }),
  keyText: (_projection, key) => Buffer.from(key).toString(),
  keyBytes: (_projection, text) =>
    text.startsWith("!") ? fail("http.bad-parameter", "no such key") : ok(utf8(text)),
  prefix: (projection, group) =>
    projection === "actors" && group !== undefined
      ? fail("http.bad-parameter", "no groups")
      : ok(utf8(group ?? "")),
};

/** Timers that fire only when the test says so. */
export class ManualTimers implements Timers {
  readonly pending = new Map<number, { readonly delayMs: number; readonly run: () => void }>();
  #next = 0;

  set(delayMs: number, run: () => void): () => void {
    const id = this.#next;
    this.#next += 1;
    this.pending.set(id, { delayMs, run });
    return () => {
      this.pending.delete(id);
    };
  }

  fireAll(): void {
    for (const { delayMs } of [...this.pending.values()]) this.fire(delayMs);
  }

  /** Fires every timer of this delay. */
  fire(delayMs: number): number {
    const due = [...this.pending].filter(([, timer]) => timer.delayMs === delayMs);
    for (const [id, timer] of due) {
      this.pending.delete(id);
      timer.run();
    }
    return due.length;
  }
}

export type TestApi = {
  readonly api: Api;
  readonly ledger: FakeLedger;
  readonly timers: ManualTimers;
  readonly metrics: MetricsRegistry;
  readonly logged: string[];
};

const QUIET = { sent: 0, received: 0, queued: 0 };

/** One that is reached, and one that is not. */
export const fakePeers: readonly PeerFigures[] = [
  {
    id: "11".repeat(32),
    address: "[::1]:4441",
    state: "up",
    remote: "[::1]:4441",
    dialledBy: "us",
    via: undefined,
    driver: "quiche",
    session: {
      packets: { sent: 40, received: 41, lost: 2 },
      tlsMs: 12.5,
      rttMs: 2,
      sealed: { handshakeMs: 9.5, roundTripMs: 3.25, version: "1.2.3", records: 4 },
      upMs: 1000.4,
      queuedBytes: 7,
      bytes: {
        consensus: { sent: 1, received: 2, queued: 7 },
        mempool: QUIET,
        sync: QUIET,
        control: QUIET,
        bulk: QUIET,
      },
    },
  },
  {
    id: "22".repeat(32),
    address: "[::1]:4442",
    state: "waiting",
    remote: undefined,
    dialledBy: undefined,
    via: undefined,
    driver: undefined,
    session: undefined,
  },
];

/** A node without objects. */
const noObjects: ObjectsPort = {
  list: () => [],
  state: () => undefined,
  manifest: (_root, done) => {
    done(fail("object.not-found", "none"));
    return () => {};
  },
  chunk: (_root, _index, done) => {
    done(fail("object.not-found", "none"));
    return () => {};
  },
  order: async () => Promise.reject(new TetradError("object.order", "none")),
  upload: async () => Promise.reject(new TetradError("object.not-ordered", "none")),
  check: async () => Promise.reject(new TetradError("object.not-found", "none")),
  evidence: () => [],
};

export const createTestApi = (
  tls?: ApiTls,
  disposable = false,
  objects = noObjects,
  observed = NOBODY_OBSERVED,
): TestApi => {
  const ledger = new FakeLedger();
  const timers = new ManualTimers();
  const metrics = createMetrics();
  const logged: string[] = [];
  let draws = 0;
  const api = createApi({
    handle: ledger.handle(),
    formats: fakeFormats,
    clock: { monotonicMs: () => 0, wallMs: () => START_MS },
    timers,
    random: {
      u32: () => {
        draws += 1;
        return draws;
      },
    },
    logger: { log: (level, message) => logged.push(`${level} ${message}`) },
    metrics,
    metricsPage: () => metrics.page(),
    peerFigures: () => fakePeers,
    observed: () => observed,
    objects,
    version: "0.0.0-test",
    chainId: "fake-1",
    disposable,
    anyHost: tls !== undefined,
    tls,
  });
  return { api, ledger, timers, metrics, logged };
};
