import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Outbox, openOutbox } from "../../src/cli/outbox.ts";
import {
  ApiClient,
  type LaneJson,
  type ReceiptJson,
  type StatusJson,
} from "../../src/client/api.ts";
import { type SubmitOptions, type Submitted, Submitter } from "../../src/client/submit.ts";
import { toHex, ZERO_HASH } from "../../src/crypto/bytes.ts";
import { utf8 } from "../../src/crypto/codec.ts";
import { createHasher } from "../../src/crypto/hash.ts";
import { type ErrorCode, TetradError } from "../../src/errors.ts";
import { decodeBatch } from "../../src/ledger/batch.ts";
import type { WaitLevel } from "../../src/ledger/handle.ts";
import { recordPut } from "../../src/ledger/projections/events.ts";
import type { Batch } from "../../src/ledger/types.ts";
import { LIMITS } from "../../src/limits.ts";

const CHAIN = "test-1";
const hasher = createHasher(CHAIN);
const publicKey = new Uint8Array(LIMITS.falconPublicKeyBytes).fill(7);

/** A node that keeps what it committed, and fails as the test says: before it takes a batch, or after. */
class FakeNode extends ApiClient {
  readonly committed: Batch[] = [];
  readonly received: string[] = [];
  readonly waits: number[] = [];
  chainId = CHAIN;
  refHeight = 0;
  hangs = false;
  /** Commits what it calls dead. */
  takesDead = false;
  /** Says of each lane that it is empty. */
  hidesLane = false;
  faults: ("before" | "after" | ErrorCode)[] = [];

  constructor() {
    super("http://[::1]:1");
  }

  override async status(): Promise<StatusJson> {
    const { chainId } = this;
    // Time goes on: what is signed anew has another reference, and so another id.
    this.refHeight += LIMITS.gridHeights;
    const { refHeight } = this;
    const status = { chainId, genesisHash: "g", refHeight, refHash: toHex(ZERO_HASH) };
    return status as unknown as StatusJson;
  }

  override async lane(): Promise<LaneJson> {
    const last = this.hidesLane ? undefined : this.committed.at(-1);
    const seq = last?.laneSeq ?? 0;
    const id = toHex(last?.id ?? ZERO_HASH);
    return { laneSeq: seq, batchId: id, pendingSeq: seq, pendingId: id };
  }

  override async submit(
    bytes: Uint8Array,
    wait: WaitLevel,
    signal?: AbortSignal,
    waitMs = 0,
  ): Promise<ReceiptJson> {
    this.waits.push(waitMs);
    if (this.hangs) {
      await new Promise((_resolve, reject) => {
        signal?.addEventListener("abort", () => reject(signal.reason));
      });
    }
    const batch = decodeBatch(hasher, bytes);
    if (!batch.ok) throw TetradError.from(batch);
    const id = toHex(batch.value.id);
    this.received.push(id);
    const fault = this.faults.shift();
    if (fault === "before") throw new TetradError("cli.unreachable", "gone before");
    if (this.takesDead && fault === "batch.expired") this.committed.push(batch.value);
    if (fault !== undefined && fault !== "after") throw new TetradError(fault, "as told");
    const known = this.committed.some((one) => toHex(one.id) === id);
    if (!known && batch.value.laneSeq !== this.committed.length + 1) {
      throw new TetradError("batch.lane-replay", "taken");
    }
    if (!known) this.committed.push(batch.value);
    if (fault === "after") throw new TetradError("cli.unreachable", "gone after");
    return { batchId: id, level: wait, height: 1, outcomes: [{ kind: "accepted" }] };
  }

  override async get(path: string): Promise<Record<string, unknown>> {
    const id = path.split("/").at(-1) ?? "";
    if (this.committed.some((one) => toHex(one.id) === id))
      return { batchId: id, level: "projected" };
    throw new TetradError("batch.not-found", "none");
  }
}

let folder: string;
let node: FakeNode;
let outbox: Outbox;
let notes: string[];
let now: number;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "tetrad-outbox-"));
  node = new FakeNode();
  outbox = await openOutbox(join(folder, "k"));
  notes = [];
  now = 0;
});
afterEach(async () => {
  await outbox.close();
  rmSync(folder, { recursive: true });
});

const open = (
  patienceMs: number,
  wait: WaitLevel = "projected",
  chain?: SubmitOptions["chain"],
): Promise<Submitter> =>
  Submitter.open({
    client: node,
    chain,
    key: {
      publicKey,
      // Randomised, as FALCON is: a second signature of one message differs.
      sign: async () => new Uint8Array(LIMITS.falconSignatureBytes).fill(Math.random() * 256),
    },
    outbox,
    wait,
    patienceMs,
    signal: new AbortController().signal,
    note: (text) => notes.push(text),
    now: () => {
      now += 1_000;
      return now;
    },
  });

const event = (key: string) => recordPut.encode({ topic: "t", key, body: utf8("b") });

const all = async (submitter: Submitter): Promise<Submitted[]> => {
  const done: Submitted[] = [];
  for await (const one of submitter.flush()) done.push(one);
  return done;
};

const kept = (): string[] =>
  readdirSync(join(folder, "k.outbox")).filter((name) => name !== "in-use");

describe("submitting", () => {
  it("keeps a batch until its outcome is known, and then not", async () => {
    const submitter = await open(60_000);
    await submitter.submit([event("a")]);
    expect(node.committed).toHaveLength(1);
    expect(kept()).toEqual([]);
  });

  it.each(["before", "after"] as const)(
    "sends the same batch again when the node goes away %s it took it",
    async (fault) => {
      node.faults = [fault, fault];
      const submitter = await open(60_000);
      const { receipt } = await submitter.submit([event("a")]);
      expect(receipt.level).toBe("projected");
      expect(node.committed).toHaveLength(1);
      expect(new Set(node.received).size).toBe(1);
      expect(node.received).toHaveLength(3);
    },
  );

  it.each(["before", "after"] as const)(
    "keeps it for the next command when patience ends (%s), and that one commits it once",
    async (fault) => {
      node.faults = Array.from({ length: 20 }, () => fault);
      await expect((await open(3_000)).submit([event("a")])).rejects.toMatchObject({
        code: "cli.unreachable",
      });
      expect(kept()).toEqual(["0000000000000001.batch"]);
      node.faults = [];
      const again = await all(await open(3_000));
      expect(again).toMatchObject([{ interrupted: true, receipt: { level: "projected" } }]);
      expect(node.committed).toHaveLength(1);
      expect(new Set(node.received).size).toBe(1);
      expect(kept()).toEqual([]);
    },
  );

  it("keeps an accepted batch too, but not as an interrupted one", async () => {
    await (await open(1_000, "accepted")).submit([event("a")]);
    expect(kept()).toEqual(["0000000000000001.accepted"]);
    const again = await all(await open(1_000));
    expect(again).toMatchObject([{ interrupted: false }]);
    expect(kept()).toEqual([]);
  });

  it("drops what was refused, and says why", async () => {
    node.faults = ["batch.unknown-actor"];
    const failed = (await open(1_000)).submit([event("a")]);
    await expect(failed).rejects.toMatchObject({ code: "batch.unknown-actor" });
    expect(kept()).toEqual([]);
  });

  it("signs the events of an expired batch anew", async () => {
    node.faults = ["batch.expired"];
    const { batch } = await (await open(10_000)).submit([event("a")]);
    expect(node.committed).toMatchObject([{ laneSeq: 1 }]);
    expect(batch.events[0]?.bytes).toEqual(event("a").bytes);
    expect(kept()).toEqual([]);
  });

  it("signs for the same place, so that a node which lies about it cannot have events written twice", async () => {
    // The node has given the batch on, and says all the same that it is too old.
    node.faults = ["batch.expired"];
    node.takesDead = true;
    const { batch } = await (await open(10_000)).submit([event("a")]);
    expect(node.committed).toEqual([expect.objectContaining({ laneSeq: 1, id: batch.id })]);
    expect(node.received).toHaveLength(1);
    expect(kept()).toEqual([]);
  });

  it("finds what it has signed anew under its first id too", async () => {
    node.faults = ["batch.expired"];
    node.takesDead = true;
    node.hidesLane = true;
    const { batch, receipt } = await (await open(10_000)).submit([event("a")]);
    expect(node.committed).toEqual([expect.objectContaining({ laneSeq: 1, id: batch.id })]);
    expect(new Set(node.received).size).toBe(2);
    expect(receipt).toMatchObject({ batchId: toHex(batch.id), level: "projected" });
    expect(kept()).toEqual([]);
  });

  it("signs events anew once, and then keeps them for a node that does not call everything dead", async () => {
    node.faults = Array.from({ length: 50 }, () => "batch.ref-mismatch" as const);
    await expect((await open(60_000)).submit([event("a")])).rejects.toMatchObject({
      code: "batch.ref-mismatch",
    });
    expect(new Set(node.received).size).toBe(2);
    expect(kept()).toEqual(["0000000000000001.batch"]);
    node.faults = [];
    expect(await all(await open(60_000))).toMatchObject([{ receipt: { level: "projected" } }]);
    expect(node.committed).toHaveLength(1);
  });

  it("signs an accepted batch anew in its place, and keeps one of the two", async () => {
    await (await open(10_000, "accepted")).submit([event("a")]);
    node.committed.length = 0;
    node.faults = ["batch.expired", "batch.expired"];
    await expect(all(await open(10_000))).rejects.toMatchObject({ code: "batch.expired" });
    expect(kept()).toEqual(["0000000000000001.batch"]);
  });

  it("does not call a batch done whose place another has", async () => {
    node.faults = ["before", "before", "before", "before"];
    await expect((await open(3_000)).submit([event("a")])).rejects.toThrow();
    const other = await open(3_000);
    const taker = await openOutbox(join(folder, "other"));
    node.faults = [];
    node.committed.push({ laneSeq: 1, id: ZERO_HASH } as Batch);
    await expect(all(other)).rejects.toMatchObject({ code: "batch.lane-replay" });
    expect(kept()).toEqual([]);
    await taker.close();
  });

  it("drops kept bytes that are no batch of this chain, and says so", async () => {
    writeFileSync(join(folder, "k.outbox", "0000000000000001.batch"), "junk");
    expect(await all(await open(1_000))).toEqual([]);
    expect(notes.join()).toContain("not of chain");
    expect(kept()).toEqual([]);
  });
});

describe("the chain that is signed for", () => {
  it.each([
    ["name", { chainId: "test-2", genesisHash: "g" }],
    ["genesis", { chainId: CHAIN, genesisHash: "h" }],
  ])("is the one that was asked for, by its %s too", async (_, chain) => {
    await expect(open(1_000, "projected", chain)).rejects.toMatchObject({ code: "folder.foreign" });
    const same = { chainId: CHAIN, genesisHash: "g" };
    await (await open(1_000, "projected", same)).submit([event("a")]);
    expect(node.committed).toHaveLength(1);
  });

  it("is not changed by the node between two batches", async () => {
    const submitter = await open(1_000);
    node.chainId = "test-2";
    const refused = submitter.submit([event("a")]);
    await expect(refused).rejects.toMatchObject({ code: "folder.foreign" });
    expect(kept()).toEqual([]);
  });
});

describe("time", () => {
  it("asks the node to wait no longer than is left, and never longer than nodes wait", async () => {
    await (await open(7_000)).submit([event("a")]);
    await (await open(3_600_000)).submit([event("b")]);
    expect(node.waits[0]).toBeGreaterThan(0);
    expect(node.waits[0]).toBeLessThan(7_000);
    expect(node.waits[1]).toBe(LIMITS.httpWaitMsMax);
  });

  it("gives each batch its time, and all attempts of one batch the same", async () => {
    const submitter = await open(10_000);
    for (const key of ["a", "b", "c", "d"]) await submitter.submit([event(key)]);
    expect(Math.min(...node.waits)).toBeGreaterThan(4_000);
    node.waits.length = 0;
    node.faults = ["before", "before"];
    await submitter.submit([event("e")]);
    expect(node.waits).toEqual([...node.waits].sort((a, b) => b - a));
    expect(new Set(node.waits).size).toBe(3);
  });

  it("gives up a node that does not answer at all, and keeps the batch", async () => {
    const submitter = await open(5_000);
    now += 3_990;
    node.hangs = true;
    const started = performance.now();
    await expect(submitter.submit([event("a")])).rejects.toMatchObject({ code: "http.timeout" });
    expect(performance.now() - started).toBeLessThan(3_000);
    expect(kept()).toEqual(["0000000000000001.batch"]);
    expect(notes.join()).toContain("the batch is kept");
  });
});

describe("outbox", () => {
  it("is for one process at a time, and asks no process id whether its holder lives", async () => {
    await expect(openOutbox(join(folder, "k"))).rejects.toMatchObject({ code: "folder.locked" });
    await expect(openOutbox(join(folder, "k"))).rejects.toThrow("appends with this key");
    await outbox.close();
    // A holder that was killed, and whose id another process has by now.
    writeFileSync(join(folder, "k.outbox", "in-use", "owner.pid"), "1\n");
    writeFileSync(join(folder, "k.outbox", "lock"), "1\n");
    outbox = await openOutbox(join(folder, "k"));
    expect(outbox.pending()).toEqual([]);
  });

  it("lists batches in the order of the lane", () => {
    for (const seq of [10, 9, 100]) outbox.keep(seq, Uint8Array.of(seq));
    outbox.accepted(9);
    expect(outbox.pending()).toEqual([
      { seq: 9, bytes: Uint8Array.of(9), accepted: true },
      { seq: 10, bytes: Uint8Array.of(10), accepted: false },
      { seq: 100, bytes: Uint8Array.of(100), accepted: false },
    ]);
  });
});
