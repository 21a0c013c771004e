/** What a caller brings along is told from the network: its throws, and what no client could write. */
import { describe, expect, it } from "vitest";
import type { Checker, CheckerFactory } from "../../sim/checkers/types.ts";
import {
  EXIT_CODES,
  type RunResult,
  readScenario,
  scenario,
  shrink,
  signatureOf,
  simulate,
  type WorkloadEvents,
} from "../../sim/index.ts";
import { guardedEvents } from "../../sim/mistake.ts";
import { runOptions } from "../../sim/options.ts";
import { bodyBytesFor, recordEvent, recordsBytes } from "../../sim/records.ts";
import { simulate as simulateBy } from "../../sim/simulate.ts";
import { World } from "../../sim/world.ts";
import { fail, TetradError } from "../../src/errors.ts";
import { encodeEvent } from "../../src/ledger/event.ts";
import { LIMITS } from "../../src/limits.ts";
import { seats, seatTaken } from "../ledger/example-projection.ts";

const quiet = scenario("quiet", { healMs: 1_200 });
const { batchEventBytesMax, eventsPerBatchMax } = LIMITS.simScenario;

const isMistake = ({ outcome, violation }: RunResult, detail: RegExp): void => {
  expect(violation?.detail).toMatch(detail);
  expect([outcome, violation?.id]).toEqual(["module", "mistake"]);
};

const written = (events: unknown): RunResult =>
  simulate(quiet, { events: () => events as ReturnType<WorkloadEvents> });

describe("events of one's own", () => {
  it("that throw are blamed for it, whatever they throw, on a chain with stake too", () => {
    const thrower =
      (thrown: unknown): WorkloadEvents =>
      () => {
        throw thrown;
      };
    const thrown = simulate(quiet, { events: thrower(new TypeError("no such item")) });
    isMistake(thrown, /^events has thrown TypeError: no such item\n +at /);
    expect(EXIT_CODES[thrown.outcome]).toBe(1);
    const ours = thrower(new TetradError("store.io", "not of a disk"));
    isMistake(simulate(quiet, { events: ours }), /^events has thrown .*not of a disk/);
    isMistake(simulate(quiet, { events: thrower("a text") }), /^events has thrown a text$/);
    const staked = readScenario({ n: 5, proofs: ["stake"], healMs: 2_500 });
    isMistake(simulate(staked, { events: thrower(new Error("x")) }), /^events has thrown Error: x/);
  });

  it("that give what is no list of events, or too much, are blamed for it", () => {
    const one = (bytes: number) => recordEvent("t", "k", new Uint8Array(bytes));
    isMistake(written(7), /^events has given no list of events/);
    isMistake(written([{ item: 7 }]), /^events has given no list of events/);
    isMistake(written(new Array(2)), /^events has given no list of events/);
    isMistake(
      written([{ bytes: new Uint8Array(3) }]),
      /^events has given no list of events.*: event shorter than its frame$/,
    );
    isMistake(written(Promise.resolve([])), /must not be async$/);
    isMistake(
      written(new Array(eventsPerBatchMax + 1).fill(one(1))),
      /^events has given 1001 events/,
    );
    const bytes = new Uint8Array(LIMITS.eventBytesMax + 1);
    isMistake(written([{ ...one(1), bytes }]), /^events has given an event of 61441 bytes/);
    const frame = one(0).bytes.length;
    const large = new Array(100).fill(one(batchEventBytesMax / 100 - frame));
    isMistake(
      written([...large, one(0)]),
      new RegExp(`^events has given ${1_000_000 + frame} bytes`),
    );
  });

  it("may give as much as that", () => {
    const two = scenario("two", { n: 2, healMs: 1_200 });
    const one = (bytes: number) => recordEvent("t", "k", new Uint8Array(bytes));
    const frame = one(0).bytes.length;
    for (const events of [
      new Array(eventsPerBatchMax).fill(one(batchEventBytesMax / eventsPerBatchMax - frame)),
      new Array(20).fill(one(batchEventBytesMax / 20 - frame)),
    ]) {
      const workload = { ...two.workload, clients: 1, batchesPerSecond: 2, contested: true };
      const result = simulate({ ...two, workload }, { events: () => events });
      expect(result.violation).toBeUndefined();
      expect(result.acknowledged).toBeGreaterThan(1);
    }
  });

  it("that no node takes are blamed for it, and not the network for leaving them unanswered", () => {
    const taken = seatTaken.encode({ room: "red", seat: 1 });
    isMistake(written([taken]), /batch\.unknown-event-type \(.*\): is it in `projections`\?$/);
    const known = simulate(quiet, { events: () => [taken], projections: [seats] });
    expect(known.violation).toBeUndefined();
    const broken = encodeEvent("record.put", 1, new Uint8Array(1));
    isMistake(
      written([broken]),
      /^events has given a batch that no node takes, batch\.bad-payload/,
    );
  });
});

describe("a batch that a node refuses", () => {
  const taken = seatTaken.encode({ room: "red", seat: 1 });
  const record = recordEvent("t", "k", new Uint8Array(1));
  const refusal = (code: "batch.bad-payload" | "batch.too-costly" | "batch.expired", type = "") =>
    fail(code, "why", type === "" ? {} : { type, version: 1 });

  it("is the mistake of who made its events, and of the other half where the refusal says so", () => {
    const { events, mistakeOf } = guardedEvents(() => [taken]);
    const own = events(new World(1).stream("own"), 0);
    expect(own.map(({ bytes }) => bytes)).toEqual([taken.bytes]);
    const malformed = refusal("batch.bad-payload", taken.type);
    expect(mistakeOf(malformed, own)).toMatch(/^events has given a batch that no node takes/);
    expect(mistakeOf(malformed, [record, ...own])).toContain("batch.bad-payload (why)");
    expect(mistakeOf(refusal("batch.too-costly"), own)).toContain("batch.too-costly");
    // Not theirs, not for what they are, or nobody can tell whose.
    expect(mistakeOf(malformed, [taken])).toBeUndefined();
    expect(mistakeOf(malformed, [taken, ...own])).toBeUndefined();
    expect(mistakeOf(refusal("batch.expired"), own)).toBeUndefined();
    expect(mistakeOf(refusal("batch.too-costly"), [record, ...own])).toBeUndefined();
    expect(mistakeOf(refusal("batch.bad-payload", record.type), [record, ...own])).toBeUndefined();
  });

  it("is a finding where the simulator has made them, beside events of one's own", () => {
    for (const given of [[], [taken]]) {
      const options = runOptions({ events: () => given, projections: [seats] });
      const result = simulateBy(quiet, {
        ...options,
        createSystem: (chain, scheme) => {
          const system = options.createSystem(chain, scheme);
          return {
            ...system,
            boot: (...args) => ({
              ...system.boot(...args),
              submit: (_bytes, _level, done) => {
                done(refusal("batch.bad-payload", "record.put"));
                return () => undefined;
              },
            }),
          };
        },
      });
      const found = given.length === 0 ? ["liveness", "L2"] : ["module", "mistake"];
      expect([result.outcome, result.violation?.id]).toEqual(found);
    }
  });
});

describe("what is async", () => {
  it("is refused, and what it rejects with later ends nothing", async () => {
    const unheard: unknown[] = [];
    const hear = (reason: unknown): void => void unheard.push(reason);
    process.on("unhandledRejection", hear);
    const late = (): unknown => Promise.reject(new Error("too late"));
    isMistake(
      simulate(quiet, { events: () => late() as ReturnType<WorkloadEvents> }),
      /^events has given no list of events.*: it must not be async$/,
    );
    isMistake(
      simulate(quiet, { property: () => late() as string }),
      /^property has given neither a text.*: it must not be async$/,
    );
    const checkers = [
      () => ({ id: "own", title: "", end: () => late() as undefined }),
      () => late(),
    ];
    for (const one of checkers) {
      const result = simulate(quiet, { checkers: [() => one() as Checker] });
      isMistake(result, /^a checker of your own has thrown .*: it must not be async/);
    }
    await new Promise((resolve) => setImmediate(resolve));
    process.off("unhandledRejection", hear);
    expect(unheard).toEqual([]);
  });
});

describe("a property of one's own", () => {
  it("that throws, or says what is no text, is blamed for it", () => {
    const thrown = simulate(quiet, {
      property: ([node]) => String(node?.rows("no-such").length),
    });
    isMistake(thrown, /^property has thrown RangeError: no projection "no-such"\n/);
    const told = (wrong: unknown) => simulate(quiet, { property: () => wrong as string });
    isMistake(told(7), /^property has given neither a text, of what is wrong, nor nothing$/);
    expect(told(undefined).violation).toBeUndefined();
  });
});

describe("a checker of one's own", () => {
  it("that throws is blamed for it, at whatever it looks", () => {
    const throws = (): never => {
      throw new TypeError("not mine");
    };
    const hooks: readonly Partial<Checker>[] = [
      { sent: throws },
      { looked: throws },
      { end: throws },
    ];
    for (const hook of hooks) {
      const result = simulate(quiet, { checkers: [() => ({ id: "own", title: "", ...hook })] });
      isMistake(result, /^a checker of your own has thrown TypeError: not mine/);
    }
    isMistake(simulate(quiet, { checkers: [throws] }), /has thrown TypeError: not mine/);
    const none: unknown = undefined;
    const result = simulate(quiet, { checkers: [() => none as Checker] });
    isMistake(result, /has thrown TypeError: no checker, but undefined/);
  });

  it("may be an object of a class, which reports as those of the simulator do", () => {
    class Heights implements Checker {
      readonly id = "own";
      readonly title = "counts";
      #seen = 0;
      readonly #report: (id: string, detail: string) => void;
      constructor(report: (id: string, detail: string) => void) {
        this.#report = report;
      }
      status(): void {
        this.#seen += 1;
      }
      end(): void {
        this.#report("own", `seen ${this.#seen > 4}`);
      }
    }
    const result = simulate(quiet, { checkers: [({ report }) => new Heights(report)] });
    expect(result.violation).toMatchObject({ id: "own", detail: "seen true" });
    expect(result.outcome).toBe("correctness");
  });
});

describe("a checker of one's own that", () => {
  it("is frozen is called as any other is", () => {
    let seen = 0;
    const looked = (): void => {
      seen += 1;
    };
    const frozen: Checker = Object.freeze({ id: "own", title: "", looked });
    const result = simulate(quiet, { checkers: [() => frozen] });
    expect(result.violation).toBeUndefined();
    expect(seen).toBeGreaterThan(4);
  });

  it("gets a hook while it runs is called by it", () => {
    const late: CheckerFactory = ({ report }) => {
      const checker: Checker = {
        id: "own",
        title: "",
        healed: () => {
          // By then the run has looked for it many times.
          checker.looked = () => report("own", "looked");
        },
      };
      return checker;
    };
    expect(simulate(quiet, { checkers: [late] }).violation).toMatchObject({ detail: "looked" });
  });
});

describe("what throws in the simulator itself", () => {
  it("ends the run as a crash, and not the command", () => {
    const looked = (): never => {
      throw new RangeError("of the simulator");
    };
    const options = { ...runOptions(), checkers: [() => ({ id: "I0", title: "", looked })] };
    const result = simulateBy(quiet, options);
    expect(result.outcome).toBe("crash");
    expect(result.violation).toMatchObject({ id: "exception" });
    expect(result.violation?.detail).toMatch(/^RangeError: of the simulator/);
  });
});

describe("mistakes", () => {
  it("are the same where their message is, and shrink to what it takes to make them", () => {
    const property = (nodes: readonly { readonly height: number }[]): undefined => {
      for (const { height } of nodes) if (height > 1) throw new Error(`height ${height}`);
    };
    const crash = { kind: "crash" as const, node: 1, atMs: 300, downMs: 100, power: true };
    const first = scenario("much", { healMs: 1_500, faults: [crash] });
    const small = shrink(first, 20, { property });
    expect(small.faults).toEqual([]);
    isMistake(simulate(small, { property }), /^property has thrown Error: height \d+/);
    const other = { id: "mistake", detail: "property has thrown Error: depth 7" };
    expect(signatureOf(other)).not.toBe(signatureOf({ ...other, detail: "events has given 7" }));
    expect(signatureOf(other)).toBe(
      signatureOf({ ...other, detail: other.detail.replace("7", "9") }),
    );
  });
});

describe("records of a workload", () => {
  it("fit into a batch at their bound, with all that the simulator adds", () => {
    for (const eventsPerBatch of [63, eventsPerBatchMax]) {
      const bodyBytes = bodyBytesFor(eventsPerBatch);
      const workload = {
        clients: 1,
        batchesPerSecond: 2,
        eventsPerBatch,
        bodyBytes,
        contested: true,
      };
      const read = readScenario({ n: 2, healMs: 1_200, workload });
      expect(recordsBytes(read.workload)).toBeGreaterThan(batchEventBytesMax - eventsPerBatch);
      const result = simulate(read);
      expect(result.violation).toBeUndefined();
      expect(result.acknowledged).toBeGreaterThan(1);
      const over = { ...workload, bodyBytes: bodyBytes + 1 };
      expect(() => readScenario({ workload: over })).toThrow(
        /^workload\.bodyBytes: .* at most 1000000$/,
      );
    }
  });
});
