/**
 * What pages of other sites may do through the browsers of people (the Fetch standard, "CORS protocol").
 * Reads are public and carry no credentials, so every page may read. Writes are for `POST /v1/batches` alone,
 * which only a signature authorises: a page gains nothing from the browser that it runs in. There is no
 * Access-Control-Allow-Credentials and no Access-Control-Allow-Private-Network: a public page does not
 * reach a node on somebody's own machine where the browser asks for leave.
 *
 * None of this weakens the check of the Host header, which is against pages that rebind a name of theirs.
 */
import type { FastifyInstance } from "fastify";

const WRITABLE = "/v1/batches";

const EXPOSED = [
  "ETag",
  "Ledger-Checkpoint",
  "Ledger-Genesis",
  "Ledger-Height",
  "Link",
  "Request-Id",
  "Retry-After",
].join(", ");

const ALLOWED_HEADERS = "Accept, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID";

/** How long a browser may remember what a preflight said. */
const MAX_AGE_SECONDS = 600;

const WRITES: ReadonlySet<string> = new Set(["POST", "PUT", "PATCH", "DELETE"]);

/** Of every answer that a page may read; {} where it may not. */
export const corsHeaders = (
  method: string | undefined,
  url: string | undefined,
): { readonly [name: string]: string } => {
  const [path] = (url ?? "").split("?", 1);
  if (WRITES.has(method ?? "") && path !== WRITABLE) return {};
  return { "access-control-allow-origin": "*", "access-control-expose-headers": EXPOSED };
};

/** Adds the headers and answers preflights. After the hook that checks the Host header. */
export const addCors = (app: FastifyInstance): void => {
  app.addHook("onRequest", async (request, reply) => {
    const { method, url } = request.raw;
    reply.headers(corsHeaders(method, url));
    const asked = request.headers["access-control-request-method"];
    if (method !== "OPTIONS" || asked === undefined) return;
    const [path] = (url ?? "").split("?", 1);
    const methods = path === WRITABLE ? "GET, HEAD, POST" : "GET, HEAD";
    return reply
      .status(204)
      .header("access-control-allow-methods", methods)
      .header("access-control-allow-headers", ALLOWED_HEADERS)
      .header("access-control-max-age", String(MAX_AGE_SECONDS))
      .header("cache-control", "no-store")
      .send();
  });
};
