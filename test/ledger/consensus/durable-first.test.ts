/** R0: nothing leaves before it is durable, and what leaves again is what was stored. */
import { describe, expect, it } from "vitest";
import { Bench, blockOf, decided, messages, ofKind, signatureOf, statement } from "./support.ts";

const B1 = blockOf({ view: 1, height: 1 });

/** A core that has decided N(1) for a valid proposal of its leader. */
const decidedOnce = (): Bench => {
  const bench = new Bench();
  bench.start();
  bench.offer(B1);
  return bench;
};

describe("R0: persist before send", () => {
  it("asks for a signature first, and sends nothing", () => {
    const bench = decidedOnce();
    expect(decided(bench.all)).toEqual(["notarize 1"]);
    expect(ofKind(bench.all, "persist")).toEqual([]);
    expect(messages(bench.all)).toEqual([]);
  });

  it("writes the signed statement with its block, and sends nothing until that is durable", () => {
    const bench = decidedOnce();
    const signature = signatureOf(0);
    const said = statement("notarize", 1, B1.hash);
    const effects = bench.feed({ kind: "signed", statement: said, signature });
    const [write] = ofKind(effects, "persist");
    expect(write?.votes.map((own) => own.vote)).toEqual([
      { statement: said, signer: 0, signature },
    ]);
    expect(write?.blocks).toEqual([B1.hash]);
    expect(messages(bench.all)).toEqual([]);
    bench.feed({ kind: "durable", writeId: write?.writeId ?? -1 });
    expect(messages(bench.all)).toEqual([
      { type: "vote", vote: { statement: said, signer: 0, signature } },
    ]);
  });

  it("does not count its own vote before it is durable", () => {
    const bench = decidedOnce();
    bench.vote(1, "notarize", 1, B1.hash);
    bench.vote(2, "notarize", 1, B1.hash);
    const signature = signatureOf(0);
    const said = statement("notarize", 1, B1.hash);
    const effects = bench.feed({ kind: "signed", statement: said, signature });
    expect(bench.view).toBe(1);
    bench.feed({ kind: "durable", writeId: ofKind(effects, "persist")[0]?.writeId ?? -1 });
    expect(bench.view).toBe(2);
  });

  it("makes the notarization durable with F", () => {
    const bench = decidedOnce();
    bench.complete(bench.all);
    bench.clear();
    bench.vote(1, "notarize", 1, B1.hash);
    bench.vote(2, "notarize", 1, B1.hash);
    expect(decided(bench.all)).toEqual(["finalize 1"]);
    const effects = bench.feed({
      kind: "signed",
      statement: statement("finalize", 1, B1.hash),
      signature: signatureOf(0),
    });
    const [write] = ofKind(effects, "persist");
    expect(write?.certificates.map((held) => held.statement)).toEqual([
      statement("notarize", 1, B1.hash),
    ]);
    expect(write?.blocks).toEqual([]);
  });

  it("ignores a second signature for one statement: stored bytes are never replaced", () => {
    const bench = decidedOnce();
    bench.complete(bench.all);
    const again = bench.feed({
      kind: "signed",
      statement: statement("notarize", 1, B1.hash),
      signature: signatureOf(0),
    });
    expect(ofKind(again, "persist")).toEqual([]);
  });

  it("sends the stored bytes again, as often as it is stuck", () => {
    const bench = decidedOnce();
    bench.complete(bench.all);
    const first = messages(bench.all).find((message) => message.type === "vote");
    for (let i = 0; i < 3; i++) {
      bench.clear();
      bench.wait(500);
      bench.fire("retry");
      expect(messages(bench.all)).toContainEqual(first);
      expect(decided(bench.all)).toEqual([]);
    }
  });

  it("drops what was being signed or written for a view that is final by now", () => {
    const bench = decidedOnce();
    const write = bench.feed({
      kind: "signed",
      statement: statement("notarize", 1, B1.hash),
      signature: signatureOf(0),
    });
    bench.certify("finalize", 1, B1.hash);
    bench.clear();
    bench.feed({ kind: "durable", writeId: ofKind(write, "persist")[0]?.writeId ?? -1 });
    bench.feed({
      kind: "signed",
      statement: statement("finalize", 1, B1.hash),
      signature: signatureOf(0),
    });
    expect(bench.all).toEqual([]);
  });

  it("does nothing for a write that it never asked for", () => {
    const bench = decidedOnce();
    expect(bench.feed({ kind: "durable", writeId: 999 })).toEqual([]);
  });

  it("signs nothing before it is allowed to, and catches up when it is", () => {
    const bench = new Bench();
    bench.feed({ kind: "start" });
    bench.offer(B1);
    bench.wait(10_000);
    bench.fire("view");
    expect(decided(bench.all)).toEqual([]);
    bench.feed({ kind: "voting", allowed: true });
    expect(decided(bench.all)).toEqual(["notarize 1"]);
  });

  it("never signs as an observer, and follows all the same", () => {
    const bench = new Bench({ self: undefined });
    bench.start();
    bench.offer(B1);
    bench.wait(10_000);
    bench.fire("view");
    bench.certify("notarize", 1, B1.hash);
    bench.certify("finalize", 1, B1.hash);
    expect(bench.view).toBe(2);
    expect(bench.state.final.height).toBe(1);
    expect(decided(bench.all)).toEqual([]);
  });
});
