/** Times and counts of a client, at their limits and past them. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ApiClient } from "../../src/client/api.ts";
import { objectsOf } from "../../src/client/objects/index.ts";
import { PoolClient } from "../../src/client/pool.ts";
import { rememberVerified } from "../../src/client/prover.ts";
import { pause, within } from "../../src/client/within.ts";
import { LIMITS } from "../../src/limits.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const BASE = "http://[::1]:1";

/** Rejects when its signal says so, and else never answers. */
const hangs = (_: string, init: RequestInit): Promise<Response> =>
  new Promise((_resolve, reject) => {
    init.signal?.addEventListener("abort", () => reject(new Error("aborted")));
  });

const outcome = (asked: Promise<unknown>): { value: string } => {
  const seen = { value: "waits" };
  asked.then(
    () => {
      seen.value = "ended";
    },
    (error: { readonly code?: string }) => {
      seen.value = error.code ?? "failed";
    },
  );
  return seen;
};

describe("a node that does not answer", () => {
  it("is waited for as long as a request may take", async () => {
    const seen = outcome(new PoolClient([BASE], { fetch: hangs }).get("/x"));
    await vi.advanceTimersByTimeAsync(LIMITS.clientRequestMsMax - 1);
    expect(seen.value).toBe("waits");
    await vi.advanceTimersByTimeAsync(1);
    expect(seen.value).toBe("cli.unreachable");
  });

  it("is given the time that it was asked to wait on top of that", async () => {
    const client = new PoolClient([BASE], { fetch: hangs });
    const seen = outcome(client.submit(new Uint8Array(1), "committed", undefined, 7_000));
    await vi.advanceTimersByTimeAsync(LIMITS.clientRequestMsMax + 7_000 - 1);
    expect(seen.value).toBe("waits");
    await vi.advanceTimersByTimeAsync(1);
    expect(seen.value).toBe("cli.unreachable");
  });
});

describe("a chunk of an object", () => {
  it("has clientChunkMsMax to come, on top of the time that the node may wait for it", async () => {
    const objects = objectsOf(new PoolClient([BASE], { fetch: hangs }), undefined);
    const seen = outcome(objects.describe("ab".repeat(32), { patienceMs: 600_000 }));
    await vi.advanceTimersByTimeAsync(LIMITS.httpWaitMsMax + LIMITS.clientChunkMsMax - 1);
    expect(seen.value).toBe("waits");
    await vi.advanceTimersByTimeAsync(1);
    expect(seen.value).toBe("cli.unreachable");
  });

  it("is not waited for beyond the end of patience, but for the way of an answer", async () => {
    const objects = objectsOf(new PoolClient([BASE], { fetch: hangs }), undefined);
    const seen = outcome(objects.describe("ab".repeat(32), { patienceMs: 7_000 }));
    await vi.advanceTimersByTimeAsync(9_000 - 1);
    expect(seen.value).toBe("waits");
    await vi.advanceTimersByTimeAsync(1);
    expect(seen.value).toBe("cli.unreachable");
  });
});

describe("a stream", () => {
  it("is left when it is silent for longer than heartbeats allow, and not before", async () => {
    let send: (text: string) => void = () => undefined;
    const fetch = async (_: string, init: RequestInit): Promise<Response> => {
      const body = new ReadableStream<Uint8Array>({
        start(controller) {
          send = (text) => controller.enqueue(new TextEncoder().encode(text));
          init.signal?.addEventListener("abort", () => controller.error(new Error("aborted")));
        },
      });
      return new Response(body);
    };
    const ids: string[] = [];
    const reading = (async () => {
      const client = new ApiClient(BASE, { fetch });
      for await (const { id } of client.stream({}, "", new AbortController().signal)) ids.push(id);
    })();
    const seen = outcome(reading);
    await vi.advanceTimersByTimeAsync(0);
    for (let i = 0; i < 3; i++) {
      await vi.advanceTimersByTimeAsync(LIMITS.clientSilenceMsMax - 1);
      send(i === 1 ? "id: 1\ndata: x\n\n" : ": heartbeat\n\n");
      await vi.advanceTimersByTimeAsync(0);
      expect(seen.value).toBe("waits");
    }
    expect(ids).toEqual(["1"]);
    await vi.advanceTimersByTimeAsync(LIMITS.clientSilenceMsMax);
    expect(seen.value).toBe("cli.unreachable");
  });

  it("outlives heartbeats that come as often as nodes send them", () => {
    expect(LIMITS.clientSilenceMsMax).toBeGreaterThan(2 * LIMITS.httpHeartbeatMs);
  });
});

describe("signatures that have verified", () => {
  const sign = (n: number) =>
    [new Uint8Array([n, n >> 8]), new Uint8Array(1), new Uint8Array(1)] as const;

  it("are not verified again, up to so many", () => {
    const verify = vi.fn(() => true);
    const remembering = rememberVerified(verify);
    for (let n = 0; n < LIMITS.clientVerifiedSignatures; n++) remembering(...sign(n));
    expect(remembering(...sign(0))).toBe(true);
    expect(verify).toHaveBeenCalledTimes(LIMITS.clientVerifiedSignatures);
    remembering(...sign(LIMITS.clientVerifiedSignatures));
    remembering(...sign(0));
    expect(verify).toHaveBeenCalledTimes(LIMITS.clientVerifiedSignatures + 2);
  });

  it("are remembered only when they have", () => {
    const verify = vi.fn(() => false);
    const remembering = rememberVerified(verify);
    expect([remembering(...sign(1)), remembering(...sign(1))]).toEqual([false, false]);
    expect(verify).toHaveBeenCalledTimes(2);
  });
});

describe("waiting", () => {
  it("ends with the caller's signal, with its reason", async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    const asked = within<unknown>(
      controller.signal,
      1_000,
      (signal) => hangs("", { signal }),
      () => "late",
    );
    const refused = expect(asked).rejects.toBe(reason);
    const paused = pause(1_000, controller.signal);
    controller.abort(reason);
    await Promise.all([refused, paused]);
    expect(vi.getTimerCount()).toBe(0);
    await expect(
      within(
        controller.signal,
        1,
        async () => 1,
        () => 2,
      ),
    ).rejects.toBe(reason);
    await pause(1_000, controller.signal);
  });

  it("has what was asked for to say when it is over", async () => {
    const asked = within<unknown>(
      undefined,
      1_000,
      (signal) => hangs("", { signal }),
      () => "late",
    );
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await asked).toBe("late");
  });
});
