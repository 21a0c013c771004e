/**
 * Ports that a test holds in its hands: time that stands still until it is moved, completions that run
 * when the test says so, stores whose syncs can be held back or made to fail, a transport that records.
 */
import { fromHex, toHex } from "../../../src/crypto/bytes.ts";
import { TetradError } from "../../../src/errors.ts";
import type {
  Clock,
  PeerClose,
  PeerId,
  Store,
  StoreEntry,
  StoreFailure,
  StoreOp,
  StoreSnapshot,
  Timers,
  TrafficClass,
  Transport,
  TransportHandler,
  VerifyJob,
} from "../../../src/ledger/ports.ts";
import { decodeMessage, type Message } from "../../../src/ledger/wire.ts";

/** Completions in order. Everything a port answers goes through one of these. */
export class Loop {
  #tasks: (() => void)[] = [];

  post(task: () => void): void {
    this.#tasks.push(task);
  }

  /** Runs until nothing is left; throws when it does not end. */
  run(limit = 200_000): void {
    for (let i = 0; i < limit; i++) {
      const task = this.#tasks.shift();
      if (task === undefined) return;
      task();
    }
    throw new Error("the replica is busy for nothing");
  }
}

type ManualTimer = { readonly atMs: number; readonly callback: () => void };

export class ManualTime implements Timers {
  nowMs = 1_000;
  wallOffsetMs = 0;
  readonly #wallStartMs: number;
  readonly #loop: Loop;
  #timers: ManualTimer[] = [];

  constructor(loop: Loop, wallStartMs: number) {
    this.#loop = loop;
    this.#wallStartMs = wallStartMs;
  }

  get pending(): number {
    return this.#timers.length;
  }

  get wallMs(): number {
    return this.#wallStartMs + this.nowMs + this.wallOffsetMs;
  }

  readonly clock: Clock = {
    monotonicMs: () => this.nowMs,
    wallMs: () => this.wallMs,
  };

  set(delayMs: number, callback: () => void): () => void {
    const timer = { atMs: this.nowMs + Math.max(0, delayMs), callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Moves time on, running what is due in order, and what that brings. */
  advance(ms: number): void {
    const untilMs = this.nowMs + ms;
    for (;;) {
      this.#loop.run();
      const due = this.#timers.filter((timer) => timer.atMs <= untilMs);
      const next = due.reduce<ManualTimer | undefined>(
        (first, timer) => (first === undefined || timer.atMs < first.atMs ? timer : first),
        undefined,
      );
      if (next === undefined) break;
      this.#timers = this.#timers.filter((other) => other !== next);
      this.nowMs = Math.max(this.nowMs, next.atMs);
      next.callback();
    }
    this.nowMs = untilMs;
    this.#loop.run();
  }
}

type PendingWrite = {
  readonly ops: readonly StoreOp[];
  readonly sync: boolean;
  readonly done: (failure?: StoreFailure) => void;
};

/** A store in a map. Rows are visible, and durable, only when the write is released; see `early`. */
export class TestStore implements Store {
  readonly rows: Map<string, Uint8Array>;
  readonly #loop: Loop;
  #held: PendingWrite[] = [];
  #failure: StoreFailure | undefined;
  /** While true, writes wait for `release`. */
  hold = false;
  /** While true, reads see a write from its submission on, which the port allows. */
  early = false;
  /** What every read throws, as a disk does that has gone bad. */
  readFailure: "store.io" | "store.corrupt" | undefined;
  /** Only keys that begin with this text fail to read. */
  readFailurePrefix = "";
  writes = 0;
  /** How often each key was put, as hex. */
  readonly puts = new Map<string, number>();
  syncedWrites = 0;
  closed = false;

  constructor(loop: Loop, rows: Map<string, Uint8Array> = new Map()) {
    this.#loop = loop;
    this.rows = rows;
  }

  get waiting(): number {
    return this.#held.length;
  }

  /** From now on every write fails, as the contract demands after the first failure. */
  fail(code: StoreFailure["code"]): void {
    this.#failure = { code, detail: `test: ${code}` };
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const text = toHex(key);
    const prefix = Buffer.from(this.readFailurePrefix, "latin1").toString("hex");
    if (this.readFailure !== undefined && text.startsWith(prefix)) {
      throw new TetradError(this.readFailure, "test: the disk cannot be read");
    }
    if (this.closed) throw new TetradError("store.io", "the store is closed");
    return this.rows.get(text)?.slice();
  }

  write(
    ops: readonly StoreOp[],
    options: { readonly sync: boolean },
    done: (failure?: StoreFailure) => void,
  ): void {
    this.writes += 1;
    // Copied, so that a caller that changes its arrays later changes nothing here.
    const copied = ops.map(
      (op): StoreOp =>
        op.type === "put"
          ? { type: "put", key: op.key.slice(), value: op.value.slice() }
          : { type: "del", key: op.key.slice() },
    );
    for (const { type, key } of copied) {
      if (type === "put") this.puts.set(toHex(key), (this.puts.get(toHex(key)) ?? 0) + 1);
    }
    if (this.early) this.#apply(copied);
    this.#held.push({ ops: copied, sync: options.sync, done });
    if (!this.hold) this.release();
  }

  /** Completes the writes that wait, in order. */
  release(count = this.#held.length): void {
    for (const write of this.#held.splice(0, count)) this.#loop.post(() => this.#complete(write));
  }

  #complete({ ops, sync, done }: PendingWrite): void {
    if (this.#failure !== undefined) return done(this.#failure);
    if (sync) this.syncedWrites += 1;
    this.#apply(ops);
    done();
  }

  #apply(ops: readonly StoreOp[]): void {
    for (const op of ops) {
      if (op.type === "put") this.rows.set(toHex(op.key), op.value);
      else this.rows.delete(toHex(op.key));
    }
  }

  range(
    { gte, lt, limit, reverse }: Parameters<Store["range"]>[0],
    done: (failure: StoreFailure | undefined, entries: readonly StoreEntry[]) => void,
  ): void {
    const [from, to] = [toHex(gte), toHex(lt)];
    const keys = [...this.rows.keys()].filter((key) => key >= from && key < to).sort();
    if (reverse === true) keys.reverse();
    const entries = keys
      .slice(0, limit)
      .map((key): StoreEntry => [fromHex(key), (this.rows.get(key) ?? new Uint8Array(0)).slice()]);
    this.#loop.post(() => done(this.#failure, this.#failure === undefined ? entries : []));
  }

  snapshots = 0;
  #taken = 0;
  #givenUp = 0;

  /** Gives up all snapshots that are open now. */
  giveUpSnapshots(): void {
    this.#givenUp = this.#taken;
  }

  snapshot(): StoreSnapshot {
    const copy = new TestStore(this.#loop, new Map(this.rows));
    this.snapshots += 1;
    this.#taken += 1;
    const number = this.#taken;
    const isGone = (): boolean => number <= this.#givenUp;
    let held = true;
    return {
      get: (key) => {
        if (!held) throw new RangeError("a read of a snapshot that was released");
        if (isGone()) throw new TetradError("http.height-gone", "given up");
        return copy.get(key);
      },
      range: (range, done) => {
        if (!isGone()) return copy.range(range, done);
        this.#loop.post(() => done({ code: "gone", detail: "given up" }, []));
      },
      isGone,
      release: () => {
        if (held) this.snapshots -= 1;
        held = false;
      },
    };
  }

  close(done: () => void): void {
    this.closed = true;
    this.#loop.post(done);
  }
}

export type SentFrame = {
  readonly to: PeerId;
  readonly trafficClass: TrafficClass;
  readonly message: Message;
  readonly bytes: number;
};

export class TestTransport implements Transport {
  handler: TransportHandler | undefined;
  readonly up = new Set<PeerId>();
  sent: SentFrame[] = [];
  readonly disconnected: { readonly peer: PeerId; readonly reason: PeerClose }[] = [];
  /** What `send` answers for these peers although their session is up, as with a full queue. */
  readonly full = new Set<PeerId>();
  /** Called for each frame, so that a test may answer. */
  onSent: (frame: SentFrame) => void = () => undefined;

  start(handler: TransportHandler): void {
    this.handler = handler;
  }

  send(peer: PeerId, trafficClass: TrafficClass, bytes: Uint8Array): boolean {
    if (!this.up.has(peer) || this.full.has(peer)) return false;
    const decoded = decodeMessage(bytes.slice());
    if (!decoded.ok) throw new Error(`the replica sends what it cannot read: ${decoded.detail}`);
    const frame = { to: peer, trafficClass, message: decoded.value, bytes: bytes.length };
    this.sent.push(frame);
    this.onSent(frame);
    return true;
  }

  disconnect(peer: PeerId, reason: PeerClose): void {
    this.disconnected.push({ peer, reason });
    if (this.up.delete(peer)) this.handler?.peerDown(peer, reason);
  }

  peers(): readonly PeerId[] {
    return [...this.up];
  }

  close(done: () => void): void {
    this.up.clear();
    done();
  }
}

/** A verifier that answers at once or, while `hold`, when released; it counts what it is asked. */
export class TestVerifier {
  hold = false;
  /** How many calls are refused as by a verifier whose queue is full. */
  refuse = 0;
  /** Checks asked for, by priority. */
  readonly asked = { consensus: 0, batch: 0, sync: 0 };
  readonly #loop: Loop;
  readonly #check: (job: VerifyJob) => boolean;
  #held: (() => void)[] = [];

  constructor(loop: Loop, check: (job: VerifyJob) => boolean) {
    this.#loop = loop;
    this.#check = check;
  }

  get waiting(): number {
    return this.#held.length;
  }

  get jobs(): number {
    return this.asked.consensus + this.asked.batch + this.asked.sync;
  }

  verify(
    jobs: readonly VerifyJob[],
    priority: "consensus" | "batch" | "sync",
    done: (valid: readonly boolean[]) => void,
  ): void {
    if (this.refuse > 0) {
      this.refuse -= 1;
      throw new TetradError("node.overloaded", "test: the queue is full");
    }
    this.asked[priority] += jobs.length;
    const answers = jobs.map((job) => this.#check(job));
    if (this.hold) this.#held.push(() => done(answers));
    else this.#loop.post(() => done(answers));
  }

  release(): void {
    for (const answer of this.#held.splice(0)) this.#loop.post(answer);
  }
}
