/** Status, liveness, readiness and metrics. */
import type { FastifyInstance } from "fastify";
import { fail } from "../../errors.ts";
import type { ApiContext } from "./context.ts";
import { driverProblems, statusJson } from "./json.ts";
import { described, type Operation, values } from "./openapi/operation.ts";
import { listOf, objectOf, ref, TEXT } from "./openapi/schemas.ts";
import { sendProblem } from "./problem.ts";
import { flag, readQuery } from "./query.ts";

const STATUS = {
  id: "getStatus",
  tag: "health",
  summary: "heights, roots, peers, problems of this node",
  query: {},
  answers: { 200: { description: "how the node is", content: values(ref("Status")) } },
} as const satisfies Operation;

const LIVE = {
  id: "isLive",
  tag: "health",
  summary: "200 while the process answers; for a supervisor's restarts",
  query: {},
  answers: {
    200: { description: "it answers", content: values(objectOf({ live: { const: true } })) },
  },
  caching: "none",
} as const satisfies Operation;

const READY = {
  id: "isReady",
  tag: "health",
  summary: "200 when the node takes part, else 503 with the reasons",
  query: {
    verbose: {
      description: "tells heights and peers too, in the problem's `data` where it is not ready",
      schema: { enum: ["", "true", "1", "false", "0"] },
    },
  },
  answers: {
    200: {
      description: "it takes part",
      content: values(
        objectOf(
          {
            ready: { const: true },
            reasons: listOf(TEXT),
            voting: TEXT,
            finalHeight: { type: "integer" },
            executedHeight: { type: "integer" },
            peers: { type: "integer" },
            problems: listOf(objectOf({ code: TEXT, detail: TEXT })),
          },
          ["reasons", "voting", "finalHeight", "executedHeight", "peers", "problems"],
        ),
      ),
    },
  },
  problems: ["node.not-ready"],
  caching: "none",
} as const satisfies Operation;

const METRICS = {
  id: "getMetrics",
  tag: "health",
  summary: "Prometheus text, names `tetrad_*`",
  query: {},
  answers: { 200: { description: "all metrics", content: { "text/plain": { type: "string" } } } },
  caching: "none",
} as const satisfies Operation;

export const healthRoutes = (app: FastifyInstance, context: ApiContext): void => {
  app.get("/v1/status", described(STATUS), async (request, reply) => {
    readQuery(request, STATUS.query);
    return reply
      .header("cache-control", "no-cache")
      .send(statusJson(context.handle.status(), context.version, context.driverFigures?.()));
  });

  // The process answers: nothing more. A supervisor restarts on a failure of this, so it must not fail
  // because peers are away.
  app.get("/livez", described(LIVE), async (request, reply) => {
    readQuery(request, LIVE.query);
    return reply.header("cache-control", "no-store").send({ live: true });
  });

  app.get("/readyz", described(READY), async (request, reply) => {
    const verbose = flag(readQuery(request, READY.query).verbose, "verbose");
    const { ready, reasons } = context.handle.ready();
    const { voting, finalHeight, executedHeight, peers, problems } = context.handle.status();
    const all = [...problems, ...driverProblems(context.driverFigures?.())];
    const state = {
      reasons,
      voting,
      finalHeight,
      executedHeight,
      peers: peers.length,
      problems: all.map(({ code, detail }) => ({ code, detail })),
    };
    if (!ready) {
      const detail = reasons.join("; ") || "The node is not ready";
      const failure = fail("node.not-ready", detail);
      return sendProblem(request, reply, failure, verbose ? state : undefined);
    }
    reply.header("cache-control", "no-store");
    return reply.send(verbose ? { ready, ...state } : { ready });
  });

  app.get("/metrics", described(METRICS), async (request, reply) => {
    readQuery(request, METRICS.query);
    return reply
      .header("content-type", "text/plain; version=0.0.4; charset=utf-8")
      .header("cache-control", "no-store")
      .send(context.metricsPage());
  });
};
