/** What every subject of the transport benchmark does: it serves on a port of [::1], and dials it. */
import { realClock } from "../../src/node/real-ports.ts";
import type { QuicIdentity } from "../../src/transport/quic-endpoint.ts";

/** The first byte of a stream says what the server does with the rest. */
export const SINK = 0;
export const ECHO = 1;

export const SERVER_NAME = "bench.tetrad.invalid";

export type Setup = {
  readonly authorityPem: string;
  readonly server: QuicIdentity;
  readonly client: QuicIdentity;
  /** UDP payload, bytes; of no meaning to TCP. */
  readonly datagramBytes: number;
};

/** A stream of the client: `write` resolves when more would be taken. */
export type Pipe = {
  write(bytes: Uint8Array): Promise<void>;
  onData(take: (bytes: Uint8Array) => void): void;
};

export type Link = {
  open(): Promise<Pipe>;
  close(): Promise<void>;
};

/** Bytes that sinks took, and when the first and the last of them came. */
export type Taken = { bytes: number; firstMs: number; lastMs: number };

export type Served = { readonly port: number; close(): Promise<void> };

export type Subject = {
  readonly name: string;
  /** Streams share a connection. */
  readonly multiplexed: boolean;
  /** Larger datagrams are worth a row. */
  readonly usesUdp: boolean;
  serve(setup: Setup, taken: Taken): Promise<Served>;
  connect(setup: Setup, port: number): Promise<Link>;
};

export const take = (taken: Taken, bytes: number): void => {
  const now = realClock.monotonicMs();
  if (taken.bytes === 0) taken.firstMs = now;
  taken.bytes += bytes;
  taken.lastMs = now;
};

/** Decides by the first byte, then counts or gives back. */
export const serveStream = (
  taken: Taken,
  answer: (bytes: Uint8Array) => void,
): ((bytes: Uint8Array) => void) => {
  let mode: number | undefined;
  return (bytes) => {
    let rest = bytes;
    if (mode === undefined) {
      mode = bytes[0];
      rest = bytes.subarray(1);
    }
    if (mode === ECHO) answer(rest);
    else take(taken, rest.length);
  };
};
