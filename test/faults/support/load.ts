/**
 * Load: several actors, each with a lane of its own, each writing one batch after another. A batch is sent
 * again, the same bytes, to whichever node answers, until one says `committed`. What was answered is kept
 * by the test alone, so that it can be held against the log afterwards.
 */
import { randomBytes } from "node:crypto";
import { openSigningKey } from "../../../src/cli/key.ts";
import type { Signer } from "../../../src/client/submit.ts";
import { doWork, workTask } from "../../../src/client/work.ts";
import { fromHex, toHex, ZERO_HASH } from "../../../src/crypto/bytes.ts";
import { FALCON_SEED_BYTES, falconSign } from "../../../src/crypto/falcon.ts";
import { loadFalconWasm } from "../../../src/crypto/falcon-wasm.ts";
import { createHasher, type Hasher } from "../../../src/crypto/hash.ts";
import { actorId, buildBatch, sealBatch } from "../../../src/ledger/batch.ts";
import { actorRegistered, recordPut } from "../../../src/ledger/projections/events.ts";
import type { Batch, EncodedEvent } from "../../../src/ledger/types.ts";
import { until } from "./clock.ts";
import { type Answer, ask } from "./http.ts";
import type { Network, NetworkNode } from "./network.ts";

/** One batch that a node answered `committed` (or more) for. */
export type Acknowledged = {
  readonly batchId: string;
  readonly actor: string;
  readonly laneSeq: number;
  readonly height: number;
  readonly payloads: readonly string[];
  readonly by: string;
  readonly atMs: number;
};

type Lane = {
  readonly key: Signer;
  readonly actor: Uint8Array;
  seq: number;
  previous: Uint8Array;
};

type LaneReply = { readonly laneSeq: number; readonly batchId: string };
type Receipt = { readonly level: string; readonly height?: number };
type Failed = { readonly code?: string };

const LIMIT_MS = 120_000;

const wasm = await loadFalconWasm();

const newKey = (): Signer => {
  const { publicKey, secretKey } = wasm.keygen();
  return {
    publicKey,
    sign: async (message) => falconSign(message, secretKey, randomBytes(FALCON_SEED_BYTES)),
  };
};

export class Load {
  readonly acknowledged: Acknowledged[] = [];
  readonly #network: Network;
  readonly #hasher: Hasher;
  readonly #lanes: Lane[] = [];
  #operator: Lane;
  #stopping = false;
  #running: Promise<unknown> = Promise.resolve();
  #turn = 0;
  failure: Error | undefined;

  private constructor(network: Network, hasher: Hasher, operator: Lane) {
    this.#network = network;
    this.#hasher = hasher;
    this.#operator = operator;
  }

  /** Registers `lanes` actors through the operator. Needs a network that runs. */
  static async open(network: Network, lanes: number): Promise<Load> {
    const status = await until("a node answers", () => network.nodes[0]?.status());
    const hasher = createHasher(status.chainId);
    const key = await openSigningKey(network.operatorKey, {}, console.error);
    const load = new Load(network, hasher, await resume(network, hasher, key));
    const events: EncodedEvent[] = [];
    for (let i = 0; i < lanes; i++) {
      const { publicKey, sign } = newKey();
      const actor = actorId(hasher, publicKey);
      load.#lanes.push({ key: { publicKey, sign }, actor, seq: 0, previous: ZERO_HASH });
      events.push(actorRegistered.encode({ publicKey, name: `load-${i}`, permissions: ["*"] }));
    }
    if (events.length > 0) await load.#deliver(load.#operator, events);
    return load;
  }

  /** Writes one record as the operator and waits until a node says that it is committed. */
  async write(topic: string, key: string, nodes?: readonly NetworkNode[]): Promise<Acknowledged> {
    return this.#deliver(this.#operator, [recordOf(topic, key, "one record")], nodes);
  }

  /** A signed batch of one record by the operator that nobody has yet. */
  async sign(topic: string, key: string): Promise<Batch> {
    const [node] = this.#network.nodes.filter(({ running }) => running);
    if (node === undefined) throw new Error("no node runs");
    return this.#sign(this.#operator, [recordOf(topic, key, "one record")], node);
  }

  start(eventsPerBatch: number): void {
    this.#stopping = false;
    const failed = (error: unknown): void => {
      this.failure ??= error instanceof Error ? error : new Error(String(error));
      this.#stopping = true;
    };
    this.#running = Promise.all(
      this.#lanes.map((lane, i) => this.#fill(lane, i, eventsPerBatch).catch(failed)),
    );
  }

  /** Lets every lane finish its batch; throws what a lane failed with. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#running;
    if (this.failure !== undefined) throw this.failure;
  }

  /** Waits until every lane has got another batch committed. */
  async served(): Promise<void> {
    const from = this.acknowledged.length;
    await until(
      "every lane has another batch committed",
      () => {
        if (this.failure !== undefined) throw this.failure;
        const lanes = new Set(this.acknowledged.slice(from).map(({ actor }) => actor));
        return lanes.size >= this.#lanes.length;
      },
      { limitMs: LIMIT_MS, explain: this.#network.explain },
    );
  }

  async #fill(lane: Lane, index: number, eventsPerBatch: number): Promise<void> {
    while (!this.#stopping) {
      const name = `${index}-${lane.seq + 1}`;
      const events = Array.from({ length: eventsPerBatch }, (_, i) =>
        recordOf("load", `${name}-${i}`, randomBytes(100).toString("hex")),
      );
      await this.#deliver(lane, events);
    }
  }

  /** Nodes in turn: the answer of any of them counts. */
  #next(nodes: readonly NetworkNode[]): NetworkNode {
    this.#turn += 1;
    const node = nodes[this.#turn % nodes.length];
    if (node === undefined) throw new Error("there are no nodes");
    return node;
  }

  async #sign(lane: Lane, events: readonly EncodedEvent[], node: NetworkNode): Promise<Batch> {
    const status = await until(
      "some node answers",
      () => (node.running ? node : this.#next(this.#network.nodes)).status(),
      { limitMs: LIMIT_MS, explain: this.#network.explain },
    );
    const unsigned = buildBatch(this.#hasher, {
      actor: lane.actor,
      laneSeq: lane.seq + 1,
      prevBatchId: lane.previous,
      refHeight: status.refHeight,
      refHash: fromHex(status.refHash),
      events,
    });
    const task = workTask(this.#hasher.chainId, undefined, status.work, unsigned);
    const { signal } = new AbortController();
    const proofs = task === undefined ? [] : [await doWork(task, {}, signal)];
    const signature = await lane.key.sign(unsigned.signingMessage);
    return sealBatch(this.#hasher, unsigned, signature, proofs);
  }

  async #deliver(
    lane: Lane,
    events: readonly EncodedEvent[],
    nodes: readonly NetworkNode[] = this.#network.nodes,
  ): Promise<Acknowledged> {
    const batch = await this.#sign(lane, events, this.#next(nodes));
    const acknowledged = await this.send(batch, nodes);
    lane.seq = batch.laneSeq;
    lane.previous = batch.id;
    return acknowledged;
  }

  /** Sends a batch to the nodes in turn until one says `committed`. */
  async send(batch: Batch, nodes: readonly NetworkNode[]): Promise<Acknowledged> {
    let last = "";
    return until(
      "a batch is committed",
      async () => {
        const node = this.#next(nodes);
        if (!node.running) return undefined;
        const answer = await submit(node, batch).catch(() => undefined);
        if (answer === undefined) return undefined;
        const height = heightIn(answer);
        if (height !== undefined) return this.#note(batch, height, node.name);
        last = JSON.stringify(answer.body);
        const code = (answer.body as Failed).code ?? "";
        if (!PASSING.has(code)) throw new Error(`a batch was refused by ${node.name}: ${last}`);
        return undefined;
      },
      { limitMs: LIMIT_MS, explain: async () => `${last}\n${await this.#network.explain()}` },
    );
  }

  #note(batch: Batch, height: number, by: string): Acknowledged {
    const done: Acknowledged = {
      batchId: toHex(batch.id),
      actor: toHex(batch.actor),
      laneSeq: batch.laneSeq,
      height,
      payloads: batch.events.map((event) => Buffer.from(event.payload).toString("base64url")),
      by,
      atMs: Date.now(),
    };
    this.acknowledged.push(done);
    return done;
  }
}

/**
 * Answers that say nothing about the batch's fate: the node stops, is behind, has not seen the batch or
 * the actor before this one, or holds the batch as appended but not executed.
 */
const PASSING: ReadonlySet<string> = new Set([
  "http.timeout",
  "node.overloaded",
  "node.not-ready",
  "node.stopping",
  "batch.lane-gap",
  "batch.lane-replay",
  "batch.ref-future",
  "batch.unknown-actor",
  "batch.not-found",
]);

const submit = async (node: NetworkNode, batch: Batch): Promise<Answer> => {
  const path = "/v1/batches?wait=committed&waitMs=5000";
  const answer = await ask(node.endpoint, path, { method: "POST", body: batch.bytes });
  if ((answer.body as Failed).code !== "batch.lane-replay") return answer;
  // An earlier try got through: what this node knows of the batch says so.
  return ask(node.endpoint, `/v1/batches/${toHex(batch.id)}`);
};

const heightIn = ({ status, body }: Answer): number | undefined => {
  const receipt = body as Receipt;
  const told = receipt.level === "committed" || receipt.level === "projected";
  return status === 200 && told ? receipt.height : undefined;
};

const recordOf = (topic: string, key: string, text: string): EncodedEvent =>
  recordPut.encode({ topic, key, body: new TextEncoder().encode(text) });

/** Where the operator's lane stands on a network that may have been written to before. */
const resume = async (network: Network, hasher: Hasher, key: Signer): Promise<Lane> => {
  const actor = actorId(hasher, key.publicKey);
  const [node] = network.nodes;
  if (node === undefined) throw new Error("there are no nodes");
  const { body } = await ask(node.endpoint, `/v1/lanes/${toHex(actor)}`);
  const { laneSeq, batchId } = body as LaneReply;
  return { key, actor, seq: laneSeq, previous: fromHex(batchId) };
};
