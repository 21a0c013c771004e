/**
 * What a connection for bulk does when more is asked over it than it has streams: the dialler and the listener of
 * workers over real endpoints of both drivers, with as many streams as workers have.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { toHex } from "../../../src/crypto/bytes.ts";
import { sha256 } from "../../../src/crypto/hash.ts";
import { LIMITS } from "../../../src/limits.ts";
import { realClock, realTimers } from "../../../src/node/real-ports.ts";
import { createAuthority, createLeafKey } from "../../../src/transport/authority.ts";
import { BulkDialler } from "../../../src/transport/bulk/dialler.ts";
import { BulkListener } from "../../../src/transport/bulk/listener.ts";
import type { QuicEndpoint, QuicEndpointOptions } from "../../../src/transport/quic-endpoint.ts";
import { QuicheEndpoint } from "../../../src/transport/quiche-endpoint.ts";
import { ReactorEndpoint } from "../../../src/transport/reactor-endpoint.ts";
import { pemOf } from "../../../src/transport/x509.ts";
import { endpointClosed, endpointOptions, WINDOWS } from "../quic-support.ts";
import { needsReactor } from "../reactor-here.ts";
import { sleep, until } from "../support.ts";

const STREAMS = LIMITS.bulkRequestsPerConnectionMax;
const PEER = "aa".repeat(32);
const NAME = "listener.bulk.test.invalid";

const binders = {
  quiche: (options: QuicEndpointOptions): Promise<QuicEndpoint> => QuicheEndpoint.bind(options),
  reactor: (options: QuicEndpointOptions): Promise<QuicEndpoint> => ReactorEndpoint.bind(options),
};
type Driver = keyof typeof binders;

const open: QuicEndpoint[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map(endpointClosed));
});

/** A dialler with so many connections to a listener that answers when it is told to. */
class Pair {
  readonly answers = new Map<number, string>();
  /** Names that the listener was asked for, in order. */
  readonly asked: string[] = [];
  readonly refused: string[] = [];
  readonly told: number[] = [];
  readonly dialler: BulkDialler;
  readonly listener: BulkListener;
  /** While false answers wait. */
  #isAnswering = false;
  #held: number[] = [];
  #nextId = 1;

  private constructor(outward: QuicEndpoint) {
    this.listener = new BulkListener({
      ...{ folder: "/nonexistent", timers: realTimers },
      clock: realClock,
      find: (id, _peer, name) => {
        this.asked.push(Buffer.from(name).toString());
        this.#held.push(id);
        if (this.#isAnswering) this.release();
      },
      refused: (detail) => this.refused.push(detail),
      served: () => {},
    });
    this.dialler = new BulkDialler({
      clock: realClock,
      dial: (remote, how) => outward.dial(remote, how),
      connections: (_peer, _number, count) => this.told.push(count),
      answered: (id, status) => {
        if (this.answers.has(id)) throw new Error(`answered twice: ${id}`);
        this.answers.set(id, status);
      },
    });
  }

  static async open(client: Driver, server: Driver, connections: number): Promise<Pair> {
    const authority = createAuthority("own", Date.now());
    const trust = { authorityPem: authority.certPem };
    const windows = { ...WINDOWS, streamsBidi: STREAMS, streamsUni: 0 };
    const own = { alpn: ["tetrad-bulk/1"], servers: trust, windows, datagrams: false };
    const outward = await binders[client](endpointOptions({ ...own, clients: "none" }));
    const pair = new Pair(outward);
    const inward = await binders[server](
      endpointOptions({
        ...{ ...own, clients: trust },
        identity: authority.identity({ subject: "bulk", serverName: NAME }),
        accepted: (session) => pair.listener.accepted(session),
      }),
    );
    open.push(outward, inward);
    inward.startAccepting();
    const { publicKey, keyPem } = createLeafKey();
    const certificate = authority.certify(publicKey, { subject: PEER });
    if (!certificate.ok) throw new Error(certificate.detail);
    const der = certificate.value;
    pair.listener.admit(PEER, toHex(sha256(der)), Date.now() + LIMITS.bulkGrantMs);
    pair.dialler.dial({
      ...{ peer: PEER, number: 1, remotes: [inward.local], connections, serverName: NAME },
      authorityPem: authority.certPem,
      identity: { keyPem, certPem: pemOf("CERTIFICATE", der) },
    });
    await until(() => pair.told.at(-1) === connections, "all connections are up");
    return pair;
  }

  /** Asks so many times, and gives the ids. */
  ask(count: number): readonly number[] {
    const ids = Array.from({ length: count }, () => this.#nextId++);
    for (const id of ids) this.dialler.request(id, PEER, Buffer.from(`${id}`));
    return ids;
  }

  hold(): void {
    this.#isAnswering = false;
  }

  release(): void {
    this.#isAnswering = true;
    for (const id of this.#held.splice(0)) {
      this.listener.found(id, { head: new Uint8Array(100), file: undefined });
    }
  }

  statuses(ids: readonly number[]): readonly (string | undefined)[] {
    return ids.map((id) => this.answers.get(id));
  }

  /** Waits until all of them are answered, and expects them to be. */
  async answered(ids: readonly number[]): Promise<void> {
    const have = (): number => ids.filter((id) => this.answers.has(id)).length;
    await until(() => have() === ids.length, "all are answered");
    expect(new Set(this.statuses(ids))).toEqual(new Set(["ok"]));
  }
}

describe.each(["quiche", "reactor"] as const)("who asks for bulk on %s", (client) => {
  describe.each(["quiche", "reactor"] as const)("a listener on %s", (server) => {
    if (client === "reactor" || server === "reactor") beforeEach(needsReactor);

    it.each([1, 2])(
      "asks more than %s connections have streams, one after the other",
      async (n) => {
        const pair = await Pair.open(client, server, n);
        for (let round = 0; round < 3; round++) {
          pair.hold();
          const ids = pair.ask(40);
          const begun = Math.min(40, n * STREAMS);
          await until(() => pair.asked.length >= begun, "as many as there are streams");
          await sleep(50);
          expect(pair.asked.length).toBe(begun);
          expect(pair.answers.size).toBe(round * 40);
          pair.release();
          await pair.answered(ids);
          pair.asked.length = 0;
        }
        await pair.answered(pair.ask(n * STREAMS));
        expect(pair.refused).toEqual([]);
        expect(pair.told.at(-1)).toBe(n);
      },
    );

    it("has its streams again when it has given requests up that were not sent", async () => {
      const pair = await Pair.open(client, server, 1);
      pair.release();
      for (let round = 0; round < 4 * STREAMS; round++) {
        for (const id of pair.ask(2)) pair.dialler.cancel(id);
        if (round % 2 === 0) await sleep(1);
      }
      expect(pair.asked).toEqual([]);
      await pair.answered(pair.ask(40));
      expect([pair.told, pair.refused]).toEqual([[1], []]);
    });

    it("has them again when it has given requests up that were being looked after", async () => {
      const pair = await Pair.open(client, server, 1);
      for (let round = 1; round <= 2 * STREAMS; round++) {
        pair.hold();
        const [id = 0] = pair.ask(1);
        await until(() => pair.asked.length === round, "it is looked after");
        pair.dialler.cancel(id);
        await sleep(5);
        pair.release();
        await sleep(5);
      }
      await pair.answered(pair.ask(40));
      expect([pair.told, pair.refused]).toEqual([[1], []]);
    });

    // A listener of the reactor does not get all of these back (dialler.ts).
    if (server === "reactor") return;

    it("has them again when it has given requests up at any other time", async () => {
      const pair = await Pair.open(client, server, 1);
      pair.release();
      const pauses = [() => Promise.resolve(), () => new Promise(setImmediate), () => sleep(1)];
      for (let round = 0; round < 6 * STREAMS; round++) {
        const [first = 0, second = 0] = pair.ask(2);
        await pauses[round % pauses.length]?.();
        pair.dialler.cancel(first);
        if (round % 2 === 0) await sleep(1);
        pair.dialler.cancel(second);
      }
      await pair.answered(pair.ask(40));
      expect([pair.told, pair.refused]).toEqual([[1], []]);
    });
  });
});
