/** The other validators as this node reaches them. */
import type { FastifyInstance } from "fastify";
import type { Observed } from "../../detect/index.ts";
import { type PeerFigures, TRAFFIC_CLASSES } from "../../ledger/ports.ts";
import type { ApiContext, Json } from "./context.ts";
import { described, type Operation, values } from "./openapi/operation.ts";
import { COUNT, HASH, listOf, objectOf, TEXT, TIME_MS } from "./openapi/schemas.ts";
import { readQuery } from "./query.ts";

const CLASS = objectOf({ sent: COUNT, received: COUNT, queued: COUNT });

const PEERS = {
  id: "listPeers",
  tag: "network",
  summary:
    "the other validators as this node reaches them: state, round trip, loss, handshakes, bytes and queue by class",
  query: {},
  answers: {
    200: {
      description: "by id; bytes are of streams, of all sessions since the node started",
      content: values(
        objectOf({
          items: listOf(
            objectOf({
              id: HASH,
              address: { ...TEXT, description: "as the genesis has it" },
              state: { enum: ["up", "dialling", "waiting", "refused"] },
              remote: { type: ["string", "null"], description: "other end of the session" },
              dialledBy: { enum: ["us", "peer", null] },
              via: {
                type: ["string", "null"],
                description: "id of the relay that the session goes through; null for a direct one",
              },
              rttMs: { type: ["number", "null"], description: "smoothed round trip, by QUIC" },
              driver: {
                type: ["string", "null"],
                description: "of QUIC, that carries the session",
              },
              packets: {
                type: ["object", "null"],
                description: "of QUIC, counted by this end",
                properties: {
                  sent: COUNT,
                  received: COUNT,
                  lost: { type: ["integer", "null"], description: "of those sent" },
                },
              },
              tlsMs: {
                type: ["number", "null"],
                description: "of the handshake of QUIC and TLS, from the first packet",
              },
              upMs: { type: ["integer", "null"], description: "age of the session" },
              sealed: {
                type: ["object", "null"],
                description: "of the post-quantum session; null until its handshake is complete",
                properties: {
                  handshakeMs: { type: "number" },
                  roundTripMs: {
                    type: ["number", "null"],
                    description: "of a sealed question and its answer, process to process",
                  },
                  version: { ...TEXT, description: "of the peer's software, told under the seal" },
                  records: { ...COUNT, description: "records that this node has sealed" },
                },
              },
              bulkBy: {
                enum: ["reactor", "quiche", "session", null],
                description:
                  "how objects would be asked for now: over connections of this QUIC driver, or the session",
              },
              observed: {
                ...listOf(
                  objectOf({
                    kind: { enum: ["object-chunk", "object-manifest"] },
                    count: COUNT,
                    lastMs: TIME_MS,
                    transferable: {
                      type: "boolean",
                      description: "this node keeps what others can check about who it was",
                    },
                  }),
                ),
                description:
                  "what this node has seen the member do: serve other bytes than an object's. Its own word; nothing follows from it",
              },
              queuedBytes: COUNT,
              bytes: {
                type: ["object", "null"],
                properties: Object.fromEntries(TRAFFIC_CLASSES.map((name) => [name, CLASS])),
              },
            }),
          ),
        }),
      ),
    },
  },
} as const satisfies Operation;

const sealedJson = (session: PeerFigures["session"]): Json => {
  const sealed = session?.sealed;
  if (sealed === undefined) return null;
  return { ...sealed, roundTripMs: sealed.roundTripMs ?? null };
};

const packetsJson = (session: PeerFigures["session"]): Json => {
  if (session === undefined) return null;
  return { ...session.packets, lost: session.packets.lost ?? null };
};

const peerJson = ({ session, ...peer }: PeerFigures, observed: readonly Observed[] = []): Json => ({
  id: peer.id,
  address: peer.address,
  state: peer.state,
  remote: peer.remote ?? null,
  dialledBy: peer.dialledBy ?? null,
  via: peer.via ?? null,
  rttMs: session?.rttMs ?? null,
  driver: peer.driver ?? null,
  packets: packetsJson(session),
  tlsMs: session?.tlsMs ?? null,
  upMs: session === undefined ? null : Math.round(session.upMs),
  sealed: sealedJson(session),
  bulkBy: peer.bulk ?? null,
  observed: observed.map((one) => ({ ...one })),
  queuedBytes: session?.queuedBytes ?? 0,
  bytes: session?.bytes ?? null,
});

export const peerRoutes = (app: FastifyInstance, context: ApiContext): void => {
  app.get("/v1/peers", described(PEERS), async (request, reply) => {
    readQuery(request, PEERS.query);
    const observed = context.observed();
    const items = context.peerFigures().map((peer) => peerJson(peer, observed.get(peer.id)));
    return reply.header("cache-control", "no-cache").send({ items });
  });
};
