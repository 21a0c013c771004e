/** Asking nodes about objects: whom, for how long, and what an answer has to look like. */
import { fromHex } from "../../crypto/bytes.ts";
import { type ErrorCode, TetradError } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import type { ApiClient } from "../api.ts";
import { badAnswer, isObject } from "../http.ts";
import { isOfThisNode } from "../pool.ts";
import { pause, within } from "../within.ts";

/** The nodes of a client: `PoolClient`, or one node. `isOther` says what another one may do better. */
export type Nodes = {
  each<T>(
    attempt: (node: ApiClient) => Promise<T>,
    isOther: (error: unknown) => error is TetradError,
  ): Promise<T>;
};

/** One node as if there were no others. */
export const oneNode = (node: ApiClient): Nodes => ({ each: (attempt) => attempt(node) });

export const PATIENCE_MS = 60_000;
const PAUSE_MS_MIN = 100;
const PAUSE_MS_MAX = 2_000;

/**
 * What one node refuses, and another may give: whom it is connected to, what its disk has room for, and, other than
 * for the outcome of a batch, for how long it has looked.
 */
const OF_THE_NODE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "http.timeout",
  "object.mismatch",
  "object.no-room",
  "object.not-found",
  "store.full",
]);

const isOtherForObjects = (error: unknown): error is TetradError =>
  isOfThisNode(error) || (error instanceof TetradError && OF_THE_NODE.has(error.code));

/** The bytes of a name. Throws cli.usage for what is none. */
export const rootBytes = (root: string): Uint8Array => {
  if (/^[0-9a-f]{64}$/.test(root)) return fromHex(root);
  throw new TetradError("cli.usage", "the name of an object has 64 lower-case hex digits");
};

export const silent = (node: ApiClient): never => {
  throw new TetradError("cli.unreachable", `${node.base} has not answered in time`);
};

/** A request to a node, which may hang: for `limitMs`, unless the signal ends it. */
export const ask = <T>(
  node: ApiClient,
  signal: AbortSignal | undefined,
  request: (signal: AbortSignal) => Promise<T>,
  limitMs: number = LIMITS.clientRequestMsMax,
): Promise<T> => within(signal, limitMs, request, () => silent(node));

/** A round trip beside the time that a node was asked to wait: it says itself that it has waited in vain. */
const ANSWER_MS = 2_000;

/** How long a node may be asked to wait, and how long it is waited for, milliseconds. */
export type Turn = { readonly waitMs: number; readonly limitMs: number };

/**
 * What is left of patience for one node: it ends with patience, but one that comes after a node that has used all of
 * it up is still given a turn.
 */
const turnOf = (end: number, patienceMs: number = PATIENCE_MS): Turn => {
  const least = Math.min(patienceMs, LIMITS.clientRequestMsMax);
  const leftMs = Math.max(1, least, Math.round(end - performance.now()));
  const waitMs = Math.min(leftMs, LIMITS.httpWaitMsMax);
  return { waitMs, limitMs: Math.min(leftMs + ANSWER_MS, waitMs + LIMITS.clientChunkMsMax) };
};

const mayPass = (error: unknown, endsAway: boolean): error is TetradError =>
  error instanceof TetradError &&
  error.spec.retryable &&
  !(endsAway && error.code === "cli.unreachable");

/**
 * Asks the nodes in their turn. What may pass at one of them is thrown before what another refuses for good: a node
 * that has nothing, or lies, must not end the wait for one that will answer.
 */
const askEach = async <T>(
  nodes: Nodes,
  endsAway: boolean,
  attempt: (node: ApiClient) => Promise<T>,
): Promise<T> => {
  let passing: TetradError | undefined;
  const request = async (node: ApiClient): Promise<T> => {
    try {
      return await attempt(node);
    } catch (error) {
      if (mayPass(error, endsAway)) passing ??= error;
      throw error;
    }
  };
  try {
    return await nodes.each(request, isOtherForObjects);
  } catch (error) {
    throw isOtherForObjects(error) ? (passing ?? error) : error;
  }
};

/** Asks again while an error says that later may be better, until patience ends. */
export const patiently = async <T>(
  { patienceMs = PATIENCE_MS, signal, endsAway = false }: PatienceOptions,
  request: (end: number) => Promise<T>,
): Promise<T> => {
  const end = performance.now() + patienceMs;
  for (let ms = PAUSE_MS_MIN; ; ms = Math.min(PAUSE_MS_MAX, ms * 2)) {
    const began = performance.now();
    try {
      return await request(end);
    } catch (error) {
      if (!mayPass(error, endsAway) || performance.now() + ms >= end) throw error;
      // A node that was waited for has had its pause, one that only says so has not.
      const hadMs = error.code === "http.timeout" ? performance.now() - began : 0;
      await pause(Math.max(0, ms - hadMs), signal);
      signal?.throwIfAborted();
    }
  }
};

/** As `patiently`, of all the nodes: each is told how much of patience there is for it. */
export const askPatiently = <T>(
  nodes: Nodes,
  options: PatienceOptions,
  attempt: (node: ApiClient, turn: Turn) => Promise<T>,
): Promise<T> =>
  patiently(options, (end) =>
    askEach(nodes, options.endsAway === true, (node) =>
      attempt(node, turnOf(end, options.patienceMs)),
    ),
  );

export type PatienceOptions = {
  readonly patienceMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** A node that does not answer ends it: nothing has begun yet that could go on. */
  readonly endsAway?: boolean | undefined;
};

/** Items of a list that a node gives. Throws client.bad-answer for what is none. */
export const itemsOf = (node: ApiClient, body: Readonly<Record<string, unknown>>) => {
  const { items } = body;
  if (Array.isArray(items) && items.every(isObject)) return items;
  throw badAnswer(node.base, "no list of objects");
};

/** A count in an answer. Throws client.bad-answer for what is none, and past `max`. */
export const countOf = (
  node: ApiClient,
  value: unknown,
  max: number = Number.MAX_SAFE_INTEGER,
): number => {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && value <= max) {
    return value;
  }
  throw badAnswer(node.base, "an answer about an object without its counts");
};

/** Runs a job for each item, some at one time; ends with the first that fails, and has the others end. */
export const inParallel = async <T>(
  items: readonly T[],
  width: number,
  signal: AbortSignal | undefined,
  job: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> => {
  const own = new AbortController();
  const abort = (): void => own.abort(signal?.reason);
  if (signal?.aborted === true) abort();
  signal?.addEventListener("abort", abort, { once: true });
  const left = items.values();
  const lane = async (): Promise<void> => {
    for (const item of left) {
      own.signal.throwIfAborted();
      await job(item, own.signal);
    }
  };
  try {
    await Promise.all(Array.from({ length: width }, lane));
  } finally {
    own.abort();
    signal?.removeEventListener("abort", abort);
  }
};
