/** Who gets into a worker's listener, and what it serves: real endpoints of both drivers, in one process. */
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { toHex } from "../../../src/crypto/bytes.ts";
import { sha256 } from "../../../src/crypto/hash.ts";
import { LIMITS } from "../../../src/limits.ts";
import { BULK_LIMITS } from "../../../src/limits-bulk.ts";
import { realTimers } from "../../../src/node/real-ports.ts";
import {
  type Authority,
  createAuthority,
  createLeafKey,
} from "../../../src/transport/authority.ts";
import { BulkListener } from "../../../src/transport/bulk/listener.ts";
import type { BulkSource } from "../../../src/transport/bulk/port.ts";
import type { QuicEndpoint, QuicIdentity } from "../../../src/transport/quic-endpoint.ts";
import { QuicheEndpoint } from "../../../src/transport/quiche-endpoint.ts";
import { ReactorEndpoint } from "../../../src/transport/reactor-endpoint.ts";
import { pemOf } from "../../../src/transport/x509.ts";
import type { BindEndpoint } from "../../contract/quic-endpoint-contract.ts";
import { endpointClosed, endpointOptions, Talker } from "../quic-support.ts";
import { RawClient } from "../raw-client.ts";
import { needsReactor } from "../reactor-here.ts";
import { sleep, until } from "../support.ts";

const DAY_MS = 86_400_000;
const NAME = "listener.bulk.test.invalid";
const PEER = "aa".repeat(32);
const ALPN = ["tetrad-bulk/1"];

const binders = {
  quiche: QuicheEndpoint.bind,
  reactor: (options: Parameters<typeof ReactorEndpoint.bind>[0]) => ReactorEndpoint.bind(options),
};

const authority = createAuthority("own", Date.now(), DAY_MS);

type Leaf = QuicIdentity & { readonly fingerprint: string };

const leafOf = (by: Authority): Leaf => {
  const { publicKey, keyPem } = createLeafKey();
  const certificate = by.certify(publicKey, { subject: PEER });
  if (!certificate.ok) throw new Error(certificate.detail);
  const fingerprint = toHex(sha256(certificate.value));
  return { keyPem, certPem: pemOf("CERTIFICATE", certificate.value), fingerprint };
};

let folder = "";
let wallMs = 0;
let monotonicMs = 0;
const open: QuicEndpoint[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bulk-listener-"));
  wallMs = Date.now();
});
afterEach(async () => {
  await Promise.all(open.splice(0).map(endpointClosed));
  rmSync(folder, { recursive: true, force: true });
});

type Opened = {
  readonly listener: BulkListener;
  readonly server: QuicEndpoint;
  readonly refused: string[];
  dial(identity: QuicIdentity, own?: Authority): Promise<Talker>;
  /** One whose certificate was granted for so long, when it is let in. */
  granted(leaf?: ReturnType<typeof leafOf>, forMs?: number): Promise<Talker>;
};

const serve = async (
  driver: keyof typeof binders,
  find: (name: string, notHere: () => void) => BulkSource | undefined | "later" = () => undefined,
  bindClient: BindEndpoint = binders[driver],
): Promise<Opened> => {
  const bind = binders[driver];
  const refused: string[] = [];
  const listener: BulkListener = new BulkListener({
    folder,
    ...{ clock: { wallMs: () => wallMs, monotonicMs: () => monotonicMs }, timers: realTimers },
    find: (id, _peer, name) =>
      queueMicrotask(() => {
        const notHere = (): void => listener.found(id, undefined);
        const source = find(Buffer.from(name).toString(), notHere);
        if (source !== "later") listener.found(id, source);
      }),
    refused: (detail) => refused.push(detail),
    served: () => {},
  });
  const trust = { authorityPem: authority.certPem };
  const server = await bind(
    endpointOptions({
      ...{ alpn: ALPN, clients: trust, servers: trust },
      identity: authority.identity({ subject: "bulk", serverName: NAME }),
      isMemberHost: (host) => listener.isMemberHost(host),
      connectionsAtMost: (host) => listener.connectionsAtMost(host),
      accepted: (session) => listener.accepted(session),
      refused: (_code, detail) => refused.push(detail),
    }),
  );
  open.push(server);
  server.startAccepting();
  const dial = async (identity: QuicIdentity, by = authority): Promise<Talker> => {
    const own = { alpn: ALPN, clients: "none", servers: trust } as const;
    const endpoint = await bindClient(endpointOptions(own));
    open.push(endpoint);
    const how = { serverName: NAME, identity, trust: { authorityPem: by.certPem } };
    const session = endpoint.dial(server.local, how);
    if (session === undefined) throw new Error("not dialled");
    return new Talker(session);
  };
  const granted = async (leaf = leafOf(authority), forMs = DAY_MS): Promise<Talker> => {
    listener.admit(PEER, leaf.fingerprint, wallMs + forMs);
    const talker = await dial(leaf);
    await until(() => talker.established, "established");
    return talker;
  };
  return { listener, server, refused, dial, granted };
};

/** As many as one member may have, and requests of each. */
const CONNECTIONS = 8;
const STREAMS = LIMITS.bulkRequestsPerConnectionMax;

const ask = (talker: Talker, name: string): number => {
  const stream = talker.session.openStream("bi");
  talker.send(stream, `\x01${name}`, true);
  return stream;
};

const answer = async (talker: Talker, name: string): Promise<Buffer> => {
  const stream = ask(talker, name);
  await until(() => talker.received.get(stream)?.fin === true, `an answer to ${name}`);
  return talker.bytes(stream);
};

describe.each(["quiche", "reactor"] as const)("a listener for bulk on %s", (driver) => {
  if (driver === "reactor") beforeEach(needsReactor);

  it("serves whom it was told of, and ends that when it is told so", async () => {
    const path = join(folder, "0");
    writeFileSync(path, "0123456789");
    const { listener, dial, granted } = await serve(driver, (name) =>
      name === "part"
        ? { head: Uint8Array.of(33), file: { path, offset: 2, length: 5 } }
        : undefined,
    );
    const leaf = leafOf(authority);
    const talker = await granted(leaf);
    expect((await answer(talker, "part")).toString()).toBe("\x00!23456");
    expect([...(await answer(talker, "other"))]).toEqual([1]);
    listener.drop(PEER);
    await until(() => talker.end !== undefined, "the end");
    expect(talker.end).toMatchObject({ by: "peer", code: 0 });
    const again = await dial(leaf);
    await until(() => again.end !== undefined, "the end of a dropped one");
  });

  it("refuses a certificate that was not granted, though its authority has signed it", async () => {
    const { listener, refused, dial } = await serve(driver);
    listener.admit(PEER, leafOf(authority).fingerprint, wallMs + DAY_MS);
    const talker = await dial(leafOf(authority));
    await until(() => talker.end !== undefined, "the end");
    expect(refused).toEqual(["a certificate that is not granted"]);
  });

  it("refuses a grant that has run out, and ends connections under it", async () => {
    const { listener, refused, dial, granted } = await serve(driver);
    const leaf = leafOf(authority);
    const talker = await granted(leaf, 1_000);
    await answer(talker, "x");
    listener.expire();
    await sleep(100);
    expect(talker.end).toBeUndefined();
    wallMs += 1_001;
    listener.expire();
    await until(() => talker.end !== undefined, "the end");
    const late = await dial(leaf);
    await until(() => late.end !== undefined, "the end of the late one");
    expect(refused).toEqual(["a certificate that is not granted"]);
  });

  it("is not reached with a certificate of another member's authority, or an expired one", async () => {
    const other = createAuthority("own", Date.now(), DAY_MS);
    const old = createAuthority("own", Date.now() - 3 * DAY_MS, DAY_MS);
    const { listener, dial } = await serve(driver);
    for (const by of [other, old]) {
      const leaf = leafOf(by);
      // Even where somebody granted it by mistake.
      listener.admit(PEER, leaf.fingerprint, wallMs + DAY_MS);
      const talker = await dial(leaf);
      await until(() => talker.end !== undefined, "the end");
      expect(talker.end?.by).toBe("peer");
    }
    // And who dials takes no listener of another authority.
    const leaf = leafOf(authority);
    listener.admit(PEER, leaf.fingerprint, wallMs + DAY_MS);
    const talker = await dial(leaf, other);
    await until(() => talker.end !== undefined, "the end");
    expect(talker.established).toBe(false);
  });

  it("takes names up to the limit, and ends connections that send something else", async () => {
    const { refused, dial, granted } = await serve(driver);
    const leaf = leafOf(authority);
    const talker = await granted(leaf);
    expect([...(await answer(talker, "n".repeat(LIMITS.bulkNameBytesMax)))]).toEqual([1]);
    ask(talker, "n".repeat(LIMITS.bulkNameBytesMax + 1));
    await until(() => talker.end !== undefined, "the end");
    for (const bytes of ["\x01", "\x02name"]) {
      const next = await dial(leaf);
      await until(() => next.established, "established");
      next.send(next.session.openStream("bi"), bytes, true);
      await until(() => next.end !== undefined, "the end");
    }
    expect(refused).toEqual(["a long name", "no request", "no request"]);
  });

  it("takes a stream without a byte for a request that was given up", async () => {
    const { refused, granted } = await serve(driver);
    const talker = await granted();
    for (let i = 0; i < 2 * STREAMS; i++) {
      const stream = talker.session.openStream("bi");
      if (i % 2 === 0) talker.send(stream, "", true);
      else talker.session.abortStream(stream, 0);
      await sleep(1);
    }
    expect([...(await answer(talker, "x"))]).toEqual([1]);
    expect([talker.end, refused]).toEqual([undefined, []]);
  });

  it("ends a connection on which a one-way stream is opened", async () => {
    const { refused, granted } = await serve(driver, () => undefined, QuicheEndpoint.bind);
    const talker = await granted();
    talker.send(talker.session.openStream("uni"), "\x01name", true);
    await until(() => talker.end !== undefined, "the end");
    expect(talker.end).toMatchObject({ by: "peer", code: 2 });
    expect(refused).toEqual(["a stream that is no request"]);
  });

  it("looks after as many requests of a connection as the limit has, and gives back what is over", async () => {
    const waiting: (() => void)[] = [];
    const { refused, granted } = await serve(driver, (_name, answered) => {
      waiting.push(answered);
      return "later";
    });
    const talker = await granted();
    const asked = Array.from({ length: STREAMS }, () => ask(talker, "slow"));
    await until(() => waiting.length === STREAMS, "all are looked for");
    const over = [ask(talker, "over"), ask(talker, "over")];
    await until(() => over.every((id) => talker.resets.includes(id)), "what is over is given back");
    expect(waiting).toHaveLength(STREAMS);
    waiting.shift()?.();
    await until(() => talker.received.get(asked[0] ?? -1)?.fin === true, "an answer");
    ask(talker, "another");
    await until(() => waiting.length === STREAMS, "another is looked for");
    expect([talker.end, refused]).toEqual([undefined, []]);
  });

  it("brings what a member asks before the node at a rate, and keeps the others until it may", async () => {
    let found = 0;
    const { granted } = await serve(driver, () => {
      found += 1;
      return undefined;
    });
    const talker = await granted();
    // No time passes for the listener: what it may bring in this moment is all that it brings.
    const { findsPerPeerBurst: burst, findsPerPeerPerSecond: rate } = BULK_LIMITS;
    for (let left = burst; left > 0; left -= STREAMS) {
      await Promise.all(Array.from({ length: STREAMS }, () => answer(talker, "x")));
    }
    const late = ask(talker, "late");
    await sleep(200);
    expect([found, talker.received.get(late)?.fin]).toEqual([burst, undefined]);
    monotonicMs += 1000 / rate;
    await until(() => talker.received.get(late)?.fin === true, "an answer to the late one");
    expect(found).toBe(burst + 1);
  });

  it("reads nothing but regular files below its folder", async () => {
    const inside = join(folder, "in");
    writeFileSync(inside, "inside");
    symlinkSync("/etc/hostname", join(folder, "link"));
    const paths: Record<string, string> = {
      in: inside,
      link: join(folder, "link"),
      up: join(folder, "..", "passwd"),
      out: "/etc/passwd",
      folder,
    };
    const { granted } = await serve(driver, (name) => ({
      head: new Uint8Array(0),
      file: { path: paths[name] ?? "", offset: 0, length: 4 },
    }));
    const talker = await granted();
    expect((await answer(talker, "in")).toString()).toBe("\x00insi");
    for (const name of ["link", "up", "out", "folder", "none"]) {
      expect([...(await answer(talker, name))], name).toEqual([1]);
    }
  });

  it("serves a member while another one leaves more answers lying than all may have", async () => {
    const path = join(folder, "chunk");
    const chunk = 1024 * 1024;
    writeFileSync(path, new Uint8Array(chunk));
    let found = 0;
    const { listener, dial } = await serve(driver, () => {
      found += 1;
      return { head: new Uint8Array(0), file: { path, offset: 0, length: chunk } };
    });
    const [idle, other] = [leafOf(authority), leafOf(authority)];
    listener.admit(PEER, idle.fingerprint, wallMs + DAY_MS, "::1");
    listener.admit("bb".repeat(32), other.fingerprint, wallMs + DAY_MS, "::1");
    // QUIC's windows take some of it: 4 MB for each connection.
    expect(CONNECTIONS * (STREAMS * chunk - 4_000_000)).toBeGreaterThan(LIMITS.bulkServingBytesMax);
    for (let connection = 0; connection < CONNECTIONS; connection++) {
      const talker = await dial(idle);
      await until(() => talker.established, "established");
      talker.reading = false;
      for (let i = 0; i < STREAMS; i++) ask(talker, "chunk");
    }
    await until(() => found >= LIMITS.bulkServedPerPeerMax, "looked for");
    await sleep(300);
    const talker = await dial(other);
    await until(() => talker.established, "established");
    expect(await answer(talker, "chunk")).toHaveLength(1 + chunk);
  });

  it("takes as many connections of one address as two grants open, for each member there", async () => {
    const { listener, refused, dial } = await serve(driver);
    const [one, other] = [leafOf(authority), leafOf(authority)];
    listener.admit(PEER, one.fingerprint, wallMs + DAY_MS, "::1");
    const up = async (leaf: Leaf): Promise<Talker> => {
      const talker = await dial(leaf);
      await until(() => talker.established, "established");
      await answer(talker, "x");
      return talker;
    };
    for (let i = 0; i < CONNECTIONS; i++) await up(one);
    expect(refused).toEqual([]);
    await dial(one);
    await until(() => refused.length > 0, "a refusal");
    expect(new Set(refused)).toEqual(new Set(["connection cap of one address reached"]));
    listener.admit("bb".repeat(32), other.fingerprint, wallMs + DAY_MS, "::1");
    await up(other);
  });
});

// A listener of the reactor does not hear of these.
describe("a listener for bulk that hears what is given up", () => {
  it("looks after requests in place of those that were given up while they were looked for", async () => {
    const names: string[] = [];
    const { listener, granted } = await serve("quiche", (name, notHere) => {
      names.push(name);
      if (name === "slow") setTimeout(notHere, 1_000);
      return "later";
    });
    const talker = await granted();
    const asked = Array.from({ length: STREAMS }, () => ask(talker, "slow"));
    await until(() => names.length === STREAMS, "all are looked for");
    for (const id of asked) talker.session.abortStream(id, 0);
    await sleep(100);
    const others = Array.from({ length: STREAMS }, () => ask(talker, "other"));
    await until(() => names.length === 2 * STREAMS, "the others are looked for");
    expect(others.filter((id) => talker.resets.includes(id))).toEqual([]);
    for (const id of others) talker.session.abortStream(id, 0);
    await sleep(100);
    monotonicMs += LIMITS.bulkAnswerTimeoutMs + 1;
    listener.expire();
    await sleep(100);
    expect(talker.end).toBeUndefined();
    // One that is wanted and not taken is another matter.
    ask(talker, "last");
    await until(() => names.at(-1) === "last", "it is looked for");
    monotonicMs += LIMITS.bulkAnswerTimeoutMs + 1;
    listener.expire();
    await until(() => talker.end !== undefined, "the connection is ended");
  });
});

describe("strangers at a listener for bulk", () => {
  const clients: RawClient[] = [];
  afterEach(() => {
    for (const client of clients.splice(0)) client.dispose();
  });

  /** Begins handshakes and leaves them lying. */
  const begin = async (server: QuicEndpoint, count: number): Promise<void> => {
    for (let i = 0; i < count; i++) {
      const client = await RawClient.connect({ port: server.local.port, alpn: ALPN[0] ?? "" });
      client.mute();
      clients.push(client);
    }
  };

  it("have few connections of a network, and those not for long", async () => {
    const { listener, server, refused, granted } = await serve("quiche");
    await begin(server, 3 * CONNECTIONS);
    await until(() => refused.length >= 2 * CONNECTIONS, "refusals");
    expect(server.connectionCount).toBe(LIMITS.strangersPerNetworkMax);
    const cap = "connection cap of one network's strangers reached";
    expect(new Set(refused)).toEqual(new Set([cap]));
    monotonicMs += LIMITS.bulkHandshakeTimeoutMs;
    listener.expire();
    expect(refused).not.toContain("a handshake that is not completed");
    monotonicMs += 1;
    listener.expire();
    listener.expire();
    const late = refused.filter((detail) => detail === "a handshake that is not completed");
    expect(late).toHaveLength(CONNECTIONS);
    for (const client of clients.splice(0)) client.dispose();
    await until(() => server.connectionCount === 0, "an empty listener");
    const talker = await granted();
    expect([...(await answer(talker, "x"))]).toEqual([1]);
  });

  it("are whoever is not where a member with a grant is", async () => {
    const { listener } = await serve("quiche");
    const [first, second] = ["fd00::1", "fd00::2"];
    const at = (host: string): unknown => [
      listener.isMemberHost(host),
      listener.connectionsAtMost(host),
    ];
    const { bulkConnectionsPerAddressMax: each } = LIMITS;
    expect(at(first)).toEqual([false, each]);
    listener.admit(PEER, "01", wallMs + 1_000, first);
    listener.admit(PEER, "02", wallMs + 2_000, first);
    listener.admit("bb".repeat(32), "03", wallMs + 1_000, first);
    listener.admit("cc".repeat(32), "04", wallMs + 1_000);
    expect(at(first)).toEqual([true, 2 * each]);
    expect(at(second)).toEqual([false, each]);
    wallMs += 1_001;
    listener.expire();
    expect(at(first)).toEqual([true, each]);
    listener.drop(PEER);
    expect(at(first)).toEqual([false, each]);
  });
});
