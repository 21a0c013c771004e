/** Errors over HTTP: RFC 9457 problem details made from the error table. */
import type { FastifyReply, FastifyRequest } from "fastify";
import { ERRORS, type ErrorCode, type ErrorData, type Failure, TetradError } from "../../errors.ts";
import type { Json } from "./context.ts";

export const PROBLEM_TYPE = "application/problem+json; charset=utf-8";

/** Seconds after which a client may come again where trying again can help. */
const RETRY_AFTER_SECONDS = 1;

export type Problem = {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: ErrorCode;
  readonly detail: string;
  readonly retryable: boolean;
  readonly instance: string;
  readonly data?: { readonly [key: string]: Json };
};

/** `instance` is the request id, so that a report can be found in the log. */
export const problemOf = (
  failure: { readonly code: ErrorCode; readonly detail: string; readonly data?: ErrorData },
  requestId: string,
): Problem => {
  const spec = ERRORS[failure.code];
  const problem: Problem = {
    type: `urn:tetrad:error:${failure.code}`,
    title: spec.title,
    status: spec.status,
    code: failure.code,
    detail: failure.detail,
    retryable: spec.retryable,
    instance: `urn:tetrad:request:${requestId}`,
  };
  const data = failure.data;
  return data !== undefined && Object.keys(data).length > 0 ? { ...problem, data } : problem;
};

export const sendProblem = (
  request: FastifyRequest,
  reply: FastifyReply,
  failure: Failure | TetradError,
  more?: Readonly<Record<string, Json>>,
): FastifyReply => {
  const known =
    failure instanceof TetradError
      ? { code: failure.code, detail: failure.message, data: failure.data }
      : failure;
  const told = problemOf(known, request.id);
  const problem = more === undefined ? told : { ...told, data: { ...told.data, ...more } };
  if (problem.status === 503 || problem.status === 429) {
    reply.header("retry-after", String(RETRY_AFTER_SECONDS));
  }
  return reply
    .status(problem.status)
    .header("content-type", PROBLEM_TYPE)
    .header("cache-control", "no-store")
    .send(JSON.stringify(problem));
};

type FrameworkError = { readonly code?: string; readonly statusCode?: number };

/** What the HTTP framework refused before a route saw it, in words of our table. */
const FRAMEWORK: Readonly<Record<string, ErrorCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: "http.body-too-large",
  FST_ERR_CTP_INVALID_MEDIA_TYPE: "http.media-type",
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: "http.malformed",
  FST_ERR_CTP_EMPTY_TYPE: "http.media-type",
  FST_ERR_BAD_URL: "http.malformed",
  FST_ERR_MAX_LIMIT: "http.malformed",
};

/** Any thrown thing as an error of the table; what is not ours says nothing of our insides. */
export const toTetradError = (error: unknown): TetradError => {
  if (error instanceof TetradError) return error;
  const code = FRAMEWORK[(error as FrameworkError)?.code ?? ""];
  if (code !== undefined) return new TetradError(code, ERRORS[code].title);
  const status = (error as FrameworkError)?.statusCode;
  if (status !== undefined && status >= 400 && status < 500) {
    return new TetradError("http.malformed", ERRORS["http.malformed"].title);
  }
  return new TetradError(
    "internal",
    "The node met an error of its own; its log has the request id",
  );
};
