/** A run that ends because a fork is there, or could be, names who has made it possible, in every kind of report. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { overThird } from "../../sim/byzantine.ts";
import { agreement } from "../../sim/checkers/agreement.ts";
import { FINALIZE, NOTARIZE, NULLIFY, statementBytes } from "../../sim/checkers/decode.ts";
import { CHECKERS } from "../../sim/checkers/index.ts";
import type { CheckerFactory } from "../../sim/checkers/types.ts";
import { examine, reportText } from "../../sim/failure.ts";
import { explainFork, type Fork } from "../../sim/fork.ts";
import type { NetworkOptions } from "../../sim/network.ts";
import { PictureCollector } from "../../sim/picture/collect.ts";
import { picturePage } from "../../sim/picture/page.ts";
import { plainScenario } from "../../sim/reduce.ts";
import { type Scenario, scenario } from "../../sim/scenario.ts";
import { simulate } from "../../sim/simulate.ts";
import { runSwarm, type SeedResult } from "../../sim/swarm-run.ts";
import { SYSTEM } from "../../sim/system.ts";
import { CHAIN, createRig, GENESIS, type Rig, ZERO } from "./rig.ts";

const MAIN = fileURLToPath(new URL("../../sim/main.ts", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "tetrad-fork-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Two of four agree with each of the two others, who do not hear each other. */
const TWO_FACED = overThird(4, 2);

const forkOf = (fork: Fork | null | undefined): Fork => {
  if (fork === undefined || fork === null) throw new Error("nothing is said of a fork");
  return fork;
};

/** Also how many runs it has taken. */
const counted = (one: Scenario, part: Partial<NetworkOptions> & { explains?: boolean } = {}) => {
  let runs = 0;
  const createSystem: NetworkOptions["createSystem"] = (chain, scheme) => {
    runs += 1;
    return SYSTEM.createSystem(chain, scheme);
  };
  return { result: simulate(one, { ...SYSTEM, ...part, createSystem }), runs };
};

describe("a run that forks", () => {
  it("names who signed what excludes each other, their weight, and that nobody honest is among them", () => {
    const { result, runs } = counted(TWO_FACED);
    expect(result.violation?.id).toBe("I4");
    expect(runs).toBe(2);
    const { shown, culprits, weight, total, fault, causes } = forkOf(result.fork);
    expect(shown).toMatch(/^height \d+ is [0-9a-f]{16} on n[01], [0-9a-f]{16} on n[01]$/);
    expect(culprits.map(({ node, honest }) => [node, honest])).toEqual([
      [2, false],
      [3, false],
    ]);
    expect([weight, total, fault]).toEqual(["2", "4", null]);
    expect(causes.slice(1)).toEqual([
      "n2 n3 have signed what excludes each other: 2 of 4 by weight, more than a third",
      "nobody honest is among them",
    ]);
    expect(result.report[0]).toBe("who made the fork possible:");
  });

  it("is found, and ends, as where nobody asks who made it possible", () => {
    const { result, runs } = counted(TWO_FACED, { explains: false });
    expect([result.fork, runs]).toEqual([undefined, 1]);
    const { traceHash, violation, steps } = simulate(TWO_FACED, SYSTEM);
    expect({ traceHash, violation, steps }).toEqual({
      ...{ traceHash: result.traceHash, violation: result.violation, steps: result.steps },
    });
  });

  it("does so by what a caller's own checkers have found", () => {
    const { result, runs } = counted(TWO_FACED, { checkers: [agreement] });
    expect([result.violation?.id, runs]).toEqual(["I1", 2]);
    expect(forkOf(result.fork).culprits.map(({ node }) => node)).toEqual([2, 3]);
  });

  it("does so in the report and in the picture", async () => {
    const collector = new PictureCollector(TWO_FACED, { messagesMax: 100, eventsMax: 100 });
    const { result, report } = examine(TWO_FACED, SYSTEM, {
      ...{ commit: "", replay: "" },
      onMoment: (moment) => collector.moment(moment),
    });
    if (report === undefined) throw new Error("no report");
    expect(forkOf(report.fork).culprits).toHaveLength(2);
    expect(reportText(report)).toMatch(
      /^Who made the fork possible\n {2}two honest nodes have other blocks: .*\n {2}n2 n3 have signed /m,
    );
    const caption = { title: "", verdict: "", commit: "", replay: "" };
    const data = collector.finish(result, caption);
    expect(data.failure?.fork?.causes).toEqual(result.fork?.causes);
    expect(await picturePage(data)).toContain("n2 n3 have signed what excludes each other");
  });
});

describe("a fork that shows late", () => {
  it("is seen by the second run, also where the first one went on for what another checker waited for", () => {
    const late: CheckerFactory = (context) => {
      let healedUs = Number.MAX_SAFE_INTEGER;
      return {
        ...{ id: "I3", title: "" },
        healed: (us) => {
          healedUs = us;
        },
        // What is read at a node is part of a run.
        settled: (rows) => {
          rows(0, "actors");
          return context.nowUs() > healedUs + 8_000_000;
        },
        settlesByUs: () => healedUs + 15_000_678,
        released: () => {
          if (context.nowUs() > healedUs + 6_000_000) context.report("I3", "two hashes");
        },
      };
    };
    const { violation, fork } = simulate(scenario("late", { seed: 3, n: 4, healMs: 2_000 }), {
      ...{ ...SYSTEM, checkers: [...CHECKERS, late] },
    });
    expect(violation?.id).toBe("I3");
    expect(fork?.causes.at(-1)).toMatch(/^nobody has signed what excludes each other/);
  });
});

describe("the command", () => {
  const file = join(folder, "two-faced.json");
  writeFileSync(file, JSON.stringify(plainScenario(TWO_FACED)));
  const run = (...args: readonly string[]) =>
    spawnSync(process.execPath, [MAIN, "run", file, "--no-files", "--no-shrink", ...args], {
      ...{ cwd: folder, encoding: "utf8" },
    });

  it("says who made a fork possible, as text and as JSON", () => {
    const text = run();
    expect(text.status).toBe(12);
    expect(text.stdout).toMatch(/^ {2}n2 n3 have signed what excludes each other: 2 of 4 by/m);
    expect(text.stdout).toMatch(/^ {4}n3 +1 +0 +\d+ +(F [0-9a-f]{8}|S) +(F [0-9a-f]{8}|S)$/m);
    const json = run("-o", "json");
    expect(json.status).toBe(12);
    const [first] = JSON.parse(json.stdout) as [{ report: { fork: Fork } }];
    expect(first.report.fork.culprits.map(({ node }) => node)).toEqual([2, 3]);
    expect([first.report.fork.weight, first.report.fork.total]).toEqual(["2", "4"]);
  });
});

describe("a swarm", () => {
  it("says of a seed that could fork who has made it possible", async () => {
    const own = join(folder, "forks.mjs");
    writeFileSync(
      own,
      `export const checkers = [({ report }) => ({
        id: "I3", title: "", looked: () => report("I3", "two hashes"),
      })];\n`,
    );
    const results: SeedResult[] = [];
    await runSwarm({
      ...{ from: 2, seeds: 1, workers: 1, twiceEvery: 1, own, runMsMax: 100_000 },
      signal: new AbortController().signal,
      nowMs: () => performance.now(),
      onResult: (result) => results.push(result),
    });
    expect(results.map(({ id }) => id)).toEqual(["I3"]);
    expect(results[0]?.detail.split("\n")).toEqual([
      "two hashes",
      expect.stringMatching(/^no two honest nodes had other blocks of one height/),
      expect.stringMatching(/^nobody has signed what excludes each other/),
    ]);
  }, 100_000);
});

describe("what is said of a fork", () => {
  const [A, B] = ["aa".repeat(32), "bb".repeat(32)];
  const DIGEST = 0x0000_00ff;
  type Said = readonly [slot: number, view: number, kind: number, hash: string];

  /** Of a run that ends by `id`: its second run shows these statements of honest members, and ends by `then`. */
  const said = (
    id: string,
    then: string | undefined,
    statements: readonly Said[],
    digest = DIGEST,
  ): Fork | undefined =>
    explainFork(
      { violation: { id, detail: "", atMs: 0 }, traceHash: "000000ffffffffff" },
      [],
      ({ checkers, onEvent }) => {
        const [factory] = checkers ?? [];
        if (factory === undefined) throw new Error("nobody looks");
        const rig: Rig = createRig(factory, { honest: () => true });
        for (const [slot, view, kind, hash] of statements) {
          const message = statementBytes(CHAIN, { epoch: 0, view, kind, hash });
          rig.checker.released?.(slot, message, GENESIS);
        }
        onEvent?.(
          { ...{ atUs: 1, kind: "sign", node: 0, other: -1 }, type: -1, length: 0, note: "" },
          digest,
        );
        const violation = then === undefined ? undefined : { id: then, detail: "so", atMs: 1 };
        return { violation, traceHash: "" };
      },
    );

  it("is a finding of its own (I13) where somebody honest is named", () => {
    const fork = forkOf(
      said("I1", "I1", [
        [1, 4, NOTARIZE, A],
        [1, 4, FINALIZE, B],
        [2, 4, NULLIFY, ZERO],
        [2, 4, NOTARIZE, A],
      ]),
    );
    expect(fork.culprits).toEqual([
      {
        ...{ node: 1, weight: "1", honest: true, epoch: 0, view: 4 },
        signed: ["N aaaaaaaa", "F bbbbbbbb"],
      },
    ]);
    expect(fork.fault).toBe("n1 is honest and accused");
    expect(fork.causes).toEqual([
      "two honest nodes have other blocks: so",
      "n1 has signed what excludes each other: 1 of 4 by weight, not more than a third",
      "I13 is broken: n1 is honest and accused",
    ]);
    expect(fork.tables[0]?.rows).toEqual([
      ["n1 (honest)", "1", "0", "4", "N aaaaaaaa", "F bbbbbbbb"],
    ]);
  });

  it("is one too where a fork took less than a third, and none where there was no fork", () => {
    expect(forkOf(said("I3", "I1", [])).fault).toBe(
      "the culprits named weigh 0 of 4: not more than a third",
    );
    const none = forkOf(said("I3", "L1", []));
    expect([none.shown, none.fault, none.tables]).toEqual([null, null, []]);
    expect(none.causes[0]).toMatch(/^no two honest nodes had other blocks /);
    expect(none.causes[1]).toMatch(/^nobody has signed what excludes each other/);
  });

  it("is nothing of what is no fork, or where two runs differ", () => {
    expect(said("L1", "I1", [])).toBeUndefined();
    expect(said("I10", undefined, [])).toBeUndefined();
    expect(said("I10", "I1", [])?.shown).toBe("so");
    const other = forkOf(said("I1", "I1", [[1, 4, NULLIFY, ZERO]], DIGEST + 1));
    expect(other.culprits).toEqual([]);
    expect(other.causes).toHaveLength(1);
    expect(other.causes[0]).toMatch(/another way \(I17\)$/);
  });
});

describe("a run that does not fork", () => {
  it("is run once, and says nothing of it", () => {
    const { result, runs } = counted(scenario("calm", { seed: 1, healMs: 500 }));
    expect([result.outcome, result.fork, runs]).toEqual(["ok", undefined, 1]);
  });
});
