/** I10 of the state: the oracle's tree is the product's, and each way in which a state can be wrong is found. */
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { effectsFollow } from "../../sim/checkers/effects.ts";
import { CHECKERS } from "../../sim/checkers/index.ts";
import { stateRootFollows } from "../../sim/checkers/state-root.ts";
import { executedOf, projectionRoot, stateRootOf } from "../../sim/checkers/state-tree.ts";
import type {
  CheckContext,
  CheckerFactory,
  Dump,
  StoredState,
  Submission,
} from "../../sim/checkers/types.ts";
import { scenario } from "../../sim/scenario.ts";
import { type RunResult, simulate } from "../../sim/simulate.ts";
import { SYSTEM } from "../../sim/system.ts";
import { createHasher } from "../../src/crypto/hash.ts";
import { updateStateTree } from "../../src/ledger/state-tree.ts";
import { CHAIN, createRig } from "./rig.ts";
import { toHex, verdict } from "./support.ts";

const bytes = fc.uint8Array({ minLength: 1, maxLength: 12 });
/** Several updates of a tree; a row without a value is deleted. */
const updates = fc.array(
  fc.array(fc.record({ key: bytes, value: fc.option(bytes, { nil: undefined }) })),
  { maxLength: 6 },
);

describe("the oracle's tree", () => {
  it("has the root that the product keeps over any puts and deletes", () => {
    const hasher = createHasher(CHAIN);
    fc.assert(
      fc.property(updates, (all) => {
        const nodes = new Map<string, Uint8Array>();
        const rows = new Map<string, { key: Uint8Array; stored: Uint8Array }>();
        let root: Uint8Array = new Uint8Array(32);
        for (const changes of all) {
          const read = (key: Uint8Array) => nodes.get(toHex(key));
          const update = updateStateTree(hasher, Uint8Array.of(1), read, changes);
          for (const op of update.ops) {
            if (op.type === "put") nodes.set(toHex(op.key), op.value);
            else nodes.delete(toHex(op.key));
          }
          for (const { key, value } of changes) {
            if (value === undefined) rows.delete(toHex(key));
            else rows.set(toHex(key), { key, stored: value });
          }
          root = update.root;
        }
        expect(toHex(projectionRoot(CHAIN, [...rows.values()]))).toBe(toHex(root));
      }),
    );
  });

  it("decodes any bytes as a record of an execution or as none", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (record) => {
        const executed = executedOf(record);
        if (executed !== undefined) expect(record.length).toBeGreaterThan(100);
      }),
    );
  });
});

type Seen = { context?: CheckContext; dumps: readonly Dump[]; submissions: Submission[] };

/** What the checkers of a run were shown. */
const seen: Seen = { dumps: [], submissions: [] };
let result: RunResult;

const capture: CheckerFactory = (context) => ({
  id: "I10",
  title: "keeps what it is shown",
  submitted: (_slot, submission) => seen.submissions.push(submission),
  end: (dumps) => {
    Object.assign(seen, { context, dumps });
  },
});

beforeAll(() => {
  const { workload, ...calm } = scenario("contested", { healMs: 5_000 });
  const contested = { ...calm, workload: { ...workload, contested: true } };
  result = simulate(contested, { ...SYSTEM, checkers: [...CHECKERS, capture] });
}, 120_000);

/** Everything of the run, at a checker of its own. */
const judgeBy = (factory: CheckerFactory, dumps: readonly Dump[]): readonly string[] => {
  const chain = seen.context === undefined ? {} : { chainId: seen.context.chainId };
  const { details, checker } = createRig(factory, chain);
  for (const submission of seen.submissions) checker.submitted?.(0, submission);
  checker.end?.(dumps);
  return details;
};

describe("a run", () => {
  it("computes the root of each node's state from its rows", () => {
    expect(verdict(result)).toBe("ok");
    expect(result.marks.get("state root computed from rows")).toBe(4);
  });
});

describe("a state", () => {
  let dump: Dump;
  let state: StoredState;
  let chainId: string;

  beforeAll(() => {
    const [first] = seen.dumps;
    if (first?.state === undefined || seen.context === undefined) {
      throw new RangeError("the run has shown no state");
    }
    ({ chainId } = seen.context);
    dump = first;
    state = first.state;
  });

  const judge = (...dumps: readonly Dump[]) => judgeBy(stateRootFollows, dumps);
  const withRows = (rows: StoredState["rows"]): Dump => ({ ...dump, state: { ...state, rows } });
  const withRecord = (change: (record: Buffer) => void): Dump => {
    const record = Buffer.from(state.record);
    change(record);
    return { ...dump, state: { ...state, record } };
  };

  it("is right as it is, of all nodes", () => {
    expect(judge(...seen.dumps)).toEqual([]);
    expect(state.rows.length).toBeGreaterThan(20);
  });

  it("is wrong where any row of it is missing, another one, or of another event", () => {
    fc.assert(
      fc.property(
        fc.nat(state.rows.length - 1),
        fc.constantFrom("gone", "value", "origin"),
        (at, how) => {
          const rows = state.rows.flatMap(([key, stored], i): [Uint8Array, Uint8Array][] => {
            if (i !== at) return [[key, stored]];
            if (how === "gone") return [];
            const other = Buffer.from(stored);
            if (how === "value") return [[key, Buffer.concat([other, Buffer.of(0)])]];
            // The genesis wrote rows with the greatest origin, so the lowest bits are another one in either case.
            other.writeUInt8(other.readUInt8(7) ^ 1, 7);
            return [[key, other]];
          });
          expect(judge(withRows(rows))).toHaveLength(1);
          // Where one node has the right rows of that root, another one is not taken for right by it.
          expect(judge(dump, { ...withRows(rows), slot: 1 })).toHaveLength(1);
        },
      ),
      { numRuns: 40 },
    );
  });

  it("is wrong where a row is of an event that is not there, has no origin, or is under no root", () => {
    const [first, ...others] = state.rows;
    const key = first?.[0] ?? new Uint8Array(0);
    const ahead = Buffer.alloc(9);
    ahead.writeBigUInt64BE(BigInt(dump.status.logSize));
    expect(judge(withRows([[key, ahead], ...others]))[0]).toMatch(/is of event \d+ in a log of/);
    expect(judge(withRows([[key, Buffer.alloc(7)], ...others]))[0]).toMatch("has no origin");
    const unknown = Buffer.from("r/strays/x");
    expect(judge(withRows([...state.rows, [unknown, ahead]]))[0]).toMatch(
      "rows of strays are under no root",
    );
  });

  it("is wrong where its record or what the node tells is", () => {
    expect(judge(withRecord((record) => record.writeUInt8(9, 1)))[0]).toMatch("is none");
    expect(judge(withRecord((record) => record.writeUInt8(9, record.length - 1)))).toHaveLength(1);
    const { status } = dump;
    const told = { ...status, stateRoot: "00".repeat(32) };
    expect(judge({ ...dump, status: told })[0]).toMatch("tells another state root");
    const ahead = { ...status, executedHeight: status.executedHeight + 1 };
    expect(judge({ ...dump, status: ahead })[0]).toMatch("its disk is at height");
    // A disk that is ahead of its process is judged by itself.
    const behind = { ...told, executedHeight: status.executedHeight - 1 };
    expect(judge({ ...dump, status: behind })).toEqual([]);
  });

  it("is wrong where the state root leaves a projection out", () => {
    const executed = executedOf(state.record);
    if (executed === undefined) throw new RangeError("no record");
    expect(toHex(stateRootOf(chainId, executed.projections))).toBe(executed.stateRoot);
    const root = stateRootOf(chainId, executed.projections.slice(1));
    const at = 2 + 8 + 8 + 8 + 4 + 8 + 32;
    const other = withRecord((record) => record.set(root, at));
    const status = { ...dump.status, stateRoot: toHex(root) };
    expect(judge({ ...other, status })[0]).toMatch("not that of its projections");
  });
});

describe("hashes of effects", () => {
  it("are found wrong of a record and of what is refused, and of nothing else", () => {
    const [dump] = seen.dumps;
    if (dump === undefined) throw new RangeError("the run has shown nothing");
    const judge = (entries: Dump["entries"]) => judgeBy(effectsFollow, [{ ...dump, entries }]);
    expect(judge(dump.entries)).toEqual([]);
    const spoiltAt = (at: number) =>
      judge(
        dump.entries.map((entry) =>
          entry.index === at ? { ...entry, effectsHash: new Uint8Array(32) } : entry,
        ),
      );
    const found = new Map<string, number>();
    for (const { index, eventType, refusedWith } of dump.entries) {
      const what = refusedWith === "" ? eventType : "refused";
      const count = spoiltAt(index).length;
      expect(count).toBe(what === "refused" || what === "record.put" ? 1 : 0);
      found.set(what, (found.get(what) ?? 0) + count);
    }
    expect(found.get("refused")).toBeGreaterThan(0);
    expect(found.get("record.put")).toBeGreaterThan(0);
  });
});
