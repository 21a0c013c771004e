/** What is left in memory of streams of the reactor that were given up while their sender was busy. */
import { Duplex } from "node:stream";
import { queryObjects } from "node:v8";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Timers } from "../../src/ledger/ports.ts";
import { REACTOR_LIMITS } from "../../src/limits-driver.ts";
import { realTimers } from "../../src/node/real-ports.ts";
import { createAuthority } from "../../src/transport/authority.ts";
import type { QuicEndpoint, QuicSession } from "../../src/transport/quic-endpoint.ts";
import { QuicheEndpoint } from "../../src/transport/quiche-endpoint.ts";
import { ReactorEndpoint } from "../../src/transport/reactor-endpoint.ts";
import { endpointClosed, endpointOptions, Talker } from "./quic-support.ts";
import { needsReactor } from "./reactor-here.ts";
import { sleep, until } from "./support.ts";

const NAME = "server.test.invalid";
const STREAMS = 60;

/** More than anybody sends before a stop is here, where the one who stops is late too: what is all sent has no stop. */
const STREAM_BYTES = 64 * 1024 * 1024;

const open: QuicEndpoint[] = [];
beforeEach(needsReactor);
afterEach(async () => {
  await Promise.all(open.splice(0).map(endpointClosed));
});

/** Gives up every stream when its first bytes are here; says how many. */
const giveUpAll = (session: QuicSession): (() => number) => {
  let count = 0;
  session.attach({
    established: () => {},
    ended: () => {},
    service: () => {
      for (const id of session.readableStreams()) {
        if (session.read(id) === undefined) continue;
        session.abortStream(id, 1);
        count += 1;
      }
    },
  });
  return () => count;
};

/** A client of quiche, whose streams a server of the reactor gives up; and how many it has. */
const openPair = async (timers: Timers) => {
  const authority = createAuthority("own", Date.now());
  const trust = { authorityPem: authority.certPem };
  const own = { clients: trust, servers: trust };
  let givenUp = (): number => 0;
  const server = await ReactorEndpoint.bind(
    endpointOptions({
      ...{ ...own, identity: authority.identity({ subject: "server", serverName: NAME }) },
      ...{ timers },
      accepted: (session) => {
        givenUp = giveUpAll(session);
      },
    }),
  );
  server.startAccepting();
  const identity = authority.identity({ subject: "client" });
  const client = await QuicheEndpoint.bind(endpointOptions({ ...own, identity }));
  open.push(server, client);
  const session = client.dial(server.local, { serverName: NAME });
  if (session === undefined) throw new Error("not dialled");
  const talker = new Talker(session);
  await until(() => talker.established, "established");
  return { session, talker, givenUp: () => givenUp() };
};

describe("streams of the reactor that were given up", () => {
  it("leave nothing behind of what was on its way", async () => {
    const { session, talker, givenUp } = await openPair(realTimers);
    const before = queryObjects(Duplex, { format: "count" });
    for (let i = 1; i <= STREAMS; i++) {
      talker.send(session.openStream("bi"), new Uint8Array(STREAM_BYTES));
      await until(() => givenUp() === i && talker.stopped.length === i, "the next is given up");
    }
    // As long as a stream is kept to take what was on its way.
    await sleep(2_500);
    expect(queryObjects(Duplex, { format: "count" })).toBeLessThanOrEqual(before + 5);
    expect(talker.end).toBeUndefined();
  });

  it("count while they take what was on its way, so that a session has no more of them than of others", async () => {
    const { streamsMax } = REACTOR_LIMITS;
    // No time passes for those that were given up, until the test is over.
    let stands = true;
    const { session, talker, givenUp } = await openPair({
      set: (ms, run) => (stands ? () => {} : realTimers.set(ms, run)),
    });
    while (talker.end === undefined && givenUp() <= streamsMax + 1) {
      const before = givenUp();
      talker.send(session.openStream("bi"), Uint8Array.of(1));
      await until(() => givenUp() > before || talker.end !== undefined, "the next is given up");
    }
    expect(givenUp()).toBeGreaterThanOrEqual(streamsMax - 1);
    await until(() => talker.end !== undefined, "the end");
    stands = false;
    expect(talker.end?.by).toBe("peer");
  });
});
