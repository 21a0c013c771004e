/** Status, liveness, readiness and metrics. */
import type { FastifyInstance } from "fastify";
import { fail } from "../../errors.ts";
import type { ApiContext } from "./context.ts";
import { statusJson } from "./json.ts";
import { sendProblem } from "./problem.ts";
import { flag, readQuery } from "./query.ts";

export const healthRoutes = (app: FastifyInstance, context: ApiContext): void => {
  app.get("/v1/status", async (request, reply) => {
    readQuery(request, []);
    return reply
      .header("cache-control", "no-store")
      .send(statusJson(context.handle.status(), context.version));
  });

  // The process answers: nothing more. A supervisor restarts on a failure of this, so it must not fail
  // because peers are away.
  app.get("/livez", async (request, reply) => {
    readQuery(request, []);
    return reply.header("cache-control", "no-store").send({ live: true });
  });

  app.get("/readyz", async (request, reply) => {
    const verbose = flag(readQuery(request, ["verbose"]).verbose, "verbose");
    const { ready, reasons } = context.handle.ready();
    if (!ready) {
      const failure = fail("node.not-ready", reasons.join("; ") || "The node is not ready");
      return sendProblem(request, reply, failure);
    }
    reply.header("cache-control", "no-store");
    if (!verbose) return reply.send({ ready });
    const { voting, finalHeight, executedHeight, peers, problems } = context.handle.status();
    return reply.send({
      ready,
      reasons,
      voting,
      finalHeight,
      executedHeight,
      peers: peers.length,
      problems: problems.map(({ code, detail }) => ({ code, detail })),
    });
  });

  app.get("/metrics", async (request, reply) => {
    readQuery(request, []);
    return reply
      .header("content-type", "text/plain; version=0.0.4; charset=utf-8")
      .send(context.metricsPage());
  });
};
