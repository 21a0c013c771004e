/**
 * What clients write, over sockets, at every limit that decides about it and on both sides: the batch routes
 * with the decoder of the product behind them, and the requests for certificates.
 */
import { Agent, request } from "node:http";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CERTIFICATES, certificateRequested, issuerKey } from "../../src/ca/index.ts";
import { createHasher } from "../../src/crypto/hash.ts";
import { ERRORS, type ErrorCode, ok } from "../../src/errors.ts";
import { BATCH_CORE_BYTES, decodeBatch } from "../../src/ledger/batch.ts";
import { encodeEvent } from "../../src/ledger/event.ts";
import { eventsRoot } from "../../src/ledger/event-hashes.ts";
import type { EncodedEvent } from "../../src/ledger/types.ts";
import { LIMITS } from "../../src/limits.ts";
import { csrOf, issuerId } from "../ca/support.ts";
import { putOf } from "../golden/fixtures.ts";
import { rawBatch } from "../ledger/raw-batch.ts";
import { createTestApi, HASH, type TestApi } from "./fake-ledger.ts";

const hasher = createHasher("fake-1");
const agent = new Agent({ keepAlive: true, maxSockets: 2 });

let t: TestApi;
let port: number;
let late: NodeJS.Timeout;

beforeAll(async () => {
  t = createTestApi();
  // As a replica does first; what it makes of the rest needs a chain (test/ledger/replica).
  t.ledger.answer = (bytes) => {
    const batch = decodeBatch(hasher, bytes);
    return batch.ok ? ok({ batchId: HASH, level: "accepted" }) : batch;
  };
  t.ledger.rowsByName.set(CERTIFICATES, [[issuerKey(issuerId), new Uint8Array(1)]]);
  port = (await t.api.listen({ host: "::1", port: 0 })).port;
  // What waits for a millisecond waits no longer.
  late = setInterval(() => t.timers.fire(1), 2);
});
afterAll(async () => {
  clearInterval(late);
  agent.destroy();
  await t.api.stop();
});

type Answer = { readonly status: number; readonly code: string };

/** How a body is sent: with its length, in chunks, or not at all after its length. */
type Sending = "whole" | "chunked" | "announced";

const post = (path: string, body: Uint8Array, sending: Sending = "whole"): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const length = sending === "chunked" ? {} : { "content-length": String(body.length) };
    const headers = { host: "[::1]", "content-type": "application/octet-stream", ...length };
    const asked = request({ host: "::1", port, method: "POST", path, agent, headers }, (answer) => {
      const pieces: Buffer[] = [];
      answer.on("data", (piece: Buffer) => pieces.push(piece));
      answer.on("end", () => {
        const value = JSON.parse(Buffer.concat(pieces).toString()) as { code?: string };
        resolve({ status: answer.statusCode ?? 0, code: value.code ?? "ok" });
        if (sending === "announced") asked.destroy();
      });
    });
    asked.on("error", reject);
    if (sending === "announced") asked.flushHeaders();
    else asked.end(body);
  });

const sized = (length: number): EncodedEvent => {
  const empty = encodeEvent("test.any", 1, new Uint8Array(0));
  return encodeEvent("test.any", 1, new Uint8Array(length - empty.bytes.length));
};

/** An event of a length that the product does not make. */
const tooLong = (length: number): EncodedEvent => ({ ...putOf(1), bytes: new Uint8Array(length) });

const eventOf = (length: number): EncodedEvent =>
  length > LIMITS.eventBytesMax ? tooLong(length) : sized(length);

const batchOf = (events: readonly EncodedEvent[]): Uint8Array =>
  rawBatch({
    hasher,
    events: events.map(({ bytes }) => bytes),
    root: eventsRoot(hasher, events),
  });

/** One envelope of so many bytes. */
const batchOfBytes = (length: number): Uint8Array => {
  const full = new Array<EncodedEvent>(17).fill(sized(LIMITS.eventBytesMax));
  return batchOf([...full, sized(length - batchOf(full).length - 4)]);
};

type Edge = {
  readonly name: string;
  /** The greatest that is taken. */
  readonly most: number;
  readonly body: (value: number) => Uint8Array;
  readonly past: ErrorCode;
};

const EDGES: readonly Edge[] = [
  {
    name: "batchEventsMax",
    most: LIMITS.batchEventsMax,
    body: (count) => batchOf(new Array<EncodedEvent>(count).fill(putOf(1))),
    past: "batch.too-many-events",
  },
  {
    name: "eventBytesMax",
    most: LIMITS.eventBytesMax,
    body: (length) => batchOf([eventOf(length)]),
    past: "batch.event-too-large",
  },
  {
    name: "batchBytesMax",
    most: LIMITS.batchBytesMax,
    body: batchOfBytes,
    past: "batch.too-large",
  },
];

/** On both sides of a limit, near it. */
const near = fc.integer({ min: -4, max: 4 });

describe("POST /v1/batches", () => {
  it.each(EDGES)("takes up to $name and nothing past it", async ({ most, body, past }) => {
    await fc.assert(
      fc.asyncProperty(near, fc.constantFrom("whole", "chunked"), async (offset, sending) => {
        const code = offset > 0 ? past : "ok";
        const status = offset > 0 ? ERRORS[past].status : 202;
        expect(await post("/v1/batches", body(most + offset), sending)).toEqual({ status, code });
      }),
      {
        numRuns: 12,
        examples: [
          [0, "whole"],
          [1, "whole"],
          [0, "chunked"],
          [1, "chunked"],
        ],
      },
    );
  });

  it("reads bodies up to httpBodyBytesMax, and no more of one that is longer", async () => {
    await fc.assert(
      fc.asyncProperty(near, async (offset) => {
        const body = new Uint8Array(LIMITS.httpBodyBytesMax + offset);
        const [code, sending] =
          offset > 0
            ? (["http.body-too-large", "announced"] as const)
            : (["batch.too-large", "whole"] as const);
        expect(await post("/v1/batches", body, sending)).toEqual({ status: 413, code });
      }),
      { numRuns: 8, examples: [[0], [1]] },
    );
  });

  it("waits from 1 ms to httpWaitMsMax", async () => {
    const body = batchOf([putOf(1)]);
    for (const waitMs of [1, LIMITS.httpWaitMsMax]) {
      expect((await post(`/v1/batches?waitMs=${waitMs}`, body)).status).toBe(202);
    }
    for (const waitMs of [0, LIMITS.httpWaitMsMax + 1, -1, 1.5]) {
      const answer = await post(`/v1/batches?waitMs=${waitMs}`, body);
      expect(answer).toEqual({ status: 400, code: "http.bad-parameter" });
    }
  });

  it("refuses every batch that was cut short or has bytes behind its end, and goes on", async () => {
    const whole = batchOf([putOf(1), putOf(2)]);
    const cuts = fc.oneof(fc.nat(whole.length - 1), fc.constantFrom(0, BATCH_CORE_BYTES));
    await fc.assert(
      fc.asyncProperty(cuts, fc.uint8Array({ minLength: 1, maxLength: 40 }), async (at, more) => {
        for (const body of [whole.slice(0, at), Uint8Array.of(...whole, ...more)]) {
          expect((await post("/v1/batches", body)).code).toBe("encoding.malformed");
        }
      }),
      { numRuns: 40 },
    );
    expect((await post("/v1/batches", whole)).status).toBe(202);
  });
});

describe("POST /ca/v1/certificates", () => {
  type Terms = { csr?: Uint8Array; lifetimeSeconds?: number; profile?: string };
  const csr = csrOf({ names: "DNS:a.example.org" });

  /** A batch that asks on these terms. */
  const asking = ({ csr: der = csr, lifetimeSeconds = 3600, profile = "server" }: Terms) =>
    batchOf([
      certificateRequested.encode({ issuer: issuerId, profile, lifetimeSeconds, csr: der }),
    ]);

  /** What the answer is; http.timeout of what was right, since nobody issues here. */
  const codeOf = async (body: Uint8Array): Promise<string> =>
    (await post("/ca/v1/certificates?waitMs=1", body)).code;

  it("takes lifetimes of caLifetimeS and none outside", async () => {
    const [least, most] = LIMITS.caLifetimeS;
    const range = fc.constantFrom(least, most).chain((edge) => near.map((by) => edge + by));
    await fc.assert(
      fc.asyncProperty(range, async (lifetimeSeconds) => {
        const isIn = lifetimeSeconds >= least && lifetimeSeconds <= most;
        expect(await codeOf(asking({ lifetimeSeconds }))).toBe(
          isIn ? "http.timeout" : "ca.lifetime",
        );
      }),
      { numRuns: 16, examples: [[least], [least - 1], [most], [most + 1]] },
    );
  });

  it("takes caNamesMax names and no more, and the profiles that there are", async () => {
    const names = (count: number): string =>
      Array.from({ length: count }, (_, i) => `DNS:n${i}.example.org`).join(",");
    const most = csrOf({ names: names(LIMITS.caNamesMax) });
    expect(await codeOf(asking({ csr: most }))).toBe("http.timeout");
    const past = csrOf({ names: names(LIMITS.caNamesMax + 1) });
    expect(await codeOf(asking({ csr: past }))).toBe("ca.names-too-many");
    expect(await codeOf(asking({ profile: "peer" }))).toBe("http.timeout");
    const longest = "a".repeat(LIMITS.caProfileBytesMax);
    expect(await codeOf(asking({ profile: longest }))).toBe("ca.profile-unknown");
    expect(() => asking({ profile: `${longest}a` })).toThrow(RangeError);
  });

  it("reads requests of caCsrBytesMax and none that is longer, and no batch that holds more", async () => {
    const most = new Uint8Array(LIMITS.caCsrBytesMax);
    expect(await codeOf(asking({ csr: most }))).toBe("ca.csr-malformed");
    expect(() => asking({ csr: new Uint8Array(LIMITS.caCsrBytesMax + 1) })).toThrow(RangeError);
    for (const events of [[sized(LIMITS.caCsrBytesMax + 4096)], [putOf(1)], [putOf(1), putOf(2)]]) {
      expect(await codeOf(batchOf(events))).toBe("ca.request-shape");
    }
  });

  it("gives a code of the table to every request that was changed anywhere", async () => {
    const whole = asking({});
    await fc.assert(
      fc.asyncProperty(
        fc.nat(whole.length - 1),
        fc.integer({ min: 1, max: 255 }),
        async (at, by) => {
          const body = whole.slice();
          body[at] = (body[at] ?? 0) ^ by;
          const code = await codeOf(body);
          expect(code in ERRORS && code !== "internal", code).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });
});
