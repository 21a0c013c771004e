/** Endpoints of the QuicEndpoint port for tests: options with usual values, and users that remember. */
import type { ErrorCode } from "../../src/errors.ts";
import { realClock, realTimers } from "../../src/node/real-ports.ts";
import type {
  QuicEndpoint,
  QuicEndpointOptions,
  QuicSession,
  QuicSessionEnd,
  QuicWindows,
} from "../../src/transport/quic-endpoint.ts";

export const WINDOWS: QuicWindows = {
  streamsBidi: 100,
  streamsUni: 100,
  streamBytes: 1_000_000,
  streamBytesMax: 8_000_000,
  connectionBytes: 4_000_000,
  connectionBytesMax: 16_000_000,
};

export type Met = {
  readonly sessions: QuicSession[];
  readonly refused: { readonly code: ErrorCode | "limit"; readonly detail: string }[];
  readonly failures: string[];
};

/** What every test takes for granted, and lists of what the endpoint reports. */
export const endpointOptions = (
  own: Partial<QuicEndpointOptions> = {},
): QuicEndpointOptions & { readonly met: Met } => {
  const met: Met = { sessions: [], refused: [], failures: [] };
  return {
    listen: { host: "::1", port: 0 },
    clock: realClock,
    timers: realTimers,
    alpn: ["test/1"],
    clients: "any",
    servers: "any",
    limits: {
      connectionsMax: 64,
      connectionsPerAddressMax: 64,
      handshakesPerSecond: 1_000,
      idleTimeoutMs: 10_000,
    },
    windows: WINDOWS,
    datagrams: true,
    datagramBytesFor: () => 1_350,
    datagramBytesMax: 1_350,
    isMemberHost: () => true,
    accepted: (session) => met.sessions.push(session),
    refused: (code, detail) => met.refused.push({ code, detail }),
    failed: (detail) => met.failures.push(detail),
    met,
    ...own,
  };
};

export const endpointClosed = (endpoint: QuicEndpoint): Promise<void> =>
  new Promise((resolve) => {
    endpoint.close(0, "done", resolve);
  });

type Job = { left: Uint8Array; readonly fin: boolean };

/** A user that reads everything, and writes what it was told to. */
export class Talker {
  readonly session: QuicSession;
  readonly received = new Map<number, { readonly parts: Uint8Array[]; fin: boolean }>();
  readonly datagrams: Uint8Array[] = [];
  readonly resets: number[] = [];
  /** Streams that took nothing more: the peer stopped them. */
  readonly stopped: number[] = [];
  established = false;
  end: QuicSessionEnd | undefined;
  /** While false nothing is read. */
  reading = true;
  onService = (): void => {};
  readonly #writing = new Map<number, Job>();

  constructor(session: QuicSession) {
    this.session = session;
    session.attach({
      established: () => {
        this.established = true;
      },
      service: () => this.#service(),
      ended: (end) => {
        this.end = end;
      },
    });
  }

  /** What came on a stream so far. */
  bytes(streamId: number): Buffer {
    return Buffer.concat(this.received.get(streamId)?.parts ?? []);
  }

  /** The same, as text. */
  text(streamId: number): string {
    return this.bytes(streamId).toString();
  }

  send(streamId: number, bytes: Uint8Array | string, fin = false): void {
    const left = typeof bytes === "string" ? Buffer.from(bytes) : bytes;
    this.#writing.set(streamId, { left, fin });
    this.session.requestTurn();
  }

  get unsent(): number {
    let bytes = 0;
    for (const { left } of this.#writing.values()) bytes += left.length;
    return bytes;
  }

  #service(): void {
    this.onService();
    for (let datagram = this.session.readDatagram(); datagram !== undefined; ) {
      this.datagrams.push(datagram);
      datagram = this.session.readDatagram();
    }
    if (this.reading) for (const id of this.session.readableStreams()) this.#read(id);
    for (const [id, job] of this.#writing) this.#write(id, job);
  }

  #write(id: number, job: Job): void {
    try {
      job.left = job.left.subarray(this.session.write(id, job.left, job.fin));
      if (job.left.length === 0) this.#writing.delete(id);
    } catch {
      this.#writing.delete(id);
      this.stopped.push(id);
    }
  }

  #read(id: number): void {
    try {
      for (let part = this.session.read(id); part !== undefined; part = this.session.read(id)) {
        const got = this.received.get(id) ?? { parts: [], fin: false };
        this.received.set(id, got);
        got.parts.push(part.bytes.slice());
        got.fin = part.fin;
        if (part.fin) return;
      }
    } catch {
      this.resets.push(id);
    }
  }
}
