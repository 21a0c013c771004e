/**
 * Does memory stay flat? Four nodes in one process on [::1] exchange votes and bulk at a steady rate, one
 * session is closed every few seconds, and a JSON line with the memory figures is printed at every step.
 *
 *   node bench/transport-soak.ts [minutes = 60] [bulk MB per second = 8]
 *
 * The last line compares the mean RSS of the first and the last quarter after a warm-up of one tenth.
 */

import type { Metrics } from "../src/ledger/ports.ts";
import { realClock, realRandom, realTimers, sleep } from "../src/node/real-ports.ts";
import { createIdentityCertificate } from "../src/transport/identity-certificate.ts";
import { createQuicTransport } from "../src/transport/mesh.ts";
import type { QuicTransport } from "../src/transport/quic-transport.ts";
import { benchNode } from "./session/keys.ts";

const NODES = 4;
const BULK_BYTES = 64 * 1024;
const VOTE_BYTES = 1_500;
const TICK_MS = 20;
const CLOSE_EVERY_MS = 5_000;
const LINES = 120;

const minutes = Number(process.argv[2] ?? 60);
const bulkPerTick = ((Number(process.argv[3] ?? 8) * 1e6) / BULK_BYTES) * (TICK_MS / 1000);
const noMetrics: Metrics = { count: () => {}, gauge: () => {}, observe: () => {} };

const nodes = await Promise.all(Array.from({ length: NODES }, (_, index) => benchNode(index)));
const identities = nodes.map(({ id, security }) => {
  const now = realClock.wallMs();
  const dates = { notBeforeMs: now - 60_000, notAfterMs: now + 86_400_000 };
  return { id, security, ...createIdentityCertificate({ nodeId: id, ...dates }) };
});

/** Binds on free ports first, to learn them; then again with the list that everybody needs. */
const bindAll = async (): Promise<readonly QuicTransport[]> => {
  const create = (index: number, listen: string, addresses: readonly string[]) => {
    const identity = identities[index];
    if (identity === undefined) throw new RangeError("no such node");
    const peers = addresses.flatMap((address, other) => {
      const known = identities[other];
      return known === undefined ? [] : [{ id: known.id, address, tlsPin: known.spkiPin }];
    });
    return createQuicTransport({
      listen,
      identity,
      self: identity.id,
      security: identity.security,
      peers,
      clock: realClock,
      timers: realTimers,
      random: realRandom,
      logger: { log: () => {} },
      metrics: noMetrics,
    });
  };
  const addresses: string[] = [];
  for (let index = 0; index < NODES; index++) {
    const probe = await create(index, "[::1]:0", []);
    addresses.push(probe.address());
    await new Promise<void>((resolve) => probe.close(resolve));
  }
  return Promise.all(addresses.map((address, index) => create(index, address, addresses)));
};

const transports = await bindAll();
let frames = 0;
let bytes = 0;
let downs = 0;
for (const transport of transports) {
  transport.start({
    peerUp: () => {},
    peerDown: () => {
      downs += 1;
    },
    frame: (_peer, _trafficClass, payload) => {
      frames += 1;
      bytes += payload.length;
    },
  });
}

const bulk = new Uint8Array(BULK_BYTES);
const vote = new Uint8Array(VOTE_BYTES);
let owed = 0;
const traffic = (): void => {
  owed += bulkPerTick;
  for (const transport of transports) {
    for (const peer of transport.peers()) transport.send(peer, "consensus", vote);
  }
  const [first] = transports;
  for (; owed >= 1; owed--) {
    for (const peer of first?.peers() ?? []) {
      first?.send(peer, "sync", bulk);
      break;
    }
  }
};

const start = realClock.monotonicMs();
const endMs = minutes * 60_000;
const rss: number[] = [];
let nextLine = 0;
let nextClose = CLOSE_EVERY_MS;
let victim = 0;
for (let now = 0; now < endMs; now = realClock.monotonicMs() - start) {
  traffic();
  if (now >= nextClose) {
    nextClose = now + CLOSE_EVERY_MS;
    const transport = transports[victim++ % NODES];
    const peer = transport?.peers()[0];
    if (peer !== undefined) transport?.disconnect(peer, { code: "closed", detail: "soak" });
  }
  if (now >= nextLine) {
    nextLine = now + endMs / LINES;
    const memory = process.memoryUsage();
    rss.push(memory.rss);
    const connections = transports.reduce((sum, each) => sum + each.figures().connections, 0);
    const line = { bench: "transport-soak", ms: Math.round(now), rss: memory.rss };
    const more = { heap: memory.heapUsed, external: memory.external, connections };
    process.stdout.write(`${JSON.stringify({ ...line, ...more, frames, bytes, downs })}\n`);
  }
  await sleep(TICK_MS);
}

const mean = (part: readonly number[]): number =>
  part.reduce((sum, value) => sum + value, 0) / Math.max(1, part.length);
const steady = rss.slice(Math.ceil(rss.length / 10));
const quarter = Math.max(1, Math.floor(steady.length / 4));
const first = mean(steady.slice(0, quarter));
const last = mean(steady.slice(-quarter));
const summary = { bench: "transport-soak", minutes, rssFirst: first, rssLast: last };
process.stdout.write(`${JSON.stringify({ ...summary, growth: last / first - 1 })}\n`);
await Promise.all(transports.map((each) => new Promise<void>((resolve) => each.close(resolve))));
