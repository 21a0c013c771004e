/** I14 of rights: the oracle's fold is what nodes have, and each way of judging otherwise than the rules is found. */
import { beforeAll, describe, expect, it } from "vitest";
import { CHECKERS } from "../../sim/checkers/index.ts";
import { rightsFollow } from "../../sim/checkers/rights.ts";
import type {
  CheckContext,
  CheckerFactory,
  Dump,
  Entry,
  Row,
  Submission,
} from "../../sim/checkers/types.ts";
import { bankScenario } from "../../sim/scenarios/index.ts";
import { type RunResult, simulate } from "../../sim/simulate.ts";
import { runOptionsOf } from "../../sim/stake.ts";
import { SYSTEM } from "../../sim/system.ts";
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
