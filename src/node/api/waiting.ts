/** Requests that wait for what the ledger will say: bounded in number and time, ended with client and node. */
import type { FastifyRequest } from "fastify";
import { fail, type Result, TetradError } from "../../errors.ts";
import type { ApiContext } from "./context.ts";
import { clientOf } from "./shares.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** Sets the Ledger- headers of the answer to this moment: at the beginning, and after each wait. */
    stamp: () => void;
  }
}

export type Wait<T> = {
  readonly waitMs: number;
  /** What is said when the time is over. */
  readonly late: string;
  /** Begins to wait; what it returns ends it, whatever has come of it. */
  start(resolve: (result: Result<T>) => void): () => void;
};

/** Throws what `start` resolves with, node.overloaded, node.stopping or http.timeout. */
export const waitFor = async <T>(
  context: ApiContext,
  request: FastifyRequest,
  wait: Wait<T>,
): Promise<T> => {
  const { load } = context;
  const client = clientOf(request.raw.socket.remoteAddress);
  if (!load.waiters.take(client, 1)) {
    throw new TetradError("node.overloaded", "Too many requests wait for an outcome");
  }
  const undo: (() => void)[] = [];
  try {
    const result = await new Promise<Result<T>>((resolve) => {
      undo.push(wait.start(resolve));
      const stopped = (): void => resolve(fail("node.stopping", "The node is stopping"));
      load.onStop.add(stopped);
      undo.push(() => load.onStop.delete(stopped));
      const late = fail("http.timeout", wait.late);
      undo.push(context.timers.set(wait.waitMs, () => resolve(late)));
      const gone = (): void => resolve(fail("http.timeout", "The client went away"));
      request.raw.socket.once("close", gone);
      undo.push(() => request.raw.socket.off("close", gone));
    });
    if (!result.ok) throw TetradError.from(result);
    return result.value;
  } finally {
    load.waiters.give(client, 1);
    for (const step of undo) step();
    request.stamp();
  }
};
