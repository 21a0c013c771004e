/** The dialling end of bulk against listeners that do not keep to the protocol: real endpoints of both drivers. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LIMITS } from "../../../src/limits.ts";
import { realClock } from "../../../src/node/real-ports.ts";
import { createAuthority } from "../../../src/transport/authority.ts";
import { BulkDialler } from "../../../src/transport/bulk/dialler.ts";
import { BULK_CLOSE, STATUS } from "../../../src/transport/bulk/listener.ts";
import type { QuicEndpoint } from "../../../src/transport/quic-endpoint.ts";
import { QuicheEndpoint } from "../../../src/transport/quiche-endpoint.ts";
import { ReactorEndpoint } from "../../../src/transport/reactor-endpoint.ts";
import { pemOf } from "../../../src/transport/x509.ts";
import type { BindEndpoint } from "../../contract/quic-endpoint-contract.ts";
import { endpointClosed, endpointOptions, Talker } from "../quic-support.ts";
import { needsReactor } from "../reactor-here.ts";
import { sleep, until } from "../support.ts";

const MIB = 1024 * 1024;
const PEER = "aa".repeat(32);
const NAME = "listener.bulk.test.invalid";
const ALPN = ["tetrad-bulk/1"];
const BREACH = "the peer sent what is no answer";

const binders: Record<"quiche" | "reactor", BindEndpoint> = {
  quiche: QuicheEndpoint.bind,
  reactor: (options) => ReactorEndpoint.bind(options),
};

const authority = createAuthority("own", Date.now());
const trust = { authorityPem: authority.certPem };

type Opened = {
  readonly dialler: BulkDialler;
  /** The listener's end of the connection. */
  readonly far: Talker;
  /** How many connections are up, and why not more, each time that it was told. */
  readonly told: (readonly [number, string])[];
  readonly answers: Map<number, readonly [string, number]>;
};

/** PEM around what is no DER: the text of a certificate. */
const twice = (pem: string): string => pemOf("CERTIFICATE", Buffer.from(pem));

const open: QuicEndpoint[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map(endpointClosed));
});

const connect = async (
  server: keyof typeof binders,
  client: keyof typeof binders,
): Promise<Opened> => {
  const met: Talker[] = [];
  const identity = authority.identity({ subject: "bulk", serverName: NAME });
  const options = { alpn: ALPN, servers: trust };
  const listener = await binders[server](
    endpointOptions({
      ...{ ...options, clients: trust, identity },
      accepted: (session) => met.push(new Talker(session)),
    }),
  );
  open.push(listener);
  listener.startAccepting();
  const outward = await binders[client](endpointOptions({ ...options, clients: "none" }));
  open.push(outward);
  const told: (readonly [number, string])[] = [];
  const answers: Opened["answers"] = new Map();
  const dialler = new BulkDialler({
    clock: realClock,
    dial: (remote, how) => outward.dial(remote, how),
    connections: (_peer, _number, count, detail) => told.push([count, detail]),
    answered: (id, status, bytes) => answers.set(id, [status, bytes.length]),
  });
  dialler.dial({
    ...{ peer: PEER, number: 1, remotes: [listener.local], connections: 1, serverName: NAME },
    ...{ authorityPem: authority.certPem, identity: authority.identity({ subject: PEER }) },
  });
  await until(() => told.length > 0 && met[0]?.established === true, "both ends are up");
  const [far] = met;
  if (far === undefined) throw new Error("nothing accepted");
  return { dialler, far, told, answers };
};

/** The stream on which the request with this id came. */
const asked = async ({ dialler, far }: Opened, id: number): Promise<number> => {
  const before = far.received.size;
  dialler.request(id, PEER, Buffer.from("name"));
  await until(() => far.received.size > before, "the request arrives");
  return [...far.received.keys()].at(-1) ?? -1;
};

const answerOf = (bytes: number): Uint8Array => {
  const answer = new Uint8Array(1 + bytes);
  answer[0] = STATUS.ok;
  return answer;
};

describe.each(["quiche", "reactor"] as const)("who dials for bulk on %s", (client) => {
  if (client === "reactor") beforeEach(needsReactor);

  describe.each(["quiche", "reactor"] as const)("a listener on %s", (server) => {
    if (server === "reactor") beforeEach(needsReactor);

    it("ends a connection on which the listener opens a stream and sends without end", async () => {
      const opened = await connect(server, client);
      const { dialler, far, told, answers } = opened;
      await asked(opened, 1);
      far.send(far.session.openStream("bi"), new Uint8Array(100 * MIB));
      await until(() => told.length > 1, "the end is told");
      expect(told).toEqual([
        [1, ""],
        [0, BREACH],
      ]);
      expect(answers.get(1)).toEqual(["lost", 0]);
      await until(() => far.end !== undefined, "the listener is told");
      expect(far.end).toMatchObject({ by: "peer", isApp: true, code: BULK_CLOSE.protocol });
      expect(far.unsent).toBeGreaterThan(50 * MIB);
      dialler.request(2, PEER, Buffer.from("name"));
      expect(answers.get(2)).toEqual(["lost", 0]);
    });

    it("ends it for one byte, and for an end without any, while nothing is asked", async () => {
      for (const bytes of ["x", ""]) {
        const { far, told } = await connect(server, client);
        far.send(far.session.openStream("bi"), bytes, true);
        await until(() => told.length > 1, "the end is told");
        expect(told[1]).toEqual([0, BREACH]);
      }
    });
  });

  it("ends a connection on which the listener opens a one-way stream", async () => {
    const { far, told } = await connect("quiche", client);
    far.send(far.session.openStream("uni"), new Uint8Array(100 * MIB));
    await until(() => told.length > 1, "the end is told");
    expect(told[1]).toEqual([0, BREACH]);
  });

  it("takes an answer of the largest size, and ends the connection for a byte more", async () => {
    const opened = await connect("quiche", client);
    const { far, told, answers } = opened;
    far.send(await asked(opened, 1), answerOf(LIMITS.bulkAnswerBytesMax), true);
    await until(() => answers.has(1), "the answer");
    expect(answers.get(1)).toEqual(["ok", LIMITS.bulkAnswerBytesMax]);
    expect(told).toEqual([[1, ""]]);
    far.send(await asked(opened, 2), answerOf(LIMITS.bulkAnswerBytesMax + 1), true);
    await until(() => answers.has(2), "the end");
    expect(answers.get(2)).toEqual(["lost", 0]);
    expect(told[1]).toEqual([0, BREACH]);
  });

  it("holds nothing against a listener that answers what was given up meanwhile", async () => {
    const opened = await connect("quiche", client);
    const { dialler, far, told, answers } = opened;
    const [first, second] = [await asked(opened, 1), await asked(opened, 2)];
    far.send(first, answerOf(LIMITS.bulkAnswerBytesMax), true);
    dialler.cancel(1);
    far.send(second, answerOf(5), true);
    await until(() => answers.has(2), "the other answer");
    expect(answers.get(2)).toEqual(["ok", 5]);
    await sleep(100);
    expect([answers.has(1), told]).toEqual([false, [[1, ""]]]);
  });

  it.each(["authority", "certificate"])(
    "loses nothing else by an order whose %s the library throws at",
    async (what) => {
      const options = endpointOptions({ alpn: ALPN, servers: trust, clients: "none" });
      const outward = await binders[client](options);
      open.push(outward);
      const told: (readonly [string, number, string])[] = [];
      const dialler = new BulkDialler({
        clock: realClock,
        dial: (remote, how) => outward.dial(remote, how),
        connections: (peer, _number, count, detail) => told.push([peer, count, detail]),
        answered: () => {},
      });
      const { certPem, keyPem } = authority.identity({ subject: PEER });
      const isAuthority = what === "authority";
      const remotes = [{ host: "::1", port: 9 }];
      dialler.dial({
        ...{ peer: PEER, number: 1, remotes, connections: 2, serverName: NAME },
        authorityPem: isAuthority ? twice(authority.certPem) : authority.certPem,
        identity: { keyPem, certPem: isAuthority ? certPem : twice(certPem) },
      });
      await until(() => told.length > 0, "the end is told");
      expect(told.map(([peer, count]) => [peer, count])).toEqual([[PEER, 0]]);
      expect(options.met.failures).toEqual([]);
      expect(outward.dial({ host: "::1", port: 9 }, { serverName: NAME })).toBeDefined();
    },
  );
});
