/**
 * The dialling end of bulk in the worker: up to four connections to a member that granted them, requests going to
 * the connection on which the fewest wait (striping). With the reactor each connection has a thread of its own at
 * either end.
 */
import { LIMITS } from "../../limits.ts";
import type { HostPort, QuicDial, QuicSession } from "../quic-endpoint.ts";
import { GrowingBytes } from "./growing-bytes.ts";
import { BULK_CLOSE, REQUEST_VERSION, STATUS } from "./listener.ts";
import type { AnswerStatus, DialOrder } from "./worker-messages.ts";

export type DiallerOptions = {
  readonly dial: (remote: HostPort, how: QuicDial) => QuicSession | undefined;
  readonly connections: (peer: string, count: number, detail: string) => void;
  /** Called once for each request. "lost": the connection ended, or there is none. */
  readonly answered: (id: number, status: AnswerStatus, bytes: Uint8Array) => void;
};

type Request = {
  readonly id: number;
  readonly lane: Lane;
  readonly streamId: number;
  left: Uint8Array;
  readonly answer: GrowingBytes;
};

type Lane = {
  readonly peer: string;
  readonly session: QuicSession;
  readonly requests: Map<number, Request>;
  isUp: boolean;
};

/** A status and the bytes. */
const ANSWER_BYTES_MAX = 1 + LIMITS.bulkAnswerBytesMax;

const NOTHING = new Uint8Array(0);

export class BulkDialler {
  readonly #options: DiallerOptions;
  readonly #lanes = new Map<string, Lane[]>();
  readonly #requests = new Map<number, Request>();
  /** Members that sent something since they were asked for. */
  readonly #active = new Set<string>();

  constructor(options: DiallerOptions) {
    this.#options = options;
  }

  /** Dials; what was dialled to that peer before is given up. */
  dial(order: DialOrder): void {
    const { peer, remotes, serverName, authorityPem, identity } = order;
    this.hangUp(peer);
    const lanes: Lane[] = [];
    this.#lanes.set(peer, lanes);
    for (let i = 0; i < order.connections; i++) {
      const remote = remotes[i % remotes.length];
      if (remote === undefined) break;
      const session = this.#options.dial(remote, {
        serverName,
        identity,
        trust: { authorityPem },
      });
      if (session === undefined) break;
      const lane: Lane = { peer, session, requests: new Map(), isUp: false };
      lanes.push(lane);
      this.#attach(lane);
    }
    if (lanes.length === 0) this.#options.connections(peer, 0, "nothing could be dialled");
  }

  /** Members that have sent bytes since the last call. */
  takeActive(): readonly string[] {
    const active = [...this.#active];
    this.#active.clear();
    return active;
  }

  hangUp(peer: string): void {
    const lanes = this.#lanes.get(peer) ?? [];
    this.#lanes.delete(peer);
    for (const lane of lanes) {
      lane.session.close(BULK_CLOSE.done, "done");
      this.#lose(lane);
    }
  }

  request(id: number, peer: string, name: Uint8Array): void {
    const lanes = (this.#lanes.get(peer) ?? []).filter(({ isUp }) => isUp);
    lanes.sort((a, b) => a.requests.size - b.requests.size);
    for (const lane of lanes) {
      try {
        const streamId = lane.session.openStream("bi");
        const left = new Uint8Array(1 + name.length);
        left[0] = REQUEST_VERSION;
        left.set(name, 1);
        const answer = new GrowingBytes(ANSWER_BYTES_MAX);
        const request: Request = { id, lane, streamId, left, answer };
        lane.requests.set(streamId, request);
        this.#requests.set(id, request);
        lane.session.requestTurn();
        return;
      } catch {
        // No stream to be had on this one now; the next has more that wait, or none at all does.
      }
    }
    this.#options.answered(id, lanes.length === 0 ? "lost" : "busy", NOTHING);
  }

  cancel(id: number): void {
    const request = this.#requests.get(id);
    if (request === undefined) return;
    this.#forget(request);
    request.lane.session.abortStream(request.streamId, BULK_CLOSE.done);
  }

  #attach(lane: Lane): void {
    lane.session.attach({
      established: () => {
        lane.isUp = true;
        this.#tell(lane.peer, "");
      },
      service: () => this.#service(lane),
      ended: ({ by, code, reason }) => this.#ended(lane, `ended by ${by}: ${code} ${reason}`),
    });
  }

  #ended(lane: Lane, detail: string): void {
    lane.isUp = false;
    this.#lose(lane);
    const lanes = this.#lanes.get(lane.peer);
    if (lanes === undefined || !lanes.includes(lane)) return;
    lanes.splice(lanes.indexOf(lane), 1);
    if (lanes.length === 0) this.#lanes.delete(lane.peer);
    this.#tell(lane.peer, detail);
  }

  #tell(peer: string, detail: string): void {
    const lanes = this.#lanes.get(peer) ?? [];
    const count = lanes.filter(({ isUp }) => isUp).length;
    // While the first is on its way there is nothing to say.
    if (count === 0 && lanes.length > 0) return;
    this.#options.connections(peer, count, detail);
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
  }

  #service(lane: Lane): void {
    for (const request of [...lane.requests.values()]) {
      if (!this.#write(request)) continue;
      if (lane.session.readable(request.streamId) && !this.#read(request)) return;
    }
  }

  /** False when the request is over. */
  #write(request: Request): boolean {
    if (request.left.length === 0) return true;
    try {
      const { session } = request.lane;
      request.left = request.left.subarray(session.write(request.streamId, request.left, true));
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
        this.#active.add(lane.peer);
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

const STATUS_NAMES: ReadonlyMap<number | undefined, AnswerStatus> = new Map([
  [STATUS.ok, "ok"],
  [STATUS.absent, "absent"],
]);
