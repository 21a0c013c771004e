/**
 * Reads at a height. `minHeight` waits until this node has executed that far, so that a client that wrote
 * through one node reads its own write through another; `atHeight` asks for exactly one height.
 */
import type { FastifyRequest } from "fastify";
import { ok, TetradError } from "../../errors.ts";
import type { ExecutionRecord } from "../../ledger/records.ts";
import { LIMITS } from "../../limits.ts";
import type { ApiContext } from "./context.ts";
import type { Parameters } from "./openapi/operation.ts";
import { COUNT } from "./openapi/schemas.ts";
import { integer } from "./query.ts";
import { waitFor } from "./waiting.ts";

const ANY = { min: 0, max: Number.MAX_SAFE_INTEGER, fallback: 0 } as const;

/** Parameters of every read that can wait. */
export const MIN_HEIGHT = {
  minHeight: {
    description: "wait until this node has executed so far; http.behind when it has not in time",
    schema: COUNT,
  },
  waitMs: {
    description: "how long to wait for minHeight, or for what a proof needs",
    schema: { type: "integer", minimum: 0, maximum: LIMITS.httpWaitMsMax, default: 0 },
  },
} as const satisfies Parameters;

type MinHeight = { readonly minHeight?: string; readonly waitMs?: string };

const behind = (context: ApiContext, height: number): TetradError => {
  const { executedHeight } = context.handle.status();
  return new TetradError("http.behind", `This node is at ${executedHeight}, not yet at ${height}`, {
    executedHeight,
  });
};

/** Returns when minHeight is executed. Throws http.behind, node.overloaded and node.stopping. */
export const reachHeight = async (
  context: ApiContext,
  request: FastifyRequest,
  query: MinHeight,
): Promise<void> => {
  const height = integer(query.minHeight, "minHeight", ANY);
  const waitMs = integer(query.waitMs, "waitMs", {
    min: 0,
    max: LIMITS.httpWaitMsMax,
    fallback: 0,
  });
  const { handle } = context;
  if (handle.status().executedHeight >= height) return;
  if (waitMs === 0) throw behind(context, height);
  const late = `This node has not executed ${height} after ${waitMs} ms`;
  try {
    await waitFor<number>(context, request, {
      waitMs,
      late,
      start: (resolve) =>
        handle.onExecuted((executed) => {
          if (executed >= height) resolve(ok(executed));
        }),
    });
  } catch (error) {
    if (error instanceof TetradError && error.code === "http.timeout")
      throw behind(context, height);
    throw error;
  }
};

/** The size of the log at a height, for reads of the log, which only grows. Throws http.height-gone. */
export const logSizeAt = (context: ApiContext, text: string | undefined): number => {
  const { executedHeight, logSize } = context.handle.status();
  if (text === undefined) return logSize;
  const height = integer(text, "atHeight", ANY);
  if (height > executedHeight) throw behind(context, height);
  return context.handle.execution(height)?.logSize ?? gone(height, executedHeight);
};

/** What execution made of a height, by default the last executed one. Throws http.behind and node.not-ready. */
export const executionAt = (context: ApiContext, text: string | undefined): ExecutionRecord => {
  const { executedHeight } = context.handle.status();
  const height = integer(text, "atHeight", { ...ANY, fallback: executedHeight });
  if (height > executedHeight) throw behind(context, height);
  const executed = context.handle.execution(height);
  if (executed !== undefined) return executed;
  throw new TetradError("node.not-ready", `Nothing is known of height ${height} yet`);
};

/** Rows are kept as they are now: no other height can be read. Throws http.height-gone and http.behind. */
export const requireStateAt = (context: ApiContext, text: string | undefined): void => {
  if (text === undefined) return;
  const { executedHeight } = context.handle.status();
  const height = integer(text, "atHeight", ANY);
  if (height > executedHeight) throw behind(context, height);
  if (height < executedHeight) gone(height, executedHeight);
};

const gone = (height: number, available: number): never => {
  throw new TetradError(
    "http.height-gone",
    `This node holds the state at ${available}; \`nexus replay --to ${height}\` makes that of ${height}`,
    { available },
  );
};
