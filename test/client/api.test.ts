import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { ApiClient } from "../../src/client/api.ts";
import type { Fetch } from "../../src/client/http.ts";
import { TetradError } from "../../src/errors.ts";
import { LIMITS } from "../../src/limits.ts";
import { json, problem, serve, type TestServer } from "./support.ts";

let server: TestServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

/** A client of an answer that is made here: no socket. */
const answering = (
  body: string | ReadableStream<Uint8Array> | null,
  init: ResponseInit = {},
): ApiClient => {
  const fetch: Fetch = async () => new Response(body, init);
  return new ApiClient("http://[::1]:1", { fetch });
};

const bytesOf = (length: number): ReadableStream<Uint8Array> => {
  let left = length;
  return new ReadableStream({
    pull(controller) {
      if (left <= 0) return controller.close();
      const piece = new Uint8Array(Math.min(left, 1 << 20)).fill(0x20);
      left -= piece.length;
      controller.enqueue(piece);
    },
  });
};

describe("the verdicts of a client", () => {
  it.each([
    "trust.inconsistent",
    "proof.invalid",
    "client.bad-answer",
    "folder.foreign",
    "key.invalid",
  ])("%s is none that a node can give", async (code) => {
    const body = JSON.stringify({ code, detail: "validators have signed two histories" });
    const init = { status: 409, headers: { "content-type": "application/problem+json" } };
    const told = await answering(body, init)
      .get("/x")
      .catch((error: unknown) => error);
    expect(told).toMatchObject({ code: "client.bad-answer" });
    expect(String(told)).not.toContain("two histories");
  });
});

describe("the answers of a node", () => {
  it("are read up to their limit and no further", async () => {
    const text = `{"a":1${" ".repeat(LIMITS.clientAnswerBytesMax - 7)}}`;
    expect(await answering(text).get("/x")).toEqual({ a: 1 });
    const over = answering(bytesOf(LIMITS.clientAnswerBytesMax + 1)).get("/x");
    await expect(over).rejects.toMatchObject({ code: "client.bad-answer" });
  });

  it("are errors of the table whatever they hold, and never crash the reader", async () => {
    const values = fc.oneof(
      fc.json(),
      fc.string(),
      fc.uint8Array().map((bytes) => Buffer.from(bytes).toString("latin1")),
      fc.constantFrom('{"items":1}', '{"__proto__":{"x":1}}', "[".repeat(100_000)),
    );
    const calls = fc.constantFrom("status", "lane", "submit", "items", "get");
    await fc.assert(
      fc.asyncProperty(
        values,
        fc.integer({ min: 200, max: 599 }),
        calls,
        async (text, status, call) => {
          const isEmpty = status === 204 || status === 205 || status === 304;
          const client = answering(isEmpty ? null : text, { status });
          try {
            if (call === "status") await client.status();
            else if (call === "lane") await client.lane("00");
            else if (call === "submit") await client.submit(new Uint8Array(1), "committed");
            else if (call === "get") await client.get("/x");
            else for await (const _ of client.items("/x", {}, 10)) break;
          } catch (error) {
            expect(error).toBeInstanceOf(TetradError);
          }
        },
      ),
      { numRuns: 500 },
    );
    expect(Object.prototype).not.toHaveProperty("x");
  });

  it("keep the code and the details of a problem", async () => {
    const body = { code: "http.bad-cursor", detail: "gone", data: { first: 7, deep: { x: 1 } } };
    const client = answering(JSON.stringify(body), { status: 400 });
    await expect(client.get("/x")).rejects.toMatchObject({
      code: "http.bad-cursor",
      message: "gone",
      data: { first: 7 },
    });
  });

  it("do not lead a reader of pages in a wider circle, nor through empty pages for ever", async () => {
    const reading = async (pageOf: (n: number) => object): Promise<number> => {
      let asked = 0;
      const fetch: Fetch = async () => {
        asked += 1;
        return new Response(JSON.stringify({ more: true, ...pageOf(asked) }));
      };
      const client = new ApiClient("http://[::1]:1", { fetch });
      const read = async (): Promise<void> => {
        for await (const _ of client.items("/x", {}, 1e9)) if (asked > 1e5) return;
      };
      await expect(read()).rejects.toMatchObject({ code: "client.bad-answer" });
      return asked;
    };
    for (const circle of [2, 3, 10]) {
      const asked = await reading((n) => ({ items: [n], next: `p${n % circle}` }));
      expect(asked).toBeLessThan(4 * circle + 4);
    }
    const most = LIMITS.clientEmptyPagesMax;
    expect(await reading((n) => ({ items: [], next: `p${n}` }))).toBe(most + 1);
    // One item is enough to go on, and as many empty pages as may be.
    const asked = await reading((n) => ({ items: n === most + 1 ? [1] : [], next: `p${n}` }));
    expect(asked).toBe(2 * most + 2);
  });

  it("do not lead a reader of pages in a circle", async () => {
    const page = JSON.stringify({ items: [1], next: "same", more: true });
    const client = answering(page);
    const fetch: Fetch = async () => new Response(page);
    const seen: unknown[] = [];
    const read = async (): Promise<void> => {
      for await (const item of new ApiClient(client.base, { fetch }).items("/x", {}, 100)) {
        seen.push(item);
      }
    };
    await expect(read()).rejects.toMatchObject({ code: "client.bad-answer" });
    expect(seen).toEqual([1, 1]);
  });

  it("must be of the chain that was asked for", async () => {
    server = await serve((_, response) => json(response, { ok: true }));
    const ours = new ApiClient(server.base, { genesisHash: "aa" });
    expect(await ours.get("/x")).toEqual({ ok: true });
    const other = new ApiClient(server.base, { genesisHash: "bb" });
    await expect(other.get("/x")).rejects.toMatchObject({ code: "folder.foreign" });
  });
});

describe("asking", () => {
  it("ends with the caller's signal, whatever the node does", async () => {
    server = await serve(() => undefined);
    const controller = new AbortController();
    const asked = new ApiClient(server.base).get("/x", {}, controller.signal);
    const reason = new Error("enough");
    setTimeout(() => controller.abort(reason), 20);
    await expect(asked).rejects.toBe(reason);
  });

  it("says who does not answer", async () => {
    server = await serve((_, response) => problem(response, 404, "http.not-found"));
    const { base } = server;
    await server.close();
    server = undefined;
    const asked = new ApiClient(base).get("/x");
    await expect(asked).rejects.toMatchObject({ code: "cli.unreachable" });
    await expect(asked).rejects.toThrow(base);
  });
});

describe("a stream", () => {
  const stream = async (text: string): Promise<string[]> => {
    const ids: string[] = [];
    const { signal } = new AbortController();
    for await (const { id } of answering(text).stream({}, "", signal)) ids.push(id);
    return ids;
  };

  it("gives its messages until the node ends it", async () => {
    expect(await stream("id: 1\ndata: a\n\nid: 2\ndata: b\n\nid: 3\ndata: c")).toEqual(["1", "2"]);
  });

  it("is refused when a message is over the limit, in one line or in lines of nothing", async () => {
    const bad = { code: "client.bad-answer" };
    const long = `data: ${"x".repeat(LIMITS.clientMessageCharactersMax)}`;
    await expect(stream(long)).rejects.toMatchObject(bad);
    const empty = "data:\n".repeat(LIMITS.clientMessageCharactersMax + 1);
    await expect(stream(empty)).rejects.toMatchObject(bad);
    await expect(stream("{}")).resolves.toEqual([]);
  });
});

describe("bytes", () => {
  it("are never taken from a cache, or kept in one: wrong ones would stay wrong", async () => {
    const modes: (string | undefined)[] = [];
    const fetch: Fetch = async (_url, init) => {
      modes.push(init?.cache);
      return new Response(Uint8Array.of(7));
    };
    const client = new ApiClient("http://[::1]:1", { fetch });
    expect(await client.bytes("/v1/objects/x/chunks/0", {}, 1)).toEqual(Uint8Array.of(7));
    expect(modes).toEqual(["no-store"]);
  });
});
