/** What a node says of the objects on its disk: its word, which nothing proves. */
import { CHUNK_BYTES, chunkCount } from "../../crypto/objects/tree.ts";
import { TetradError } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import type { ApiClient } from "../api.ts";
import { badAnswer, isObject, type JsonObject } from "../http.ts";
import { isOfThisNode } from "../pool.ts";
import { ask, countOf, itemsOf, type Nodes, rootBytes } from "./ask.ts";
import type { ObjectState, VerifiedObject, VerifyObjectOptions } from "./types.ts";

type Signalled = { readonly signal?: AbortSignal };

const stateOf = (node: ApiClient, body: JsonObject): ObjectState => {
  const { root, kept, fetch } = body;
  const length = countOf(node, body["length"], LIMITS.objectBytesMax);
  const chunks = countOf(node, body["chunks"]);
  if (typeof root === "string" && /^[0-9a-f]{64}$/.test(root) && chunks === chunkCount(length)) {
    const held = countOf(node, body["held"], chunks);
    const usedMs = countOf(node, body["usedMs"]);
    const now = { usedMs, fetch: isObject(fetch) ? fetch : null };
    return { root, length, chunks, held, kept: kept === true, ...now };
  }
  throw badAnswer(node.base, "no state of an object");
};

/** As `Objects.list`. */
export const listObjects = (nodes: Nodes, { signal }: Signalled = {}) =>
  nodes.each(async (node): Promise<readonly ObjectState[]> => {
    const body = await ask(node, signal, (asking) => node.get("/v1/objects", {}, asking));
    return itemsOf(node, body).map((item) => stateOf(node, item));
  }, isOfThisNode);

/** As `Objects.state`. */
export const objectState = async (
  nodes: Nodes,
  root: string,
  { signal }: Signalled = {},
): Promise<ObjectState | undefined> => {
  rootBytes(root);
  try {
    return await nodes.each(async (node) => {
      const path = `/v1/objects/${root}`;
      const state = stateOf(node, await ask(node, signal, (asking) => node.get(path, {}, asking)));
      if (state.root === root) return state;
      throw badAnswer(node.base, "the state of another object");
    }, isOfThisNode);
  } catch (error) {
    if (error instanceof TetradError && error.code === "object.not-found") return undefined;
    throw error;
  }
};

type Page = Omit<VerifiedObject, "root"> & { readonly next: number | undefined };

/** Chunks `from` on that a node has read: as many as it likes, but in order and none of them twice. */
const pageOf = (node: ApiClient, body: JsonObject, from: number, chunks: number): Page => {
  const checked = countOf(node, body["checked"], chunks - from);
  const missing = countOf(node, body["missing"], chunks - from - checked);
  const { damaged } = body;
  const end = body["next"] === null ? chunks : countOf(node, body["next"], chunks);
  const isPage = Array.isArray(damaged) && damaged.length <= checked;
  if (!isPage || end !== from + checked + missing || (body["next"] !== null && end === from)) {
    throw badAnswer(node.base, "it does not say what it found of an object");
  }
  const bad = damaged.map((index) => countOf(node, index, Math.max(0, end - 1)));
  return { checked, missing, damaged: bad, next: body["next"] === null ? undefined : end };
};

/** As `Objects.verify`: all of it at one node. */
export const verifyObject = async (
  nodes: Nodes,
  root: string,
  { signal, onProgress }: VerifyObjectOptions = {},
): Promise<VerifiedObject> => {
  rootBytes(root);
  return nodes.each(async (node) => {
    const path = `/v1/objects/${root}`;
    const shown = await ask(node, signal, (asking) => node.get(path, {}, asking));
    const { chunks, length } = stateOf(node, shown);
    const sum = { root, checked: 0, missing: 0, damaged: [] as number[] };
    for (let from: number | undefined = 0; from !== undefined; ) {
      const at: number = from;
      const asked = await ask(
        node,
        signal,
        (asking) => node.get(`${path}/check`, { from: at }, asking),
        LIMITS.clientChunkMsMax,
      );
      const page: Page = pageOf(node, asked, at, chunks);
      sum.checked += page.checked;
      sum.missing += page.missing;
      sum.damaged.push(...page.damaged);
      const bytes = Math.min(length, (sum.checked + sum.missing) * CHUNK_BYTES);
      onProgress?.({ step: "verify", bytes, totalBytes: length });
      from = page.next;
    }
    return sum;
  }, isOfThisNode);
};
