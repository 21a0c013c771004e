/**
 * What a cache may keep (RFC 9111). What is named by its height or index never changes once it is
 * executed; everything else is asked for again, and by its tag (RFC 9110, 8.8.3) sent only when it is
 * another than the client has.
 */
import type { FastifyReply, FastifyRequest } from "fastify";
import { toHex } from "../../crypto/bytes.ts";
import { sha256 } from "../../crypto/hash.ts";

/** A year, which is as long as RFC 9111 lets anything be fresh in practice. */
export const IMMUTABLE = "public, max-age=31536000, immutable";

/**
 * A URL names a height or an index, not the chain: where chains are made and thrown away at one address, a
 * browser would show the old one's answers for a year. There everything is asked for again, by its tag.
 */
export const keepWithin = (reply: FastifyReply, disposable: boolean): void => {
  if (disposable && reply.getHeader("cache-control") === IMMUTABLE) {
    reply.header("cache-control", "no-cache");
  }
};

/** Strong: equal bytes, equal tag. 16 of 32 bytes are enough, because nobody gains by a collision. */
const tagOf = (body: Uint8Array): string => `"${toHex(sha256(body).subarray(0, 16))}"`;

/** Tags in If-None-Match, weak ones compared by their text as RFC 9110 13.1.2 says for GET. */
const wanted = (header: string): readonly string[] =>
  header.split(",").map((tag) => tag.trim().replace(/^W\//, ""));

/** For the onSend hook: sets the tag of a whole answer to GET, and takes the body off where it is known. */
export const tagged = (
  request: FastifyRequest,
  reply: FastifyReply,
  body: Uint8Array,
): Uint8Array | undefined => {
  const { method } = request;
  if ((method !== "GET" && method !== "HEAD") || reply.statusCode !== 200) return body;
  if (reply.getHeader("cache-control") === "no-store") return body;
  const tag = tagOf(body);
  reply.header("etag", tag);
  const known = request.headers["if-none-match"];
  if (known === undefined || (known.trim() !== "*" && !wanted(known).includes(tag))) return body;
  reply.code(304);
  reply.removeHeader("content-type");
  reply.removeHeader("content-length");
  return undefined;
};
