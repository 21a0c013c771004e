/**
 * The HTTP API of one node. Loopback only, or TLS 1.3, or behind a proxy that has it. Every answer has the
 * headers Ledger-Height (an executed height that what is read is not older than), Ledger-Checkpoint (size and
 * root of the log there) and Ledger-Genesis (the hash of the chain's genesis, so that a client notices
 * another chain), every error is a problem of the error table, and everything a client sends is bounded in
 * size and in time. How a route is added: openapi/operation.ts.
 */
import { createServer, type RequestListener, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { Socket } from "node:net";
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from "fastify";
import { toHex } from "../../crypto/bytes.ts";
import { fail, TetradError } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import { formatAddress, isLocalHost, type SocketAddress } from "../address.ts";
import { auditRoutes } from "./audit.ts";
import { batchRoutes } from "./batches.ts";
import { blockRoutes } from "./blocks.ts";
import { keepWithin, tagged } from "./caching.ts";
import { certificateRoutes } from "./certificates.ts";
import type { ApiContext, ApiOptions } from "./context.ts";
import { addCors } from "./cors.ts";
import { eventRoute } from "./event.ts";
import { eventRoutes } from "./events.ts";
import { healthRoutes } from "./health.ts";
import { Incoming } from "./incoming.ts";
import { networkRoutes } from "./network.ts";
import { objectRoutes } from "./objects.ts";
import { collectRoutes, type DescribedRoute } from "./openapi/operation.ts";
import { openApiRoute } from "./openapi/route.ts";
import { Outgoing } from "./outgoing.ts";
import { negotiate } from "./packed.ts";
import { peerRoutes } from "./peers.ts";
import { PROBLEM_TYPE, problemOf, sendProblem, toTetradError } from "./problem.ts";
import { projectionRoutes } from "./projections.ts";
import { clientOf, Shares } from "./shares.ts";
import { streamRoutes } from "./stream.ts";
import { tlogRoutes } from "./tlog.ts";
import type { ApiTls } from "./tls.ts";
import { Work } from "./work.ts";

export type Api = {
  /** For tests: requests without a socket. */
  readonly app: FastifyInstance;
  /** Every route with its description. */
  readonly routes: readonly DescribedRoute[];
  /** Binds the address, IPv6 only; resolves with the one bound (port 0 asks for a free one). */
  listen(address: SocketAddress): Promise<SocketAddress>;
  /** Answers what waits with node.stopping, ends the streams and closes the socket. */
  stop(): Promise<void>;
};

const ROUTES: readonly ((app: FastifyInstance, context: ApiContext) => void)[] = [
  healthRoutes,
  batchRoutes,
  certificateRoutes,
  eventRoutes,
  eventRoute,
  streamRoutes,
  projectionRoutes,
  blockRoutes,
  networkRoutes,
  peerRoutes,
  auditRoutes,
  tlogRoutes,
  objectRoutes,
];

/** Methods of each path, for 405 answers. */
type Allowed = { readonly pattern: RegExp; readonly methods: Set<string> };

export const createApi = (options: ApiOptions): Api => {
  const context: ApiContext = {
    ...options,
    load: {
      stopping: false,
      waiters: new Shares(LIMITS.httpWaitersMax, LIMITS.httpClientWaitersMax),
      onStop: new Set(),
      incoming: new Incoming(options.metrics),
      outgoing: new Outgoing(options.timers, options.metrics),
      work: new Work(options.timers, options.metrics),
    },
  };
  const app = fastify({
    bodyLimit: LIMITS.httpBodyBytesMax,
    requestTimeout: LIMITS.httpRequestTimeoutMs,
    keepAliveTimeout: LIMITS.httpIdleTimeoutMs,
    forceCloseConnections: true,
    return503OnClosing: false,
    genReqId: () => requestId(context),
    frameworkErrors: (error, request, reply) => {
      sendProblem(request as FastifyRequest, reply as FastifyReply, toTetradError(error));
    },
    rewriteUrl: ({ url = "/" }) => originForm(url),
    routerOptions: { maxParamLength: LIMITS.httpUrlBytesMax },
    clientErrorHandler(error, socket) {
      refuseRaw(context, error, socket);
    },
    serverFactory: (handler) => createSocketServer(context.tls, handler),
  });
  const allowed = watchRoutes(app);
  const routes = collectRoutes(app);
  addHooks(app, context);
  addCors(app);
  app.setErrorHandler((error, request, reply) => {
    const known = toTetradError(error);
    if (known.code === "internal") {
      const cause = error instanceof Error ? (error.stack ?? error.message) : String(error);
      context.logger.log("error", "a request failed", { request: request.id, cause });
    }
    return sendProblem(request, reply, known);
  });
  app.setNotFoundHandler((request, reply) => {
    const path = (request.raw.url ?? "").split("?", 1)[0] ?? "";
    const methods = allowed.filter(({ pattern }) => pattern.test(path));
    if (methods.length === 0) {
      return sendProblem(request, reply, fail("http.not-found", "Nothing has this path"));
    }
    const allow = [...new Set(methods.flatMap((route) => [...route.methods]))].sort().join(", ");
    reply.header("allow", allow);
    return sendProblem(request, reply, fail("http.method", `Only ${allow} is allowed here`));
  });
  for (const add of ROUTES) add(app, context);
  openApiRoute(app, routes, context.version);

  return {
    app,
    routes,
    async listen(address) {
      await app.listen({ host: address.host, port: address.port, ipv6Only: true });
      const bound = app.server.address();
      if (bound === null || typeof bound === "string") throw new Error("no TCP address");
      context.logger.log("info", "API listens", {
        address: formatAddress({ host: address.host, port: bound.port }),
      });
      return { host: address.host, port: bound.port };
    },
    async stop() {
      context.load.stopping = true;
      context.load.work.stop();
      for (const stop of [...context.load.onStop]) stop();
      await app.close();
    },
  };
};

/** Bounded in what it reads before a request is one; with TLS, in the time of the handshake too. */
const createSocketServer = (tls: ApiTls | undefined, handler: RequestListener): Server => {
  const limits = {
    maxHeaderSize: LIMITS.httpHeaderBytesMax,
    headersTimeout: LIMITS.httpHeadersTimeoutMs,
    requestTimeout: LIMITS.httpRequestTimeoutMs,
    keepAliveTimeout: LIMITS.httpIdleTimeoutMs,
    connectionsCheckingInterval: 1_000,
    insecureHTTPParser: false,
    // A hook does, with a problem as the answer.
    requireHostHeader: false,
  };
  const server =
    tls === undefined
      ? createServer(limits, handler)
      : createTlsServer(
          {
            ...limits,
            ...tls,
            minVersion: "TLSv1.3",
            handshakeTimeout: LIMITS.httpHeadersTimeoutMs,
          },
          handler,
        );
  // What else a client expects is nothing to fail for, and the framework answers in our words.
  server.on("checkExpectation", handler);
  server.maxConnections = LIMITS.httpConnectionsMax;
  const connections = new Shares(LIMITS.httpConnectionsMax, LIMITS.httpClientConnectionsMax);
  // Before TLS: a handshake costs more than a socket.
  server.on("connection", (socket: Socket) => {
    const client = clientOf(socket.remoteAddress);
    if (!connections.take(client, 1)) socket.destroy();
    else socket.once("close", () => connections.give(client, 1));
  });
  return server;
};

const requestId = (context: ApiContext): string =>
  [context.random.u32(), context.random.u32()]
    .map((word) => word.toString(16).padStart(8, "0"))
    .join("");

/** Collects the methods of every path as routes are added. */
const watchRoutes = (app: FastifyInstance): readonly Allowed[] => {
  const byUrl = new Map<string, Allowed>();
  const allowed: Allowed[] = [];
  app.addHook("onRoute", (route) => {
    let entry = byUrl.get(route.url);
    if (entry === undefined) {
      const source = route.url
        .replaceAll(".", "\\.")
        .replaceAll(/:[A-Za-z]+/g, "[^/]+")
        .replace("*", ".+");
      entry = { pattern: new RegExp(`^${source}$`), methods: new Set() };
      byUrl.set(route.url, entry);
      allowed.push(entry);
    }
    for (const method of [route.method].flat()) entry.methods.add(method);
  });
  return allowed;
};

const addHooks = (app: FastifyInstance, context: ApiContext): void => {
  app.decorateRequest("stamp", () => {});
  app.addHook("onRequest", async (request, reply) => {
    request.stamp = () => {
      const { executedHeight, genesisHash, logSize, logRoot } = context.handle.status();
      reply.header("ledger-height", String(executedHeight));
      reply.header("ledger-checkpoint", `${logSize} ${toHex(logRoot)}`);
      reply.header("ledger-genesis", toHex(genesisHash));
    };
    request.stamp();
    reply.header("x-content-type-options", "nosniff");
    reply.header("request-id", request.id);
    if (request.headers.host === undefined) {
      throw new TetradError("http.malformed", "A request needs a Host header");
    }
    // RFC 9112, 3.2: who stands before us may have looked at another one than we do.
    if (countOf(request.raw.rawHeaders, "host") > 1) {
      throw new TetradError("http.malformed", "A request has one Host header");
    }
    // A page of another site can make a browser ask [::1] by a name of its own; it never names us.
    const host = authorityOf(request.originalUrl) ?? request.headers.host;
    if (!context.anyHost && !isLocalHost(host)) {
      throw new TetradError("http.host", "Use the address itself, for example [::1]:8440");
    }
    if ((request.raw.url ?? "").length > LIMITS.httpUrlBytesMax) {
      throw new TetradError("http.malformed", `The URL is over ${LIMITS.httpUrlBytesMax} bytes`);
    }
    if (context.load.stopping) throw new TetradError("node.stopping", "The node is stopping");
    context.load.incoming.take(request, reply);
  });
  app.addHook("preSerialization", async (request, reply, payload) => {
    negotiate(request, reply);
    return payload;
  });
  app.addHook("onSend", async (request, reply, payload) => {
    // Bytes once, outside the heap, instead of a text that is copied when the socket is full.
    const body = typeof payload === "string" ? Buffer.from(payload) : payload;
    if (!(body instanceof Uint8Array)) return body;
    keepWithin(reply, context.disposable);
    const sent = tagged(request, reply, body);
    context.load.outgoing.setBody(reply, sent?.length ?? 0);
    return sent;
  });
  app.addHook("onResponse", async (request, reply) => {
    const path = request.routeOptions.url ?? "none";
    context.metrics.count("http_requests_total", 1, { path, status: String(reply.statusCode) });
    context.metrics.observe("http_request_seconds", reply.elapsedTime / 1000, { path });
    context.logger.log("debug", "request", {
      request: request.id,
      method: request.method,
      path,
      status: reply.statusCode,
      ms: Math.round(reply.elapsedTime),
    });
  });
};

/** A target in absolute form names its host, and the Host header does not count (RFC 9112, 3.2.2). */
const ABSOLUTE = /^https?:\/\/([^/?#]*)/i;

const authorityOf = (url: string): string | undefined => ABSOLUTE.exec(url)?.[1];

/** The target as the routes have it, which a client sends in absolute form that takes the node for a proxy. */
const originForm = (url: string): string => {
  if (!ABSOLUTE.test(url)) return url;
  const rest = url.replace(ABSOLUTE, "");
  return rest.startsWith("/") ? rest : `/${rest}`;
};

/** How often a header was sent; `raw` has names and values in turn. */
const countOf = (raw: readonly string[], name: string): number =>
  raw.filter((text, i) => i % 2 === 0 && text.toLowerCase() === name).length;

type RawSocket = { readonly writable: boolean; end(text: string): void; destroy(): void };

/** Answers what never became a request: bad HTTP, oversized headers, a request that came too slowly. */
const refuseRaw = (
  context: ApiContext,
  error: { readonly code?: string },
  socket: RawSocket,
): void => {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const code =
    error.code === "HPE_HEADER_OVERFLOW"
      ? "http.header-too-large"
      : error.code === "ERR_HTTP_REQUEST_TIMEOUT"
        ? "http.request-timeout"
        : "http.malformed";
  const known = fail(code, "The request was refused before it was read");
  const id = requestId(context);
  const problem = problemOf(known, id);
  const body = JSON.stringify(problem);
  const { executedHeight, genesisHash, logSize, logRoot } = context.handle.status();
  const lines = [
    `HTTP/1.1 ${problem.status} Refused`,
    `content-type: ${PROBLEM_TYPE}`,
    `content-length: ${Buffer.byteLength(body)}`,
    `ledger-height: ${executedHeight}`,
    `ledger-checkpoint: ${logSize} ${toHex(logRoot)}`,
    `ledger-genesis: ${toHex(genesisHash)}`,
    `request-id: ${id}`,
    "cache-control: no-store",
    "x-content-type-options: nosniff",
    "connection: close",
  ];
  socket.end(`${lines.join("\r\n")}\r\n\r\n${body}`);
};
