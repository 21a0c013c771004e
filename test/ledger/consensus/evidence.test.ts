/** 3.4 of the design: every conflicting pair is reported, once, and nothing else is. */
import { describe, expect, it } from "vitest";
import type { Effect } from "../../../src/ledger/consensus/types.ts";
import { conflict, evidenceOf } from "../../../src/ledger/statement.ts";
import type { StatementKind, Vote } from "../../../src/ledger/types.ts";
import {
  Bench,
  blockOf,
  certificate,
  decided,
  hashOf,
  ofKind,
  ownVote,
  voteOf,
} from "./support.ts";

const A = hashOf("a");
const B = hashOf("b");

type Said = readonly [kind: StatementKind, hash?: Uint8Array];

const evidenceAfter = (bench: Bench, votes: readonly Vote[]): (Effect & { kind: "evidence" })[] => {
  for (const vote of votes) bench.feed({ kind: "vote", vote });
  return ofKind(bench.all, "evidence");
};

const started = (): Bench => {
  const bench = new Bench();
  bench.start();
  return bench;
};

const CONFLICTS: readonly [string, Said, Said][] = [
  ["{N a, N b}", ["notarize", A], ["notarize", B]],
  ["{F a, F b}", ["finalize", A], ["finalize", B]],
  ["{N a, F b}", ["notarize", A], ["finalize", B]],
  ["{S, F}", ["nullify"], ["finalize", A]],
];
const LEGAL: readonly [string, Said, Said][] = [
  ["{S, N}", ["nullify"], ["notarize", A]],
  ["{N a, F a}", ["notarize", A], ["finalize", A]],
  ["{N a, N a}", ["notarize", A], ["notarize", A]],
  ["{S, S}", ["nullify"], ["nullify"]],
];

describe("evidence", () => {
  for (const [name, first, second] of CONFLICTS) {
    for (const [order, pair] of [
      ["in this order", [first, second]],
      ["in the other", [second, first]],
    ] as const) {
      it(`of ${name} ${order}, once, whatever follows`, () => {
        const votes = pair.map(([kind, hash]) => voteOf(2, kind, 1, hash));
        const bench = started();
        const [found, ...more] = evidenceAfter(bench, [...votes, ...votes, ...votes]);
        expect(more).toEqual([]);
        expect(found?.first.signer).toBe(2);
        expect(found && evidenceOf(found.first, found.second)).toBeDefined();
      });
    }
  }

  for (const [name, first, second] of LEGAL) {
    it(`there is none of ${name}`, () => {
      const votes = [first, second].map(([kind, hash]) => voteOf(2, kind, 1, hash));
      expect(evidenceAfter(started(), votes)).toEqual([]);
    });
  }

  it("there is none of statements of two views or of two signers", () => {
    const votes = [
      voteOf(2, "notarize", 1, A),
      voteOf(2, "notarize", 2, B),
      voteOf(3, "notarize", 1, B),
    ];
    expect(evidenceAfter(started(), votes)).toEqual([]);
  });

  it("is found in certificates as in votes", () => {
    const bench = started();
    bench.vote(2, "nullify", 1);
    bench.feed({ kind: "certificate", certificate: certificate([1, 2, 3], "finalize", 1, A) });
    expect(ofKind(bench.all, "evidence").map((found) => found.first.signer)).toEqual([2]);
  });

  it("is two signatures of a leader that proposes twice", () => {
    const bench = started();
    const block = blockOf({ view: 1, height: 1 });
    bench.propose(block);
    bench.propose(blockOf({ view: 1, height: 1, name: "other" }));
    const [found] = ofKind(bench.all, "evidence");
    expect(found && conflict(found.first.statement, found.second.statement)).toBe(
      "double-notarize",
    );
  });

  it("is brought to who was shown another proposal, whichever comes first", () => {
    const own = voteOf(1, "notarize", 1, A);
    const other = voteOf(2, "notarize", 1, B);
    for (const votes of [
      [own, other],
      [other, own],
    ]) {
      const bench = started();
      for (const vote of [...votes, ...votes]) bench.feed({ kind: "vote", vote });
      const shown = ofKind(bench.all, "send").filter(({ message }) => message.type === "vote");
      expect(shown).toEqual([{ kind: "send", to: 2, message: { type: "vote", vote: own } }]);
    }
  });

  it("is not sent about once both halves are held, nor to who voted as the leader", () => {
    const bench = started();
    bench.vote(3, "notarize", 1, A);
    bench.vote(1, "notarize", 1, A);
    bench.vote(1, "notarize", 1, B);
    bench.vote(2, "notarize", 1, B);
    expect(ofKind(bench.all, "evidence")).toHaveLength(1);
    expect(ofKind(bench.all, "send")).toEqual([]);
  });

  it("is still found for 16 views after finality, and not later", () => {
    const bench = started();
    bench.vote(2, "notarize", 1, A);
    bench.certify("finalize", 16, A);
    expect(evidenceAfter(bench, [voteOf(2, "notarize", 1, B)])).toHaveLength(1);
    const late = started();
    late.vote(2, "notarize", 1, A);
    late.certify("finalize", 17, A);
    expect(evidenceAfter(late, [voteOf(2, "notarize", 1, B)])).toEqual([]);
  });

  it("does not let an equivocator's second vote count", () => {
    const bench = started();
    for (const signer of [2, 3]) bench.vote(signer, "notarize", 1, A);
    bench.vote(1, "notarize", 1, B);
    bench.vote(1, "notarize", 1, A);
    expect(ofKind(bench.all, "keep")).toEqual([]);
  });
});

describe("a statement of our own that we did not make", () => {
  it.each([["notarize"], ["nullify"], ["finalize"]] as const)("(%s) stops the node", (kind) => {
    const bench = started();
    bench.vote(0, kind, 1, A);
    const [halt] = ofKind(bench.all, "halt");
    expect(halt?.failure.code).toBe("votes.foreign-statement");
    bench.clear();
    bench.wait(100_000);
    bench.fire("view");
    bench.certify("nullify", 1);
    expect(bench.all).toEqual([]);
  });

  it.each([["notarize"], ["nullify"], ["finalize"]] as const)(
    "(%s) was forgotten where we do not vote yet: it counts, and is told",
    (kind) => {
      const bench = new Bench();
      bench.feed({ kind: "start" });
      for (const signer of [0, 1, 2]) bench.vote(signer, kind, 1, A);
      expect(ofKind(bench.all, "halt")).toEqual([]);
      expect(ofKind(bench.all, "forgotten").map((effect) => effect.statement)).toContainEqual(
        voteOf(0, kind, 1, A).statement,
      );
      const [kept] = ofKind(bench.all, "keep").map((effect) => effect.certificate);
      expect(kept?.signers).toEqual([0, 1, 2]);
    },
  );

  it("stops the node when it comes inside a certificate", () => {
    const bench = started();
    bench.certify("nullify", 1, undefined, [0, 1, 2]);
    expect(ofKind(bench.all, "halt")).toHaveLength(1);
  });

  it("is none where we did make it, before this start or in it", () => {
    const vote = voteOf(0, "notarize", 1, A);
    const bench = new Bench({ recovered: { ownVotes: [ownVote(vote)] } });
    bench.start();
    bench.feed({ kind: "vote", vote: voteOf(0, "notarize", 1, A) });
    bench.wait(5_000);
    bench.fire("view");
    bench.feed({ kind: "vote", vote: voteOf(0, "nullify", 1) });
    expect(decided(bench.all)).toEqual(["nullify 1"]);
    expect(ofKind(bench.all, "halt")).toEqual([]);
  });

  it("cannot be told at or below the floor: what was signed there is forgotten", () => {
    const bench = new Bench({ recovered: { floorView: 5 } });
    bench.start();
    bench.certify("nullify", 4, undefined, [0, 1, 2]);
    bench.vote(0, "nullify", 5);
    expect(ofKind(bench.all, "halt")).toEqual([]);
    bench.vote(0, "nullify", 6);
    expect(ofKind(bench.all, "halt")).toHaveLength(1);
  });
});
