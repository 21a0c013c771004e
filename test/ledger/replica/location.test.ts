/** The two sides of a measurement: who takes the time, and who is measured, writes it down, and is not believed. */
import { describe, expect, it } from "vitest";
import { toHex } from "../../../src/crypto/bytes.ts";
import { ERRORS } from "../../../src/errors.ts";
import type { LocationMessage } from "../../../src/ledger/location-messages.ts";
import { zoneCertified } from "../../../src/ledger/projections/zone-events.ts";
import { chooseReceipts } from "../../../src/ledger/replica/location/choose.ts";
import { Collector } from "../../../src/ledger/replica/location/collector.ts";
import { Witness } from "../../../src/ledger/replica/location/witness.ts";
import { LIMITS } from "../../../src/limits.ts";
import { receiptMessage } from "../../../src/proofs/location/receipt.ts";
import { witnessChallenges } from "../../../src/proofs/space/challenges.ts";
import { makeOpenings } from "../../../src/proofs/space/openings.ts";
import { hasher, idOf, keyOf, testVerify } from "../execution-support.ts";
import { LOCATION, PlaceChain, receiptOf, setOf, WEIGHTS } from "../projections/zones-support.ts";
import { Post, peerOf, sectorOf } from "./location-support.ts";

type Of<T extends LocationMessage["type"]> = LocationMessage & { readonly type: T };

const begun = (): PlaceChain => {
  const chain = new PlaceChain();
  chain.pass(4);
  return chain;
};

/** What a witness waits for an answer here: as long as the farthest zone allows. */
const ROUND_MS = 51;

/** v0 is the witness, and v3 answers. */
class Measuring {
  readonly post: Post;
  readonly witness: Witness;

  constructor(parameters = LOCATION) {
    this.post = new Post("v0", begun());
    this.witness = new Witness({ ...this.post.parts, parameters });
  }

  request(by = "v3", epoch = 0, sector = 0): void {
    this.witness.onRequest(peerOf(by), { type: "location-request", epoch, sector });
  }

  challenge(): Of<"location-challenge"> {
    const { message } = this.post.take();
    if (message.type !== "location-challenge") throw new Error(`a ${message.type}`);
    return message;
  }

  /** Answers a challenge after a time, with a sector, for a witness. */
  answer(afterUs: number, from = "v3", by = "v3", to = "v0"): void {
    const { challenge, epoch } = this.challenge();
    this.post.us += afterUs;
    const sector = sectorOf(from);
    const question = { witness: idOf(to), epoch, challenge };
    const asked = witnessChallenges(hasher, LOCATION.labels, sector.statement, question);
    const openings = makeOpenings(sector.hashes, [sector.reader.stored], asked);
    this.say(by, { type: "location-answer", challenge, openings });
  }

  say(by: string, message: Of<"location-answer">): void {
    const { time, us } = this.post;
    this.witness.onAnswer(peerOf(by), message, time.nowMs * 1_000 + us);
  }

  receipt(): Of<"location-receipt"> | undefined {
    const message = this.post.sent.shift()?.message;
    return message?.type === "location-receipt" ? message : undefined;
  }
}

describe("a witness", () => {
  it("signs the time within which half of its challenges were answered", () => {
    const run = new Measuring();
    run.request();
    for (const us of [9_000, 700, 3_000.2, 40_000]) run.answer(us);
    const receipt = run.receipt();
    expect(receipt).toMatchObject({ epoch: 0, sector: 0, rttUs: 3_001 });
    if (receipt === undefined) return;
    const claim = { ...receipt, prover: idOf("v3"), witness: idOf("v0") };
    expect(testVerify(receipt.signature, receiptMessage(hasher, claim), keyOf("v0"))).toBe(true);
    expect(run.post.faults).toEqual([]);
    expect(run.post.counted).toEqual(["tetrad_location_receipts_total"]);
  });

  it("draws other challenges every time", () => {
    const run = new Measuring();
    const seen = new Set<string>();
    run.request();
    for (let i = 0; i < LOCATION.rounds; i++) {
      const first = run.post.sent[0]?.message;
      if (first?.type === "location-challenge") seen.add(toHex(first.challenge));
      run.answer(10);
    }
    expect(seen.size).toBe(LOCATION.rounds);
  });

  it("takes no answer before it has asked, of another peer, twice, or of another challenge", () => {
    const run = new Measuring();
    const challenge = new Uint8Array(32).fill(1);
    const early = { type: "location-answer", challenge, openings: new Uint8Array(64) } as const;
    run.say("v3", early);
    run.request();
    run.say("v3", early);
    const asked = run.post.sent[0]?.message;
    if (asked?.type !== "location-challenge") throw new Error("nothing was asked");
    run.say("v2", { ...early, challenge: asked.challenge });
    expect(run.post.faults).toEqual(Array(3).fill("location.unasked"));
    run.answer(10);
    run.say("v3", { ...early, challenge: asked.challenge });
    expect(run.post.faults).toHaveLength(4);
    // And none of that has ended the measurement.
    for (let i = 1; i < LOCATION.rounds; i++) run.answer(10);
    expect(run.receipt()?.rttUs).toBe(10);
  });

  it.each([
    ["another validator's sector", "v2", "v0"],
    ["labels for another witness", "v3", "v1"],
  ])("signs nothing for %s", (_what, from, to) => {
    const run = new Measuring();
    run.request();
    run.answer(10, from, "v3", to);
    expect(run.post.faults).toEqual(["location.answer"]);
    expect(run.post.sent).toEqual([]);
  });

  it("counts a round without an answer as one that took for ever, and gives up past half", () => {
    const run = new Measuring();
    run.request();
    for (let i = 0; i < 2; i++) {
      run.challenge();
      run.post.time.advance(ROUND_MS);
    }
    run.answer(10);
    run.answer(20);
    expect(run.receipt()?.rttUs).toBe(20);
    run.request();
    for (let i = 0; i < 3; i++) {
      run.challenge();
      run.post.time.advance(ROUND_MS);
    }
    expect(run.post.sent).toEqual([]);
    expect(run.post.time.pending).toBe(0);
  });

  it("waits for an answer no longer than the farthest zone, in which it could still count", () => {
    const run = new Measuring();
    run.request();
    run.challenge();
    run.post.time.advance(ROUND_MS - 1);
    expect(run.post.sent).toEqual([]);
    run.post.time.advance(1);
    // One a millisecond before the end counts; one that comes after it ends nobody's session.
    const late = run.challenge();
    run.post.time.advance(ROUND_MS);
    run.say("v3", {
      type: "location-answer",
      challenge: late.challenge,
      openings: new Uint8Array(64),
    });
    expect(run.post.faults).toEqual(["location.unasked"]);
    expect(ERRORS["location.unasked"].peer).toBe("ignore");
    run.answer(50_000);
    run.answer(20);
    expect(run.receipt()?.rttUs).toBe(50_000);
  });

  it("waits two seconds where zones are wider than that", () => {
    const wide = { name: "wide", rttMaxUs: LIMITS.locationRttUs[1] };
    const run = new Measuring({ ...LOCATION, zones: [wide] });
    run.request();
    run.challenge();
    run.post.time.advance(LIMITS.locationRoundMs - 1);
    expect(run.post.sent).toEqual([]);
    run.post.time.advance(1);
    expect(run.post.sent).toHaveLength(1);
  });

  it("measures who has had fewer tries first, so that who is slow and asks again holds nobody up", () => {
    const run = new Measuring();
    const silence = (by: string): void => {
      expect(run.post.sent[0]?.to).toBe(peerOf(by));
      for (let i = 0; i < 3; i++) {
        run.challenge();
        run.post.time.advance(ROUND_MS);
      }
    };
    for (const name of ["v1", "v2"]) run.request(name);
    silence("v1");
    for (const name of ["v1", "v3"]) run.request(name);
    silence("v2");
    run.request("v2");
    silence("v3");
    silence("v1");
    silence("v2");
    expect(run.post.sent).toEqual([]);
  });

  it("measures members of the epoch's set, in it, of a sector that counts, on a secured session", () => {
    const run = new Measuring();
    run.request("nobody");
    run.request("v3", 1);
    run.post.secured = false;
    run.request();
    run.post.secured = true;
    expect(run.post.faults).toEqual([]);
    run.request("v3", 0, 7);
    expect(run.post.faults).toEqual(["location.sector"]);
    expect(run.post.sent).toEqual([]);
  });

  it("signs nothing when the epoch is over", () => {
    const run = new Measuring();
    run.request();
    for (let i = 1; i < LOCATION.rounds; i++) run.answer(10);
    run.post.chain.nextEpoch();
    run.answer(10);
    expect(run.post.sent).toEqual([]);
    expect(run.post.counted).toEqual([]);
  });

  it("measures one at a time, in the order in which they asked, and passes over who is gone", () => {
    const run = new Measuring();
    for (const name of ["v3", "v1", "v2"]) run.request(name);
    run.request("v1");
    expect(run.post.sent.map(({ to }) => to)).toEqual([peerOf("v3")]);
    run.witness.peerDown(peerOf("v1"));
    run.witness.peerDown(peerOf("v3"));
    expect(run.post.sent.map(({ to }) => to)).toEqual([peerOf("v3"), peerOf("v2")]);
  });

  it("measures a peer so often in an epoch, and no more", () => {
    const run = new Measuring();
    for (let i = 0; i < LIMITS.locationTriesMax; i++) {
      run.request();
      run.challenge();
      run.witness.peerDown(peerOf("v3"));
    }
    expect(run.post.faults).toEqual([]);
    run.request();
    expect(run.post.faults).toEqual(["location.rate"]);
    expect(run.post.sent).toEqual([]);
  });
});

/** v3 is measured. */
class Measured {
  readonly post: Post;
  readonly collector: Collector;

  constructor(chain = begun()) {
    this.post = new Post("v3", chain);
    this.collector = new Collector(this.post.parts);
  }

  challenge(by: string, epoch = 0, sector = 0): void {
    const challenge = new Uint8Array(32).fill(5);
    const message = { type: "location-challenge", epoch, sector, challenge } as const;
    this.collector.onChallenge(peerOf(by), message);
  }

  receipt(by: string, rttUs: number, signedBy = by): void {
    const receipt = receiptOf(by, { rttUs, by: signedBy });
    const message = { type: "location-receipt", epoch: 0, sector: 0, ...receipt } as const;
    this.collector.onReceipt(peerOf(by), message);
  }

  /** What is written now, if its turn comes. */
  certificate() {
    const event = this.post.written.at(-1)?.();
    const decoded = event && zoneCertified.decode(event.payload);
    return decoded?.ok === true ? decoded.value : undefined;
  }
}

describe("who is measured", () => {
  it("asks every validator that it has a session with, once, when the epoch has begun", () => {
    const chain = new PlaceChain();
    chain.pass(2);
    const run = new Measured(chain);
    run.collector.onExecuted();
    expect(run.post.sent).toEqual([]);
    chain.pass(1);
    run.post.syncing = true;
    run.collector.onExecuted();
    expect(run.post.sent).toEqual([]);
    run.post.syncing = false;
    run.collector.onExecuted();
    run.collector.onExecuted();
    const request = { type: "location-request", epoch: 0, sector: 0 };
    expect(run.post.sent).toEqual(
      ["v0", "v1", "v2"].map((name) => ({ to: peerOf(name), message: request })),
    );
  });

  it("asks a silent one again after a while, so often and no more", () => {
    const run = new Measured();
    run.post.connected = ["v0"];
    for (let i = 0; i < 10; i++) {
      run.collector.onExecuted();
      run.post.time.advance(15_000);
    }
    expect(run.post.sent).toHaveLength(LIMITS.locationTriesMax);
  });

  it("opens labels for whom it has asked, as many times as there are rounds", () => {
    const run = new Measured();
    run.challenge("v0");
    expect(run.post.faults).toEqual(["location.unasked"]);
    run.collector.onExecuted();
    run.post.sent.length = 0;
    for (let i = 0; i < LOCATION.rounds; i++) run.challenge("v0");
    expect(run.post.sent.map(({ message }) => message.type)).toEqual(
      Array(LOCATION.rounds).fill("location-answer"),
    );
    run.challenge("v0");
    run.challenge("v1", 1);
    run.challenge("v1", 0, 3);
    expect(run.post.faults).toHaveLength(4);
    expect(run.post.sent).toHaveLength(LOCATION.rounds);
  });

  it("is silent where its sector cannot be opened", () => {
    const run = new Measured();
    run.collector.onExecuted();
    run.post.sent.length = 0;
    run.post.opens = undefined;
    run.challenge("v0");
    expect(run.post.sent).toEqual([]);
  });

  it("writes the nearest zone that its receipts reach when it has them all", () => {
    const run = new Measured();
    run.collector.onExecuted();
    run.receipt("v0", 3_000);
    run.receipt("v1", 20_000);
    run.collector.onExecuted();
    expect(run.post.written).toHaveLength(0);
    run.receipt("v2", 4_000);
    run.collector.onExecuted();
    run.collector.onExecuted();
    expect(run.post.written).toHaveLength(1);
    const shown = run.certificate();
    expect(shown).toMatchObject({ epoch: 0, sector: 0, zone: "near", from: 0 });
    expect(shown?.receipts.map(({ rttUs }) => rttUs).sort()).toEqual([3_000, 4_000]);
  });

  it("writes what it has after a time, and nothing where that reaches no zone", () => {
    const run = new Measured();
    run.collector.onExecuted();
    run.receipt("v0", 3_000);
    run.post.time.advance(LIMITS.locationWaitMs);
    run.collector.onExecuted();
    expect(run.post.written).toHaveLength(0);
    run.receipt("v2", 30_000);
    run.collector.onExecuted();
    expect(run.certificate()).toMatchObject({ zone: "far" });
  });

  it("says nothing any more when the log has it, or the epoch is over", () => {
    const chain = begun();
    const run = new Measured(chain);
    run.collector.onExecuted();
    for (const name of ["v0", "v1", "v2"]) run.receipt(name, 3_000);
    run.collector.onExecuted();
    const event = run.post.written[0]?.();
    if (event === undefined) throw new Error("nothing was written");
    expect(chain.write("v3", event)).toBe("accepted");
    expect(run.post.written[0]?.()).toBeUndefined();
    run.collector.onExecuted();
    expect(run.post.written).toHaveLength(1);

    const late = new Measured();
    late.collector.onExecuted();
    for (const name of ["v0", "v1", "v2"]) late.receipt(name, 3_000);
    late.collector.onExecuted();
    late.post.chain.nextEpoch();
    expect(late.post.written[0]?.()).toBeUndefined();
  });

  it("takes no receipt that is false, of nobody that it asked, or twice", () => {
    const run = new Measured();
    run.receipt("v0", 3_000);
    run.collector.onExecuted();
    run.receipt("v0", 3_000, "v1");
    run.receipt("v0", 3_000);
    expect(run.post.faults).toEqual([
      "location.unasked",
      "location.receipt-invalid",
      "location.unasked",
    ]);
    run.post.time.advance(LIMITS.locationWaitMs);
    run.collector.onExecuted();
    expect(run.post.written).toHaveLength(0);
  });
});

describe("the receipts of a certificate", () => {
  const set = setOf(WEIGHTS, 0);
  const choose = (...receipts: readonly [string, number][]) => {
    const chosen = chooseReceipts(
      LOCATION,
      set,
      receipts.map(([name, rttUs]) => receiptOf(name, { rttUs })),
    );
    return chosen && [chosen.zone.name, ...chosen.receipts.map(({ rttUs }) => rttUs).sort()];
  };

  it("are of the nearest zone that more than a third of the power reaches", () => {
    expect(choose(["v0", 1], ["v1", 2])).toBeUndefined();
    expect(choose(["v0", 1], ["v2", 5_000])).toEqual(["near", 1, 5_000]);
    expect(choose(["v0", 1], ["v2", 5_001])).toEqual(["far", 1, 5_001]);
    expect(choose(["v0", 1], ["v2", 50_001])).toBeUndefined();
    // Those that are beyond it are left out, and what is within it fills the event.
    expect(choose(["v0", 1], ["v1", 6_000], ["v2", 3])).toEqual(["near", 1, 3]);
    expect(choose(["v0", 1], ["v1", 4], ["v2", 3])).toEqual(["near", 1, 3, 4]);
  });

  it("are as many events as are needed, each full but the last", () => {
    const names = Array.from({ length: 200 }, (_, i) => `w${i}`);
    const many = setOf(Object.fromEntries(names.map((name) => [name, 1n])), 0);
    const receipts = names.map((name, i) => receiptOf(name, { rttUs: i + 1 }));
    const chosen = chooseReceipts(LOCATION, many, receipts);
    // 67 of 200 are more than a third: two events, which hold 80.
    expect(chosen?.receipts).toHaveLength(2 * LIMITS.locationReceiptsMax);
    const ids = chosen?.receipts.map(({ witness }) => toHex(witness)) ?? [];
    expect(ids).toEqual(ids.toSorted());
    expect(Math.max(...(chosen?.receipts ?? []).map(({ rttUs }) => rttUs))).toBe(80);
  });
});
