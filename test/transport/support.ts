/** Real sockets on [::1] for the transport's tests: identities, nodes, and ports that remember. */

import { toHex } from "../../src/crypto/bytes.ts";
import { falconVerify } from "../../src/crypto/falcon.ts";
import { sha256 } from "../../src/crypto/hash.ts";
import type {
  LogFields,
  Metrics,
  PeerClose,
  PeerId,
  TrafficClass,
  Transport,
} from "../../src/ledger/ports.ts";
import { realClock, realRandom, realTimers } from "../../src/node/real-ports.ts";
import { createInlineSigner } from "../../src/node/signing/signer.ts";
import type { NameLookup } from "../../src/transport/address.ts";
import type { IdentityCertificate } from "../../src/transport/identity-certificate.ts";
import { createIdentityCertificate } from "../../src/transport/identity-certificate.ts";
import { Mesh } from "../../src/transport/mesh.ts";
import type { BindEndpoint } from "../../src/transport/mesh-endpoint.ts";
import type {
  QuicTransportOptions,
  TransportLimits,
  TransportPeer,
} from "../../src/transport/options.ts";
import type { QuicTransport } from "../../src/transport/quic-transport.ts";

import type { NodeSecurity } from "../../src/transport/secure-channel.ts";
import { CHAIN_ID, falconKeys } from "./stoq/support.ts";

export const DAY_MS = 24 * 60 * 60 * 1000;

export type TestIdentity = IdentityCertificate & { readonly id: PeerId };

export const idOf = (index: number): PeerId => (index + 1).toString(16).padStart(2, "0").repeat(32);

const numberOf = (id: PeerId): number => Number.parseInt(id.slice(0, 2), 16) - 1;

/** Nodes by the hash of their FALCON keys: ids here are chosen for their order, and so no hashes of keys. */
const nodes = new Map<string, PeerId>();
const signers = new Map<number, NodeSecurity["signer"]>();

/** The security of the node with this id, whose FALCON key is that of `keyOf`. */
export const securityOf = (id: PeerId, keyOf = numberOf(id)): NodeSecurity => {
  const { publicKey, secretKey } = falconKeys(keyOf);
  if (keyOf === numberOf(id)) introduce(id, publicKey);
  const signer = signers.get(keyOf) ?? createInlineSigner(secretKey);
  signers.set(keyOf, signer);
  return securityBy(signer);
};

/** From now on this is the FALCON key of the node. */
export const introduce = (id: PeerId, publicKey: Uint8Array): void => {
  nodes.set(toHex(sha256(publicKey)), id);
};

export const securityBy = (signer: NodeSecurity["signer"]): NodeSecurity => {
  return {
    chainId: CHAIN_ID,
    genesisHash: sha256(new Uint8Array(0)),
    signer,
    verifier: {
      verify: (jobs, _priority, done) =>
        queueMicrotask(() =>
          done(jobs.map((job) => falconVerify(job.signature, job.message, job.publicKey))),
        ),
    },
    idOf: (falconKey) => nodes.get(toHex(sha256(falconKey))) ?? "ff".repeat(32),
    version: "0.0.0-test",
  };
};

export const makeIdentity = (
  id: PeerId,
  notBeforeMs = Date.now() - DAY_MS,
  notAfterMs = Date.now() + DAY_MS,
): TestIdentity => ({ id, ...createIdentityCertificate({ nodeId: id, notBeforeMs, notAfterMs }) });

export type LogLine = {
  readonly level: string;
  readonly message: string;
  readonly fields: LogFields;
};

export type Recorded = {
  readonly up: PeerId[];
  readonly down: { readonly peer: PeerId; readonly reason: PeerClose }[];
  readonly frames: { peer: PeerId; trafficClass: TrafficClass; bytes: Uint8Array }[];
};

/** Starts a transport whose handler writes everything down. */
export const record = (transport: Transport): Recorded => {
  const recorded: Recorded = { up: [], down: [], frames: [] };
  transport.start({
    peerUp: (peer) => recorded.up.push(peer),
    peerDown: (peer, reason) => recorded.down.push({ peer, reason }),
    frame: (peer, trafficClass, bytes) => recorded.frames.push({ peer, trafficClass, bytes }),
  });
  return recorded;
};

export const sleep = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

/** Waits for a condition; the limit only bounds a failing test, it is no claim about speed. */
export const until = async (
  condition: () => boolean,
  what: string,
  limitMs = 20_000,
): Promise<void> => {
  const end = Date.now() + limitMs;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`gave up waiting for: ${what}`);
    await sleep(5);
  }
};

export const silentMetrics: Metrics = { count: () => {}, gauge: () => {}, observe: () => {} };

export type NodeOptions = {
  readonly identity: TestIdentity;
  readonly peers: readonly TransportPeer[];
  readonly listen?: string;
  readonly limits?: Partial<TransportLimits>;
  readonly logs?: LogLine[];
  readonly metrics?: Metrics;
  readonly names?: NameLookup;
  readonly security?: NodeSecurity;
  readonly relay?: boolean;
  readonly reachable?: boolean;
  readonly bindEndpoint?: BindEndpoint;
  readonly reserve?: QuicTransportOptions["reserve"];
  readonly bulkLoopShare?: number;
};

/** Another driver of sessions than quiche, and the identities that it can use. */
export type NodeDriver = {
  identityOf(index: number): TestIdentity;
  /** The node will listen on this port of [::1]. */
  placed(id: PeerId, port: number): void;
  readonly bind: BindEndpoint;
};

/** Of a node in a process of its own, too: the keys of its peers are known before they speak. */
const securityWithPeers = ({ identity, peers }: NodeOptions): NodeSecurity => {
  for (const { id } of peers) securityOf(id);
  return securityOf(identity.id);
};

export const makeTransport = (options: NodeOptions): Promise<QuicTransport> => {
  const base: QuicTransportOptions = {
    listen: options.listen ?? "[::1]:0",
    identity: options.identity,
    self: options.identity.id,
    security: options.security ?? securityWithPeers(options),
    peers: options.peers,
    clock: realClock,
    timers: realTimers,
    random: realRandom,
    logger: {
      log: (level, message, fields = {}) => {
        options.logs?.push({ level, message, fields });
      },
    },
    metrics: options.metrics ?? silentMetrics,
  };
  const all = {
    ...base,
    ...(options.limits === undefined ? {} : { limits: options.limits }),
    ...(options.names === undefined ? {} : { names: options.names }),
    ...(options.relay === undefined ? {} : { relay: options.relay }),
    ...(options.reachable === undefined ? {} : { reachable: options.reachable }),
    ...(options.reserve === undefined ? {} : { reserve: options.reserve }),
    ...(options.bulkLoopShare === undefined ? {} : { bulkLoopShare: options.bulkLoopShare }),
  };
  return Mesh.create(all, options.bindEndpoint);
};

/** Ports of this machine that were free a moment ago. */
export const freePorts = async (count: number): Promise<readonly number[]> => {
  const { createSocket } = await import("node:dgram");
  const sockets = await Promise.all(
    Array.from({ length: count }, async () => {
      const socket = createSocket({ type: "udp6", ipv6Only: true });
      await new Promise<void>((resolve) => {
        socket.bind({ address: "::1", port: 0 }, resolve);
      });
      return socket;
    }),
  );
  const ports = sockets.map((socket) => socket.address().port);
  await Promise.all(
    sockets.map(
      (socket) =>
        new Promise<void>((resolve) => {
          socket.close(() => resolve());
        }),
    ),
  );
  return ports;
};

export type TestNetwork = {
  readonly identities: readonly TestIdentity[];
  readonly peers: readonly TransportPeer[];
  readonly transports: readonly QuicTransport[];
  readonly logs: readonly LogLine[][];
  /** A new process in the place of node `index`: same identity and address. */
  restart(index: number, limits?: Partial<TransportLimits>): Promise<QuicTransport>;
  dispose(): Promise<void>;
};

export const closed = (transport: Transport): Promise<void> =>
  new Promise((resolve) => {
    transport.close(resolve);
  });

export const makeTestNetwork = async (
  count: number,
  limits?: Partial<TransportLimits>,
  driver?: NodeDriver,
): Promise<TestNetwork> => {
  const identities = Array.from(
    { length: count },
    (_, index) => driver?.identityOf(index) ?? makeIdentity(idOf(index)),
  );
  const ports = await freePorts(count);
  for (const [index, { id }] of identities.entries()) driver?.placed(id, ports[index] ?? 0);
  const peers = identities.map((identity, index) => ({
    id: identity.id,
    address: `[::1]:${ports[index] ?? 0}`,
    tlsPin: identity.spkiPin,
  }));
  const logs: LogLine[][] = identities.map(() => []);
  const all: QuicTransport[] = [];
  const make = async (index: number, own: Partial<TransportLimits> | undefined) => {
    const identity = identities[index];
    const lines = logs[index];
    const address = peers[index]?.address;
    if (identity === undefined || lines === undefined || address === undefined) {
      throw new RangeError("no such node");
    }
    const base: NodeOptions = { identity, peers, listen: address, logs: lines };
    const options = driver === undefined ? base : { ...base, bindEndpoint: driver.bind };
    const transport = await makeTransport(
      own === undefined ? options : { ...options, limits: own },
    );
    all.push(transport);
    return transport;
  };
  const transports: QuicTransport[] = [];
  for (let index = 0; index < count; index++) transports.push(await make(index, limits));
  return {
    identities,
    peers,
    transports,
    logs,
    restart: (index, own) => make(index, own ?? limits),
    dispose: async () => {
      await Promise.all(all.map(closed));
    },
  };
};
