/**
 * Proof bundles over HTTP: `?proof=true` answers with a bundle (src/ledger/verify/bundle.ts) instead of the
 * values, for what is there and for what is not. A bundle can be made once a certified header commits to what
 * was asked for, which is a block or two after it is executed, so an answer may wait for that.
 */
import type { FastifyReply, FastifyRequest } from "fastify";
import { toHex } from "../../crypto/bytes.ts";
import { type Failure, fail, type Result, TetradError } from "../../errors.ts";
import type { ProofOptions } from "../../ledger/handle.ts";
import {
  BUNDLE_FORMAT,
  BUNDLE_VERSION,
  type Bundle,
  type BundleJson,
  claimJson,
  linkJson,
  type ProofLink,
} from "../../ledger/verify/bundle.ts";
import { LIMITS } from "../../limits.ts";
import type { ApiContext } from "./context.ts";
import type { Parameter } from "./openapi/operation.ts";
import { COUNT } from "./openapi/schemas.ts";
import { flag, integer } from "./query.ts";
import { waitFor } from "./waiting.ts";
import type { Turn } from "./work.ts";

/** The parameters of every route that gives proofs. */
export const PROOF_QUERY = {
  proof: {
    description: "answer with a proof bundle, also where there is nothing",
    schema: { type: "boolean", default: false },
  },
  trustedEpoch: {
    description: "with proof: where the bundle's chain of trust may begin",
    schema: { ...COUNT, default: 0 },
  },
  waitMs: {
    description:
      `how long to wait for minHeight (else not at all), and for a header that commits to what is ` +
      `proven (else ${LIMITS.httpProofWaitMs} ms)`,
    schema: { type: "integer", minimum: 0, maximum: LIMITS.httpWaitMsMax },
  },
} as const satisfies { readonly [name: string]: Parameter };

export type ProofRequest = ProofOptions & { readonly waitMs: number };

type ProofQuery = {
  readonly proof?: string;
  readonly trustedEpoch?: string;
  readonly waitMs?: string;
};

/** What a proof is asked with; undefined where none is. */
export const proofRequest = (query: ProofQuery): ProofRequest | undefined => {
  const wanted = flag(query.proof, "proof");
  if (!wanted) {
    if (query.trustedEpoch === undefined) return undefined;
    const parameter = "trustedEpoch";
    throw new TetradError("http.bad-parameter", "trustedEpoch is of proofs", { parameter });
  }
  const max = Number.MAX_SAFE_INTEGER;
  return {
    trustedEpoch: integer(query.trustedEpoch, "trustedEpoch", { min: 0, max, fallback: 0 }),
    waitMs: integer(query.waitMs, "waitMs", {
      min: 0,
      max: LIMITS.httpWaitMsMax,
      fallback: LIMITS.httpProofWaitMs,
    }),
  };
};

/** Links of past epochs are the same in every bundle: their text is made once. */
const linkTexts = new WeakMap<ProofLink, ReturnType<typeof linkJson>>();

const cachedLinkJson = (link: ProofLink): ReturnType<typeof linkJson> => {
  let json = linkTexts.get(link);
  if (json === undefined) {
    json = linkJson(link);
    linkTexts.set(link, json);
  }
  return json;
};

/** What a page is cut into slices by: see ProofSource. */
export const slicesOf =
  (turn: Turn) =>
  (resume: (goesOn: boolean) => void): void =>
    void turn().then(
      () => resume(true),
      () => resume(false),
    );

/** The value to answer with. Charges it to what waits for clients. Throws node.overloaded. */
export const bundleAnswer = (
  context: ApiContext,
  reply: FastifyReply,
  bundle: Bundle,
): BundleJson => {
  let bytes = 0;
  for (const { set, header, certificate } of bundle.links) {
    bytes += set.length + header.length + certificate.length;
  }
  const { claim } = bundle;
  if (claim.kind === "events") {
    for (const { leaf } of claim.events) bytes += leaf.length;
  } else if (claim.kind === "range") {
    for (const leaf of claim.leaves) bytes += leaf.length;
  } else if (claim.kind === "rows") {
    for (const { row, proof } of claim.rows) bytes += (row?.length ?? 0) + proof.length;
  }
  context.load.outgoing.addItems(reply, bundle.links.length, bytes);
  return {
    format: BUNDLE_FORMAT,
    version: BUNDLE_VERSION,
    chainId: bundle.chainId,
    genesisHash: toHex(bundle.genesisHash),
    links: bundle.links.map(cachedLinkJson),
    claim: claimJson(claim),
  };
};

type Attempt<T> = (done: (result: Result<T>) => void, turn: Turn) => void;

const failureOf = (error: unknown): Failure => {
  if (error instanceof TetradError) return fail(error.code, error.message, error.data);
  return fail("internal", error instanceof Error ? error.message : String(error));
};

/** Calls the job, or once more after it where it is at work: many calls meanwhile are one. */
const oneAtATime = (job: () => Promise<void>): (() => void) => {
  let running = false;
  let wanted = false;
  return () => {
    wanted = true;
    if (running) return;
    running = true;
    const loop = async (): Promise<void> => {
      while (wanted) {
        wanted = false;
        await job();
      }
    };
    void loop().finally(() => {
      running = false;
    });
  };
};

/**
 * The answer of `attempt`, tried again after every executed block while it is proof.pending, for at most
 * `waitMs`. Throws what it failed with, and what `waitFor` throws.
 */
export const whenProvable = async <T>(
  context: ApiContext,
  request: FastifyRequest,
  waitMs: number,
  attempt: Attempt<T>,
): Promise<T> => {
  const once = (): Promise<Result<T>> =>
    context.load.work.run(request, async (turn) => {
      await turn();
      return new Promise<Result<T>>((resolve) => attempt(resolve, turn));
    });
  const first = await once();
  if (first.ok) return first.value;
  if (first.code !== "proof.pending" || waitMs === 0) throw TetradError.from(first);
  try {
    return await waitFor<T>(context, request, {
      waitMs,
      late: first.detail,
      start: (resolve) => {
        const again = oneAtATime(async () => {
          const result = await once().catch(failureOf);
          if (result.ok || result.code !== "proof.pending") resolve(result);
        });
        return context.handle.onExecuted(again);
      },
    });
  } catch (error) {
    if (!(error instanceof TetradError) || error.code !== "http.timeout") throw error;
    throw TetradError.from(first);
  }
};
