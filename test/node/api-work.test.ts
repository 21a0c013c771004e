/** The work of answering, shared out among clients: turns of the event loop, and places. */
import { EventEmitter } from "node:events";
import type { FastifyRequest } from "fastify";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { utf8 } from "../../src/crypto/codec.ts";
import { fail } from "../../src/errors.ts";
import { LIMITS } from "../../src/limits.ts";
import { Work } from "../../src/node/api/work.ts";
import { createMetrics } from "../../src/node/metrics.ts";
import { createTestApi, encodedEvent, ManualTimers, type TestApi } from "./fake-ledger.ts";

const requestOf = (n: number, destroyed = false): FastifyRequest => {
  const socket = Object.assign(new EventEmitter(), {
    remoteAddress: `2001:db8:0:${n.toString(16)}::1`,
    destroyed,
  });
  return { raw: { socket } } as unknown as FastifyRequest;
};

const settle = async (): Promise<void> => {
  for (let i = 0; i < 20; i++) await new Promise((resume) => setImmediate(resume));
};

describe("turns", () => {
  it("are one a turn of the event loop, and clients take them one after the other", async () => {
    const work = new Work(new ManualTimers(), createMetrics());
    const got: string[] = [];
    let loops = 0;
    const count = (): void => {
      loops += 1;
      if (got.length < 7) setImmediate(count);
    };
    setImmediate(count);
    const take = async (client: string): Promise<void> => {
      await work.turn(client);
      got.push(`${client}${loops}`);
    };
    await Promise.all(["a", "a", "a", "a", "b", "b", "c"].map(take));
    const clients = got.map((one) => one[0]).join("");
    expect(clients).toBe("abcabaa");
    const at = got.map((one) => Number(one.slice(1)));
    expect(new Set(at).size).toBe(7);
  });
});

describe("places", () => {
  /** Jobs that last until they are told to end, by name. */
  const world = () => {
    const timers = new ManualTimers();
    const metrics = createMetrics();
    const work = new Work(timers, metrics);
    const begun: string[] = [];
    const ends = new Map<string, () => void>();
    const run = (n: number, name: string): Promise<string> =>
      work.run(requestOf(n), async () => {
        begun.push(name);
        await new Promise<void>((resolve) => ends.set(name, resolve));
        return name;
      });
    const end = async (name: string): Promise<void> => {
      ends.get(name)?.();
      await settle();
    };
    return { timers, metrics, work, begun, run, end };
  };

  it("are few for one client and more for all, and free ones go to clients in turn", async () => {
    const { work, begun, run, end } = world();
    const all: Promise<string>[] = [];
    for (let i = 0; i < LIMITS.httpClientWorkMax + 3; i++) all.push(run(0, `a${i}`));
    await settle();
    expect(begun).toEqual(["a0", "a1"]);
    for (let n = 1; begun.length < LIMITS.httpWorkMax; n++) {
      all.push(run(n, `n${n}`));
      await settle();
    }
    all.push(run(100, "late"));
    await settle();
    expect(begun).toHaveLength(LIMITS.httpWorkMax);
    expect(work.load).toEqual({ running: LIMITS.httpWorkMax, waiting: 4 });
    // The first client waits longest, but has its part still.
    await end("n1");
    expect(begun.at(-1)).toBe("late");
    await end("a0");
    expect(begun.at(-1)).toBe("a2");
    expect(work.load).toEqual({ running: LIMITS.httpWorkMax, waiting: 2 });
    for (const name of ["a1", "a2", "a3", "a4", "late"]) await end(name);
    for (let n = 2; n < 8; n++) await end(`n${n}`);
    await Promise.all(all);
    expect(work.load).toEqual({ running: 0, waiting: 0 });
  });

  it("are waited for so long and by so many, and by nobody when the node stops", async () => {
    const { timers, metrics, work, begun, run } = world();
    for (let i = 0; i < LIMITS.httpClientWorkMax; i++) void run(0, `a${i}`);
    const late = run(0, "late");
    expect(timers.fire(LIMITS.httpWorkWaitMs)).toBe(1);
    await expect(late).rejects.toMatchObject({ code: "node.overloaded" });
    expect(metrics.read("http_work_waiting")).toBe(0);
    const waiting = Array.from({ length: LIMITS.httpClientWaitersMax }, (_, i) => run(0, `w${i}`));
    await expect(run(0, "past")).rejects.toMatchObject({ code: "node.overloaded" });
    expect(work.load.waiting).toBe(LIMITS.httpClientWaitersMax);
    work.stop();
    const ended = await Promise.allSettled(waiting);
    for (const one of ended) {
      expect(one).toMatchObject({ status: "rejected", reason: { code: "node.stopping" } });
    }
    expect(work.load).toEqual({ running: LIMITS.httpClientWorkMax, waiting: 0 });
    expect(begun).toHaveLength(LIMITS.httpClientWorkMax);
    expect(timers.pending.size).toBe(0);
  });

  it("are waited for by nobody who has gone", async () => {
    const { timers, metrics, work, begun, run, end } = world();
    const first = run(0, "first");
    for (let i = 1; i < LIMITS.httpClientWorkMax; i++) void run(0, `a${i}`);
    const request = requestOf(0);
    const gone = work.run(request, () => Promise.resolve(begun.push("gone")));
    const before = work.run(requestOf(0, true), () => Promise.resolve(begun.push("before")));
    const stays = run(0, "stays");
    await expect(before).rejects.toMatchObject({ code: "http.timeout" });
    expect(work.load.waiting).toBe(2);
    request.raw.socket.emit("close");
    await expect(gone).rejects.toMatchObject({ code: "http.timeout" });
    expect(work.load.waiting).toBe(1);
    expect(metrics.read("http_work_waiting")).toBe(1);
    await end("first");
    await first;
    expect(begun.at(-1)).toBe("stays");
    await end("stays");
    await stays;
    expect(begun).not.toContain("gone");
    expect(timers.pending.size).toBe(0);
    expect(request.raw.socket.listenerCount("close")).toBe(0);
  });

  it("are given back by work that fails, and work for who has gone ends at its next turn", async () => {
    const work = new Work(new ManualTimers(), createMetrics());
    const broken = work.run(requestOf(1), () => Promise.reject(new Error("disk")));
    await expect(broken).rejects.toThrow("disk");
    let reached = false;
    const gone = work.run(requestOf(1, true), async (turn) => {
      await turn();
      reached = true;
    });
    await expect(gone).rejects.toMatchObject({ code: "http.timeout" });
    expect(reached).toBe(false);
    expect(work.load).toEqual({ running: 0, waiting: 0 });
  });
});

describe("a node that is asked for much at once", () => {
  let t: TestApi;
  beforeEach(() => {
    t = createTestApi();
  });
  afterEach(() => t.api.stop());

  const get = (url: string) =>
    t.api.app.inject({ method: "GET", url, headers: { host: "[::1]:8440" } });

  it("works on two pages of a client, and lets others wait and then come again", async () => {
    t.ledger.append(Array.from({ length: 9 }, () => encodedEvent("a.b.c", utf8("x"))));
    t.ledger.heldReads = [];
    const paths = ["/v1/events?type=zz.zz", "/v1/evidence", "/tlog/tile/entries/000.p/9"];
    const first = [get(paths[0] ?? ""), get(paths[1] ?? "")];
    await settle();
    expect(t.ledger.heldReads).toHaveLength(LIMITS.httpClientWorkMax);
    const others = [
      ...paths,
      "/v1/events/1?proof=true",
      "/v1/projections/records",
      "/v1/audit/blocks",
    ];
    const waiting = others.map(get);
    await settle();
    expect(t.ledger.heldReads).toHaveLength(LIMITS.httpClientWorkMax);
    expect(t.ledger.proofsAsked).toEqual([]);
    expect(t.metrics.read("http_work_waiting")).toBe(others.length);
    // What is no work is answered all the same.
    expect((await get("/v1/status")).statusCode).toBe(200);
    expect((await get("/v1/projections/records/x")).statusCode).toBe(404);
    t.timers.fire(LIMITS.httpWorkWaitMs);
    for (const refused of await Promise.all(waiting)) {
      expect(refused.statusCode).toBe(503);
      expect(refused.headers["retry-after"]).toBe("1");
      expect(refused.json()).toMatchObject({ code: "node.overloaded", retryable: true });
    }
    const held = t.ledger.heldReads;
    t.ledger.heldReads = undefined;
    for (const answer of held) answer();
    for (const one of await Promise.all(first)) expect(one.statusCode).toBe(200);
    expect((await get("/v1/events/1?proof=true")).statusCode).toBe(200);
    expect(t.metrics.read("http_work_waiting")).toBe(0);
  });

  it("tries a proof that is waited for once more, however many blocks come meanwhile", async () => {
    t.ledger.proof = fail("proof.pending", "not yet");
    const waiting = get("/v1/events/0?proof=true");
    await settle();
    const before = t.ledger.proofsAsked.length;
    for (let i = 0; i < 10; i++) t.ledger.append([]);
    await settle();
    expect(t.ledger.proofsAsked.length - before).toBe(2);
    t.timers.fire(LIMITS.httpProofWaitMs);
    expect((await waiting).json()).toMatchObject({ code: "proof.pending" });
  });
});
