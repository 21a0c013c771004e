/** Two or three members with their sessions, and bulk between them over real workers. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PeerId } from "../../../src/ledger/ports.ts";
import { LIMITS } from "../../../src/limits.ts";
import { startBulkWorker } from "../../../src/node/bulk/process.ts";
import { realClock, realTimers } from "../../../src/node/real-ports.ts";
import { BulkChannel, type BulkChannelOptions } from "../../../src/transport/bulk/channel.ts";
import type { BulkServe } from "../../../src/transport/bulk/port.ts";
import type { QuicTransport } from "../../../src/transport/quic-transport.ts";
import { type LogLine, makeTestNetwork, record, silentMetrics, sleep, until } from "../support.ts";

export type Counted = { readonly name: string; readonly by: number; readonly labels: object };

export type BulkMember = {
  readonly id: PeerId;
  readonly transport: QuicTransport;
  readonly channel: BulkChannel;
  readonly logs: LogLine[];
  readonly counted: Counted[];
  /** The process of the newest worker that listened. */
  pid(): number;
};

export type BulkNetwork = {
  readonly members: readonly BulkMember[];
  readonly folder: string;
  dispose(): Promise<void>;
};

/** Bytes that differ from chunk to chunk and within one. */
export const chunkOf = (index: number, bytes = 1024 * 1024): Uint8Array => {
  const chunk = Buffer.alloc(bytes, `chunk ${index} `);
  chunk.writeUInt32BE(index, 0);
  return chunk;
};

/** Serves `chunk <n>` from a file with that chunk. */
export const serveChunks =
  (folder: string): BulkServe =>
  async (_peer, name) => {
    const [, index] = /^chunk ([0-9]+)$/.exec(Buffer.from(name).toString()) ?? [];
    if (index === undefined) return undefined;
    const path = join(folder, `${index}.chunk`);
    writeFileSync(path, chunkOf(Number(index)));
    return { head: Uint8Array.of(7), file: { path, offset: 0, length: 1024 * 1024 } };
  };

export const chunkName = (index: number): Uint8Array => Buffer.from(`chunk ${index}`);

export type MemberOptions = Partial<
  Pick<
    BulkChannelOptions,
    "setting" | "connections" | "listen" | "startWorker" | "clock" | "timers"
  >
>;

/** Members whose sessions are complete. `own`: by place. */
export const makeBulkNetwork = async (
  count: number,
  own: readonly MemberOptions[] = [],
): Promise<BulkNetwork> => {
  const folder = mkdtempSync(join(tmpdir(), "bulk-test-"));
  const network = await makeTestNetwork(count);
  const members = network.transports.map((transport, index): BulkMember => {
    const id = network.identities[index]?.id ?? "";
    const logs: LogLine[] = [];
    const counted: Counted[] = [];
    const channel = new BulkChannel({
      ...{ self: id, folder, setting: "auto", connections: 2 },
      listen: { host: "::1", port: 0 },
      attach: (user) => transport.bulk(user),
      startWorker: startBulkWorker,
      ...{ clock: realClock, timers: realTimers },
      logger: { log: (level, message, fields = {}) => void logs.push({ level, message, fields }) },
      metrics: {
        ...silentMetrics,
        count: (name, by = 1, labels = {}) => void counted.push({ name, by, labels }),
      },
      ...own[index],
    });
    channel.serve(serveChunks(folder));
    const pid = (): number => {
      const line = logs.findLast(({ message }) => message === "a bulk worker listens");
      return Number(line?.fields["pid"]);
    };
    record(transport);
    return { id, transport, channel, logs, counted, pid };
  });
  const complete = (): boolean =>
    members.every(({ channel }) => channel.peers().length === count - 1);
  await until(complete, "sessions are complete");
  await until(
    () => members.every(({ transport }) => transport.figures().connections === count - 1),
    "one connection of each pair is left",
  );
  await until(complete, "sessions are complete");
  return {
    members,
    folder,
    dispose: async () => {
      for (const { channel } of members) channel.close();
      await network.dispose();
      rmSync(folder, { recursive: true, force: true });
    },
  };
};

/** As long as two starts of a worker and two openings of connections may take, one of each in vain. */
const UP_LIMIT_MS = 2 * (LIMITS.bulkStartTimeoutMs + LIMITS.bulkOpenTimeoutMs);

/** Asks until the way to the peer is one of a worker. */
export const untilUp = async (from: BulkMember, to: PeerId): Promise<void> => {
  const end = Date.now() + UP_LIMIT_MS;
  while (from.channel.pathTo(to) === "session") {
    if (Date.now() > end) throw new Error(`no connections: ${JSON.stringify(from.logs)}`);
    await from.channel.request(to, Buffer.from("knock"), 10_000);
    await sleep(50);
  }
};
