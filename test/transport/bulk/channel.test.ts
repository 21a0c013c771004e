/** Bulk between members with real sessions and real workers: which way it goes, and what becomes of faults. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LIMITS } from "../../../src/limits.ts";
import { realClock } from "../../../src/node/real-ports.ts";
import { needsReactor } from "../reactor-here.ts";
import { until } from "../support.ts";
import {
  type BulkMember,
  type BulkNetwork,
  chunkName,
  chunkOf,
  type MemberOptions,
  makeBulkNetwork,
  untilUp,
} from "./support.ts";

let network: BulkNetwork | undefined;
afterEach(async () => {
  await network?.dispose();
  network = undefined;
});

/** Far above what a test takes: one start of a worker may alone take bulkStartTimeoutMs. */
const LIMIT_MS = 300_000;

const openPair = async (
  own: readonly MemberOptions[] = [],
): Promise<readonly [BulkMember, BulkMember]> => {
  network = await makeBulkNetwork(2, own);
  const [a, b] = network.members;
  if (a === undefined || b === undefined) throw new RangeError("two members");
  return [a, b];
};

const expected = (index: number): Buffer => Buffer.concat([Uint8Array.of(7), chunkOf(index)]);

/** Chunks one after the other, with a few on their way; the ways that they came. */
const fetchAll = async (
  from: BulkMember,
  to: BulkMember,
  count: number,
  onChunk: (index: number) => void = () => {},
): Promise<readonly string[]> => {
  const paths: string[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    for (let index = next++; index < count; index = next++) {
      const answer = await from.channel.request(to.id, chunkName(index), 60_000);
      if (!answer.ok) throw new Error(`${answer.code} ${answer.detail}`);
      if (!expected(index).equals(answer.value.bytes)) throw new Error(`chunk ${index} differs`);
      paths.push(answer.value.path);
      onChunk(index);
    }
  };
  await Promise.all(Array.from({ length: 4 }, work));
  return paths;
};

/** How long a grant counts in the test of its end. */
const GRANT_MS = 4_000;

const ROUNDS = 3;

/**
 * Why a connection may be turned away where a machine takes seconds for a handshake, while a grant lasts four and there
 * is another each second. Whoever says something wrong is ended for something else.
 */
const OF_SLOWNESS: readonly unknown[] = [
  "a certificate that is not granted",
  "a handshake that is not completed",
  "too many connections of one peer",
];

/**
 * Fetches until a whole round has come over connections of the driver. A machine that keeps a worker waiting for
 * bulkStallMs has its connection given up, and what was on its way comes over the session, as it has to: that is no
 * fault of the driver unless it is so in every round.
 */
const fetchOver = async (
  from: BulkMember,
  to: BulkMember,
  driver: string,
  count: number,
): Promise<void> => {
  for (let round = 1; round <= ROUNDS; round++) {
    await untilUp(from, to.id);
    const ways = new Set(await fetchAll(from, to, count));
    expect([driver, "session"]).toEqual(expect.arrayContaining([...ways]));
    if (!ways.has("session")) return;
  }
  expect.fail(`in ${ROUNDS} rounds something came over the session: ${JSON.stringify(from.logs)}`);
};

describe("bulk between two members", () => {
  beforeEach(needsReactor);

  it("goes over the session at first, and over connections of the driver that was chosen", async () => {
    const [a, b] = await openPair();
    const first = await a.channel.request(b.id, chunkName(1), 20_000);
    expect(first).toMatchObject({ ok: true, value: { path: "session" } });
    await untilUp(a, b.id);
    const second = await a.channel.request(b.id, chunkName(2), 20_000);
    expect(second).toMatchObject({ ok: true, value: { path: "reactor" } });
    if (second.ok) expect(expected(2).equals(second.value.bytes)).toBe(true);
    const line = a.logs.find(({ message }) => message === "driver for bulk");
    expect(line?.fields).toMatchObject({
      driver: "reactor",
      setting: "auto",
      reason: expect.stringContaining("reactor carried bytes over [::1]"),
    });
    expect(await a.channel.request(b.id, Buffer.from("none"), 20_000)).toMatchObject({
      ok: false,
      code: "bulk.not-found",
    });
  }, 60_000);

  it.each(["quiche", "reactor"] as const)(
    "understands the other driver, here %s",
    async (driver) => {
      const other = driver === "quiche" ? "reactor" : "quiche";
      const [a, b] = await openPair([
        { setting: driver, connections: 4 },
        { setting: other, connections: 1 },
      ]);
      await fetchOver(a, b, driver, 12);
      await fetchOver(b, a, other, 12);
    },
    LIMIT_MS,
  );

  it.each(["asks", "is asked"] as const)(
    "ends a transfer over the session, with the same bytes, when the worker of who %s is killed",
    async (whose) => {
      const [a, b] = await openPair();
      await untilUp(a, b.id);
      const killed = whose === "asks" ? a : b;
      const pid = killed.pid();
      const paths = await fetchAll(a, b, 40, (index) => {
        if (index === 5) process.kill(pid, "SIGKILL");
      });
      expect(new Set(paths)).toEqual(new Set(["reactor", "session"]));
      expect(killed.logs.some(({ message }) => message.includes("its worker has ended"))).toBe(
        true,
      );
      // And back again, with another worker.
      await until(
        () => killed.logs.filter(({ message }) => message === "a bulk worker listens").length < 3,
        "few workers",
      );
      await untilUp(a, b.id);
      expect(killed.pid()).not.toBe(pid);
      await fetchOver(a, b, "reactor", 4);
    },
    LIMIT_MS,
  );

  it.each(["asks", "is asked"] as const)(
    "ends a transfer over the session when the worker of who %s stands still",
    async (whose) => {
      const [a, b] = await openPair();
      await untilUp(a, b.id);
      const pid = (whose === "asks" ? a : b).pid();
      const paths = await fetchAll(a, b, 40, (index) => {
        if (index === 5) process.kill(pid, "SIGSTOP");
      });
      expect(new Set(paths)).toEqual(new Set(["reactor", "session"]));
      await fetchOver(a, b, "reactor", 4);
    },
    LIMIT_MS,
  );

  it.each(["quiche", "reactor"] as const)(
    "goes over connections of %s for longer than any grant, and none of it over the session",
    async (setting) => {
      let aheadMs = 0;
      const asks = { ...realClock, monotonicMs: () => realClock.monotonicMs() + aheadMs };
      // What this one grants has run out by the clock of its worker a few seconds later.
      const grants = { ...realClock, wallMs: () => Date.now() - LIMITS.bulkGrantMs + GRANT_MS };
      const [a, b] = await openPair([
        { setting, clock: asks },
        { setting, clock: grants },
      ]);
      const carry = async (): Promise<ReadonlySet<string>> => {
        await untilUp(a, b.id);
        const ways = new Set<string>();
        const endMs = Date.now() + 3 * GRANT_MS;
        for (let renewMs = 0; Date.now() < endMs; ) {
          if (Date.now() >= renewMs) {
            renewMs = Date.now() + GRANT_MS / 4;
            aheadMs += LIMITS.bulkRenewMs;
          }
          for (const way of await fetchAll(a, b, 4)) ways.add(way);
        }
        return ways;
      };
      // As in fetchOver: what a slow machine does is not so in every round.
      for (let round = 1; (await carry()).has("session"); round++)
        expect(round).toBeLessThan(ROUNDS);
      const renewals = a.logs.filter(({ message }) => message === "bulk connections are renewed");
      expect(renewals.length).toBeGreaterThanOrEqual(3);
      const away = b.logs.filter(({ message }) => message === "bulk turned somebody away");
      expect(OF_SLOWNESS).toEqual(
        expect.arrayContaining(away.map(({ fields }) => fields?.["detail"])),
      );
    },
    LIMIT_MS,
  );
});

describe("requests", () => {
  it("have names and a number, at the limit and past it", async () => {
    const [a, b] = await openPair();
    const longest = new Uint8Array(LIMITS.bulkNameBytesMax).fill(1);
    expect(await a.channel.request(b.id, longest, 20_000)).toMatchObject({
      code: "bulk.not-found",
    });
    for (const name of [new Uint8Array(0), new Uint8Array(LIMITS.bulkNameBytesMax + 1)]) {
      expect(await a.channel.request(b.id, name, 20_000)).toMatchObject({
        code: "bulk.malformed",
      });
    }
    expect(await a.channel.request("00".repeat(32), longest, 20_000)).toMatchObject({
      code: "bulk.unreachable",
    });
    b.channel.serve(() => new Promise(() => {}));
    const open = Array.from({ length: LIMITS.bulkRequestsPerPeerMax }, () =>
      a.channel.request(b.id, longest, 1_000),
    );
    expect(await a.channel.request(b.id, longest, 20_000)).toMatchObject({
      code: "node.overloaded",
    });
    const codes = (await Promise.all(open)).map((answer) => (answer.ok ? "ok" : answer.code));
    // What is over the number that one member is served at a time is told so, the others wait in vain.
    expect(new Set(codes)).toEqual(new Set(["bulk.timeout", "node.overloaded"]));
    expect(codes.filter((code) => code === "bulk.timeout")).toHaveLength(
      LIMITS.bulkServedPerPeerMax,
    );
  }, 60_000);

  it("take answers of the largest size on either way, and none over it", async (context) => {
    needsReactor(context);
    const [a, b] = await openPair();
    const sized = (bytes: number) => async () => ({ head: new Uint8Array(bytes), file: undefined });
    for (let round = 0; round < 2; round++) {
      b.channel.serve(sized(LIMITS.bulkAnswerBytesMax));
      const answer = await a.channel.request(b.id, chunkName(1), 20_000);
      expect(answer).toMatchObject({
        ok: true,
        value: { path: round === 0 ? "session" : "reactor" },
      });
      if (answer.ok) expect(answer.value.bytes.length).toBe(LIMITS.bulkAnswerBytesMax);
      b.channel.serve(sized(LIMITS.bulkAnswerBytesMax + 1));
      expect(await a.channel.request(b.id, chunkName(1), 20_000)).toMatchObject({
        code: "bulk.not-found",
      });
      await untilUp(a, b.id);
    }
  }, 60_000);

  it("can be given up, and end with the session", async () => {
    const [a, b] = await openPair();
    b.channel.serve(() => new Promise(() => {}));
    const aborting = new AbortController();
    const given = a.channel.request(b.id, chunkName(1), 20_000, aborting.signal);
    const ended = a.channel.request(b.id, chunkName(1), 20_000);
    aborting.abort();
    expect(await given).toMatchObject({ code: "bulk.timeout" });
    b.transport.disconnect(a.id, { code: "closed", detail: "a test" });
    expect(await ended).toMatchObject({ code: "bulk.unreachable" });
  }, 60_000);
});
