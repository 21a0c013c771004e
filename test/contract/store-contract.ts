/**
 * What every Store must do (src/ledger/ports.ts). Run on the store in memory, on LevelDB and on the
 * simulated disk: what one of them does differently, the replica has never met.
 */
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { compareBytes, equalBytes, fromHex, toHex } from "../../src/crypto/bytes.ts";
import type {
  Store,
  StoreEntry,
  StoreFailure,
  StoreOp,
  StoreRange,
  StoreSnapshot,
} from "../../src/ledger/ports.ts";

export type StoreUnderTest = {
  readonly store: Store;
  /** Lets completions happen where they do not by themselves: runs a simulated world for a while. */
  pump?(): void | Promise<void>;
  /** Closes the store and opens what it left behind; absent where nothing is left. */
  reopen?(): Promise<Store>;
  /** Makes the next write fail, in a way that ends when the store is reopened. */
  failNextWrite?(): Promise<void>;
  dispose(): Promise<void>;
};

type Answer = StoreFailure | undefined;

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const put = (key: Uint8Array, value: Uint8Array): StoreOp => ({ type: "put", key, value });
const del = (key: Uint8Array): StoreOp => ({ type: "del", key });
const everything: StoreRange = { gte: bytes(0), lt: bytes(0xfe), limit: 100_000 };
const hexOf = (entries: readonly StoreEntry[]): string[] =>
  entries.map(([key, value]) => `${toHex(key)}=${toHex(value)}`);

/** A store under test with calls that can be awaited. */
class Subject {
  readonly #target: StoreUnderTest;
  store: Store;

  constructor(target: StoreUnderTest) {
    this.#target = target;
    this.store = target.store;
  }

  /** Starts something and waits for its callback. */
  async settle<T>(start: (done: (result: T) => void) => void): Promise<T> {
    const results: T[] = [];
    start((result) => results.push(result));
    while (results.length === 0) {
      await this.#target.pump?.();
      await new Promise((resume) => setImmediate(resume));
    }
    // A callback that comes twice would come now.
    await this.#target.pump?.();
    expect(results.length).toBe(1);
    return results[0] as T;
  }

  write(ops: readonly StoreOp[], sync = true): Promise<Answer> {
    return this.settle((done) => this.store.write(ops, { sync }, done));
  }

  async put(...rows: readonly (readonly [Uint8Array, Uint8Array])[]): Promise<void> {
    expect(await this.write(rows.map(([key, value]) => put(key, value)))).toBeUndefined();
  }

  tryRange(range: StoreRange): Promise<readonly [Answer, readonly StoreEntry[]]> {
    return this.settle((done) => {
      this.store.range(range, (failure, entries) => done([failure, entries]));
    });
  }

  async range(range: StoreRange): Promise<string[]> {
    const [failure, entries] = await this.tryRange(range);
    expect(failure).toBeUndefined();
    return hexOf(entries);
  }

  get(key: Uint8Array): string | undefined {
    const value = this.store.get(key);
    return value === undefined ? undefined : toHex(value);
  }

  async close(): Promise<void> {
    await this.settle((done) => this.store.close(() => done(true)));
  }

  async reopen(): Promise<void> {
    if (this.#target.reopen !== undefined) this.store = await this.#target.reopen();
  }
}

type Use = () => { readonly subject: Subject; readonly target: StoreUnderTest };

/** Declares the suite. `factory` gives a fresh, empty store each time. */
/** What a store must be able to do for the tests of it to exist; memory keeps nothing and never fails. */
export type StoreAbilities = { readonly fails: boolean; readonly reopens: boolean };

export const storeContract = (
  name: string,
  factory: () => Promise<StoreUnderTest>,
  can: StoreAbilities = { fails: true, reopens: true },
): void => {
  describe(`store contract: ${name}`, () => {
    let target: StoreUnderTest;
    let subject: Subject;
    beforeEach(async () => {
      target = await factory();
      subject = new Subject(target);
    });
    afterEach(() => target.dispose());
    const use: Use = () => ({ subject, target });
    describe("writes", () => writeTests(use));
    describe("order", () => orderTests(use));
    describe("ranges", () => rangeTests(use));
    describe("snapshots", () => snapshotTests(use));
    if (can.fails) describe("failures", () => failureTests(use));
    describe("closing", () => closeTests(use));
    if (can.reopens) describe("reopening", () => reopenTests(use));
    modelTest(factory);
  });
};

function writeTests(use: Use): void {
  it("finds what was put, and nothing else", async () => {
    const { subject } = use();
    expect(subject.get(bytes(1))).toBeUndefined();
    await subject.put([bytes(1), bytes(7, 8)]);
    expect(subject.get(bytes(1))).toBe("0708");
    expect(subject.get(bytes(1, 0))).toBeUndefined();
    expect(subject.get(bytes(0))).toBeUndefined();
  });

  it("overwrites, deletes, and tells an empty value from no value", async () => {
    const { subject } = use();
    await subject.put([bytes(1), bytes(1)], [bytes(2), bytes()]);
    expect(subject.get(bytes(2))).toBe("");
    await subject.put([bytes(1), bytes(3)]);
    expect(subject.get(bytes(1))).toBe("03");
    expect(await subject.write([del(bytes(1)), del(bytes(9))])).toBeUndefined();
    expect(subject.get(bytes(1))).toBeUndefined();
  });

  it("applies the operations of a batch in their order", async () => {
    const { subject } = use();
    const key = bytes(5);
    await subject.write([put(key, bytes(1)), del(key), put(key, bytes(2))]);
    expect(subject.get(key)).toBe("02");
    await subject.write([put(key, bytes(3)), del(key)]);
    expect(subject.get(key)).toBeUndefined();
  });

  it("completes a batch of nothing, synced or not", async () => {
    const { subject } = use();
    expect(await subject.write([], true)).toBeUndefined();
    expect(await subject.write([], false)).toBeUndefined();
  });

  it("keeps any bytes: every length of key, 0x00 and 0xff, large values", async () => {
    const { subject } = use();
    const large = Uint8Array.from({ length: 1_100_000 }, (_, i) => (i * 31) & 0xff);
    const keys = [bytes(0), bytes(0, 0), bytes(0xff), bytes(0xff, 0xff), new Uint8Array(300)];
    await subject.put(...keys.map((key) => [key, large] as const));
    for (const key of keys) {
      const value = subject.store.get(key);
      expect(value !== undefined && equalBytes(value, large)).toBe(true);
    }
  });

  it("does not look at the caller's arrays again after `done`", async () => {
    const { subject } = use();
    const [key, value] = [bytes(1), bytes(2)];
    await subject.put([key, value]);
    key[0] = 9;
    value[0] = 9;
    expect(subject.get(bytes(1))).toBe("02");
    expect(subject.get(bytes(9))).toBeUndefined();
  });

  it("gives plain arrays, whose slice is a copy", async () => {
    const { subject } = use();
    await subject.put([bytes(1), bytes(2, 3)]);
    const copy = subject.store.get(bytes(1))?.slice();
    copy?.fill(0);
    expect(subject.get(bytes(1))).toBe("0203");
    const [, entries] = await subject.tryRange(everything);
    for (const part of entries[0] ?? []) part.slice().fill(0);
    expect(await subject.range(everything)).toEqual(["01=0203"]);
  });
}

function orderTests(use: Use): void {
  it("never calls back within the call", async () => {
    const { subject } = use();
    let inside = true;
    await subject.settle((done: (answer: Answer) => void) => {
      subject.store.write([put(bytes(1), bytes(1))], { sync: false }, (failure) => {
        expect(inside).toBe(false);
        done(failure);
      });
      inside = false;
    });
    inside = true;
    await subject.settle((done: (answer: Answer) => void) => {
      subject.store.range(everything, (failure) => {
        expect(inside).toBe(false);
        done(failure);
      });
      inside = false;
    });
  });

  it("completes and applies writes in the order of their submission", async () => {
    const { subject } = use();
    const order: number[] = [];
    await subject.settle((done) => {
      for (let i = 0; i < 50; i++) {
        const ops = [put(bytes(1), bytes(i)), put(bytes(2, i), bytes(i))];
        subject.store.write(ops, { sync: i % 3 === 0 }, (failure) => {
          expect(failure).toBeUndefined();
          expect(subject.get(bytes(2, i))).toBe(toHex(bytes(i)));
          order.push(i);
          if (i === 49) done(true);
        });
      }
    });
    expect(order).toEqual(Array.from({ length: 50 }, (_, i) => i));
    expect(subject.get(bytes(1))).toBe(toHex(bytes(49)));
  });

  it("takes writes from within callbacks", async () => {
    const { subject } = use();
    await subject.settle((done) => {
      const next = (i: number): void => {
        if (i === 10) done(true);
        else subject.store.write([put(bytes(i), bytes(i))], { sync: true }, () => next(i + 1));
      };
      next(0);
    });
    expect((await subject.range(everything)).length).toBe(10);
  });

  it("shows a write to reads made in its `done`", async () => {
    const { subject } = use();
    const seen = await subject.settle((done: (entries: readonly StoreEntry[]) => void) => {
      subject.store.write([put(bytes(1), bytes(2))], { sync: true }, () => {
        expect(subject.get(bytes(1))).toBe("02");
        subject.store.range(everything, (_failure, entries) => done(entries));
      });
    });
    expect(hexOf(seen)).toEqual(["01=02"]);
  });
}

function rangeTests(use: Use): void {
  const keys = ["00", "0000", "0001", "01", "01ff", "02", "7f", "80", "80ff", "fd", "fdff"];
  const rows = keys.map((key) => [fromHex(key), bytes(1)] as const);
  const found = async (range: Partial<StoreRange>): Promise<string[]> => {
    const entries = await use().subject.range({ ...everything, ...range });
    return entries.map((entry) => entry.slice(0, -3));
  };
  beforeEach(() => use().subject.put(...rows.toReversed()));

  it("are in the order of the bytes, shorter first", async () => {
    expect(await found({})).toEqual(keys);
  });

  it("include gte and exclude lt", async () => {
    expect(await found({ gte: bytes(1), lt: bytes(0x80) })).toEqual(["01", "01ff", "02", "7f"]);
    expect(await found({ gte: bytes(1, 0), lt: bytes(0x7f, 0) })).toEqual(["01ff", "02", "7f"]);
  });

  it("stop at the limit", async () => {
    expect(await found({ limit: 3 })).toEqual(keys.slice(0, 3));
    expect(await found({ gte: bytes(0x80), limit: 100 })).toEqual(["80", "80ff", "fd", "fdff"]);
    expect(await found({ limit: 0 })).toEqual([]);
  });

  it("end before the row that is one byte too much, and give one row at least", async () => {
    // Three of the rows have 2, 3 and 3 bytes with their keys.
    expect(await found({ bytesMax: 8 })).toEqual(keys.slice(0, 3));
    expect(await found({ bytesMax: 7 })).toEqual(keys.slice(0, 2));
    expect(await found({ bytesMax: 0 })).toEqual(keys.slice(0, 1));
    expect(await found({ bytesMax: 8, limit: 2 })).toEqual(keys.slice(0, 2));
    expect(await found({ bytesMax: 5, reverse: true })).toEqual(["fdff", "fd"]);
    expect(await found({ bytesMax: 1e9 })).toEqual(keys);
  });

  it("run backwards from the end of the range", async () => {
    expect(await found({ reverse: true })).toEqual(keys.toReversed());
    expect(await found({ reverse: true, lt: bytes(2), limit: 2 })).toEqual(["01ff", "01"]);
    expect(await found({ reverse: true, gte: bytes(0xfd) })).toEqual(["fdff", "fd"]);
  });

  it("are empty when nothing is inside", async () => {
    expect(await found({ gte: bytes(3), lt: bytes(4) })).toEqual([]);
    expect(await found({ gte: bytes(4), lt: bytes(3) })).toEqual([]);
    expect(await found({ gte: bytes(1), lt: bytes(1) })).toEqual([]);
    expect(await found({ gte: bytes(4), lt: bytes(3), reverse: true })).toEqual([]);
  });

  it("give the values of what is there now", async () => {
    const { subject } = use();
    await subject.write([del(bytes(1)), put(bytes(2), bytes(9)), put(bytes(1, 1), bytes(8))]);
    const range = { ...everything, gte: bytes(1), lt: bytes(3) };
    expect(await subject.range(range)).toEqual(["0101=08", "01ff=01", "02=09"]);
  });
}

function snapshotTests(use: Use): void {
  const rangeOf = async (subject: Subject, snapshot: StoreSnapshot): Promise<string[]> => {
    const entries = await subject.settle((done: (found: readonly StoreEntry[]) => void) => {
      snapshot.range(everything, (failure, found) => {
        expect(failure).toBeUndefined();
        done(found);
      });
    });
    return hexOf(entries);
  };

  it("keep what they saw, whatever is written later", async () => {
    const { subject } = use();
    await subject.put([bytes(1), bytes(1)], [bytes(2), bytes(2)]);
    const snapshot = subject.store.snapshot();
    await subject.write([put(bytes(1), bytes(9)), del(bytes(2)), put(bytes(3), bytes(3))]);
    expect([1, 2, 3].map((key) => snapshot.get(bytes(key)))).toEqual([
      bytes(1),
      bytes(2),
      undefined,
    ]);
    expect(await rangeOf(subject, snapshot)).toEqual(["01=01", "02=02"]);
    expect(await subject.range(everything)).toEqual(["01=09", "03=03"]);
    const bounded = await subject.settle((done: (rows: readonly StoreEntry[]) => void) => {
      snapshot.range({ ...everything, bytesMax: 3 }, (_failure, rows) => done(rows));
    });
    expect(hexOf(bounded)).toEqual(["01=01"]);
    snapshot.release();
    snapshot.release();
    expect(subject.get(bytes(1))).toBe("09");
  });

  it("see a write when they are taken in its `done`", async () => {
    const { subject } = use();
    const snapshot = await subject.settle((done: (taken: StoreSnapshot) => void) => {
      subject.store.write([put(bytes(1), bytes(2))], { sync: true }, () => {
        done(subject.store.snapshot());
        subject.store.write([put(bytes(1), bytes(3))], { sync: true }, () => undefined);
      });
    });
    await subject.write([], true);
    expect(snapshot.get(bytes(1))).toEqual(bytes(2));
    expect(subject.get(bytes(1))).toBe("03");
    snapshot.release();
  });

  it("do not know of each other, and give a range that is read while they are released", async () => {
    const { subject } = use();
    const held: StoreSnapshot[] = [];
    for (let i = 0; i < 20; i++) {
      await subject.put([bytes(1), bytes(i)], [bytes(2, i), bytes(i)]);
      held.push(subject.store.snapshot());
    }
    for (const i of [7, 0, 19]) {
      const snapshot = held[i];
      if (snapshot === undefined) throw new Error("no snapshot");
      expect(snapshot.get(bytes(1))).toEqual(bytes(i));
      const reading = rangeOf(subject, snapshot);
      snapshot.release();
      expect((await reading).length).toBe(i + 2);
    }
    for (const snapshot of held) snapshot.release();
  });

  it("may be held when the store closes", async () => {
    const { subject } = use();
    await subject.put([bytes(1), bytes(1)]);
    const snapshot = subject.store.snapshot();
    await subject.close();
    snapshot.release();
    if (use().target.reopen === undefined) return;
    await subject.reopen();
    expect(subject.get(bytes(1))).toBe("01");
  });
}

function failureTests(use: Use): void {
  it("stop the store: no later write gets through, until it is opened again", async () => {
    const { subject, target } = use();
    if (target.failNextWrite === undefined || target.reopen === undefined) {
      throw new Error("a store that fails must be made to, and be opened again");
    }
    await subject.put([bytes(1), bytes(1)]);
    await target.failNextWrite();
    const answers: Answer[] = [];
    await subject.settle((done) => {
      for (let i = 2; i <= 4; i++) {
        const ops = [put(bytes(i), bytes(i)), put(bytes(i, i), bytes(i))];
        subject.store.write(ops, { sync: true }, (failure) => {
          answers.push(failure);
          if (i === 4) done(true);
        });
      }
    });
    const [first] = answers;
    expect(["full", "io"]).toContain(first?.code);
    expect(answers).toEqual([first, first, first]);
    expect(await subject.write([put(bytes(5), bytes(5))])).toEqual(first);
    expect(await subject.write([], false)).toEqual(first);
    expect(subject.get(bytes(1))).toBe("01");
    await subject.reopen();
    expect(subject.get(bytes(1))).toBe("01");
    // Each failed write is there wholly or not at all, and none behind one that is not.
    const there = [2, 3, 4].map((i) => {
      const both = [subject.get(bytes(i)), subject.get(bytes(i, i))];
      expect(both[0]).toBe(both[1]);
      return both[0] !== undefined;
    });
    expect(there).toEqual([...there].sort((a, b) => Number(b) - Number(a)));
    expect(subject.get(bytes(5))).toBeUndefined();
    await subject.put([bytes(6), bytes(6)]);
    expect(subject.get(bytes(6))).toBe("06");
  });
}

function closeTests(use: Use): void {
  it("lets the writes finish that were taken", async () => {
    const { subject } = use();
    const answers: (Answer | "closed")[] = [];
    await subject.settle((done) => {
      for (let i = 0; i < 5; i++) {
        subject.store.write([put(bytes(i), bytes(i))], { sync: true }, (f) => answers.push(f));
      }
      subject.store.close(() => {
        answers.push("closed");
        done(true);
      });
    });
    expect(answers).toEqual([...Array.from({ length: 5 }, () => undefined), "closed"]);
    if (use().target.reopen === undefined) return;
    await subject.reopen();
    expect((await subject.range(everything)).length).toBe(5);
  });

  it("refuses writes and ranges afterwards with `closed`", async () => {
    const { subject } = use();
    await subject.put([bytes(1), bytes(1)]);
    await subject.close();
    expect((await subject.write([put(bytes(2), bytes(2))]))?.code).toBe("closed");
    const [failure, entries] = await subject.tryRange(everything);
    expect([failure?.code, entries]).toEqual(["closed", []]);
  });

  it("may be asked for twice", async () => {
    const { subject } = use();
    await subject.close();
    await subject.close();
  });
}

type Step =
  | { readonly kind: "write"; readonly ops: readonly StoreOp[]; readonly sync: boolean }
  | { readonly kind: "range"; readonly range: StoreRange }
  | { readonly kind: "settle" | "reopen" };

// Short keys of few letters, so that writes and ranges meet.
const anyKey = fc
  .array(fc.constantFrom(0, 1, 0x80, 0xfd), { minLength: 1, maxLength: 3 })
  .map((letters) => Uint8Array.from(letters));
const anyOp = fc.oneof(
  fc.tuple(anyKey, fc.uint8Array({ maxLength: 4 })).map(([key, value]) => put(key, value)),
  anyKey.map(del),
);
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: anyWrite() },
  { weight: 3, arbitrary: anyRange() },
  { weight: 1, arbitrary: fc.constantFrom<Step>({ kind: "settle" }, { kind: "reopen" }) },
);

function anyWrite(): fc.Arbitrary<Step> {
  const ops = fc.array(anyOp, { maxLength: 6 });
  return fc.record({ kind: fc.constant("write" as const), ops, sync: fc.boolean() });
}

function anyRange(): fc.Arbitrary<Step> {
  const range = fc.record({
    gte: anyKey,
    lt: anyKey,
    limit: fc.nat(12),
    reverse: fc.boolean(),
    bytesMax: fc.nat(40),
  });
  return range.map((chosen): Step => ({ kind: "range", range: chosen }));
}

/** The store as a sorted list of rows. */
class Model {
  readonly #rows = new Map<string, Uint8Array>();

  apply(ops: readonly StoreOp[]): void {
    for (const op of ops) {
      if (op.type === "put") this.#rows.set(toHex(op.key), op.value);
      else this.#rows.delete(toHex(op.key));
    }
  }

  get(key: Uint8Array): string | undefined {
    const value = this.#rows.get(toHex(key));
    return value === undefined ? undefined : toHex(value);
  }

  range({ gte, lt, limit, reverse, bytesMax = 1e9 }: StoreRange): string[] {
    const entries = [...this.#rows]
      .map(([key, value]): StoreEntry => [fromHex(key), value])
      .filter(([key]) => compareBytes(key, gte) >= 0 && compareBytes(key, lt) < 0)
      .sort(([a], [b]) => compareBytes(a, b));
    const all = hexOf(reverse === true ? entries.toReversed() : entries).slice(0, limit);
    // Two digits a byte, and one sign between key and value.
    const sizes = all.map((text) => (text.length - 1) / 2);
    const sum = (count: number): number => sizes.slice(0, count).reduce((a, b) => a + b, 0);
    return all.filter((_, at) => at === 0 || sum(at + 1) <= bytesMax);
  }

  keys(): Uint8Array[] {
    return [...this.#rows.keys()].map(fromHex);
  }
}

function modelTest(factory: () => Promise<StoreUnderTest>): void {
  it("does what a sorted list of rows does, for any sequence of calls", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyStep, { maxLength: 30 }), async (steps) => {
        const target = await factory();
        const subject = new Subject(target);
        const model = new Model();
        try {
          await runSteps(steps, subject, model);
        } finally {
          await target.dispose();
        }
      }),
      { numRuns: 40 },
    );
  });
}

async function runSteps(steps: readonly Step[], subject: Subject, model: Model): Promise<void> {
  for (const step of steps) {
    if (step.kind === "write") {
      // Not waited for: the next steps meet writes that are on their way.
      subject.store.write(step.ops, { sync: step.sync }, (f) => expect(f).toBeUndefined());
      model.apply(step.ops);
      continue;
    }
    // A write's `done` comes behind those of all before it.
    expect(await subject.write([], step.kind === "settle")).toBeUndefined();
    if (step.kind === "reopen") await subject.reopen();
    if (step.kind === "range")
      expect(await subject.range(step.range)).toEqual(model.range(step.range));
    else for (const key of model.keys()) expect(subject.get(key)).toBe(model.get(key));
  }
  await subject.write([], true);
  expect(await subject.range(everything)).toEqual(model.range(everything));
}

function reopenTests(use: Use): void {
  it("keeps everything for the next opening", async () => {
    const { subject, target } = use();
    if (target.reopen === undefined) {
      throw new Error("a store that keeps anything must be opened again");
    }
    await subject.put([bytes(1), bytes(1)], [bytes(2), bytes()]);
    await subject.write([put(bytes(3), bytes(3)), del(bytes(1))], false);
    await subject.reopen();
    expect(await subject.range(everything)).toEqual(["02=", "03=03"]);
  });
}
