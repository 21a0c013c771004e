/**
 * Durable before visible, as the kernel sees it. kill -9 leaves the page cache alone and proves nothing
 * about sync, so the system calls are watched, with every sync slowed down: what does not wait for it
 * would be seen long before. And with syncs that fail: what was not synced must not have been said.
 */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { until } from "./support/clock.ts";
import { type Acknowledged, Load } from "./support/load.ts";
import { makeFolder, Network, type NetworkNode } from "./support/network.ts";
import { killAll } from "./support/processes.ts";
import { skipUnlessCi } from "./support/sandbox.ts";
import { readCertificate, readVote, statementOf } from "./support/statements.ts";
import {
  type Call,
  readTrace,
  repliesIn,
  straceCommand,
  straceProblem,
  type Written,
  writtenTo,
} from "./support/strace.ts";

const SLOW_SYNC_MICROSECONDS = 150_000;
const BATCHES = 3;
const STORE_IO_EXIT = 4;

const problem = await straceProblem();
const folder = makeFolder();
let network: Network;
let a: NetworkNode;
let b: NetworkNode;
let indexOfA: number;
let told: Acknowledged[] = [];

const traceOf = (name: string): string => join(folder.path, `${name}.strace`);

beforeAll(async () => {
  if (problem !== undefined) return;
  network = await Network.create({ dir: join(folder.path, "net") });
  a = network.node("a");
  b = network.node("b");
});
afterAll(() => {
  killAll();
  folder.remove();
});

const startTraced = (node: NetworkNode, name: string, inject?: string): void => {
  node.start({ traced: true, prefix: straceCommand(traceOf(name), inject) });
};

const DB_LOG = /\/db\/\d+\.log$/;
const VOTES_LOG = /\/keys\/votes\/\d+\.log$/;

/** When each of a's statements was durable in its vote store. */
const durableVotes = (calls: readonly Call[]): Map<string, number> => {
  const durable = new Map<string, number>();
  for (const { changes, durableAt } of writtenTo(calls, VOTES_LOG)) {
    for (const change of changes) {
      if (change.kind !== "put" || change.key.toString("latin1", 0, 2) !== "v/") continue;
      const name = statementOf(readVote(change.value));
      durable.set(name, Math.min(durable.get(name) ?? Number.POSITIVE_INFINITY, durableAt));
    }
  }
  return durable;
};

/** Statements of a that others have, and when the first of them wrote it down. */
const seenElsewhere = (calls: readonly Call[]): Map<string, number> => {
  const seen = new Map<string, number>();
  for (const { changes, writtenAt } of writtenTo(calls, DB_LOG)) {
    for (const change of changes) {
      if (change.kind !== "put" || change.key.toString("latin1", 0, 2) !== "c/") continue;
      for (const one of readCertificate(change.value)) {
        if (one.signer !== indexOfA) continue;
        const name = statementOf(one);
        seen.set(name, Math.min(seen.get(name) ?? Number.POSITIVE_INFINITY, writtenAt));
      }
    }
  }
  return seen;
};

const holding = (
  log: readonly Written[],
  match: (key: Buffer, value: Buffer) => boolean,
): Written | undefined =>
  log.find(({ changes }) =>
    changes.some((change) => change.kind === "put" && match(change.key, change.value)),
  );

const u64 = (value: number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
};

describe("with slow syncs on one of three nodes, which need each other", () => {
  it("the network works, and clients get their answers", async (context) => {
    skipUnlessCi(context, problem);
    startTraced(a, "a", `fdatasync:delay_enter=${SLOW_SYNC_MICROSECONDS}`);
    startTraced(b, "b");
    network.node("c").start();
    await network.healthy(network.nodes.slice(0, 3));
    const status = await until("a answers", () => a.status());
    if (status.validatorIndex === null) throw new Error("a is no validator");
    indexOfA = status.validatorIndex;
    const load = await Load.open(network, 0);
    for (let i = 0; i < BATCHES; i++) await load.write("durable", `record-number-${i}`, [a]);
    told = load.acknowledged;
    expect(await network.stop()).toEqual([0, 0, 0]);
  });

  it("no `committed` leaves before the block is synced on the node that answers", (context) => {
    skipUnlessCi(context, problem);
    const calls = readTrace(traceOf("a"));
    const log = writtenTo(calls, DB_LOG);
    const replies = repliesIn(calls);
    expect(told).toHaveLength(BATCHES);
    for (const [i, { batchId, height, by }] of told.entries()) {
      expect(by).toBe("a");
      const reply = replies.find(({ body }) => body["batchId"] === batchId && body["height"]);
      const named = Buffer.from(`record-number-${i}`);
      const final = Buffer.concat([Buffer.from("h/"), u64(height)]);
      const block = holding(log, (key) => key.equals(final));
      const batch = holding(
        log,
        (key, value) => key.toString("latin1", 0, 2) === "d/" && value.includes(named),
      );
      if (reply === undefined || block === undefined || batch === undefined) {
        expect.fail(`batch ${i}: the trace lacks its answer, its block or itself`);
      }
      expect(block.durableAt - block.writtenAt).toBeGreaterThan(SLOW_SYNC_MICROSECONDS / 2e6);
      expect(block.durableAt, `batch ${i}: block synced, then answered`).toBeLessThan(reply.at);
      expect(batch.durableAt, `batch ${i}: batch synced, then answered`).toBeLessThan(reply.at);
    }
  });

  it("no vote is seen elsewhere before it is synced beside its key", (context) => {
    skipUnlessCi(context, problem);
    const durable = durableVotes(readTrace(traceOf("a")));
    const seen = seenElsewhere(readTrace(traceOf("b")));
    // Three of three have to sign everything, so every certificate is a witness.
    expect(seen.size).toBeGreaterThan(2 * BATCHES);
    const early = [...seen].filter(
      ([name, at]) => !((durable.get(name) ?? Number.POSITIVE_INFINITY) < at),
    );
    expect(early).toEqual([]);
  });
});

describe("with syncs of the vote store that fail", () => {
  it("the node stops with store.io and has said nothing that was not synced", async (context) => {
    skipUnlessCi(context, problem);
    // Only those of the vote store; each thread counts for itself, and the first are those of opening it.
    const logs = Array.from({ length: 60 }, (_, i) => `${String(i).padStart(6, "0")}.log`);
    const paths = logs.flatMap((log) => ["-P", join(a.folder, "keys", "votes", log)]);
    const tracer = straceCommand(traceOf("a-failing"), "fdatasync:error=EIO:when=5+");
    a.start({ traced: true, prefix: [...tracer, ...paths] });
    startTraced(b, "b-second");
    network.node("c").start();
    const { process } = a;
    const ended = await until(
      "the node whose syncs fail stops",
      () => (process.over ? process.ended : undefined),
      { explain: network.explain },
    );
    expect(ended, process.output).toEqual({ code: STORE_IO_EXIT, signal: null });
    expect(process.output).toContain("store.io");
    network.node("d").start();
    const others = network.nodes.filter((node) => node !== a);
    await network.healthy(others);
    await network.progress(b, 3);
    // After its restart the node may say what its disk did keep; before, it must not have.
    const restartedAt = Date.now() / 1000;
    a.start();
    await network.healthy();
    expect(await network.stop()).toEqual([0, 0, 0, 0]);

    const durable = durableVotes(readTrace(traceOf("a-failing")));
    const failed = [...durable].filter(([, at]) => at === Number.POSITIVE_INFINITY);
    const seen = seenElsewhere(readTrace(traceOf("b-second")));
    const early = failed.filter(([name]) => (seen.get(name) ?? restartedAt) < restartedAt);
    expect(early).toEqual([]);
  });
});
