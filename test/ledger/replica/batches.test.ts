/** Batches of clients: what is refused and with which code, and who is answered what, once. */
import { describe, expect, it } from "vitest";
import { toHex, ZERO_HASH } from "../../../src/crypto/bytes.ts";
import { ERRORS, type ErrorCode } from "../../../src/errors.ts";
import { buildBatch, sealBatch } from "../../../src/ledger/batch.ts";
import { workSlot } from "../../../src/ledger/batch-work.ts";
import { encodeEvent } from "../../../src/ledger/event.ts";
import { actorRevoked } from "../../../src/ledger/projections/events.ts";
import type { Batch } from "../../../src/ledger/types.ts";
import { LIMITS } from "../../../src/limits.ts";
import { type Author, answerOf, createChain, Lab, putEvent } from "./support.ts";

/** The answer to a client, and what a peer that pushes the same bytes is charged. */
const expectRefused = (lab: Lab, bytes: Uint8Array, code: ErrorCode): void => {
  for (const level of ["accepted", "committed", "projected"] as const) {
    expect(answerOf(lab.submit(bytes, level))).toEqual([code]);
  }
  expect(lab.status.mempoolBatches).toBe(0);
  lab.tell(1, { type: "batch", batch: bytes });
  const cutOff = ERRORS[code].peer === "disconnect";
  expect(lab.cutOff).toEqual(cutOff ? [code] : []);
  expect(lab.halts).toEqual([]);
};

const grown = (heights: number): Lab => {
  const lab = new Lab();
  for (let i = 0; i < heights; i++) lab.finalize();
  return lab;
};

describe("a batch is refused", () => {
  it("of another chain", () => {
    const foreign = new Lab({ chain: createChain({ chainId: "another-chain" }) });
    const batch = foreign.batch(foreign.chain.alice);
    expectRefused(new Lab(), batch.bytes, "batch.wrong-chain");
  });

  it("with a reference to a future height", () => {
    const lab = new Lab();
    const batch = lab.batch(lab.chain.alice, undefined, { refHeight: 16 });
    expectRefused(lab, batch.bytes, "batch.ref-future");
  });

  it("with a reference that is not on the grid", () => {
    const lab = grown(10);
    const batch = lab.batch(lab.chain.alice, undefined, { refHeight: 8 });
    expectRefused(lab, batch.bytes, "batch.ref-not-grid");
  });

  it("with a reference to a block of another chain", () => {
    const lab = new Lab();
    const batch = lab.batch(lab.chain.alice, undefined, { refHash: new Uint8Array(32).fill(1) });
    expectRefused(lab, batch.bytes, "batch.ref-mismatch");
  });

  it("with a stale reference: past 150 blocks and 60 s, and not by one bound alone", () => {
    const lab = new Lab();
    const batch = lab.batch(lab.chain.alice);
    for (let i = 0; i < 151; i++) lab.finalize();
    expect(
      answerOf(
        lab.submit(
          lab.batch(lab.chain.alice, [putEvent("x")], { refHeight: 0, refHash: lab.chain.hash })
            .bytes,
        ),
      ),
    ).toEqual(["accepted"]);
    const late = new Lab();
    for (let i = 0; i < 151; i++) late.finalize();
    late.time.wallOffsetMs = 61_000;
    late.finalize();
    expectRefused(late, batch.bytes, "batch.expired");
  });

  it("at a place of its lane that is committed already", () => {
    const lab = new Lab();
    const first = lab.nextBatch(lab.chain.alice);
    lab.finalize([first]);
    const again = lab.batch(lab.chain.alice, [putEvent("other")], {
      laneSeq: 1,
      prevBatchId: ZERO_HASH,
    });
    expectRefused(lab, again.bytes, "batch.lane-replay");
  });

  it("that follows another batch than the lane's last", () => {
    const lab = new Lab();
    lab.finalize([lab.nextBatch(lab.chain.alice)]);
    const fork = lab.batch(lab.chain.alice, undefined, { prevBatchId: new Uint8Array(32).fill(1) });
    expectRefused(lab, fork.bytes, "batch.lane-fork");
  });

  it("too far ahead of its lane; a small gap waits", () => {
    const lab = new Lab();
    const at = (laneSeq: number): Batch =>
      lab.batch(lab.chain.alice, undefined, { laneSeq, prevBatchId: new Uint8Array(32).fill(1) });
    expectRefused(lab, at(LIMITS.mempoolLaneAheadMax + 1).bytes, "batch.lane-gap");
    expect(answerOf(lab.submit(at(3).bytes))).toEqual(["accepted"]);
  });

  it("signed by another key than its author's", () => {
    const lab = new Lab();
    const batch = lab.batch(lab.chain.alice);
    const { key } = lab.chain.reader;
    const unsigned = {
      ...batch,
      core: batch.bytes.slice(0, 186),
      signingMessage: lab.chain.hasher.ht("batch/sig", batch.id),
    };
    const signature = lab.chain.ring.sign(key, unsigned.signingMessage);
    expectRefused(lab, sealBatch(lab.chain.hasher, unsigned, signature).bytes, "batch.signature");
  });

  it.each([1, LIMITS.batchProofsMax, LIMITS.batchProofsMax + 1])(
    "that counts %s proofs where the chain asks for none, whatever is behind it",
    (count) => {
      const lab = new Lab();
      const bytes = lab.batch(lab.chain.alice).bytes.slice();
      bytes[bytes.length - 1] = count;
      expectRefused(lab, bytes, "batch.proofs-unsupported");
    },
  );

  it("with work where the chain asks for none", () => {
    const lab = new Lab();
    const batch = lab.batch(lab.chain.alice);
    const { hasher } = lab.chain;
    const proofs = [workSlot(new Uint8Array(88))];
    const proven = sealBatch(hasher, buildBatch(hasher, batch), batch.signature, proofs);
    expectRefused(lab, proven.bytes, "batch.proofs-unsupported");
    const other = new Lab();
    expect(answerOf(other.submit(batch.bytes))).toEqual(["accepted"]);
  });

  it("by an actor that is not registered", () => {
    const lab = new Lab();
    expectRefused(lab, lab.batch(lab.chain.stranger).bytes, "batch.unknown-actor");
  });

  it("by an actor that is revoked, once that is executed here", () => {
    const lab = new Lab();
    const before = lab.batch(lab.chain.reader);
    const revoke = actorRevoked.encode({ actor: lab.chain.reader.id });
    lab.finalize([lab.nextBatch(lab.chain.alice, [revoke])]);
    expectRefused(lab, before.bytes, "event.forbidden");
    // In a block it is valid and has an outcome: others may have executed less.
    lab.finalize([before]);
    expect(lab.status.logSize).toBe(2);
    const { answers } = lab.submit(before.bytes, "projected");
    expect(answers[0]).toMatchObject({
      value: { outcomes: [{ kind: "refused", code: "event.forbidden" }] },
    });
  });

  it("with an unknown event type, an unknown version, or a payload that does not fit", () => {
    const lab = new Lab();
    const of = (type: string, version: number): Batch =>
      lab.batch(lab.chain.alice, [encodeEvent(type, version, new Uint8Array(3))]);
    expectRefused(lab, of("record.burn", 1).bytes, "batch.unknown-event-type");
    expectRefused(lab, of("record.put", 2).bytes, "batch.unknown-event-type");
    expectRefused(lab, of("record.put", 1).bytes, "batch.bad-payload");
  });

  it("with one byte changed anywhere", () => {
    const lab = new Lab();
    const { bytes } = lab.batch(lab.chain.alice);
    for (let at = 0; at < bytes.length; at += 37) {
      const changed = bytes.slice();
      changed[at] = (changed[at] ?? 0) ^ 0x41;
      const [answer] = answerOf(lab.submit(changed));
      expect(answer).not.toBe("accepted");
    }
    expect(lab.status.mempoolBatches).toBe(0);
  });
});

describe("an event without permission", () => {
  it("is in the log with the code of its refusal, and the client is told", () => {
    const lab = new Lab();
    const batch = lab.nextBatch(lab.chain.reader);
    const submission = lab.submit(batch.bytes, "projected");
    lab.finalize([batch]);
    const [answer] = submission.answers;
    expect(answer).toMatchObject({
      ok: true,
      value: { outcomes: [{ kind: "refused", code: "event.forbidden" }] },
    });
    expect(lab.status.logSize).toBe(1);
  });
});

describe("a client is answered once", () => {
  it("at each level, when it is reached", () => {
    const lab = new Lab();
    const batch = lab.nextBatch(lab.chain.alice);
    const accepted = lab.submit(batch.bytes, "accepted");
    const committed = lab.submit(batch.bytes, "committed");
    const projected = lab.submit(batch.bytes, "projected");
    expect([accepted, committed, projected].map(answerOf)).toEqual([["accepted"], [], []]);
    lab.finalize([batch]);
    for (let i = 0; i < 3; i++) lab.finalize();
    expect([accepted, committed, projected].map(answerOf)).toEqual([
      ["accepted"],
      ["committed 1"],
      ["projected 1"],
    ]);
  });

  it("that submits the same batch twice, at once and one after the other", () => {
    const lab = new Lab();
    const batch = lab.nextBatch(lab.chain.alice);
    lab.verifier.hold = true;
    const both = [lab.submit(batch.bytes, "committed"), lab.submit(batch.bytes, "committed")];
    const jobs = lab.verifier.jobs;
    lab.verifier.hold = false;
    lab.verifier.release();
    lab.loop.run();
    both.push(lab.submit(batch.bytes, "committed"));
    expect(lab.verifier.jobs).toBe(jobs);
    lab.finalize([batch]);
    expect(both.map(answerOf)).toEqual([["committed 1"], ["committed 1"], ["committed 1"]]);
    expect(lab.status.logSize).toBe(1);
  });

  it("whose batch is in the log: with what became of it, also after a restart", () => {
    const lab = new Lab();
    const batch = lab.nextBatch(lab.chain.alice);
    lab.finalize([batch]);
    const after = new Lab({ chain: lab.chain, ...lab.disks() });
    for (const one of [lab, after]) {
      for (const level of ["accepted", "committed", "projected"] as const) {
        expect(answerOf(one.submit(batch.bytes, level))).toEqual(["projected 1"]);
      }
    }
  });

  it("although its batch was executed while its signature was checked", () => {
    const lab = new Lab();
    const batch = lab.nextBatch(lab.chain.alice);
    lab.verifier.hold = true;
    const clients = (["accepted", "committed", "projected"] as const).map((level) =>
      lab.submit(batch.bytes, level),
    );
    const admission = lab.verifier.waiting;
    expect(admission).toBe(1);
    // The others finish the block meanwhile; its checks are not held back.
    lab.verifier.hold = false;
    lab.finalize([batch]);
    expect(lab.status.executedHeight).toBe(1);
    lab.verifier.release();
    lab.loop.run();
    expect(clients.map(answerOf)).toEqual([["projected 1"], ["committed 1"], ["projected 1"]]);
  });

  it("although its batch is final and not executed yet: it is neither refused nor forgotten", () => {
    const lab = new Lab();
    const batch = lab.nextBatch(lab.chain.alice);
    lab.finalize();
    const block = lab.block([batch], { view: lab.status.view });
    expect(block.header.height).toBe(2);
    // Every write but the execution's is let through, one after the other.
    const before = lab.status.executedHeight;
    lab.toForeignView();
    const stop = lab.data.write.bind(lab.data);
    lab.data.write = (ops, options, done) => {
      const isExecution = ops.some((op) =>
        toHex(op.key).startsWith(Buffer.from("x/").toString("hex")),
      );
      lab.data.hold = isExecution || lab.data.hold;
      stop(ops, options, done);
    };
    lab.finalize([batch]);
    if (lab.status.finalHeight === 2 && lab.status.executedHeight === before) {
      const clients = (["accepted", "committed", "projected"] as const).map((level) =>
        lab.submit(batch.bytes, level),
      );
      expect(clients.map(answerOf)).toEqual([["accepted"], [], []]);
      lab.data.hold = false;
      lab.data.write = stop;
      lab.data.release();
      lab.loop.run();
      expect(clients.map(answerOf)).toEqual([["accepted"], ["projected 2"], ["projected 2"]]);
    } else {
      expect.fail("the execution was not held back");
    }
  });

  it("whose place in the lane goes to another batch", () => {
    const lab = new Lab();
    const mine = lab.batch(lab.chain.alice, [putEvent("mine")]);
    const other = lab.batch(lab.chain.alice, [putEvent("other")]);
    const clients = [lab.submit(mine.bytes, "committed"), lab.submit(mine.bytes, "projected")];
    lab.finalize([other]);
    expect(clients.map(answerOf)).toEqual([["batch.lane-fork"], ["batch.lane-fork"]]);
  });

  it("whose place is passed by several blocks at once, of which this node held none", () => {
    const source = new Lab();
    for (let i = 0; i < 3; i++) source.finalize([source.nextBatch(source.chain.alice)]);
    const lab = new Lab({ chain: source.chain });
    const mine = lab.batch(lab.chain.alice, [putEvent("mine")]);
    const client = lab.submit(mine.bytes, "committed");
    expect(lab.status.mempoolBatches).toBe(1);
    lab.tell(1, {
      type: "status",
      status: { ...statusOf(source), held: NO_VOTES },
    });
    const last = source.finals[2];
    if (last === undefined) throw new Error("no final block");
    lab.tell(1, {
      type: "sync-response",
      from: 1,
      certificate: { ...last.certificate, setSize: 4 },
      blocks: source.finals.map(({ block, batches }) => ({
        block: block.bytes,
        batches: batches.map((batch) => batch.bytes),
      })),
    });
    expect(lab.status.finalHeight).toBe(3);
    expect(answerOf(client)).toEqual(["batch.lane-fork"]);
    expect(lab.status.mempoolBatches).toBe(0);
  });

  it("when its batch expires", () => {
    const lab = new Lab();
    // It waits for a place in the lane that never comes.
    const gap = lab.batch(lab.chain.alice, undefined, {
      laneSeq: 2,
      prevBatchId: new Uint8Array(32).fill(1),
    });
    const client = lab.submit(gap.bytes, "committed");
    for (let i = 0; i < 151; i++) lab.finalize();
    expect(answerOf(client)).toEqual([]);
    lab.time.wallOffsetMs = 61_000;
    lab.finalize();
    expect(answerOf(client)).toEqual(["batch.expired"]);
  });

  it("not at all once it has given up", () => {
    const lab = new Lab();
    const batch = lab.nextBatch(lab.chain.alice);
    const client = lab.submit(batch.bytes, "committed");
    client.giveUp();
    client.giveUp();
    lab.finalize([batch]);
    expect(answerOf(client)).toEqual([]);
    expect(lab.status.logSize).toBe(1);
  });

  it("when the node stops, at whatever stage its batch is", () => {
    const lab = new Lab();
    const admitted = lab.submit(lab.nextBatch(lab.chain.alice).bytes, "committed");
    lab.verifier.hold = true;
    const levels = ["accepted", "committed"] as const;
    const next = lab.nextBatch(lab.chain.alice);
    const checking = levels.map((level) => lab.submit(next.bytes, level));
    lab.handle.stop(() => undefined);
    lab.loop.run();
    lab.verifier.release();
    lab.loop.run();
    const after = lab.submit(next.bytes);
    expect([admitted, ...checking].map(answerOf)).toEqual([
      ["node.stopping"],
      ["node.stopping"],
      ["node.stopping"],
    ]);
    expect(answerOf(after)).toEqual(["node.not-ready"]);
  });

  it("and not by what others do to copies of its batch with a bad signature", () => {
    const lab = new Lab();
    const batch = lab.nextBatch(lab.chain.alice);
    lab.verifier.hold = true;
    const honest = lab.submit(batch.bytes, "committed");
    const bytes = batch.bytes.slice();
    bytes[bytes.length - 600] = (bytes[bytes.length - 600] ?? 0) ^ 1;
    const copy = lab.submit(bytes, "committed");
    lab.verifier.hold = false;
    lab.verifier.release();
    lab.loop.run();
    expect(answerOf(copy)).toEqual(["batch.signature"]);
    expect(answerOf(honest)).toEqual([]);
    lab.finalize([batch]);
    expect(answerOf(honest)).toEqual(["committed 1"]);
  });
});

describe("the mempool under load", () => {
  it("has room for a third author and for evidence, whatever two others hold behind gaps", () => {
    const lab = new Lab();
    const big = Array.from({ length: 19 }, (_, i) => putEvent(`big${i}`, 50 * 1024));
    for (const author of [lab.chain.alice, lab.chain.reader]) {
      for (let laneSeq = 2; laneSeq < 40; laneSeq++) {
        // Places with nothing between them: none of these follows another.
        const place = { laneSeq: 2 * laneSeq, prevBatchId: new Uint8Array(32).fill(1) };
        lab.submit(lab.batch(author, big, place).bytes);
        lab.time.nowMs += 1_000;
      }
    }
    expect(lab.status.mempoolBytes).toBeLessThanOrEqual(2 * LIMITS.mempoolLaneGapBytesMax);
    const validator = { key: lab.keyOf(1), id: lab.validatorId(1) };
    const middle = [putEvent("k", 50 * 1024), putEvent("l", 50 * 1024)];
    expect(answerOf(lab.submit(lab.batch(validator, middle).bytes))).toEqual(["accepted"]);
  });

  it("takes a validator's own batch although it is full of what can be included", () => {
    const lab = new Lab();
    const big = Array.from({ length: 19 }, (_, i) => putEvent(`big${i}`, 50 * 1024));
    const put = (author: Author, bodyBytes: number): string | undefined => {
      lab.time.nowMs += 1_000;
      const events = bodyBytes < 51_200 ? [putEvent("k", bodyBytes)] : big;
      const answer = answerOf(lab.submit(lab.batch(author, events).bytes))[0];
      if (answer === "accepted") lab.nextBatch(author, events);
      return answer;
    };
    const validators = lab.others.map((i) => ({ key: lab.keyOf(i), id: lab.validatorId(i) }));
    const [first = lab.chain.alice, second = lab.chain.alice] = validators;
    for (const author of [lab.chain.alice, lab.chain.reader]) {
      while (put(author, 51_200) === "accepted");
    }
    for (const bodyBytes of [50_000, 5_000, 0]) {
      while (put(lab.chain.reader, bodyBytes) === "accepted");
    }
    expect(put(second, 20_000)).toBe("node.overloaded");
    expect(put(lab.chain.alice, 3_000)).toBe("node.overloaded");
    expect(put(first, 3_000)).toBe("accepted");
    expect(put(second, 3_000)).toBe("accepted");
  });

  it("refuses what would make too many bytes wait for a check, and takes it afterwards", () => {
    const lab = new Lab();
    lab.verifier.hold = true;
    const big = Array.from({ length: 17 }, (_, i) => putEvent(`k${i}`, 50 * 1024));
    const answers: string[] = [];
    for (let seq = 0; seq < 40; seq++) {
      const submission = lab.submit(lab.nextBatch(lab.chain.alice, big).bytes);
      answers.push(answerOf(submission)[0] ?? "waits");
    }
    const fits = Math.floor(
      LIMITS.admissionBytesMax / lab.batch(lab.chain.alice, big).bytes.length,
    );
    expect(answers.filter((answer) => answer === "waits")).toHaveLength(fits);
    expect(answers.at(-1)).toBe("node.overloaded");
    lab.verifier.release();
    lab.loop.run();
    lab.verifier.hold = false;
    expect(lab.status.mempoolBytes).toBeLessThanOrEqual(LIMITS.mempoolLaneBytesMax);
    expect(answerOf(lab.submit(lab.batch(lab.chain.reader).bytes))).toEqual(["accepted"]);
  });

  it("lets one peer have 8 MiB wait, and others and clients the rest", () => {
    const lab = new Lab();
    lab.verifier.hold = true;
    const big = Array.from({ length: 17 }, (_, i) => putEvent(`k${i}`, 50 * 1024));
    const size = lab.batch(lab.chain.alice, big).bytes.length;
    const push = (from: number): number => {
      const before = lab.verifier.waiting;
      for (let i = 0; i < 20; i++) {
        lab.tell(from, { type: "batch", batch: lab.nextBatch(lab.chain.alice, big).bytes });
      }
      return lab.verifier.waiting - before;
    };
    expect(push(1)).toBe(Math.floor(LIMITS.peerAdmissionBytesMax / size));
    expect(push(2)).toBe(Math.floor(LIMITS.peerAdmissionBytesMax / size));
    expect(lab.cutOff).toEqual([]);
    expect(answerOf(lab.submit(lab.batch(lab.chain.reader).bytes))).toEqual([]);
    lab.verifier.release();
    lab.loop.run();
    // What was given back may be used again.
    expect(push(1)).toBe(Math.floor(LIMITS.peerAdmissionBytesMax / size));
  });
});

const NO_VOTES = {
  notarize: new Uint8Array(1),
  nullify: new Uint8Array(1),
  finalize: new Uint8Array(1),
};

const statusOf = (
  lab: Lab,
): {
  epoch: number;
  view: number;
  finalView: number;
  finalHeight: number;
  finalHash: Uint8Array;
} => ({
  epoch: lab.status.epoch,
  view: lab.status.view,
  finalView: lab.finals.at(-1)?.certificate.statement.view ?? 0,
  finalHeight: lab.status.finalHeight,
  finalHash: lab.status.finalHash,
});
