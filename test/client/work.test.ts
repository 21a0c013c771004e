/** The work of a client: what it searches for, what it does not believe, and that it blocks nobody. */
import { describe, expect, it } from "vitest";
import type {
  ApiClient,
  LaneJson,
  ReceiptJson,
  StatusJson,
  WorkJson,
} from "../../src/client/api.ts";
import { memoryKeeper, type SignedChain, Submitter } from "../../src/client/submit.ts";
import {
  doWork,
  searchByDefault,
  searchInSlices,
  type WorkOptions,
  type WorkTask,
  workTask,
  workThreads,
} from "../../src/client/work.ts";
import { toHex, ZERO_HASH } from "../../src/crypto/bytes.ts";
import { createHasher } from "../../src/crypto/hash.ts";
import { TetradError } from "../../src/errors.ts";
import { buildBatch, decodeBatch, type UnsignedBatch } from "../../src/ledger/batch.ts";
import { slotOf, WORK_SLOT } from "../../src/ledger/batch-proofs.ts";
import { recordPut } from "../../src/ledger/projections/events.ts";
import type { Batch } from "../../src/ledger/types.ts";
import { LIMITS } from "../../src/limits.ts";
import { PRICE_ONE, verifyWork, WORK_PROFILES } from "../../src/proofs/work/index.ts";

const CHAIN = "test-1";
const hasher = createHasher(CHAIN);
const event = recordPut.encode({ topic: "t", key: "k", body: new Uint8Array(100) });
const units = BigInt(event.bytes.length) + 512n;

const unsigned: UnsignedBatch = buildBatch(hasher, {
  actor: new Uint8Array(32).fill(4),
  laneSeq: 1,
  prevBatchId: ZERO_HASH,
  refHeight: 0,
  refHash: ZERO_HASH,
  events: [event],
});

const EQUIHASH = { kind: "equihash-96-5" };
const ARGON = { kind: "argon2id", memoryKiB: 8 };

/** What a node says of a price by which this batch takes `effort`. */
const told = (effort: bigint, puzzle: WorkJson["puzzle"] = EQUIHASH): WorkJson => ({
  beacon: "be".repeat(32),
  price: (effort * PRICE_ONE).toString(),
  pricedUnits: units.toString(),
  puzzle,
});

const quiet = { signal: new AbortController().signal, onRuns: () => undefined };

const taskOf = (what: WorkJson): WorkTask => {
  const task = workTask(CHAIN, undefined, what, unsigned);
  if (task === undefined) throw new Error("no task");
  return task;
};

const isSolved = ({ puzzle, subject, effort }: WorkTask, proof: Uint8Array): boolean =>
  verifyWork(hasher, puzzle, subject, proof, effort).ok;

describe("what a client works for", () => {
  it("is what the node says, where nobody knows better", () => {
    const task = taskOf(told(7n));
    expect(task).toMatchObject({ chainId: CHAIN, puzzle: EQUIHASH, effort: 7 });
    expect(toHex(task.subject.beacon)).toBe("be".repeat(32));
    expect(task.subject.batchId).toEqual(unsigned.id);
    expect(taskOf(told(1n, ARGON)).puzzle).toEqual(ARGON);
  });

  it("is nothing where the chain asks for nothing, or its genesis says so", () => {
    expect(workTask(CHAIN, undefined, undefined, unsigned)).toBeUndefined();
    expect(workTask(CHAIN, undefined, null, unsigned)).toBeUndefined();
    expect(workTask(CHAIN, null, told(7n), unsigned)).toBeUndefined();
  });

  it("has puzzle and bounds of a genesis that is trusted", () => {
    const known = WORK_PROFILES.dev;
    const { priceMin, priceMax } = known.price;
    const at = (price: bigint): WorkTask | undefined =>
      workTask(CHAIN, known, { ...told(1n, ARGON), price: price.toString() }, unsigned);
    expect(at(priceMin)).toMatchObject({ puzzle: known.puzzle, effort: 1 });
    expect(at(priceMax)?.effort).toBe(1);
    for (const price of [priceMin - 1n, priceMax + 1n]) {
      expect(() => at(price)).toThrowError(expect.objectContaining({ code: "client.bad-answer" }));
    }
    expect(() => workTask(CHAIN, known, null, unsigned)).toThrowError(
      expect.objectContaining({ code: "client.bad-answer" }),
    );
  });

  it("is at most the effort that the client makes", () => {
    const most = LIMITS.clientWorkEffortMax;
    expect(taskOf(told(BigInt(most))).effort).toBe(most);
    expect(() => taskOf(told(BigInt(most) + 1n))).toThrowError(
      expect.objectContaining({ code: "work.too-dear" }),
    );
    const dear = told(BigInt(most) + 1n);
    expect(workTask(CHAIN, undefined, dear, unsigned, { effortMax: most + 1 })?.effort).toBe(
      most + 1,
    );
  });

  it("is as many times that as its user says, or as the node takes now, up to that bound", () => {
    const most = LIMITS.clientWorkEffortMax;
    expect(taskOf({ ...told(7n), times: 4 }).effort).toBe(28);
    expect(taskOf({ ...told(BigInt(most)), times: 2 }).effort).toBe(most);
    const own = (times: number) =>
      workTask(CHAIN, undefined, { ...told(7n), times: 64 }, unsigned, { times })?.effort;
    expect(own(1)).toBe(7);
    expect(own(3)).toBe(21);
    expect(() => own(most)).toThrowError(expect.objectContaining({ code: "work.too-dear" }));
  });

  it.each<[string, Partial<Record<keyof WorkJson, unknown>>]>([
    ["a load above any", { times: 2 ** LIMITS.mempoolLevelMax + 1 }],
    ["a load below none", { times: 0 }],
    ["half a load", { times: 1.5 }],
    ["a beacon that is no hash", { beacon: "be" }],
    ["a price that is a number", { price: 65536 }],
    ["no price", { price: "0" }],
    ["a price of 17 digits", { price: "1".repeat(17) }],
    ["units that are none", { pricedUnits: "-1" }],
    ["another puzzle", { puzzle: { kind: "sudoku" } }],
    ["no memory", { puzzle: { kind: "argon2id" } }],
    ["too much memory", { puzzle: { kind: "argon2id", memoryKiB: LIMITS.workArgonKiB[1] + 1 } }],
  ])("is never %s", (_what, change) => {
    const wrong = { ...told(1n), ...change } as WorkJson;
    expect(() => taskOf(wrong)).toThrowError(
      expect.objectContaining({ code: "client.bad-answer" }),
    );
  });
});

describe.each([
  ["in slices", searchInSlices],
  ["in threads", searchByDefault],
])("a search %s", (_how, search) => {
  it("finds what a node takes", async () => {
    const task = taskOf(told(3n));
    expect(isSolved(task, await search(task, quiet))).toBe(true);
  });

  it("leaves the thread to others, says how far it is, and ends when it is told to", async () => {
    const controller = new AbortController();
    let runs = 0;
    let turns = 0;
    const timer = setInterval(() => {
      turns += 1;
      if (turns >= 3 && runs > 0) controller.abort(new Error("enough"));
    }, 1);
    const onRuns = (count: number): void => {
      runs = count;
    };
    // Nobody ever finds this one.
    const never = { ...taskOf(told(1n)), effort: LIMITS.workEffortMax };
    const searching = search(never, { signal: controller.signal, onRuns });
    await expect(searching).rejects.toThrow("enough");
    clearInterval(timer);
    expect(runs).toBeGreaterThan(0);
  });
});

it("takes one thread for what is found at once, and half of the cores otherwise", () => {
  expect(workThreads(1, 64)).toBe(1);
  expect(workThreads(100, 1)).toBe(1);
  expect(workThreads(100, 4)).toBe(2);
  expect(workThreads(100, 64)).toBe(4);
});

describe("a batch on a chain that asks for work", () => {
  const open = async (work: WorkOptions, chain?: SignedChain) => {
    const sent: Batch[] = [];
    const client = {
      base: "http://[::1]:1",
      status: async () =>
        ({
          ...{ chainId: CHAIN, genesisHash: "g", refHeight: 0, refHash: toHex(ZERO_HASH) },
          work: told(2n, ARGON),
        }) as unknown as StatusJson,
      lane: async (): Promise<LaneJson> => {
        const id = toHex(ZERO_HASH);
        return { laneSeq: 0, batchId: id, pendingSeq: 0, pendingId: id };
      },
      submit: async (bytes: Uint8Array): Promise<ReceiptJson> => {
        const batch = decodeBatch(hasher, bytes);
        if (!batch.ok) throw TetradError.from(batch);
        sent.push(batch.value);
        return { batchId: toHex(batch.value.id), level: "projected" };
      },
      get: async () => ({}),
    } satisfies Pick<ApiClient, "base" | "get" | "lane" | "status" | "submit">;
    const submitter = await Submitter.open({
      client,
      chain,
      key: {
        publicKey: new Uint8Array(LIMITS.falconPublicKeyBytes).fill(7),
        sign: async () => new Uint8Array(LIMITS.falconSignatureBytes),
      },
      outbox: memoryKeeper(),
      wait: "projected",
      patienceMs: 1000,
      signal: new AbortController().signal,
      note: () => undefined,
      now: () => 0,
      work,
    });
    return { submitter, sent };
  };

  it("carries its work, which fits the batch", async () => {
    const told: number[] = [];
    const search: WorkOptions["search"] = async (task, options) => {
      options.onRuns(1);
      return searchInSlices(task, options);
    };
    const { submitter, sent } = await open({ search, onProgress: (_, mean) => told.push(mean) });
    await submitter.submit([event]);
    const [batch] = sent;
    const slot = slotOf(batch?.proofs ?? [], WORK_SLOT);
    const subject = {
      beacon: new Uint8Array(32).fill(0xbe),
      actor: batch?.actor ?? ZERO_HASH,
      batchId: batch?.id ?? ZERO_HASH,
    };
    const puzzle = { kind: "argon2id", memoryKiB: 8 } as const;
    const verdict = verifyWork(hasher, puzzle, subject, slot?.bytes ?? ZERO_HASH, 2);
    expect(verdict).toMatchObject({ ok: true });
    expect(told).toContain(2);
  });

  it("is not made where that costs more than the client will do, and nothing is signed", async () => {
    const { submitter, sent } = await open({ effortMax: 1 });
    await expect(submitter.submit([event])).rejects.toMatchObject({ code: "work.too-dear" });
    expect(sent).toEqual([]);
  });

  it("carries none where a trusted genesis says that none is asked for", async () => {
    const { submitter, sent } = await open({}, { chainId: CHAIN, genesisHash: "g", work: null });
    await submitter.submit([event]);
    expect(sent[0]?.proofs).toEqual([]);
  });
});

it("makes the slot of a batch", async () => {
  const task = taskOf(told(1n, ARGON));
  const slot = await doWork(task, { search: searchInSlices }, quiet.signal);
  expect(slot).toMatchObject({ kind: 1, version: 1 });
  expect(isSolved(task, slot.bytes)).toBe(true);
});
