/** A run that is stuck says why: the true cause is named, in few words and short tables. */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Sets, setsOf } from "../../sim/checkers/sets.ts";
import type { Member } from "../../sim/checkers/types.ts";
import { examine, reportText } from "../../sim/failure.ts";
import { type Scenario, scenario } from "../../sim/scenario.ts";
import { readScenario } from "../../sim/scenario-shape.ts";
import { type RunResult, simulate } from "../../sim/simulate.ts";
import { busyOf } from "../../sim/stuck/busy.ts";
import { batchName, blockNames, exchangeOf } from "../../sim/stuck/frames.ts";
import { Holdings } from "../../sim/stuck/holdings.ts";
import { ROWS_SHOWN, type Stuck, slotList, stuckLines } from "../../sim/stuck/model.ts";
import { Requests } from "../../sim/stuck/requests.ts";
import { createWitness } from "../../sim/stuck/witness.ts";
import { SYSTEM } from "../../sim/system.ts";
import type { Ports } from "../../src/ledger/ports.ts";
import { encodeMessage } from "../../src/ledger/wire.ts";
import {
  CHAIN,
  certificateFrame,
  createRig,
  hashOf,
  headerOf,
  keep,
  MEMBERS,
  proposalFrame,
  type Rig,
  say,
  voteFrame,
} from "./rig.ts";
import { statusWith, verdict } from "./support.ts";

const FOREVER = 1_000_000_000;
const STATUS = 4;
const BATCH = 10;
const BATCHES = 9;
const SYNC_RESPONSE = 12;

/** Keeps a frame back: of whom, of which type, and when. */
type Keeps = (slot: number, type: number, nowMs: number) => boolean;

/** The product with a mistake: it never sends what it should, and believes that it has. */
const withholding = (keeps: Keeps): typeof SYSTEM => ({
  ...SYSTEM,
  createSystem: (chain, scheme) => {
    const system = SYSTEM.createSystem(chain, scheme);
    const muted = (ports: Ports, slot: number): Ports => {
      const { transport, clock } = ports;
      return {
        ...ports,
        transport: {
          ...transport,
          send: (peer, trafficClass, bytes) =>
            keeps(slot, bytes[0] ?? 0, clock.monotonicMs()) ||
            transport.send(peer, trafficClass, bytes),
        },
      };
    };
    return { ...system, boot: (ports, slot, life) => system.boot(muted(ports, slot), slot, life) };
  },
});

const stuckOf = (result: RunResult): Stuck => {
  if (result.stuck === undefined) throw new Error(`not stuck: ${verdict(result)}`);
  return result.stuck;
};

const silent = (node: number, fromMs: number) =>
  ({ node, strategy: "silent", fromMs, untilMs: FOREVER }) as const;

const mute = scenario("stuck", {
  adversaries: [silent(3, 0), silent(2, 1_500)],
  healMs: 2_500,
  expect: { finalWithinMs: 1_000 },
});

describe("a run in which nothing becomes final", () => {
  it("names who is not heard, and which votes are missing", () => {
    const result = simulate(mute, SYSTEM);
    expect(result.violation?.id).toBe("L1");
    const { causes, tables } = stuckOf(result);
    expect(causes[0]).toBe("a quorum is 3 of 4; up are n0-n3, which have 4");
    expect(causes[1]).toMatch(
      /^no vote of n2 n3 \(faulty: n2 n3\) has reached another node for 2\.\d+ s: the others are 2 of 3$/,
    );
    const votes = tables.find(({ title }) => title === "Statements of the newest views");
    expect(votes?.rows).toContainEqual(["S(8)", "n0-n2", "3, a quorum", "-", "n0 n1 n3 lack n2"]);
    expect(result.report[0]).toBe("why it is stuck:");
    expect(result.report).toContain(causes[1]);
  });

  it("says it in the report that people get, and not where nobody reads it", () => {
    const { report } = examine(mute, SYSTEM, { commit: "c", replay: "again" });
    expect(report?.stuck?.causes[1]).toMatch(/^no vote of n2 n3/);
    expect(report === undefined ? "" : reportText(report)).toMatch(
      /^Why it is stuck\n {2}a quorum is 3 of 4; .*\n {2}no vote of n2 n3 /m,
    );
    expect(simulate(mute, { ...SYSTEM, explains: false }).stuck).toBeUndefined();
  });

  it("says nothing of a run that goes another way when it is repeated", () => {
    let runs = 0;
    const fickle = {
      ...SYSTEM,
      createSystem: (...[chain, scheme]: Parameters<typeof SYSTEM.createSystem>) => {
        runs += 1;
        // The first run loses statuses that the second does not: both are stuck, and not alike.
        const limitMs = runs === 1 ? 400 : 0;
        return withholding((_, type, ms) => type === STATUS && ms < limitMs).createSystem(
          chain,
          scheme,
        );
      },
    };
    const result = simulate(mute, fickle);
    expect(runs).toBe(2);
    expect(result.violation?.id).toBe("L1");
    const sentence =
      "why is not known: the run was repeated to see it, and the second one went another way (I17)";
    expect(stuckOf(result)).toEqual({ causes: [sentence], tables: [] });
    expect(result.report.slice(0, 2)).toEqual(["why it is stuck:", sentence]);
  });

  it("names batches that were asked for, and who has them and does not answer", () => {
    const one = scenario("unanswered", {
      ...{ n: 2, weights: [1, 1], healMs: 1_000, expect: { finalWithinMs: 2_500 } },
      workload: { ...mute.workload, clients: 8, batchesPerSecond: 50, untilMs: 9_000 },
    });
    // Neither told of nor answered: nobody but who was handed a batch ever has it.
    const result = simulate(
      one,
      withholding((_, type, ms) => ms > 800 && [BATCH, BATCHES].includes(type)),
    );
    expect(result.violation?.id).toBe("L1");
    const asked = stuckOf(result).causes.filter((line) => line.startsWith("n"));
    expect(asked.length).toBeGreaterThan(0);
    for (const line of asked) expect(line).toMatch(/^n(0 has asked n1|1 has asked n0) /);
    expect(asked.join("\n")).toMatch(
      /for (each of batches|batch) [0-9a-f]{8}.*: \d+ questions? arrived, none was answered; n\d has it/,
    );
  });
});

describe("a run in which somebody does not catch up", () => {
  const late = (expectMs: number): Scenario =>
    scenario("late", {
      faults: [{ kind: "crash", atMs: 300, node: 3, power: true, downMs: 2_000 }],
      healMs: 2_500,
      workload: { ...mute.workload, batchesPerSecond: 10, untilMs: 4_000 },
      expect: { convergeWithinMs: expectMs },
    });

  it("names the laggard, its height, whom it has asked and what came of it", () => {
    const result = simulate(
      late(4_000),
      withholding((_, type) => type === SYNC_RESPONSE),
    );
    expect(result.violation?.id).toBe("L3");
    const { causes, tables } = stuckOf(result);
    expect(causes[1]).toMatch(/^the network goes on: height \d+ became final \d/);
    const [where, what] = causes[2]?.split(": ").slice(0, 2) ?? [];
    expect(where).toMatch(/^n3 is at height \d+, \d+ behind/);
    expect(what).toMatch(/^it has asked n0-n2 \d+ times for blocks from \d+$/);
    expect(causes[2]).toMatch(/: \d+ questions arrived, no blocks were sent$/);
    expect(tables.map(({ title }) => title)).toContain("Who lags");
    expect(tables.find(({ title }) => title === "Who lags")?.rows).toHaveLength(1);
    // Votes that do not matter to it are not listed.
    expect(tables.map(({ title }) => title)).not.toContain("Statements of the newest views");
  });
});

describe("a run in which a batch is not taken up", () => {
  it("names who held it, and that those who proposed did not have it", () => {
    const file = new URL("../../sim/mutants/sixteen-in-calm-weather.json", import.meta.url);
    const calm = readScenario(JSON.parse(readFileSync(file, "utf8")));
    const result = simulate(
      calm,
      withholding((_, type) => type === BATCH),
    );
    expect(result.violation?.id).toBe("L2");
    const { causes } = stuckOf(result);
    const [, name = ""] = /batch ([0-9a-f]{16})/.exec(result.violation?.detail ?? "") ?? [];
    const cause = causes.find((line) => line.startsWith(`batch ${name} `)) ?? causes.join("\n");
    const [, handed, held] = /\(handed to ([^)]*)\) was held by ([n0-9 -]+);/.exec(cause) ?? [];
    expect(held).toBe(handed);
    expect(cause).toMatch(
      /; left out of \d+ blocks by n[n0-9 -]+ without having it; n\d+ proposed it after/,
    );
  }, 60_000);
});

describe("a run without an end", () => {
  it("counts its last events by kind and node", () => {
    const result = simulate(scenario("busy", { healMs: 60_000 }), { ...SYSTEM, maxSteps: 5_000 });
    expect(result.violation?.id).toBe("L0");
    const { causes, tables } = stuckOf(result);
    expect(causes[0]).toMatch(/^the last 512 events took [\d.]+ ms of virtual time/);
    const [table] = tables;
    expect(table?.columns.slice(0, 2)).toEqual(["what", "all"]);
    for (const [, all = "", ...ofNodes] of table?.rows ?? []) {
      expect(ofNodes.reduce((sum, count) => sum + Number(count), 0)).toBe(Number(all));
    }
  });

  it("names the loop", () => {
    const at = { atUs: 5_000, other: -1, type: -1, length: 0, note: "" };
    const timers = Array.from({ length: 90 }, () => ({ ...at, kind: "timer" as const, node: 2 }));
    const frames = [0, 1].map((node) => ({
      ...at,
      kind: "send" as const,
      node,
      type: 4,
      atUs: 6_000,
    }));
    expect(busyOf([...timers, ...frames])).toEqual({
      causes: ["the last 92 events took 1.0 ms of virtual time: 98 % timer (n2)"],
      tables: [
        {
          title: "The last 92 events",
          columns: ["what", "all", "n0", "n1", "n2"],
          rows: [
            ["timer", "90", "0", "0", "90"],
            ["send status", "2", "1", "1", "0"],
          ],
          leftOut: 0,
        },
      ],
    });
  });
});

describe("what a witness has seen", () => {
  const witnessed = (
    show: (rig: Rig) => void,
    { id = "L1", detail = "", up = [0, 1, 2, 3] } = {},
  ): Stuck => {
    const witness = createWitness();
    // The fifth process is a twin of the first.
    const rig = createRig(witness.checker, { memberOf: (slot) => MEMBERS[slot % 4] });
    for (const slot of up) rig.checker.status?.(slot, statusWith({ view: 7 }));
    show(rig);
    return witness.explain(new Set(up), { id, detail });
  };
  const block = { view: 7, height: 6 };
  const blockFrame = encodeMessage({ type: "block", block: headerOf(block) });
  const request = encodeMessage({ type: "block-request", hash: Buffer.from(hashOf(block), "hex") });
  const said = { view: 7, kind: 1, hash: hashOf(block) };
  const notarized = (rig: Rig): void => {
    for (const slot of [0, 1, 2]) say(rig, slot, said);
    for (const to of [0, 1, 2]) {
      for (const from of [0, 1, 2]) rig.checker.delivered?.(from, to, voteFrame(said, from));
    }
  };
  const short = hashOf(block).slice(0, 8);

  it("names a block that a node does not ask for, and who has it", () => {
    const { causes } = witnessed((rig) => {
      rig.checker.sent?.(0, 1, "consensus", proposalFrame(block));
      rig.checker.delivered?.(0, 1, proposalFrame(block));
      notarized(rig);
    });
    expect(causes).toContain(
      `n2 lacks block ${short}, which a quorum has notarized in view 7, and asks nobody for it ` +
        "(the last time: never); n0 n1 have it",
    );
    expect(causes.filter((line) => line.startsWith("n1 lacks"))).toEqual([]);
  });

  it("tells a lost question, a lost answer and a block that was lost again", () => {
    const asks = (rest: (rig: Rig) => void): string | undefined =>
      witnessed((rig) => {
        rig.checker.sent?.(0, 1, "consensus", proposalFrame(block));
        rig.checker.sent?.(2, 0, "consensus", request);
        rest(rig);
      }).causes.find((line) => line.startsWith("n2 has asked"));
    const asked = `n2 has asked n0 once for block ${short}`;
    expect(asks(() => undefined)).toBe(`${asked}: no question arrived; n0 has it`);
    const reaches = (rig: Rig): void => rig.checker.delivered?.(2, 0, request);
    expect(asks(reaches)).toBe(`${asked}: 1 question arrived, none was answered; n0 has it`);
    const answers = (rig: Rig): void => {
      reaches(rig);
      rig.checker.sent?.(0, 2, "consensus", blockFrame);
    };
    expect(asks(answers)).toBe(`${asked}: 1 answer sent, none arrived; n0 has it`);
    const arrives = (rig: Rig): void => {
      answers(rig);
      rig.checker.delivered?.(0, 2, blockFrame);
    };
    expect(asks(arrives)).toBeUndefined();
    expect(
      asks((rig) => {
        arrives(rig);
        rig.checker.booted?.(0, 2, false);
        rig.checker.booted?.(2, 2, false);
        rig.nowUs = 1;
        rig.checker.sent?.(2, 0, "consensus", request);
      }),
    ).toBe(
      `n2 has asked n0 twice for block ${short}, which nobody else who is up has`.replace(
        "twice",
        "2 times",
      ),
    );
  });

  it("tells what became of a certificate that is asked for", () => {
    const ends = { view: 9, kind: 2 };
    const questions = (["nullify", "notarize"] as const).map((kind) =>
      encodeMessage({ type: "certificate-request", epoch: 0, view: 9, kind }),
    );
    const asks = (rest: (rig: Rig) => void): string | undefined =>
      witnessed((rig) => {
        for (const question of questions) {
          rig.checker.sent?.(2, 0, "consensus", question);
          rig.checker.delivered?.(2, 0, question);
        }
        rig.nowUs = 1;
        rest(rig);
      }).causes.find((line) => line.startsWith("n2 has asked"));
    const asked = "n2 has asked n0 2 times for certificate N/S(9)";
    expect(asks(() => undefined)).toBe(`${asked}: 2 questions arrived, none was answered`);
    const answers = (rig: Rig): void =>
      rig.checker.sent?.(0, 2, "consensus", certificateFrame(ends));
    expect(asks(answers)).toBe(`${asked}: 1 answer sent, none arrived`);
    // From whomever it comes, of either kind or final; or made of votes by the node itself.
    for (const kind of [1, 2, 3]) {
      expect(
        asks((rig) => rig.checker.delivered?.(1, 2, certificateFrame({ ...ends, kind }))),
      ).toBe(undefined);
      expect(asks((rig) => keep(rig, 2, 9, kind))).toBeUndefined();
    }
    const other = certificateFrame({ ...ends, view: 8 });
    expect(asks((rig) => rig.checker.delivered?.(0, 2, other))).toMatch(/none was answered$/);
    const final = (view: number) => (rig: Rig) => {
      rig.checker.sent?.(0, 1, "consensus", proposalFrame({ view, height: 8 }));
      const finalHash = hashOf({ view, height: 8 });
      rig.checker.status?.(2, statusWith({ view: 12, finalHeight: 8, finalHash }));
    };
    expect(asks(final(8))).toMatch(/none was answered$/);
    expect(asks(final(9))).toBeUndefined();
  });

  it("puts together only what fared alike", () => {
    const specs = [6, 7, 8].map((view) => ({ view, height: view }));
    const questions = specs.map((spec) =>
      encodeMessage({ type: "block-request", hash: Buffer.from(hashOf(spec), "hex") }),
    );
    const { causes } = witnessed((rig) => {
      for (const spec of specs) rig.checker.sent?.(0, 1, "consensus", proposalFrame(spec));
      for (const question of questions) rig.checker.sent?.(2, 0, "consensus", question);
      rig.checker.delivered?.(2, 0, questions[1] ?? new Uint8Array());
    });
    const [first, second, third] = specs.map((spec) => hashOf(spec).slice(0, 8));
    expect(causes.filter((line) => line.startsWith("n2 has asked"))).toEqual([
      `n2 has asked n0 once for each of blocks ${first}, ${third}: no question arrived; n0 has it`,
      `n2 has asked n0 once for block ${second}: 1 question arrived, none was answered; n0 has it`,
    ]);
  });

  it("holds nobody bound to a view but honest nodes that said F there", () => {
    const open = (...slots: number[]): string[] =>
      witnessed((rig) => {
        for (const slot of slots) say(rig, slot, { ...said, kind: 3 });
      }).causes.filter((line) => line.includes("has no certificate"));
    expect(open(0, 3)).toEqual([]);
    expect(open(0, 1)).toEqual([
      "view 7 has no certificate; n0 n1 said F there and may not skip it: " +
        "not recoverable because n2 n3 alone are 2 of 3",
    ]);
  });

  it("counts no signature towards the end of a view that only the gone have", () => {
    // As R4 and R0 have it: a quorum of N, which is on the disk of whoever says F. Then n2 goes, and disks are lost.
    const open = (rest: (rig: Rig) => void, up = [0, 1, 3]): string[] =>
      witnessed(
        (rig) => {
          notarized(rig);
          for (const slot of [0, 1]) {
            keep(rig, slot, 7, 1);
            say(rig, slot, { ...said, kind: 3 });
          }
          rest(rig);
        },
        { up },
      ).causes.filter((line) => line.includes("has no certificate"));
    const boot = (rig: Rig): void => {
      for (const slot of [0, 1]) rig.checker.booted?.(slot, 2, false);
    };
    const lose = (rig: Rig): void => {
      for (const slot of [0, 1]) rig.checker.diskLost?.(slot, "data");
      boot(rig);
    };
    expect(open(() => undefined)).toEqual([]);
    expect(open(boot)).toEqual([]);
    expect(open(lose, [0, 1, 2, 3])).toEqual([]);
    expect(open(lose)).toEqual([
      "view 7 has no certificate; n0 n1 said F there and may not skip it: " +
        "not recoverable because n3 alone are 1 of 3",
    ]);
    const arrives = (rig: Rig): void => {
      lose(rig);
      rig.checker.delivered?.(2, 3, voteFrame(said, 2));
    };
    expect(open(arrives)).toEqual([]);
  });

  it("calls no twin mute while its member is heard", () => {
    const { causes } = witnessed(
      (rig) => {
        rig.nowUs = 2_000_000;
        for (const slot of [0, 1]) {
          say(rig, slot, said);
          rig.checker.delivered?.(slot, 2, voteFrame(said, slot));
        }
      },
      { up: [0, 1, 2, 3, 4] },
    );
    expect(causes.filter((line) => line.startsWith("no vote of"))).toEqual([
      "no vote of n2 n3 (faulty: n3) has ever reached another node: the others are 2 of 3",
    ]);
  });

  it("does not say that something is not there because it has forgotten it", () => {
    const fill = (rig: Rig, count: number): void => {
      for (let nonce = 0; nonce < count; nonce++) {
        say(rig, 3, { view: 8, kind: 1, hash: nonce.toString(16).padStart(64, "0") });
      }
    };
    const open = (count: number): string[] =>
      witnessed((rig) => {
        for (const slot of [0, 1, 2]) say(rig, slot, said);
        fill(rig, count);
        for (const slot of [0, 1]) say(rig, slot, { ...said, kind: 3 });
      }).causes.filter((line) => line.includes("has no certificate"));
    expect(open(4_094)).toEqual([]);
    expect(open(4_095)).toEqual([]);

    const asksNobody = (count: number, laterUs: number): string | undefined =>
      witnessed((rig) => {
        rig.checker.sent?.(0, 1, "consensus", proposalFrame(block));
        notarized(rig);
        rig.nowUs = 1;
        rig.checker.sent?.(2, 0, "consensus", request);
        for (let nonce = 0; nonce < count; nonce++) {
          const hash = Buffer.from(nonce.toString(16).padStart(64, "0"), "hex");
          rig.checker.sent?.(1, 0, "consensus", encodeMessage({ type: "block-request", hash }));
        }
        rig.nowUs += laterUs;
      }).causes.find((line) => line.startsWith(`n2 lacks block ${short}`));
    expect(asksNobody(4_095, 3_999_999)).toBeUndefined();
    expect(asksNobody(4_096, 3_999_999)).toBeUndefined();
    expect(asksNobody(4_095, 4_000_000)).toContain("(the last time: 4 s ago)");
    expect(asksNobody(4_096, 4_000_000)).toContain("(the last time: not known)");
  });

  it("remembers longest what was asked for last", () => {
    const requests = new Requests();
    const ask = (name: string): void =>
      requests.asked(0, 1, { what: "block", name, place: undefined }, 5);
    for (let nonce = 0; nonce < 4_096; nonce++) ask(`${nonce}`);
    ask("0");
    expect(requests.forgottenUs).toBeUndefined();
    ask("one more");
    expect(requests.get(0, "block", "0")?.ways.get(1)?.asked).toBe(2);
    expect(requests.get(0, "block", "1")).toBeUndefined();
    expect(requests.forgottenUs).toBe(5);
  });

  it("knows that it has forgotten who holds what, and learns no half of it anew", () => {
    const held = new Holdings(4);
    for (let name = 0; name < 8_192; name++) held.gain(0, `${name}`, 0);
    expect([held.has(0, "0"), held.has(1, "0"), held.has(0, "unheard of")]).toEqual([
      ...[true, false, false],
    ]);
    held.gain(0, "one more", 0);
    held.gain(1, "0", 0);
    expect([held.has(0, "0"), held.has(1, "0"), held.all("0"), held.holders("0", [0, 1])]).toEqual(
      Array.from({ length: 4 }, () => undefined),
    );
    expect([held.all("1"), held.holders("one more", [0, 1])]).toEqual([[0], [0]]);
    expect(held.has(0, "unheard of")).toBe(false);
    for (let name = 8_192; name < 65_536 + 8_191; name++) held.gain(0, `${name}`, 0);
    expect(held.has(0, "unheard of")).toBeUndefined();
    expect(held.has(0, `${65_536 + 8_190}`)).toBe(true);
  });

  it("keeps what is on a disk over a new process, and not over a lost disk", () => {
    const put = {
      key: Buffer.concat([Buffer.from("b/"), Buffer.from(hashOf(block), "hex")]),
      value: headerOf(block),
    };
    const holders = (rest: (rig: Rig) => void): string | undefined =>
      witnessed((rig) => {
        rig.checker.durable?.(3, "data", [put]);
        rig.checker.booted?.(3, 2, false);
        rest(rig);
        rig.checker.sent?.(2, 0, "consensus", request);
      }).causes.find((line) => line.startsWith("n2 has asked"));
    expect(holders(() => undefined)).toMatch(/; n3 has it, of whom it has not asked n3$/);
    expect(holders((rig) => rig.checker.diskLost?.(3, "data"))).toMatch(
      /nobody else who is up has$/,
    );
  });

  it("believes no liar's word of who has signed what", () => {
    const of = (verifies: boolean): string => {
      const witness = createWitness();
      const rig = createRig(witness.checker, { verify: () => verifies });
      for (const slot of [0, 1]) rig.checker.status?.(slot, statusWith({ view: 7 }));
      say(rig, 0, said);
      // Slot 3 lies, and passes on what it says is the vote of n0.
      rig.checker.delivered?.(3, 1, voteFrame(said, 0));
      const { tables } = witness.explain(new Set([0, 1]), { id: "L4", detail: "" });
      return stuckLines({ causes: [], tables }).join("\n");
    };
    expect(of(false)).toContain("n1 lacks n0");
    expect(of(true)).not.toContain("n1 lacks n0");
  });

  it("is short, however much there is", () => {
    const { causes, tables } = witnessed((rig) => {
      for (let height = 10; height < 60; height++) {
        const hash = Buffer.from(hashOf({ view: height, height }), "hex");
        for (let times = 0; times < 3; times++) {
          rig.nowUs += 1;
          const message = encodeMessage({ type: "block-request", hash });
          rig.checker.sent?.(height % 4, (height + 1 + (height % 3)) % 4, "consensus", message);
        }
        say(rig, height % 3, { view: 7, kind: 1, hash: hash.toString("hex") });
      }
    });
    expect(causes.length).toBeLessThan(20);
    for (const { rows, leftOut } of tables) {
      expect(rows.length).toBeLessThanOrEqual(ROWS_SHOWN);
      expect(leftOut > 0 ? rows.length : ROWS_SHOWN).toBe(ROWS_SHOWN);
    }
    expect(Math.max(...tables.map(({ leftOut }) => leftOut))).toBeGreaterThan(20);
    expect(slotList(Array.from({ length: 100 }, (_, slot) => slot))).toBe("n0-n99");
    expect(slotList(Array.from({ length: 50 }, (_, slot) => slot * 2))).toMatch(
      /^n0 n2 .* n22 and others, 50 in all$/,
    );
  });
});

describe("a chain with stake", () => {
  /** Five of ten each; n5 and n6 join later, and n5 has the least id of all. */
  const members = [0, 1, 2, 3, 4, 5, 6].map((slot): Member => {
    const idHex = String(slot === 5 ? 0 : slot + 1).padStart(64, "0");
    const index = slot < 5 ? slot : -1;
    return { index, slot, idHex, publicKey: Uint8Array.of(slot), weight: 10n };
  });
  const explained = (
    epoch: number,
    up: readonly number[],
    show?: (rig: Rig) => void,
    liars: readonly number[] = [],
  ): Stuck => {
    const witness = createWitness();
    let sets: Sets | undefined;
    const rig = createRig(
      (context) => {
        sets = setsOf(context);
        return witness.checker(context);
      },
      {
        members,
        honest: (slot) => !liars.includes(slot),
        memberOf: (slot) => members[slot === 7 ? 0 : slot],
        stake: { windowTurns: 0, votedBpsMin: 0, stakePerUnit: 1n },
      },
    );
    const powers = [5, 0, 1].map((slot) => ({ id: members[slot]?.idHex ?? "", power: 10n }));
    sets?.fold?.sets.set(2, { powers, degraded: false, stake: 30n });
    for (const slot of up) rig.checker.status?.(slot, statusWith({ epoch, view: 3 }));
    show?.(rig);
    return witness.explain(new Set(up), { id: "L1", detail: "" });
  };

  it("counts who is in the set, and a twin once", () => {
    expect(explained(0, [0, 1, 2, 3, 7]).causes[0]).toBe(
      "a quorum of epoch 0 is 34 of 50; up are n0-n3 n7, which have 40",
    );
    expect(explained(0, [0, 1, 2, 5, 6]).causes).toEqual([
      "a quorum of epoch 0 is 34 of 50; up are n0-n2 n5 n6, which have 30",
      "not recoverable because less than a quorum is up",
    ]);
  });

  it("counts by no epoch that is not decided, whoever says that it is there", () => {
    const liar = (rig: Rig): void => {
      rig.checker.status?.(4, statusWith({ epoch: 9, view: 3 }));
      say(rig, 4, { epoch: 9, view: 3, kind: 3, hash: "ab".repeat(32) });
    };
    const { causes, tables } = explained(0, [0, 1, 2, 3, 4], liar, [4]);
    expect(causes[0]).toBe("a quorum of epoch 0 is 34 of 50; up are n0-n4, which have 50");
    expect(causes.filter((line) => line.includes("not recoverable"))).toEqual([]);
    expect(tables[0]?.rows.at(-1)?.slice(0, 3)).toEqual(["n4 (faulty)", "-", "9"]);
    expect(tables.map(({ title }) => title)).not.toContain("Statements of the newest views");
    expect(explained(9, [0, 1]).causes).toEqual([
      "how much a quorum is, is not known; up are n0 n1",
    ]);
  });

  it("knows signers by their place in the set of the epoch", () => {
    const said = { epoch: 2, view: 3, kind: 1, hash: "ab".repeat(32) };
    const { tables } = explained(2, [0, 1, 5], (rig) => {
      say(rig, 5, said);
      rig.checker.delivered?.(5, 1, voteFrame(said, 0));
      rig.checker.delivered?.(5, 0, voteFrame({ ...said, epoch: 9 }, 0));
    });
    expect(tables.at(-1)?.rows).toEqual([
      ["N(3, abababab)", "n5", "10, 11 short", "-", "n0 lacks n5"],
    ]);
  });
});

describe("frames", () => {
  const header = headerOf({ view: 3, height: 2 });
  const digest = Buffer.alloc(32, 7);
  const counted = Buffer.from(header);
  counted.writeUInt32BE(1, 138);
  const block = Buffer.concat([counted, digest]);
  const batch = Buffer.alloc(200, 9);

  it("are read as the product writes them", () => {
    const { hash } = blockNames(CHAIN, block)[0] ?? { hash: "" };
    const named = { hash, digests: [digest.toString("hex")] };
    const batches = [batchName(CHAIN, batch)];
    const read = (...[message]: Parameters<typeof encodeMessage>) =>
      exchangeOf(CHAIN, encodeMessage(message));
    expect(read({ type: "block", block })).toEqual({
      ...{ kind: "brings", proposes: false, blocks: [named], batches: [], certificates: [] },
    });
    expect(read({ type: "batch", batch })).toMatchObject({ kind: "brings", batches });
    expect(read({ type: "batches", batches: [batch] })).toMatchObject({ batches });
    expect(read({ type: "batch-request", digests: [digest] })).toEqual({
      ...{ kind: "asks", what: "batch", names: [digest.toString("hex")] },
    });
    const kind = "nullify" as const;
    expect(read({ type: "certificate-request", epoch: 2, view: 9, kind })).toEqual({
      ...{ kind: "asks", what: "certificate", names: ["N/S(9) of epoch 2"] },
      place: { epoch: 2, view: 9 },
    });
    expect(read({ type: "sync-request", from: 8 })).toEqual({ kind: "asks-from", height: 8 });
    expect(read({ type: "sync-none", from: 8 })).toEqual({ kind: "has-none", from: 8 });
    const statement = {
      epoch: 0,
      view: 3,
      kind: "finalize" as const,
      hash: Buffer.from(hash, "hex"),
    };
    const certificate = { statement, setSize: 4, signers: [], signatures: [] };
    const blocks = [{ block, batches: [batch] }];
    expect(read({ type: "sync-response", from: 2, certificate, blocks })).toEqual({
      ...{ kind: "answers", from: 2, blocks: [named], batches, certificates: ["F(3)", "N/S(3)"] },
    });
    expect(read({ type: "certificate", certificate })).toMatchObject({
      ...{ kind: "brings", certificates: ["F(3)", "N/S(3)"] },
    });
  });

  it("that are cut or made up throw nothing", () => {
    const bytes = fc.tuple(fc.nat(20), fc.uint8Array({ maxLength: 400 }));
    fc.assert(
      fc.property(bytes, ([type, rest]) => {
        exchangeOf(CHAIN, Uint8Array.of(type, ...rest));
      }),
    );
  });
});
