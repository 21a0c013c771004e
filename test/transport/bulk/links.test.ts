/** When the next grant is asked for, and what follows of it: time, the session and the worker are the test's. */
import { beforeEach, describe, expect, it } from "vitest";
import { toHex } from "../../../src/crypto/bytes.ts";
import { sha256 } from "../../../src/crypto/hash.ts";
import { LIMITS } from "../../../src/limits.ts";
import { createAuthority, createLeafKey } from "../../../src/transport/authority.ts";
import { BulkLinks } from "../../../src/transport/bulk/links.ts";
import { type BulkNote, decodeNote, encodeNote } from "../../../src/transport/bulk/notes.ts";
import type { ToWorker } from "../../../src/transport/bulk/worker-messages.ts";

const PEER = "aa".repeat(32);
const authority = createAuthority("theirs", Date.now());

class World {
  nowMs = 0;
  /** Where the session is. */
  remoteHost: string | undefined = "::1";
  readonly refused: string[] = [];
  readonly notes: BulkNote[] = [];
  readonly orders: ToWorker[] = [];
  readonly links: BulkLinks;
  #closed = 0;
  #timers: { readonly atMs: number; readonly run: () => void }[] = [];

  constructor() {
    this.links = new BulkLinks({
      ...{ listen: { host: "::1", port: 0 }, connections: 2 },
      clock: { monotonicMs: () => this.nowMs, wallMs: () => Date.now() },
      timers: {
        set: (delayMs, run) => {
          const timer = { atMs: this.nowMs + delayMs, run };
          this.#timers.push(timer);
          return () => {
            this.#timers = this.#timers.filter((other) => other !== timer);
          };
        },
      },
      logger: { log: () => {} },
      session: {
        seal: (_peer, bytes) => {
          const note = decodeNote(bytes);
          if (note !== undefined) this.notes.push(note);
          return true;
        },
        takesNotes: () => true,
        remoteHost: () => this.remoteHost,
        ...{ send: () => true, peers: () => [PEER], breach: () => {} },
      },
      supervisor: {
        running: { driver: "quiche", ports: [1], authority },
        ...{ canWake: true, wake: () => {} },
        send: (order) => this.orders.push(order),
      },
      refused: (code) => this.refused.push(code),
      closed: () => {
        this.#closed += 1;
      },
    });
    this.links.secured(PEER);
  }

  get closed(): number {
    return this.#closed;
  }

  pass(ms: number): void {
    this.nowMs += ms;
    for (const timer of this.#timers.filter(({ atMs }) => atMs <= this.nowMs)) {
      this.#timers = this.#timers.filter((other) => other !== timer);
      timer.run();
    }
  }

  asks(): readonly number[] {
    return this.notes.flatMap((note) => (note.kind === "ask" ? [note.number] : []));
  }

  dials(): readonly number[] {
    return this.orders.flatMap((order) => (order.kind === "dial" ? [order.number] : []));
  }

  grant(host = ""): void {
    const ask = this.notes.findLast((note) => note.kind === "ask");
    if (ask?.kind !== "ask") throw new Error("nothing was asked");
    const certified = authority.certify(ask.publicKey, { subject: "us" });
    if (!certified.ok) throw new Error(certified.detail);
    const own = { certificate: certified.value, authority: authority.certificate };
    const note = { kind: "grant", number: ask.number, host, ports: [1], ...own } as const;
    this.links.note(PEER, encodeNote(note));
  }

  connections(number: number, count: number): void {
    this.links.connections({ kind: "connections", peer: PEER, number, count, detail: "a test" });
  }
}

describe("a grant", () => {
  let world: World;
  beforeEach(() => {
    world = new World();
    world.links.want(PEER);
    world.grant();
    world.connections(1, 1);
    expect(world.links.isUp(PEER)).toBe(true);
  });

  it("is followed by the next one while it is used, once and not before its time", () => {
    world.pass(LIMITS.bulkRenewMs - 1);
    world.links.asked(PEER, 1);
    expect(world.asks()).toEqual([1]);
    world.pass(1);
    expect(world.asks()).toEqual([1]);
    world.links.asked(PEER, 1);
    world.links.asked(PEER, 1);
    expect(world.asks()).toEqual([1, 2]);
    world.grant();
    expect(world.dials()).toEqual([1, 2]);
    world.links.asked(PEER, 1);
    world.connections(2, 1);
    world.connections(2, 2);
    // What is said of the old ones means nothing any more.
    world.connections(1, 0);
    expect(world.links.isUp(PEER)).toBe(true);
    world.pass(LIMITS.bulkRenewMs - 1);
    world.links.asked(PEER, 1);
    expect(world.asks()).toEqual([1, 2]);
    world.connections(2, 0);
    expect(world.links.isUp(PEER)).toBe(false);
    expect(world.closed).toBe(1);
  });

  it.each(["refused", "not answered", "of no use"])(
    "stays where the next one is %s, and another is asked for a while later",
    (how) => {
      world.pass(LIMITS.bulkRenewMs);
      world.links.asked(PEER, 1);
      if (how === "refused") {
        world.links.note(PEER, encodeNote({ kind: "none", number: 2, reason: "later" }));
      } else if (how === "of no use") {
        world.grant();
        world.connections(2, 0);
      } else world.pass(LIMITS.bulkOpenTimeoutMs);
      expect(world.links.isUp(PEER)).toBe(true);
      expect(world.closed).toBe(0);
      world.pass(LIMITS.bulkRetryMsMax - 1);
      world.links.asked(PEER, 1);
      expect(world.asks()).toEqual([1, 2]);
      world.pass(1);
      world.links.asked(PEER, 1);
      expect(world.asks()).toEqual([1, 2, 3]);
    },
  );

  it("ends with its connections, the next one with it", () => {
    world.pass(LIMITS.bulkRenewMs);
    world.links.asked(PEER, 1);
    world.grant();
    world.connections(1, 0);
    expect(world.links.isUp(PEER)).toBe(false);
    expect(world.orders.at(-1)).toMatchObject({ kind: "hang-up" });
    world.connections(2, 1);
    expect(world.links.isUp(PEER)).toBe(false);
  });
});

describe("what is granted to a member", () => {
  let world: World;
  const ask = (number: number): string => {
    const { publicKey } = createLeafKey();
    world.links.note(PEER, encodeNote({ kind: "ask", number, publicKey }));
    const order = world.orders.findLast((one) => one.kind === "admit");
    if (order?.kind !== "admit") throw new Error("the worker was told of nothing");
    return order.fingerprint;
  };
  beforeEach(() => {
    world = new World();
  });

  it("is said to it once the worker knows its certificate, and not before", () => {
    const fingerprint = ask(1);
    expect(world.notes).toEqual([]);
    world.links.admitted(PEER, "ff".repeat(32));
    world.links.admitted("bb".repeat(32), fingerprint);
    expect(world.notes).toEqual([]);
    for (let i = 0; i < 2; i++) world.links.admitted(PEER, fingerprint);
    expect(world.notes).toEqual([expect.objectContaining({ kind: "grant", number: 1 })]);
    const [note] = world.notes;
    const certificate = note?.kind === "grant" ? note.certificate : new Uint8Array(0);
    expect(toHex(sha256(certificate))).toBe(fingerprint);
  });

  it("is the newest that it asked for", () => {
    const first = ask(1);
    const second = ask(2);
    world.links.admitted(PEER, first);
    world.links.admitted(PEER, second);
    expect(world.notes).toEqual([expect.objectContaining({ kind: "grant", number: 2 })]);
  });

  it("is refused where the worker ends before it knows of it, and is over where it ends later", () => {
    const early = ask(1);
    world.links.workerLost();
    world.links.admitted(PEER, early);
    expect(world.notes).toEqual([{ kind: "none", number: 1, reason: "later" }]);
    world.links.admitted(PEER, ask(2));
    world.links.workerLost();
    expect(world.notes.slice(1).map(({ kind }) => kind)).toEqual(["grant", "gone"]);
  });

  it("is no more when the session has ended", () => {
    const fingerprint = ask(1);
    world.links.secured(PEER);
    world.links.admitted(PEER, fingerprint);
    expect(world.notes).toEqual([]);
  });
});

describe("connections of which some are gone", () => {
  const { bulkHandshakeTimeoutMs: pauseMs, bulkRetryMsMax: longestMs } = LIMITS;
  let world: World;
  beforeEach(() => {
    world = new World();
    world.links.want(PEER);
    world.grant();
    world.connections(1, 1);
    world.connections(1, 2);
  });

  it("are replaced when more is asked than are up, and not at once", () => {
    world.pass(10 * longestMs);
    world.links.asked(PEER, 10);
    expect(world.asks()).toEqual([1]);
    world.connections(1, 1);
    world.pass(pauseMs - 1);
    world.links.asked(PEER, 10);
    expect(world.asks()).toEqual([1]);
    world.pass(1);
    world.links.asked(PEER, 1);
    expect(world.asks()).toEqual([1]);
    world.links.asked(PEER, 2);
    world.links.asked(PEER, 3);
    expect(world.asks()).toEqual([1, 2]);
    world.grant();
    world.connections(2, 1);
    world.connections(2, 2);
    world.pass(longestMs);
    world.links.asked(PEER, 10);
    expect(world.asks()).toEqual([1, 2]);
    expect(world.closed).toBe(0);
  });

  it("are asked for ever more rarely where the member will not have them", () => {
    world.connections(1, 1);
    const pauses: number[] = [];
    for (let number = 2; number < 9; number++) {
      const fromMs = world.nowMs;
      while (world.asks().at(-1) !== number) {
        world.pass(100);
        world.links.asked(PEER, 10);
      }
      pauses.push(world.nowMs - fromMs);
      world.grant();
      world.connections(number, 1);
    }
    expect(pauses).toEqual([5_000, 10_000, 20_000, 40_000, longestMs, longestMs, longestMs]);
  });

  it("bring no renewal forward where they are not replaced", () => {
    world.connections(1, 1);
    world.pass(pauseMs);
    world.links.asked(PEER, 10);
    world.links.note(PEER, encodeNote({ kind: "none", number: 2, reason: "later" }));
    world.pass(longestMs);
    world.links.asked(PEER, 1);
    expect(world.asks()).toEqual([1, 2]);
    world.pass(LIMITS.bulkRenewMs - pauseMs - longestMs - 1);
    world.links.asked(PEER, 1);
    expect(world.asks()).toEqual([1, 2]);
    world.pass(1);
    world.links.asked(PEER, 1);
    expect(world.asks()).toEqual([1, 2, 3]);
  });

  it("are replaced by those that come up later than they are waited for", () => {
    world.connections(1, 1);
    world.pass(pauseMs);
    world.links.asked(PEER, 10);
    world.grant();
    world.pass(LIMITS.bulkOpenTimeoutMs);
    world.connections(2, 1);
    world.connections(2, 2);
    world.connections(1, 0);
    world.pass(longestMs);
    world.links.asked(PEER, 10);
    expect([world.asks(), world.links.isUp(PEER)]).toEqual([[1, 2], true]);
    world.connections(2, 0);
    expect([world.closed, world.links.isUp(PEER)]).toEqual([1, false]);
  });

  it("are replaced by those that come up when the next are asked for, and by the next", () => {
    world.connections(1, 1);
    world.pass(pauseMs);
    world.links.asked(PEER, 10);
    world.grant();
    world.pass(LIMITS.bulkOpenTimeoutMs);
    world.links.asked(PEER, 10);
    expect(world.asks()).toEqual([1, 2, 3]);
    world.connections(2, 1);
    world.connections(1, 0);
    world.grant();
    world.connections(3, 1);
    world.connections(2, 0);
    expect([world.dials(), world.links.isUp(PEER)]).toEqual([[1, 2, 3], true]);
    world.connections(3, 0);
    expect([world.closed, world.links.isUp(PEER)]).toEqual([1, false]);
  });

  it("are asked for soon again when all have been up for long", () => {
    for (let number = 2; number < 5; number++) {
      world.connections(number - 1, 1);
      world.pass(pauseMs);
      world.links.asked(PEER, 10);
      expect(world.asks().at(-1)).toBe(number);
      world.grant();
      world.connections(number, 2);
      world.pass(longestMs + 1);
    }
  });

  it("count from the start where all were gone", () => {
    world.connections(1, 1);
    world.connections(1, 0);
    world.pass(longestMs);
    world.links.want(PEER);
    world.grant();
    world.connections(2, 1);
    world.links.asked(PEER, 10);
    expect(world.asks()).toEqual([1, 2]);
    world.pass(pauseMs);
    world.links.asked(PEER, 10);
    expect(world.asks()).toEqual([1, 2, 3]);
  });
});

describe("connections on which nothing comes", () => {
  it.each([100, 900, 2_000])("are given up, though something is asked every %s ms", (everyMs) => {
    const world = new World();
    world.links.want(PEER);
    world.grant();
    world.connections(1, 2);
    world.pass(60_000);
    world.links.look(new Set());
    const fromMs = world.nowMs;
    let lookedMs = fromMs;
    let requests = 0;
    while (world.links.isUp(PEER) && world.nowMs < fromMs + 30_000) {
      requests += 1;
      world.links.asked(PEER, requests);
      world.pass(everyMs);
      if (world.nowMs - lookedMs < LIMITS.bulkHeartbeatMs) continue;
      lookedMs = world.nowMs;
      world.links.look(new Set([PEER]));
    }
    expect(world.nowMs - fromMs).toBeGreaterThan(LIMITS.bulkStallMs);
    expect(world.nowMs - fromMs).toBeLessThanOrEqual(LIMITS.bulkStallMs + 2_000);
  });

  it("stay where the first is asked after a long silence, and where answers come", () => {
    const world = new World();
    world.links.want(PEER);
    world.grant();
    world.connections(1, 2);
    // The node was busy, so nobody has looked.
    world.pass(60_000);
    world.links.asked(PEER, 1);
    for (let i = 0; i < 10; i++) {
      world.links.look(new Set([PEER]));
      world.pass(LIMITS.bulkStallMs);
      world.links.answered(PEER);
    }
    expect(world.links.isUp(PEER)).toBe(true);
  });
});

describe("where a grant leads", () => {
  it.each([
    ["::1", "::1", true],
    ["::1", "2001:db8::1", false],
    ["::1", undefined, false],
    ["::1", "fe80::1", false],
    ["fe80::2", "fe80::1", true],
    ["fe80::2", "2001:db8::1", false],
    ["2001:db8::2", "2001:db8::1", true],
    ["2001:db8::2", undefined, true],
  ])("is %s with a session at %s: %s", (host, session, isDialled) => {
    const world = new World();
    world.remoteHost = session;
    world.links.want(PEER);
    world.grant(host);
    expect(world.dials()).toEqual(isDialled ? [1] : []);
    expect(world.refused).toEqual(isDialled ? [] : ["bulk.malformed"]);
  });
});
