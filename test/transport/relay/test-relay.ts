/**
 * A relay that does what the test says with every packet: it writes down, changes, repeats, keeps back. It has a
 * member's keys and real sessions, and is otherwise none of the product's code for relays but its frames.
 */
import { realClock, realRandom, realTimers } from "../../../src/node/real-ports.ts";
import { BulkBudget } from "../../../src/transport/bulk-budget.ts";
import { openMeshEndpoint } from "../../../src/transport/mesh-endpoint.ts";
import { type QuicTransportOptions, TRANSPORT_LIMITS } from "../../../src/transport/options.ts";
import { decodeRelayFrame, encodeRelayFrame } from "../../../src/transport/relay/frame.ts";
import { Session, type SessionEvents } from "../../../src/transport/session.ts";
import { SigningLine } from "../../../src/transport/signing-line.ts";
import { FEATURES } from "../../../src/transport/stoq/hello.ts";
import { hashOfCertificate, identifyPeer } from "../../../src/transport/tls.ts";
import { securityOf, silentMetrics, type TestIdentity } from "../support.ts";

export type RelayedPacket = {
  readonly from: string;
  readonly to: string;
  readonly packet: Uint8Array;
};

export type TestRelay = {
  /** Everything that was to be passed on, in order. */
  readonly packets: readonly RelayedPacket[];
  /** What is delivered in the place of a packet; at first the packet. */
  rule: (packet: RelayedPacket) => readonly RelayedPacket[];
  deliver(packet: RelayedPacket): void;
  close(): Promise<void>;
};

export const openTestRelay = async (
  identity: TestIdentity,
  port: number,
  members: ReadonlyMap<string, string>,
): Promise<TestRelay> => {
  const ports = {
    ...{ clock: realClock, timers: realTimers, random: realRandom, metrics: silentMetrics },
    logger: { log: () => {} },
  };
  const security = securityOf(identity.id);
  const sessions = new Map<string, Session>();
  const packets: RelayedPacket[] = [];
  const relay = {
    packets,
    rule: (packet: RelayedPacket): readonly RelayedPacket[] => [packet],
    deliver({ from, to, packet }: RelayedPacket): void {
      sessions.get(to)?.sendDatagram(encodeRelayFrame({ kind: "forwarded", peer: from, packet }));
    },
  };
  const events: SessionEvents = {
    identify: (session) =>
      identifyPeer(session.peerCertificates(), members, session.dialled, Date.now()),
    ready: (session) => sessions.set(session.peer ?? "", session),
    frame: () => {},
    datagram: (session, bytes) => {
      const frame = decodeRelayFrame(bytes);
      if (!frame.ok) throw new Error("no datagram of a relay");
      // What another relay brings to this one as a member: it answers nobody.
      if (frame.value.kind !== "forward") return;
      const { peer, packet } = frame.value;
      const said = { from: session.peer ?? "", to: peer, packet: packet.slice() };
      packets.push(said);
      for (const one of relay.rule(said)) relay.deliver(one);
    },
    admit: () => true,
    drained: () => {},
    note: () => {},
    secured: () => {},
    ended: (session) => {
      if (sessions.get(session.peer ?? "") === session) sessions.delete(session.peer ?? "");
    },
  };
  const options: QuicTransportOptions = {
    ...ports,
    ...{ listen: "", identity, self: identity.id, security, peers: [] },
  };
  const endpoint = await openMeshEndpoint(
    options,
    TRANSPORT_LIMITS,
    { host: "::1", port },
    {
      isMemberHost: () => true,
      accepted: (connection) => {
        new Session({
          ...{ connection, dialled: undefined, route: undefined, features: FEATURES.relay },
          ...{ self: identity.id, selfRun: new Uint8Array(8).fill(7), security, ports, events },
          signing: new SigningLine(security.signer),
          bulk: BulkBudget.ofThread(ports),
          certificateHash: hashOfCertificate(identity.certPem),
          ...{ pin: identity.spkiPin, pinOf: () => undefined },
          limits: TRANSPORT_LIMITS,
        });
      },
      ...{ refused: () => {}, leaving: () => {}, reopened: () => {} },
      reserveReaches: () => true,
    },
    undefined,
  );
  endpoint.startAccepting();
  return Object.assign(relay, {
    close: () =>
      new Promise<void>((resolve) => {
        endpoint.close(0, "", resolve);
      }),
  });
};
