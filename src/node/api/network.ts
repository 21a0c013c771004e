/** The validators and what is proven against them, for people and monitors. */
import type { FastifyInstance } from "fastify";
import { toHex } from "../../crypto/bytes.ts";
import { TetradError } from "../../errors.ts";
import type { Network } from "../../ledger/handle.ts";
import type { Bundle } from "../../ledger/verify/bundle.ts";
import { LIMITS } from "../../limits.ts";
import type { ApiContext, Json } from "./context.ts";
import { decodeIndexCursor, encodeIndexCursor } from "./cursor.ts";
import { MIN_HEIGHT, reachHeight } from "./heights.ts";
import { entryJson } from "./json.ts";
import { described, type Operation, values } from "./openapi/operation.ts";
import { AFTER, COUNT, HASH, LIMIT, listOf, objectOf, ref, TEXT } from "./openapi/schemas.ts";
import { bundleAnswer, PROOF_QUERY, proofRequest, whenProvable } from "./proof.ts";
import { integer, readQuery, typeFilter } from "./query.ts";
import { scan } from "./read.ts";

/** Leaders of this many views from the current one on. */
const VIEWS = 8;
const EVIDENCE_TYPE = "detect.evidence.committed";

const VALIDATORS = {
  id: "listValidators",
  tag: "network",
  summary: "the validator set: weights, who leads next, who is quarantined, whom this node reaches",
  description:
    "With `proof`, a step along the sets: a proof bundle that leads from the set of `trustedEpoch` to the newest " +
    "header that rows can be proven against, with the rows of all members of its set (of `stake`, or of " +
    "`validators` where sets do not change); or, where that is more than an answer holds, to the last boundary " +
    "that there is room for, from whose epoch to ask on.",
  query: PROOF_QUERY,
  answers: {
    200: {
      description: "the set of the running epoch, in its order",
      content: values({
        oneOf: [
          ref("Proof"),
          objectOf({
            epoch: COUNT,
            setHash: HASH,
            totalWeight: { ...TEXT, description: "a whole number, as text" },
            quorum: { ...TEXT, description: "a whole number, as text" },
            view: COUNT,
            leaders: listOf({ ...COUNT, description: "index; of the views from `view` on" }),
            items: listOf(
              objectOf({
                index: COUNT,
                id: HASH,
                name: TEXT,
                weight: TEXT,
                address: TEXT,
                self: { type: "boolean" },
                connected: { type: "boolean", description: "as this node sees it now" },
                quarantined: { type: ["object", "null"], description: "the row of the projection" },
              }),
            ),
          }),
        ],
      }),
    },
  },
  problems: ["node.not-ready", "proof.pending", "store.corrupt", "store.io"],
} as const satisfies Operation;

const EVIDENCE = {
  id: "listEvidence",
  tag: "network",
  summary: "events with two statements that one validator must not both have made",
  query: {
    after: AFTER,
    limit: LIMIT(LIMITS.httpPageMax, LIMITS.httpPageDefault),
    ...MIN_HEIGHT,
  },
  answers: {
    200: { description: "in the order of the log", content: values(ref("EventPage")) },
  },
  problems: ["http.bad-cursor", "http.behind", "store.corrupt", "store.io"],
} as const satisfies Operation;

const quarantineOf = (context: ApiContext, id: string): Json => {
  const key = context.formats.keyBytes("quarantine", id);
  const value = key.ok ? context.handle.row("quarantine", key.value) : undefined;
  return value === undefined || !key.ok
    ? null
    : context.formats.row("quarantine", key.value, value);
};

const networkJson = (context: ApiContext, network: Network): Json => {
  const { nodeId, peers } = context.handle.status();
  const { set, view, leaders } = network;
  return {
    epoch: set.epoch,
    setHash: toHex(set.hash),
    totalWeight: String(set.totalWeight),
    quorum: String(set.quorum),
    view,
    leaders,
    items: set.validators.map((validator, index) => {
      const id = toHex(validator.id);
      return {
        index,
        id,
        name: validator.name,
        weight: String(validator.weight),
        address: validator.address,
        self: id === nodeId,
        connected: id === nodeId || peers.includes(id),
        quarantined: quarantineOf(context, id),
      };
    }),
  };
};

export const networkRoutes = (app: FastifyInstance, context: ApiContext): void => {
  app.get("/v1/validators", described(VALIDATORS), async (request, reply) => {
    const query = readQuery(request, VALIDATORS.query);
    const proof = proofRequest(query);
    if (proof !== undefined) {
      const bundle = await whenProvable<Bundle>(context, request, proof.waitMs, (done) =>
        context.handle.proofs().set({ trustedEpoch: proof.trustedEpoch }, done),
      );
      return reply.header("cache-control", "no-cache").send(bundleAnswer(context, reply, bundle));
    }
    const network = context.handle.network(VIEWS);
    if (network === undefined) {
      throw new TetradError("node.not-ready", "Consensus has not started on this node");
    }
    return reply.header("cache-control", "no-cache").send(networkJson(context, network));
  });

  app.get("/v1/evidence", described(EVIDENCE), async (request, reply) => {
    const query = readQuery(request, EVIDENCE.query);
    await reachHeight(context, request, query);
    const limit = integer(query.limit, "limit", {
      min: 1,
      max: LIMITS.httpPageMax,
      fallback: LIMITS.httpPageDefault,
    });
    const from = query.after === undefined ? 0 : decodeIndexCursor("evidence", query.after);
    const { entries, next } = await context.load.work.run(request, (turn) =>
      scan(context, from, {
        limit,
        bytesMax: LIMITS.httpPageBytesMax,
        filter: typeFilter(EVIDENCE_TYPE),
        turn,
        charge: (count, bytes) => context.load.outgoing.addItems(reply, count, bytes),
      }),
    );
    const status = context.handle.status();
    const more = next < status.logSize;
    const cursor = encodeIndexCursor("evidence", next);
    if (more) reply.header("link", `</v1/evidence?after=${cursor}&limit=${limit}>; rel="next"`);
    return reply.header("cache-control", "no-cache").send({
      items: entries.map((entry) => entryJson(entry, context.formats, context.handle.timeOf)),
      next: cursor,
      more,
      logSize: status.logSize,
      logRoot: toHex(status.logRoot),
      height: status.executedHeight,
    });
  });
};
