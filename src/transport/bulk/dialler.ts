/**
 * The dialling end of bulk in the worker: up to four connections to a member that granted them, requests going to
 * the connection on which the fewest wait, in turns where those are as many (striping). With the reactor each
 * connection has a thread of its own at either end. A request that finds no stream on any of them waits for one.
 *
 * Connections under a new grant are made before those under the old one are broken: from the first that is up on,
 * requests go over the new ones, and an old one is closed when the last answer that it owes is here.
 */
import { TetradError } from "../../errors.ts";
import type { Clock } from "../../ledger/ports.ts";
import { LIMITS } from "../../limits.ts";
import type { HostPort, QuicDial, QuicSession } from "../quic-endpoint.ts";
import { GrowingBytes } from "./growing-bytes.ts";
import { BULK_CLOSE, REQUEST_VERSION, STATUS } from "./listener.ts";
import type { AnswerStatus, DialOrder } from "./worker-messages.ts";

export type DiallerOptions = {
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly dial: (remote: HostPort, how: QuicDial) => QuicSession | undefined;
  /**
   * So many connections of the newest order that had any, `number`, are up. Those that are worn out do not count, but
   * while there is nothing else and something is owed it is one.
   */
  readonly connections: (peer: string, number: number, count: number, detail: string) => void;
  /** Called once for each request. "lost": the connection ended, or there is none. */
  readonly answered: (id: number, status: AnswerStatus, bytes: Uint8Array) => void;
};

type Request = {
  readonly id: number;
  readonly lane: Lane;
  readonly streamId: number;
  left: Uint8Array;
  /** Some of it is on its way. */
  isBegun: boolean;
  readonly answer: GrowingBytes;
};

/** The connections of one order. */
type Bundle = {
  readonly peer: string;
  readonly number: number;
  readonly lanes: Lane[];
  /** A newer one of the peer is up: nothing more is asked over it. */
  isRetired: boolean;
};

type Lane = {
  readonly bundle: Bundle;
  readonly session: QuicSession;
  readonly requests: Map<number, Request>;
  /** Streams that were opened for requests which were given up before anything of them was on its way. */
  readonly spare: number[];
  /** Since when the peer has let no stream be opened although few are; and that this was for too long. */
  barrenSinceMs: number | undefined;
  isWornOut: boolean;
  isUp: boolean;
};

/** A status and the bytes. */
const ANSWER_BYTES_MAX = 1 + LIMITS.bulkAnswerBytesMax;

/** Listeners look after no more requests of one connection, whatever the driver lets be opened. */
const STREAMS_MAX = LIMITS.bulkRequestsPerConnectionMax;

/** Where fewer are open and the peer allows no more, its listener may have lost the others. */
const STREAMS_FEW = STREAMS_MAX / 2;

const NOTHING = new Uint8Array(0);

export class BulkDialler {
  readonly #options: DiallerOptions;
  /** By peer, the newest last. */
  readonly #bundles = new Map<string, Bundle[]>();
  readonly #requests = new Map<number, Request>();
  /** What has no stream yet, by peer: names by id, the oldest first. */
  readonly #waiting = new Map<string, Map<number, Uint8Array>>();
  /** Members that sent something since they were asked for. */
  readonly #active = new Set<string>();

  constructor(options: DiallerOptions) {
    this.#options = options;
  }

  /** Dials. What is up to that peer stays until one of these is; what was dialled in vain until now is given up. */
  dial(order: DialOrder): void {
    const { peer, number, remotes, serverName, authorityPem, identity } = order;
    for (const old of this.#of(peer)) if (!isUp(old)) this.#giveUp(old);
    const bundle: Bundle = { peer, number, lanes: [], isRetired: false };
    this.#bundles.set(peer, [...this.#of(peer), bundle]);
    const how = { serverName, identity, trust: { authorityPem } };
    let detail = "";
    for (let i = 0; i < order.connections; i++) {
      const remote = remotes[i % remotes.length];
      if (remote === undefined) break;
      let session: QuicSession | undefined;
      try {
        session = this.#options.dial(remote, how);
      } catch (error) {
        if (!(error instanceof TetradError)) throw error;
        // Both certificates are of the peer's making: what the library finds wrong in them costs nobody else anything.
        detail = `: ${error.message}`;
      }
      if (session === undefined) break;
      const lane: Lane = {
        ...{ bundle, session, requests: new Map(), spare: [] },
        ...{ barrenSinceMs: undefined, isWornOut: false, isUp: false },
      };
      bundle.lanes.push(lane);
      this.#attach(lane);
    }
    if (bundle.lanes.length > 0) return;
    this.#remove(bundle);
    this.#options.connections(peer, number, 0, `nothing could be dialled${detail}`);
  }

  /** Members that have sent bytes since the last call. */
  takeActive(): readonly string[] {
    const active = [...this.#active];
    this.#active.clear();
    return active;
  }

  hangUp(peer: string): void {
    for (const bundle of this.#of(peer)) this.#giveUp(bundle);
    this.#place(peer);
  }

  request(id: number, peer: string, name: Uint8Array): void {
    const waiting = this.#waiting.get(peer) ?? new Map<number, Uint8Array>();
    if (waiting.size >= LIMITS.bulkRequestsPerPeerMax) {
      this.#options.answered(id, "busy", NOTHING);
      return;
    }
    this.#waiting.set(peer, waiting.set(id, name));
    this.#place(peer);
    this.#endWornOut(peer);
  }

  cancel(id: number): void {
    for (const [peer, waiting] of this.#waiting) {
      if (waiting.delete(id) && waiting.size === 0) this.#waiting.delete(peer);
    }
    const request = this.#requests.get(id);
    if (request === undefined) return;
    const { session, spare, bundle } = request.lane;
    // A reset of a stream that nothing was sent on looks like an empty request to a listener of the reactor.
    if (request.isBegun) session.abortStream(request.streamId, BULK_CLOSE.done);
    else spare.push(request.streamId);
    this.#forget(request);
    this.#place(bundle.peer);
    this.#endWornOut(bundle.peer);
  }

  /** Gives streams to what waits, in order, as far as there are any. */
  #place(peer: string): void {
    const waiting = this.#waiting.get(peer);
    if (waiting === undefined) return;
    const usable = (): Bundle | undefined => this.#of(peer).findLast(isUsable);
    for (const [id, name] of waiting) {
      const bundle = usable();
      const isSent = bundle !== undefined && this.#send(bundle, id, name);
      if (!isSent && usable() !== undefined) return;
      waiting.delete(id);
      if (!isSent) this.#options.answered(id, "lost", NOTHING);
    }
    this.#waiting.delete(peer);
  }

  /** False where no connection has a stream for it now. */
  #send({ lanes }: Bundle, id: number, name: Uint8Array): boolean {
    const free = lanes.filter((lane) => isFit(lane) && lane.requests.size < STREAMS_MAX);
    free.sort((a, b) => a.requests.size - b.requests.size);
    for (const lane of free) {
      const streamId = this.#openStream(lane);
      if (streamId === undefined) continue;
      const left = new Uint8Array(1 + name.length);
      left[0] = REQUEST_VERSION;
      left.set(name, 1);
      const answer = new GrowingBytes(ANSWER_BYTES_MAX);
      const request: Request = { id, lane, streamId, left, isBegun: false, answer };
      lane.requests.set(streamId, request);
      this.#requests.set(id, request);
      lane.session.requestTurn();
      // Behind the others, so that none has nothing to carry for so long that it ends while others are used.
      lanes.push(...lanes.splice(lanes.indexOf(lane), 1));
      return true;
    }
    return false;
  }

  /** Undefined where the peer allows no more now: QUIC counts some as open for a while longer than we do. */
  #openStream(lane: Lane): number | undefined {
    const spare = lane.spare.pop();
    if (spare !== undefined) return spare;
    try {
      const streamId = lane.session.openStream("bi");
      lane.barrenSinceMs = undefined;
      return streamId;
    } catch {
      if (lane.requests.size >= STREAMS_FEW) return undefined;
      const nowMs = this.#options.clock.monotonicMs();
      lane.barrenSinceMs ??= nowMs;
      if (nowMs - lane.barrenSinceMs > LIMITS.bulkStallMs) {
        lane.isWornOut = true;
        this.#tell(lane.bundle, NO_STREAMS);
      }
      return undefined;
    }
  }

  /**
   * Ends connections that have hardly any streams left, when they owe nothing: a listener of the reactor loses some of
   * those that were given up while their answers were on their way.
   */
  #endWornOut(peer: string): void {
    for (const lane of this.#of(peer).flatMap((bundle) => bundle.lanes)) {
      if (!lane.isWornOut || lane.requests.size > 0) continue;
      lane.session.close(BULK_CLOSE.done, "no streams");
      this.#ended(lane, NO_STREAMS);
    }
  }

  #attach(lane: Lane): void {
    lane.session.attach({
      established: () => {
        lane.isUp = true;
        const { bundle } = lane;
        for (const other of this.#of(bundle.peer)) {
          if (other.number < bundle.number) this.#retire(other);
        }
        this.#place(bundle.peer);
        this.#tell(bundle, "");
      },
      service: () => this.#service(lane),
      ended: ({ by, code, reason }) => this.#ended(lane, `ended by ${by}: ${code} ${reason}`),
    });
  }

  #ended(lane: Lane, detail: string): void {
    lane.isUp = false;
    this.#lose(lane);
    const { bundle } = lane;
    const at = bundle.lanes.indexOf(lane);
    if (at < 0) return;
    bundle.lanes.splice(at, 1);
    if (bundle.lanes.length === 0) this.#remove(bundle);
    this.#place(bundle.peer);
    this.#tell(bundle, detail);
  }

  #of(peer: string): readonly Bundle[] {
    return this.#bundles.get(peer) ?? [];
  }

  #remove(bundle: Bundle): void {
    const left = this.#of(bundle.peer).filter((other) => other !== bundle);
    if (left.length > 0) this.#bundles.set(bundle.peer, left);
    else this.#bundles.delete(bundle.peer);
  }

  #giveUp(bundle: Bundle): void {
    this.#remove(bundle);
    for (const lane of bundle.lanes.splice(0)) this.#hangUp(lane);
  }

  #hangUp(lane: Lane): void {
    lane.isUp = false;
    lane.session.close(BULK_CLOSE.done, "done");
    this.#lose(lane);
  }

  /** What it still owes comes over it, and nothing else. */
  #retire(bundle: Bundle): void {
    bundle.isRetired = true;
    for (const lane of [...bundle.lanes]) this.#endWhenDone(lane);
  }

  #endWhenDone(lane: Lane): void {
    const { lanes, isRetired } = lane.bundle;
    const at = lanes.indexOf(lane);
    if (!isRetired || lane.requests.size > 0 || at < 0) return;
    lanes.splice(at, 1);
    if (lanes.length === 0) this.#remove(lane.bundle);
    this.#hangUp(lane);
  }

  #tell({ peer, number, lanes, isRetired }: Bundle, detail: string): void {
    const up = lanes.filter((lane) => lane.isUp).length;
    // While the first is on its way there is nothing to say.
    if (isRetired || (up === 0 && lanes.length > 0)) return;
    // None would mean that nothing is owed any more.
    const count = Math.max(lanes.filter(isFit).length, Math.min(up, 1));
    this.#options.connections(peer, number, count, detail);
  }

  #lose(lane: Lane): void {
    for (const request of [...lane.requests.values()]) {
      this.#forget(request);
      this.#options.answered(request.id, "lost", NOTHING);
    }
  }

  #forget(request: Request): void {
    request.lane.requests.delete(request.streamId);
    this.#requests.delete(request.id);
    this.#endWhenDone(request.lane);
  }

  #service(lane: Lane): void {
    // Listeners open no streams. Nobody would read one, so what comes on it would stay where it is.
    if (lane.session.readableStreams().some(isOfServer)) {
      this.#breach(lane);
      return;
    }
    for (const request of [...lane.requests.values()]) {
      if (!this.#write(request)) continue;
      if (lane.session.readable(request.streamId) && !this.#read(request)) return;
    }
    // Answers are complete, or the peer allows more streams.
    this.#place(lane.bundle.peer);
    this.#endWornOut(lane.bundle.peer);
  }

  /** False when the request is over. */
  #write(request: Request): boolean {
    if (request.left.length === 0) return true;
    try {
      const { session } = request.lane;
      const count = session.write(request.streamId, request.left, true);
      request.isBegun ||= count > 0;
      request.left = request.left.subarray(count);
      return true;
    } catch {
      this.#forget(request);
      this.#options.answered(request.id, "lost", NOTHING);
      return false;
    }
  }

  /** False when the connection was ended for what the peer sent. */
  #read(request: Request): boolean {
    const { lane, streamId, answer } = request;
    try {
      for (let part = lane.session.read(streamId); part !== undefined; ) {
        this.#active.add(lane.bundle.peer);
        if (!answer.push(part.bytes)) return this.#breach(lane);
        if (part.fin) return this.#complete(request);
        part = lane.session.read(streamId);
      }
    } catch {
      this.#forget(request);
      this.#options.answered(request.id, "lost", NOTHING);
    }
    return true;
  }

  #complete(request: Request): boolean {
    const bytes = request.answer.take();
    const status = STATUS_NAMES.get(bytes[0]);
    if (status === undefined) return this.#breach(request.lane);
    this.#forget(request);
    this.#options.answered(request.id, status, bytes.subarray(1));
    return true;
  }

  #breach(lane: Lane): false {
    lane.session.close(BULK_CLOSE.protocol, "not an answer");
    this.#ended(lane, "the peer sent what is no answer");
    return false;
  }
}

/**
 * The lowest bit of an id says who opened the stream (RFC 9000, 2.1). One of ours that is no request any more was given
 * up, and what still comes on it is nobody's fault.
 */
const isOfServer = (streamId: number): boolean => (streamId & 1) === 1;

const isUp = ({ lanes }: Bundle): boolean => lanes.some((lane) => lane.isUp);

/** Whether something may be asked over it. */
const isFit = (lane: Lane): boolean => lane.isUp && !lane.isWornOut;

const isUsable = ({ lanes, isRetired }: Bundle): boolean => !isRetired && lanes.some(isFit);

const NO_STREAMS = "the peer lets no stream be opened";

const STATUS_NAMES: ReadonlyMap<number | undefined, AnswerStatus> = new Map([
  [STATUS.ok, "ok"],
  [STATUS.absent, "absent"],
]);
