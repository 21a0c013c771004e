/** I14 of rights: the oracle's fold is what nodes have, and each way of judging otherwise than the rules is found. */
import { beforeAll, describe, expect, it } from "vitest";
import { CHECKERS } from "../../sim/checkers/index.ts";
import { KNOWN_TYPES, rightsFollow } from "../../sim/checkers/rights.ts";
import type {
  CheckContext,
  CheckerFactory,
  Dump,
  Entry,
  Row,
  Submission,
} from "../../sim/checkers/types.ts";
import {
  defineEvent,
  defineProjection,
  defineRow,
  field,
  keyOf,
  own,
  simulate as simulateOwn,
  u64Part,
} from "../../sim/index.ts";
import { scenario } from "../../sim/scenario.ts";
import { bankScenario } from "../../sim/scenarios/index.ts";
import { type RunResult, simulate } from "../../sim/simulate.ts";
import { runOptionsOf, stakeRun } from "../../sim/stake.ts";
import { SYSTEM } from "../../sim/system.ts";
import { WALL_START_MS } from "../../sim/world.ts";
import { ownedDefinitions, refuse } from "../../src/ledger/projection.ts";
import { capabilityGranted } from "../../src/ledger/projections/events.ts";
import { PROJECTIONS } from "../../src/node/product.ts";
import { createRig } from "./rig.ts";
import { verdict } from "./support.ts";

type Seen = { context?: CheckContext; dumps: readonly Dump[]; submissions: Submission[] };

const seen: Seen = { dumps: [], submissions: [] };
let result: RunResult;

const capture: CheckerFactory = (context) => ({
  id: "I14",
  title: "keeps what it is shown",
  submitted: (_slot, submission) => seen.submissions.push(submission),
  end: (dumps) => {
    Object.assign(seen, { context, dumps });
  },
});

beforeAll(() => {
  const scenario = bankScenario("rights-given-and-taken-back");
  if (scenario === undefined) throw new RangeError("the library has no such scenario");
  const options = runOptionsOf(scenario, { ...SYSTEM, checkers: [...CHECKERS, capture] });
  result = simulate(scenario, options);
}, 300_000);

const judge = (dump: Dump): readonly string[] => {
  const { context } = seen;
  if (context === undefined) throw new RangeError("the run has shown nothing");
  const { chainId, members, actors = [], stake } = context;
  const rig = createRig(rightsFollow, { chainId, members, actors, stake, honest: () => true });
  for (const submission of seen.submissions) rig.checker.submitted?.(0, submission);
  rig.checker.end?.([dump]);
  return rig.details;
};

const first = (): Dump => {
  const [dump] = seen.dumps;
  if (dump === undefined) throw new RangeError("the run has shown no node");
  return dump;
};

/** The log in which the first event that `is` has come out as `code`. */
const outcome = (is: (entry: Entry) => boolean, code: string): Dump => {
  const dump = first();
  const at = dump.entries.findIndex(is);
  expect(at).toBeGreaterThanOrEqual(0);
  const entries = dump.entries.map((entry, i) =>
    i === at ? { ...entry, refusedWith: code } : entry,
  );
  return { ...dump, entries };
};

const withRows = (name: string, change: (rows: readonly Row[]) => readonly Row[]): Dump => {
  const dump = first();
  const rows = new Map(dump.rows).set(name, change(dump.rows.get(name) ?? []));
  return { ...dump, rows };
};

describe("rights", () => {
  it("are at all nodes what the oracle makes of the log, which has all kinds of them", () => {
    expect(verdict(result)).toBe("ok");
    expect(result.marks.get("rights compared")).toBe(seen.dumps.length);
    expect(judge(first())).toEqual([]);
  });

  it.each([
    ["record.put", "event.forbidden", ""],
    ["record.put", "", "event.forbidden"],
    ["record.put", "", "event.unknown-actor"],
    ["actor.registered", "event.forbidden", ""],
    ["actor.revoked", "", "event.conflict"],
    ["capability.granted", "event.forbidden", ""],
    ["capability.revoked", "event.forbidden", ""],
  ])("are broken by a %s that came out as %j and is said to be %j", (type, was, said) => {
    const changed = outcome((one) => one.eventType === type && one.refusedWith === was, said);
    const words = `${type}, is ${said || "accepted"} where the rules say ${was || "accepted"}`;
    expect(judge(changed)[0]).toContain(words);
  });

  it("are broken by a row that says something else, that is missing, or that is too many", () => {
    const turned = (row: Row): Row => {
      const value = row.value.slice();
      value[15] = (value[15] ?? 0) ^ 1;
      return { ...row, value };
    };
    for (const name of ["actors", "capabilities"]) {
      const [one] = judge(
        withRows(name, ([row, ...rows]) => [...(row ? [turned(row)] : []), ...rows]),
      );
      expect(one).toMatch(new RegExp(`^n\\d: row \\S+ of ${name} is `));
      const [missing] = judge(withRows(name, (rows) => rows.slice(1)));
      expect(missing).toMatch(new RegExp(`^n\\d: row \\S+ of ${name} is missing`));
      const more = { key: new Uint8Array(33), value: new Uint8Array(200) };
      const [many] = judge(withRows(name, (rows) => [...rows, more]));
      expect(many).toMatch(new RegExp(`of ${name} is .* and was to be nothing`));
    }
  });
});

describe("a type of events", () => {
  it("is known where it is the product's, by its whole name", () => {
    const families = /^(actor|asset|ca|capability|record)\./;
    const types = ownedDefinitions(PROJECTIONS).map(({ type }) => type);
    expect([...KNOWN_TYPES].sort()).toEqual([
      ...new Set(types.filter((type) => families.test(type)).sort()),
    ]);
  });

  it.each(["event.forbidden", "event.unknown-actor"])(
    "of somebody's own may be refused with %s, whatever its first word",
    (code) => {
      const moved = defineEvent({
        ...{ type: "asset.vehicle.moved", version: 1, fields: [field.u64("item")] as const },
      });
      const row = defineRow(field.u64("item"));
      const vehicles = defineProjection({
        ...{ name: "vehicles", schemaVersion: 1 },
        owns: [
          own(moved, {
            decide: (_, { item }) => (item % 2 === 0 ? undefined : refuse(code, "not the owner")),
            apply: (tx, { item }, { index }) => tx.put(keyOf(u64Part(index)), row.encode({ item })),
          }),
        ],
        format: (_, value) => row.decode(value),
      });
      const calm = scenario("vehicles", { healMs: 2_000 });
      const refused: string[] = [];
      const run = simulateOwn(calm, {
        ...{ projections: [vehicles], explains: false },
        events: (random) => [moved.encode({ item: random.below(10) })],
        property: (nodes) => {
          for (const { events } of nodes) {
            refused.push(
              ...events.map(({ refusedWith }) => refusedWith).filter((one) => one !== ""),
            );
          }
          return undefined;
        },
      });
      expect(verdict(run)).toBe("ok");
      expect(new Set(refused)).toEqual(new Set([code]));
    },
  );
});

describe("a validator that registers", () => {
  it("is an actor from then on, also where who registers it holds a capability", () => {
    let holder: Uint8Array = new Uint8Array(32);
    const given = {
      ...SYSTEM,
      checkers: [rightsFollow],
      explains: false,
      createSystem: (...[chain, used]: Parameters<typeof SYSTEM.createSystem>) => {
        holder = chain.clientIds[0] ?? holder;
        return SYSTEM.createSystem(chain, used);
      },
      events: (_: unknown, client: number) => {
        if (client !== 1) return [];
        const notAfterMs = WALL_START_MS + 3_600_000;
        const fixed = { holder, parent: new Uint8Array(32), delegable: true, resource: "" };
        return [capabilityGranted.encode({ ...fixed, notAfterMs, actions: ["record.put"] })];
      },
    };
    const base = scenario("registers", { seed: 2 });
    const one = scenario("registers", {
      ...{ seed: 2, n: 5, weights: [10, 10, 10, 10, 10], epochMs: 2_000, proofs: ["stake"] },
      ...{ healMs: 3_000, workload: { ...base.workload, clients: 2, batchesPerSecond: 4 } },
    });
    const run = simulate(one, stakeRun(2, given));
    expect(verdict(run)).toBe("ok");
    expect(run.marks.get("rights compared")).toBeGreaterThan(0);
  });

  it("is an actor from then on, also where nobody has shown who registers it", () => {
    const dump = first();
    const [last] = dump.entries.slice(-1);
    if (last === undefined) throw new RangeError("the log is empty");
    const eventType = "validator.registered";
    const head = Buffer.alloc(2 + eventType.length + 2 + 4);
    const eventBytes = Buffer.concat([head, Buffer.from([0, 0, 0, 1, 120]), Buffer.alloc(1793)]);
    const entry = { ...last, eventType, eventBytes, refusedWith: "", batchId: "00".repeat(32) };
    expect(judge({ ...dump, entries: [...dump.entries, entry] })[0]).toMatch(
      /^n\d: row \S+ of actors is missing$/,
    );
  });
});
