/**
 * Having a node keep an object, or give it up. An actor signs for that, for one node and a time that is near, and
 * for the chain that the client is of, never for one that a node names. Which node it is is the node's own word: give
 * `nodeId` where that matters, since one that says it is another could pass the order on.
 */
import { fromHex, toHex } from "../../crypto/bytes.ts";
import { createHasher } from "../../crypto/hash.ts";
import { ChunkSet } from "../../crypto/objects/chunk-set.ts";
import { encodeManifest } from "../../crypto/objects/manifest.ts";
import { encodeOrder, type ObjectOrder, orderStatement } from "../../crypto/objects/statements.ts";
import { chunkLength } from "../../crypto/objects/tree.ts";
import { TetradError } from "../../errors.ts";
import { actorId } from "../../ledger/batch.ts";
import { Wrong } from "../../ledger/strict-json.ts";
import { bytesAt } from "../../ledger/verify/base64url.ts";
import { LIMITS } from "../../limits.ts";
import type { ApiClient } from "../api.ts";
import { badAnswer, type JsonObject } from "../http.ts";
import { isOfThisNode } from "../pool.ts";
import { requireSame, type SignedChain } from "../submit.ts";
import { abortable } from "../within.ts";
import { ask, inParallel, type Nodes, patiently, rootBytes } from "./ask.ts";
import { type NamedSource, nameSource } from "./source.ts";
import type { ObjectSource, OrderOptions, PutObject, PutObjectOptions } from "./types.ts";

/** Chunks that are sent at one time. */
const WIDTH = 4;

/** Long enough to put a large object again where it was interrupted, short enough to be of no use later. */
const VALID_MS = LIMITS.objectOrderMsMax / 2;

/** A node without room is left for one that has some; bytes that change stay what they are. */
const isOtherToKeep = (error: unknown): error is TetradError =>
  isOfThisNode(error) ||
  (error instanceof TetradError &&
    (error.code === "object.no-room" || error.code === "store.full"));

export type OrderChain = Pick<SignedChain, "chainId" | "genesisHash"> | undefined;

type Signed = { readonly order: Uint8Array; readonly nodeId: string };

const idOf = (base: string, nodeId: unknown): Uint8Array => {
  if (typeof nodeId === "string" && /^[0-9a-f]{64}$/.test(nodeId)) return fromHex(nodeId);
  throw badAnswer(base, "it does not say which node it is");
};

const signOrder = async (
  node: ApiClient,
  chain: OrderChain,
  { signer, signal, nodeId: wantedId }: OrderOptions,
  wanted: Pick<ObjectOrder, "action" | "root" | "manifest">,
): Promise<Signed> => {
  const { base } = node;
  const status = await ask(node, signal, (asking) => node.status(asking));
  if (chain !== undefined) requireSame(base, chain, status);
  const { nodeId } = status;
  const id = idOf(base, nodeId);
  if (wantedId !== undefined && nodeId !== wantedId) {
    throw new TetradError("folder.foreign", `${base} is the node ${nodeId}, not ${wantedId}`);
  }
  const hasher = createHasher(chain?.chainId ?? status.chainId);
  const actor = actorId(hasher, signer.publicKey);
  const order: ObjectOrder = { ...wanted, actor, node: id, notAfterMs: Date.now() + VALID_MS };
  const signature = await abortable(signer.sign(orderStatement(hasher, order)), signal);
  return { order: encodeOrder({ ...order, signature }), nodeId };
};

/** Which chunks the node has, of as many as there are. */
const heldOf = (node: ApiClient, chunks: number, body: JsonObject): ChunkSet => {
  const bits = readBits(body["bits"], Math.ceil(chunks / 8));
  const held = bits === undefined ? undefined : ChunkSet.decode(chunks, bits);
  if (held !== undefined) return held;
  throw badAnswer(node.base, "it does not say which chunks it has");
};

const readBits = (text: unknown, length: number): Uint8Array | undefined => {
  try {
    return bytesAt("bits", text, length);
  } catch (error) {
    if (error instanceof Wrong) return undefined;
    throw error;
  }
};

/** What the node has at an order. */
type Begun = { readonly held: ChunkSet; readonly isKept: boolean };

/** A node that is started anew, or waited long for a chunk, has forgotten the order. A chunk may meet it so often. */
const ORDERS_AGAIN_MAX = 3;

const isForgotten = (error: unknown): boolean =>
  error instanceof TetradError && error.code === "object.not-ordered";

/** Orders again where the node knows of no order any more: once for all the lanes that have met it. */
const orderedAgain = (order: () => Promise<Begun>) => {
  let last: { readonly begun: Promise<Begun>; readonly number: number } | undefined;
  return {
    /** Orders that were given again until now. */
    get number(): number {
      return last?.number ?? 0;
    },
    /** Of who has met it at the order of this number. */
    after(number: number): Promise<Begun> {
      if (last === undefined || last.number <= number)
        last = { begun: order(), number: number + 1 };
      return last.begun;
    },
  };
};

/** Sends a chunk until the node has it; whether it has them all then. */
const sendChunk = async (
  send: () => Promise<JsonObject>,
  again: ReturnType<typeof orderedAgain>,
  index: number,
): Promise<boolean> => {
  for (let tries = 0; ; tries++) {
    const { number } = again;
    try {
      return (await send())["kept"] === true;
    } catch (error) {
      if (!isForgotten(error) || tries === ORDERS_AGAIN_MAX) throw error;
      const { held, isKept } = await again.after(number);
      // The answer to a chunk may be lost, and that may have been the last one.
      if (isKept || held.has(index)) return isKept;
    }
  }
};

const putAt = async (
  node: ApiClient,
  chain: OrderChain,
  source: NamedSource,
  options: PutObjectOptions,
): Promise<PutObject> => {
  const { signal, onProgress, patienceMs } = options;
  const { root, manifest } = source;
  const { length, hashes } = manifest;
  const wanted = { action: "keep", root, manifest: encodeManifest(manifest) } as const;
  const { order, nodeId } = await signOrder(node, chain, options, wanted);
  const limitMs = LIMITS.clientChunkMsMax;
  const begin = async (): Promise<Begun> => {
    const request = (asking: AbortSignal) => node.send("POST", "/v1/objects", order, asking);
    const body = await ask(node, signal, request, limitMs);
    return { held: heldOf(node, hashes.length, body), isKept: body["kept"] === true };
  };
  const { held, ...begun } = await begin();
  const missing = hashes.map((_, index) => index).filter((index) => !held.has(index));
  const name = { root: toHex(root), length, chunks: hashes.length };
  let { isKept } = begun;
  let bytes = missing.reduce((left, index) => left - chunkLength(length, index), length);
  onProgress?.({ step: "send", bytes, totalBytes: length });
  const again = orderedAgain(begin);
  await inParallel(missing, WIDTH, signal, async (index, sending) => {
    const chunk = await source.chunk(index);
    const path = `/v1/objects/${name.root}/chunks/${index}`;
    const request = (asking: AbortSignal) => node.send("PUT", path, chunk, asking);
    const send = () =>
      patiently({ patienceMs, signal: sending }, () => ask(node, sending, request, limitMs));
    if (await sendChunk(send, again, index)) isKept = true;
    bytes += chunk.length;
    onProgress?.({ step: "send", bytes, totalBytes: length });
  });
  if (isKept) return { ...name, nodeId, sent: missing.length };
  throw badAnswer(node.base, "it was given every chunk, and does not say that it keeps the object");
};

/** As `Objects.put`. Where a node fails, all of it is tried at the next one, with an order of its own. */
export const putObject = async (
  nodes: Nodes,
  chain: OrderChain,
  source: ObjectSource,
  options: PutObjectOptions,
): Promise<PutObject> => {
  const { spool, signal, onProgress } = options;
  const named = await nameSource(source, { spool, signal, onProgress });
  return nodes.each((node) => putAt(node, chain, named, options), isOtherToKeep);
};

/** As `Objects.drop`. */
export const dropObject = async (
  nodes: Nodes,
  chain: OrderChain,
  root: string,
  options: OrderOptions,
): Promise<void> => {
  const name = rootBytes(root);
  const wanted = { action: "drop", root: name, manifest: new Uint8Array(0) } as const;
  return nodes.each(async (node) => {
    const { order } = await signOrder(node, chain, options, wanted);
    const request = (asking: AbortSignal) => node.send("POST", "/v1/objects", order, asking);
    await ask(node, options.signal, request, LIMITS.clientChunkMsMax);
  }, isOfThisNode);
};
