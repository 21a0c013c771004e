/** Final blocks by height, and the certificates that made them final. */
import type { FastifyInstance, FastifyReply } from "fastify";
import { toHex } from "../../crypto/bytes.ts";
import { TetradError } from "../../errors.ts";
import { encodeCertificate } from "../../ledger/statement.ts";
import type { Block, Certificate } from "../../ledger/types.ts";
import { isoTime } from "../../ledger/verify/iso-time.ts";
import { LIMITS } from "../../limits.ts";
import { IMMUTABLE } from "./caching.ts";
import type { ApiContext, Json } from "./context.ts";
import { described, type Operation, type Parameter, values } from "./openapi/operation.ts";
import { BYTES, COUNT, HASH, listOf, objectOf, TEXT, TIME, TIME_MS } from "./openapi/schemas.ts";
import { integer, readQuery } from "./query.ts";

const HEIGHT: Parameter = {
  description: "height of a final block, from 1 on",
  schema: { ...COUNT, minimum: 1 },
  example: 1,
};

const BLOCK = {
  id: "getBlock",
  tag: "ledger",
  summary: "a final block: header, proposer and the batches that it names",
  description:
    "The genesis, height 0, is no block. `executed` is absent until this node has executed it.",
  path: { height: HEIGHT },
  query: {},
  answers: {
    200: {
      description: "the block",
      content: values(
        objectOf(
          {
            hash: HASH,
            header: objectOf({
              protocolVersion: COUNT,
              epoch: COUNT,
              view: COUNT,
              height: COUNT,
              parentView: COUNT,
              parentHash: HASH,
              timeMs: TIME_MS,
              time: TIME,
              batchesRoot: HASH,
              batchCount: COUNT,
              executedHeight: COUNT,
              logSize: COUNT,
              logRoot: HASH,
              stateRoot: HASH,
              proofsHash: HASH,
              nextSetHash: HASH,
              proposer: COUNT,
            }),
            proposerId: HASH,
            batchDigests: listOf(HASH),
            beacon: {
              type: ["object", "null"],
              description: "null on a chain without a beacon (docs/proofs.md)",
              properties: {
                value: { ...HASH, description: "of this height" },
                reveal: {
                  ...BYTES,
                  description: "the proposer's value and path; empty: none is due",
                },
              },
            },
            workPrice: {
              type: ["string", "null"],
              description:
                "what work costs a batch that refers to this height; null where none is asked for",
            },
            executed: objectOf({
              firstIndex: COUNT,
              count: COUNT,
              logSize: COUNT,
              logRoot: HASH,
              stateRoot: HASH,
              projections: listOf(objectOf({ name: TEXT, root: HASH })),
            }),
            bytes: { ...BYTES, description: "header and body as they are hashed, base64url" },
          },
          ["executed", "proposerId"],
        ),
      ),
    },
  },
  problems: ["block.not-found"],
} as const satisfies Operation;

const CERTIFICATE = {
  id: "getCertificate",
  tag: "ledger",
  summary: "the finalization certificate of a block",
  description:
    "A block without one is final by a descendant's: the problem names the next height that has its own.",
  path: { height: HEIGHT },
  query: {},
  answers: {
    200: {
      description: "the certificate",
      content: values(
        objectOf({
          height: COUNT,
          epoch: COUNT,
          view: COUNT,
          kind: { const: "finalize" },
          hash: HASH,
          setSize: COUNT,
          signers: listOf({ ...COUNT, description: "index in the epoch's set" }),
          signatures: listOf(BYTES),
          bytes: { ...BYTES, description: "as docs/protocol.md lays it out, base64url" },
        }),
      ),
    },
  },
  problems: ["block.not-found", "block.no-certificate"],
} as const satisfies Operation;

const base64url = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64url");

const heightOf = (text: string): number =>
  integer(text, "height", { min: 1, max: Number.MAX_SAFE_INTEGER, fallback: 1 });

const notFound = (context: ApiContext, height: number): TetradError => {
  const { finalHeight } = context.handle.status();
  return new TetradError("block.not-found", `No final block has height ${height} here`, {
    finalHeight,
  });
};

const beaconJson = ({ handle }: ApiContext, { header, proofs }: Block): Json => {
  const value = handle.beacon(header.height);
  return value === undefined ? null : { value: toHex(value), reveal: base64url(proofs.reveal) };
};

const blockJson = (context: ApiContext, block: Block): Json => {
  const { header, hash, batchDigests, bytes } = block;
  const executed = context.handle.execution(header.height);
  const set = context.handle.validatorSet(header.epoch);
  const proposer = set?.validators[header.proposer];
  return {
    hash: toHex(hash),
    header: {
      protocolVersion: header.protocolVersion,
      epoch: header.epoch,
      view: header.view,
      height: header.height,
      parentView: header.parentView,
      parentHash: toHex(header.parentHash),
      timeMs: header.timeMs,
      time: isoTime(header.timeMs),
      batchesRoot: toHex(header.batchesRoot),
      batchCount: header.batchCount,
      executedHeight: header.executedHeight,
      logSize: header.logSize,
      logRoot: toHex(header.logRoot),
      stateRoot: toHex(header.stateRoot),
      proofsHash: toHex(header.proofsHash),
      nextSetHash: toHex(header.nextSetHash),
      proposer: header.proposer,
    },
    proposerId: proposer === undefined ? undefined : toHex(proposer.id),
    batchDigests: batchDigests.map(toHex),
    beacon: beaconJson(context, block),
    workPrice: context.handle.workPrice(header.height)?.toString() ?? null,
    executed:
      executed === undefined
        ? undefined
        : {
            firstIndex: executed.firstIndex,
            count: executed.count,
            logSize: executed.logSize,
            logRoot: toHex(executed.logRoot),
            stateRoot: toHex(executed.stateRoot),
            projections: executed.projections.map(({ name, root }) => ({
              name,
              root: toHex(root),
            })),
          },
    bytes: base64url(bytes),
  };
};

const certificateJson = (height: number, certificate: Certificate & { setSize: number }): Json => {
  const { statement, signers, signatures, setSize } = certificate;
  return {
    height,
    epoch: statement.epoch,
    view: statement.view,
    kind: statement.kind,
    hash: toHex(statement.hash),
    setSize,
    signers,
    signatures: signatures.map(base64url),
    bytes: base64url(encodeCertificate(certificate, setSize)),
  };
};

type ByHeight = { Params: { height: string } };

/** Cached for good once nothing of the answer can change any more. */
const send = (reply: FastifyReply, body: Json, complete: boolean): FastifyReply =>
  reply.header("cache-control", complete ? IMMUTABLE : "no-cache").send(body);

export const blockRoutes = (app: FastifyInstance, context: ApiContext): void => {
  app.get<ByHeight>("/v1/blocks/:height", described(BLOCK), async (request, reply) => {
    readQuery(request, BLOCK.query);
    const height = heightOf(request.params.height);
    const block = context.handle.block(height);
    if (block === undefined) throw notFound(context, height);
    const complete = height <= context.handle.status().executedHeight;
    return send(reply, blockJson(context, block), complete);
  });

  app.get<ByHeight>(
    "/v1/blocks/:height/certificate",
    described(CERTIFICATE),
    async (request, reply) => {
      readQuery(request, CERTIFICATE.query);
      const height = heightOf(request.params.height);
      if (context.handle.block(height) === undefined) throw notFound(context, height);
      const found = context.handle.finalization(height);
      if (found?.height === height) {
        return send(reply, certificateJson(height, found.certificate), true);
      }
      const next =
        found === undefined
          ? "none of the next has one yet"
          : `${found.height} is the next height that has one`;
      throw new TetradError(
        "block.no-certificate",
        `Height ${height} has no certificate of its own here; ${next}. ` +
          `Old ones are kept for one in ${LIMITS.certificateKeepEvery} heights.`,
        found === undefined ? {} : { next: found.height },
      );
    },
  );
};
