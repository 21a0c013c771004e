/**
 * Certificates: the way from a signed request to a certificate in the log. Every node takes requests, since
 * they travel in the log; the issuer, wherever it runs, finds them there and answers there.
 */
import type { FastifyInstance, FastifyRequest } from "fastify";
import {
  CERTIFICATES,
  CT,
  certificateJson,
  certificateKey,
  certificateRequested,
  checkRequest,
  ctIndexKey,
  decodeCertificate,
  decodeCtIndex,
  decodeIssuer,
  decodeSettled,
  issuerKey,
  issuersPrefix,
  pemOf,
  pendingKey,
  settledKey,
} from "../../ca/index.ts";
import { toHex } from "../../crypto/bytes.ts";
import { createHasher } from "../../crypto/hash.ts";
import { ERRORS, type ErrorCode, isErrorCode, ok, type Result, TetradError } from "../../errors.ts";
import { decodeBatch } from "../../ledger/batch.ts";
import type { ProjectionRow } from "../../ledger/handle.ts";
import type { Hash } from "../../ledger/types.ts";
import { LIMITS } from "../../limits.ts";
import { provesPossession } from "../ca/possession.ts";
import { BATCH_BODY, batchOf, submit } from "./batches.ts";
import type { ApiContext, Json } from "./context.ts";
import { receiptJson } from "./json.ts";
import { described, type Operation, type Parameter, values } from "./openapi/operation.ts";
import { COUNT, HASH, listOf, objectOf, SCHEMAS, TEXT, TIME_MS } from "./openapi/schemas.ts";
import { integer, readQuery } from "./query.ts";
import { readEvents } from "./read.ts";
import { waitFor } from "./waiting.ts";

/** An envelope around one request: core, lengths and signature take less than this. */
const ENVELOPE_BYTES_MAX = 4096;

const PEM = "CERTIFICATE";

const WAIT_MS: Parameter = {
  description: "ends the wait with http.timeout; the request is not lost by that",
  schema: { type: "integer", minimum: 1, maximum: LIMITS.httpWaitMsMax },
};

const CERTIFICATE = objectOf({
  request: { ...COUNT, description: "index of the event that asked" },
  issuer: HASH,
  profile: { enum: ["server", "client", "peer"] },
  fingerprint: { ...HASH, description: "SHA-256 of the DER" },
  serial: { ...TEXT, pattern: "^([0-9A-F]{2}){1,20}$" },
  names: listOf(TEXT),
  notBeforeMs: TIME_MS,
  notAfterMs: TIME_MS,
  key: { ...TEXT, description: "kind of the subject's key" },
  event: { ...COUNT, description: "index of the event that issued it" },
  ctIndex: { ...COUNT, description: "index of its entry in the CT log" },
  pem: TEXT,
  chain: { ...TEXT, description: "PEM: the certificate and its issuer's" },
});

const codesOf = (...prefixes: readonly string[]): readonly ErrorCode[] =>
  (Object.keys(ERRORS) as ErrorCode[]).filter((code) =>
    prefixes.some((prefix) => code.startsWith(prefix)),
  );

const REQUEST = {
  id: "requestCertificate",
  tag: "ca",
  summary: "submit a signed certificate request, and wait for the certificate",
  description:
    "The body is a batch with one event ca.certificate.requested (docs/ca.md). Sending the same bytes again gives the same certificate.",
  query: { waitMs: WAIT_MS },
  ...BATCH_BODY,
  answers: {
    200: {
      description: "the certificate is in the log",
      content: values({
        ...SCHEMAS.Receipt,
        properties: { ...SCHEMAS.Receipt.properties, certificate: CERTIFICATE },
        required: [...SCHEMAS.Receipt.required, "certificate"],
      }),
    },
  },
  problems: [
    ...codesOf("batch.", "ca.", "event."),
    "encoding.malformed",
    "encoding.version",
    "http.body-too-large",
    "http.media-type",
    "http.timeout",
    "http.idempotency",
    "node.not-ready",
  ],
} as const satisfies Operation;

const ANSWER = {
  id: "getCertificateRequest",
  tag: "ca",
  summary: "what became of a certificate request",
  path: { index: { description: "index of the event that asked", schema: COUNT } },
  query: { waitMs: WAIT_MS },
  answers: { 200: { description: "the certificate", content: values(CERTIFICATE) } },
  problems: [...codesOf("ca."), "http.timeout", "store.corrupt", "store.io"],
  caching: "none",
} as const satisfies Operation;

const ISSUERS = {
  id: "listIssuers",
  tag: "ca",
  summary: "the issuers of the chain, with their certificates",
  query: {},
  answers: {
    200: {
      description: "in the order of their ids",
      content: values(
        objectOf({
          items: listOf(
            objectOf({
              issuer: { ...HASH, description: "SHA-256 of its public key's DER" },
              name: TEXT,
              actor: { ...HASH, description: "who issues with it" },
              createdMs: TIME_MS,
              notBeforeMs: TIME_MS,
              notAfterMs: TIME_MS,
              pem: TEXT,
            }),
          ),
        }),
      ),
    },
  },
  problems: ["store.corrupt", "store.io"],
  caching: "none",
} as const satisfies Operation;

const waitMsOf = (value: string | undefined): number =>
  integer(value, "waitMs", { min: 1, max: LIMITS.httpWaitMsMax, fallback: LIMITS.httpWaitMsMax });

/**
 * What the log would refuse for good is refused before the log has it: a request that is not well-formed
 * or not signed by its own key. Returns the issuer that is asked. Codes: ca.*, those of decodeBatch.
 */
const checkBatch = (context: ApiContext, bytes: Uint8Array): Hash => {
  const shape = (detail: string): TetradError => new TetradError("ca.request-shape", detail);
  if (bytes.length > LIMITS.caCsrBytesMax + ENVELOPE_BYTES_MAX) {
    throw shape("The batch is larger than one request can be");
  }
  const batch = decodeBatch(createHasher(context.handle.status().chainId), bytes);
  if (!batch.ok) throw TetradError.from(batch);
  const [event, second] = batch.value.events;
  const { type, version } = certificateRequested;
  if (event?.type !== type || event.version !== version || second !== undefined) {
    throw shape(`The batch must hold one event, ${type} version ${version}`);
  }
  const terms = certificateRequested.decode(event.payload);
  if (!terms.ok) throw TetradError.from(terms);
  if (context.handle.row(CERTIFICATES, issuerKey(terms.value.issuer)) === undefined) {
    throw new TetradError(
      "ca.issuer-unknown",
      "No issuer has this id; GET /ca/v1/issuers lists them",
    );
  }
  const checked = checkRequest(terms.value);
  if (!checked.ok) throw TetradError.from(checked);
  if (!provesPossession(checked.value.csr)) {
    throw new TetradError("ca.csr-signature", "The request's signature is not by the key in it");
  }
  return terms.value.issuer;
};

/** What became of a request; undefined while it waits. Throws the code with which it was denied. */
const answerOf = (context: ApiContext, request: number): Json | undefined => {
  const { handle } = context;
  const settled = handle.row(CERTIFICATES, settledKey(request));
  if (settled === undefined) return undefined;
  const { issuer, fingerprint, code } = decodeSettled(settled);
  if (code !== "") {
    const known = isErrorCode(code) ? code : "ca.certificate-invalid";
    throw new TetradError(known, `The issuer denies request ${request}: ${code}`, { request });
  }
  const row = handle.row(CERTIFICATES, certificateKey(fingerprint));
  const root = handle.row(CERTIFICATES, issuerKey(issuer));
  const index = handle.row(CT, ctIndexKey(fingerprint));
  if (row === undefined || root === undefined || index === undefined) {
    throw new TetradError("store.corrupt", `The certificate of request ${request} has no row`);
  }
  const { certificate, event, profile } = decodeCertificate(row);
  const pem = pemOf(PEM, certificate);
  return {
    request,
    issuer: toHex(issuer),
    profile,
    ...certificateJson(certificate),
    event,
    ctIndex: decodeCtIndex(index),
    pem,
    // RFC 8555, 9.1: the certificate first, then what certifies it.
    chain: pem + pemOf(PEM, decodeIssuer(root).certificate),
  };
};

const awaitAnswer = async (
  context: ApiContext,
  request: FastifyRequest,
  index: number,
  waitMs: number,
): Promise<Json> =>
  waitFor<Json>(context, request, {
    waitMs,
    late: `Request ${index} is in the log and waits for its issuer; ask again`,
    start(resolve) {
      const look = (): void => {
        try {
          const answer = answerOf(context, index);
          if (answer !== undefined) resolve(ok(answer));
        } catch (error) {
          if (!(error instanceof TetradError)) throw error;
          resolve({ ok: false, code: error.code, detail: error.message, data: error.data });
        }
      };
      look();
      return context.handle.onExecuted(look);
    },
  });

const issuerPage = (
  context: ApiContext,
  after: Uint8Array | undefined,
): Promise<readonly ProjectionRow[]> =>
  new Promise((resolve, reject) => {
    const page = { prefix: issuersPrefix, limit: LIMITS.httpPageMax };
    const options = after === undefined ? page : { ...page, after };
    context.handle.rows(CERTIFICATES, options, (rows: Result<readonly ProjectionRow[]>) => {
      if (rows.ok) resolve(rows.value);
      else reject(TetradError.from(rows));
    });
  });

/** All of them: an issuer is created by who was given leave to, so there are few. */
const issuerRows = async (context: ApiContext): Promise<readonly ProjectionRow[]> => {
  const rows: ProjectionRow[] = [];
  for (;;) {
    const page = await issuerPage(context, rows.at(-1)?.key);
    rows.push(...page);
    if (page.length < LIMITS.httpPageMax) return rows;
  }
};

/** Whether an event asked an issuer, which has not answered yet. */
const isPending = async (context: ApiContext, request: number): Promise<boolean> => {
  const [entry] = (await readEvents(context, request, 1)).entries;
  if (entry?.event.type !== certificateRequested.type) return false;
  const terms = certificateRequested.decode(entry.event.payload);
  if (!terms.ok) return false;
  const row = context.handle.row(CERTIFICATES, pendingKey(terms.value.issuer, request));
  return row !== undefined;
};

export const certificateRoutes = (app: FastifyInstance, context: ApiContext): void => {
  app.post("/ca/v1/certificates", described(REQUEST), async (request, reply) => {
    const query = readQuery(request, REQUEST.query);
    const waitMs = waitMsOf(query.waitMs);
    const bytes = batchOf(context, request);
    checkBatch(context, bytes);
    const startMs = context.clock.monotonicMs();
    const receipt = await submit(context, request, bytes, "projected", waitMs);
    const [outcome] = receipt.outcomes ?? [];
    if (outcome?.kind === "refused") {
      const code = isErrorCode(outcome.code) ? outcome.code : "event.invalid";
      throw new TetradError(code, `The request is in the log but has no effect: ${outcome.code}`);
    }
    const index = receipt.firstIndex ?? 0;
    const leftMs = Math.max(1, Math.ceil(waitMs - (context.clock.monotonicMs() - startMs)));
    const certificate = await awaitAnswer(context, request, index, leftMs);
    return reply
      .header("cache-control", "no-store")
      .send({ ...(receiptJson(receipt) as object), certificate });
  });

  app.get<{ Params: { index: string } }>(
    "/ca/v1/requests/:index",
    described(ANSWER),
    async (request, reply) => {
      const query = readQuery(request, ANSWER.query);
      const index = integer(request.params.index, "index", {
        min: 0,
        max: Number.MAX_SAFE_INTEGER,
        fallback: 0,
      });
      const waitMs = waitMsOf(query.waitMs);
      const isKnown =
        answerOf(context, index) !== undefined ||
        (await isPending(context, index)) ||
        // Reading the event took a while, in which the issuer may have answered.
        answerOf(context, index) !== undefined;
      if (!isKnown) {
        throw new TetradError(
          "ca.request-unknown",
          `Event ${index} asks no issuer for a certificate`,
        );
      }
      const certificate = await awaitAnswer(context, request, index, waitMs);
      return reply.header("cache-control", "no-store").send(certificate);
    },
  );

  app.get("/ca/v1/issuers", described(ISSUERS), async (request, reply) => {
    readQuery(request, ISSUERS.query);
    const rows = await issuerRows(context);
    const items = rows.map(({ key, value }) => context.formats.row(CERTIFICATES, key, value));
    return reply.header("cache-control", "no-store").send({ items });
  });
};
