/**
 * Reads at a height. `minHeight` waits until this node has executed that far, so that a client that wrote
 * through one node reads its own write through another; `atHeight` asks for exactly one height.
 */
import type { FastifyRequest } from "fastify";
import { ok, TetradError } from "../../errors.ts";
import type { LedgerHandle } from "../../ledger/handle.ts";
import type { ExecutionRecord } from "../../ledger/records.ts";
import type { Hash } from "../../ledger/types.ts";
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
    description: "how long to wait for minHeight",
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

/** The state that rows are read from. */
export type RowSource = Pick<LedgerHandle, "rows" | "row"> & {
  readonly height: number;
  readonly stateRoot: Hash;
};

/**
 * Reads rows from the state after the height that is asked for, where it is held, or as they are now. The
 * states of the last heights are held (held-states.ts). Throws http.height-gone and http.behind.
 */
export const readStateAt = async <T>(
  context: ApiContext,
  text: string | undefined,
  read: (source: RowSource) => Promise<T> | T,
): Promise<T> => {
  const { handle } = context;
  if (text === undefined) {
    // Rows may change while they are read: the answer is of the height at its end.
    const now = { rows: handle.rows, row: handle.row };
    return read({
      ...now,
      get height() {
        return handle.status().executedHeight;
      },
      get stateRoot() {
        return handle.status().stateRoot;
      },
    });
  }
  const height = integer(text, "atHeight", ANY);
  if (height > handle.status().executedHeight) throw behind(context, height);
  const view = handle.proofs().stateAt(height);
  if (view === undefined) {
    const { executedHeight, stateRoot } = handle.status();
    if (height < executedHeight) gone(height, executedHeight);
    const value = await read({ rows: handle.rows, row: handle.row, height, stateRoot });
    // Heights go on while pages are read.
    const after = handle.status().executedHeight;
    return height < after ? gone(height, after) : value;
  }
  try {
    return await read({ ...view, height });
  } finally {
    view.release();
  }
};

/** The height that a proof of rows is to be of. Throws http.behind. */
export const proofHeight = (context: ApiContext, text: string | undefined): number | undefined => {
  if (text === undefined) return undefined;
  const height = integer(text, "atHeight", ANY);
  if (height > context.handle.status().executedHeight) throw behind(context, height);
  return height;
};

const gone = (height: number, available: number): never => {
  throw new TetradError(
    "http.height-gone",
    `This node holds the states of the last heights, to ${available}; \`nexus replay --to ${height}\` makes that of ${height}`,
    { available },
  );
};
