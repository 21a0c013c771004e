/**
 * A UDP socket as a PacketPort. The kernel takes nearly every packet within the call, and the socket says so by an
 * empty queue: the buffer is free at once, which is cheaper than a callback for every packet. Where the kernel has no
 * room, packets wait in the socket, and their buffers until it is empty. Whether packets go out is asked of one
 * at a time, the first of each burst: without a callback the socket keeps an error to itself.
 */
import type { Socket } from "node:dgram";
import type { Timers } from "../ledger/ports.ts";
import type { HostPort } from "./quic-endpoint.ts";

/** Where an endpoint's packets go out: a UDP socket, or what carries packets in its place. */
export type PacketPort = {
  readonly local: HostPort;
  /** Calls `free` when the buffer may be written to again, which may be before it returns. */
  send(buffer: Uint8Array, length: number, remote: HostPort, free: () => void): void;
  close(done: () => void): void;
};

export type UdpSocket = Pick<Socket, "address" | "close" | "getSendQueueCount"> & {
  send(
    packet: Uint8Array,
    port: number,
    host: string,
    told?: (error: Error | null, bytes: number) => void,
  ): void;
};

/** How often a socket whose packets wait is looked at: within it a fast link sends less than the buffers hold. */
const LOOK_MS = 1;

/**
 * The socket is bound. `told` hears of one packet of a burst whether it went out; `taken` is called when the kernel has
 * taken some of those that wait, whose buffers come back with the last: a slow link is none that stands still.
 */
export const udpPort = (
  socket: UdpSocket,
  timers: Timers,
  told: (error: Error | null) => void,
  taken: () => void,
): PacketPort => {
  const { address, port } = socket.address();
  const waiting: (() => void)[] = [];
  let cancel: (() => void) | undefined;
  let isAsking = false;
  /** How many packets waited when the socket was asked last. */
  let queued = 0;
  const answered = (error: Error | null): void => {
    isAsking = false;
    told(error);
  };
  const freeAll = (): void => {
    for (const free of waiting.splice(0)) free();
  };
  const look = (): void => {
    cancel = undefined;
    const before = queued;
    queued = socket.getSendQueueCount();
    if (queued < before) taken();
    if (queued === 0) freeAll();
    else cancel = timers.set(LOOK_MS, look);
  };
  return {
    local: { host: address, port },
    send: (buffer, length, remote, free) => {
      // A view costs as much as a system call's way into the kernel: most packets fill their buffer.
      const packet = length === buffer.length ? buffer : buffer.subarray(0, length);
      if (isAsking) socket.send(packet, remote.port, remote.host);
      else {
        // Never called within this call.
        socket.send(packet, remote.port, remote.host, answered);
        isAsking = true;
      }
      waiting.push(free);
      queued = socket.getSendQueueCount();
      if (queued === 0) freeAll();
      else cancel ??= timers.set(LOOK_MS, look);
    },
    close: (done) => {
      cancel?.();
      socket.close(done);
    },
  };
};
