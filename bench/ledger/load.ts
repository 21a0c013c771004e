/** Sends signed batches to the nodes and notes when each was committed. */
import { sleep } from "../../src/node/real-ports.ts";
import { HttpConnection } from "./http.ts";
import type { SignedBatch } from "./lanes.ts";
import type { BenchNetwork } from "./network.ts";

const PATH = "/v1/batches?wait=committed";
const RETRY_MS = 20;

export type Ack = {
  /** When the answer was here: performance.now(), milliseconds. */
  readonly atMs: number;
  readonly latencyMs: number;
  readonly events: number;
};

export type Outcome = {
  readonly startedMs: number;
  readonly acks: readonly Ack[];
  /** Answers that were no commit, by status and code. */
  readonly refused: ReadonlyMap<string, number>;
};

class Recorder {
  readonly startedMs = performance.now();
  readonly acks: Ack[] = [];
  readonly refused = new Map<string, number>();

  /** Sends until it is committed; a node that is full says so and is asked again. */
  async send(connection: HttpConnection, batch: SignedBatch): Promise<void> {
    const sentMs = performance.now();
    for (;;) {
      const answer = await connection.post(PATH, batch.bytes);
      if (answer.status === 200) break;
      const code = /"code":"([^"]+)"/.exec(answer.body)?.[1] ?? "";
      const key = `${answer.status} ${code}`;
      this.refused.set(key, (this.refused.get(key) ?? 0) + 1);
      if (answer.status !== 503) throw new Error(`a batch was refused: ${answer.body}`);
      await sleep(RETRY_MS);
    }
    const atMs = performance.now();
    this.acks.push({ atMs, latencyMs: atMs - sentMs, events: batch.events });
  }
}

/** Keeps `inFlight` batches under way, each lane at its own node, until all are committed. */
export const sendAll = async (
  network: BenchNetwork,
  batches: readonly SignedBatch[],
  inFlight: number,
): Promise<Outcome> => {
  const queues = network.nodes.map((_, i) => batches.filter(({ lane }) => lane.node === i));
  const perNode = Math.max(1, Math.floor(inFlight / network.nodes.length));
  const connections = await Promise.all(
    network.nodes.flatMap(({ api }) =>
      Array.from({ length: perNode }, () => HttpConnection.open(api.base)),
    ),
  );
  const recorder = new Recorder();
  const next = queues.map(() => 0);
  await Promise.all(
    connections.map(async (connection, i) => {
      const node = Math.floor(i / perNode);
      for (;;) {
        const at = next[node] ?? 0;
        const batch = queues[node]?.[at];
        if (batch === undefined) break;
        next[node] = at + 1;
        await recorder.send(connection, batch);
      }
      connection.close();
    }),
  );
  return recorder;
};

/** Sends one batch at a time at random moments, `rate` a second on average (a Poisson process). */
export const sendAtRate = async (
  network: BenchNetwork,
  batches: readonly SignedBatch[],
  rate: number,
): Promise<Outcome> => {
  const open = await Promise.all(network.nodes.map(({ api }) => HttpConnection.open(api.base)));
  const idle = network.nodes.map((_, i) => open.slice(i, i + 1));
  const recorder = new Recorder();
  const under: Promise<void>[] = [];
  for (const batch of batches) {
    await sleep((-Math.log(1 - Math.random()) * 1000) / rate);
    const free = idle[batch.lane.node] ?? [];
    const base = network.nodes[batch.lane.node]?.api.base ?? "";
    const connection = free.pop() ?? (await HttpConnection.open(base));
    under.push(recorder.send(connection, batch).then(() => void free.push(connection)));
  }
  await Promise.all(under);
  for (const connection of idle.flat()) connection.close();
  return recorder;
};

/** Events a second between `fromMs` and `toMs`, by when their commit was answered. */
export const rateBetween = (acks: readonly Ack[], fromMs: number, toMs: number): number => {
  let events = 0;
  for (const ack of acks) if (ack.atMs > fromMs && ack.atMs <= toMs) events += ack.events;
  return (events * 1000) / Math.max(1, toMs - fromMs);
};
