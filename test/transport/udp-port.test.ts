/** When the buffer of a packet is free again: at once, or when a full kernel has taken what waits. */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { expect, it } from "vitest";
import { realTimers } from "../../src/node/real-ports.ts";
import { type UdpSocket, udpPort } from "../../src/transport/udp-port.ts";

const REMOTE = { host: "::1", port: 9 };

/** A socket whose kernel takes so many packets, and the timers that look at it. */
const fake = () => {
  const state = { room: 0, queued: 0, taken: 0, closed: false };
  const due = new Set<() => void>();
  const asked: ((error: Error | null, bytes: number) => void)[] = [];
  const heard: (string | null)[] = [];
  const socket: UdpSocket = {
    address: () => ({ address: "::1", family: "IPv6", port: 5 }),
    getSendQueueCount: () => {
      if (state.closed) throw new Error("closed");
      return state.queued;
    },
    send: (_packet, _port, _host, told) => {
      if (told !== undefined) asked.push(told);
      if (state.room > 0) state.room -= 1;
      else state.queued += 1;
    },
    close(done) {
      state.closed = true;
      done?.();
      return this as ReturnType<typeof createSocket>;
    },
  };
  const timers = {
    set: (_ms: number, run: () => void) => {
      due.add(run);
      return () => void due.delete(run);
    },
  };
  const pass = (): void => {
    for (const run of [...due]) {
      due.delete(run);
      run();
    }
  };
  const hear = (error: Error | null): void => void heard.push(error?.message ?? null);
  const port = udpPort(socket, timers, hear, () => {
    state.taken += 1;
  });
  return { state, port, due, pass, asked, heard };
};

it("frees a buffer within the call while the kernel takes packets", () => {
  const { state, port, due } = fake();
  state.room = 2;
  let free = 0;
  for (let i = 0; i < 2; i++) port.send(new Uint8Array(10), 10, REMOTE, () => free++);
  expect(free).toBe(2);
  expect(due.size).toBe(0);
});

it("keeps buffers whose packets wait until none waits, and looks again meanwhile", () => {
  const { state, port, due, pass } = fake();
  const free: number[] = [];
  for (let i = 0; i < 3; i++) port.send(new Uint8Array(10), 10, REMOTE, () => free.push(i));
  expect(due.size).toBe(1);
  state.queued = 1;
  pass();
  expect(free).toEqual([]);
  expect(due.size).toBe(1);
  state.queued = 0;
  pass();
  expect(free).toEqual([0, 1, 2]);
  expect(due.size).toBe(0);
});

it("tells at each look whether the kernel has taken some of what waits, and not when it took none", () => {
  const { state, port, pass } = fake();
  for (let i = 0; i < 3; i++) port.send(new Uint8Array(10), 10, REMOTE, () => {});
  const told: number[] = [];
  for (const queued of [3, 2, 2, 1, 1]) {
    state.queued = queued;
    pass();
    told.push(state.taken);
  }
  expect(told).toEqual([0, 1, 1, 2, 2]);
  port.send(new Uint8Array(10), 10, REMOTE, () => {});
  pass();
  expect(state.taken).toBe(2);
  state.queued = 1;
  pass();
  expect(state.taken).toBe(3);
});

it("frees what waited when a later packet finds the queue empty", () => {
  const { state, port } = fake();
  const free: number[] = [];
  port.send(new Uint8Array(10), 10, REMOTE, () => free.push(0));
  state.queued = 0;
  state.room = 1;
  port.send(new Uint8Array(10), 10, REMOTE, () => free.push(1));
  expect(free).toEqual([0, 1]);
});

it("asks of one packet at a time whether it went out, and tells", () => {
  const { state, port, asked, heard } = fake();
  state.room = 5;
  const send = (): void => port.send(new Uint8Array(10), 10, REMOTE, () => {});
  send();
  send();
  send();
  expect(asked.length).toBe(1);
  asked[0]?.(new Error("EBADF"), 0);
  send();
  send();
  expect(asked.length).toBe(2);
  asked[1]?.(null, 10);
  expect(heard).toEqual(["EBADF", null]);
});

it("does not look at a socket that is closed", () => {
  const { port, due, pass } = fake();
  port.send(new Uint8Array(10), 10, REMOTE, () => {});
  port.close(() => {});
  expect(due.size).toBe(0);
  pass();
});

it("sends the first bytes of a buffer over a real socket, which may be written to afterwards", async () => {
  const [from, to] = ["a", "b"].map(() =>
    createSocket({ type: "udp6", ipv6Only: true, lookup: (host, _o, done) => done(null, host, 6) }),
  );
  if (from === undefined || to === undefined) throw new RangeError();
  try {
    for (const socket of [from, to]) {
      const listening = once(socket, "listening");
      socket.bind({ address: "::1", port: 0 });
      await listening;
    }
    const told: (Error | null)[] = [];
    const port = udpPort(
      from,
      realTimers,
      (error) => told.push(error),
      () => {},
    );
    expect(port.local.port).toBe(from.address().port);
    const buffer = new Uint8Array(100);
    const got: Buffer[] = [];
    const all = new Promise<void>((resolve) => {
      to.on("message", (bytes) => {
        got.push(bytes);
        if (got.length === 50) resolve();
      });
    });
    const remote = { host: "::1", port: to.address().port };
    for (let i = 0; i < 50; i++) {
      buffer.fill(i);
      const freed = await new Promise<boolean>((resolve) => {
        port.send(buffer, i % 2 === 0 ? 100 : 40, remote, () => resolve(true));
      });
      expect(freed).toBe(true);
    }
    await all;
    expect(told.length).toBeGreaterThan(0);
    expect(told.every((error) => error === null)).toBe(true);
    for (const [i, bytes] of got.entries()) {
      expect(bytes.equals(Buffer.alloc(i % 2 === 0 ? 100 : 40, i))).toBe(true);
    }
  } finally {
    from.close();
    to.close();
  }
});
