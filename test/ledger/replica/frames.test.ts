/** Bytes from peers: whatever they are, nothing throws, nothing grows, and the node goes on. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ZERO_HASH } from "../../../src/crypto/bytes.ts";
import { TRAFFIC_CLASSES, type TrafficClass } from "../../../src/ledger/ports.ts";
import { classOf, decodeMessage, encodeMessage, type Message } from "../../../src/ledger/wire.ts";
import { LIMITS } from "../../../src/limits.ts";
import { Lab, putEvent } from "./support.ts";

const NO_VOTES = {
  notarize: new Uint8Array(1),
  nullify: new Uint8Array(1),
  finalize: new Uint8Array(1),
};

/** One message of every type, as a correct peer would send it to this lab. */
const oneOfEach = (lab: Lab): Message[] => {
  const batch = lab.batch(lab.chain.alice, [putEvent("fuzz")]);
  const block = lab.block([batch]);
  const { view } = block.header;
  const certificate = lab.certificate("nullify", view);
  const { finalHash, finalHeight, epoch } = lab.status;
  return [
    lab.proposal(block),
    { type: "vote", vote: lab.vote(1, "nullify", view) },
    { type: "certificate", certificate },
    {
      type: "status",
      status: { epoch, view, finalView: 0, finalHeight, finalHash, held: NO_VOTES },
    },
    { type: "certificate-request", epoch, view, kind: "notarize" },
    { type: "block-request", hash: finalHash },
    { type: "block", block: block.bytes },
    { type: "batch-request", digests: [batch.digest] },
    { type: "batches", batches: [batch.bytes, batch.bytes] },
    { type: "batch", batch: batch.bytes },
    { type: "sync-request", from: 1 },
    {
      type: "sync-response",
      from: finalHeight + 1,
      certificate: lab.certificate("finalize", view, block.hash),
      blocks: [{ block: block.bytes, batches: [batch.bytes] }],
    },
    { type: "sync-none", from: 1 },
    { type: "watermark-request", nonce: 1 },
    { type: "watermark-response", nonce: 1, vote: lab.vote(0, "nullify", view) },
    {
      type: "cosignature",
      size: 7,
      root: ZERO_HASH,
      timeS: 9,
      ed25519: new Uint8Array(64).fill(1),
      mlDsa44: new Uint8Array(2420).fill(2),
      falcon: new Uint8Array(1280).fill(3),
    },
  ];
};

const TYPES = 16;
const MADE = oneOfEach(new Lab());

/** Changes that keep most of a frame: what gets past the first checks. */
const mutation = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
  how: fc.integer({ min: 0, max: 4 }),
  byte: fc.integer({ min: 0, max: 255 }),
  bytes: fc.uint8Array({ maxLength: 12 }),
});

const mutate = (
  frame: Uint8Array,
  change: { at: number; how: number; byte: number; bytes: Uint8Array },
): Uint8Array => {
  const at = Math.floor(change.at * frame.length);
  if (change.how === 0) return frame.slice(0, at);
  if (change.how === 1) return Uint8Array.from([...frame, ...change.bytes]);
  const out = frame.slice();
  if (change.how === 2) out.set(change.bytes.slice(0, out.length - at), at);
  // Early bytes hold types, counts and lengths.
  else out[change.how === 3 ? at % 64 : at] = change.byte;
  return out;
};

describe("decodeMessage", () => {
  it("reads what was written, of every type", () => {
    expect(new Set(MADE.map((message) => message.type)).size).toBe(TYPES);
    for (const message of MADE) {
      const frame = encodeMessage(message);
      const decoded = decodeMessage(frame);
      expect(decoded.ok).toBe(true);
      if (decoded.ok) expect(encodeMessage(decoded.value)).toEqual(frame);
    }
  });

  it("refuses every frame that is cut short or goes on, of every type", () => {
    for (const message of MADE) {
      const frame = encodeMessage(message);
      for (let length = 0; length < Math.min(frame.length, 200); length++) {
        // A block or batch alone has no length of its own: what is cut is found by its decoder.
        const decoded = decodeMessage(frame.slice(0, length));
        const open = message.type === "block" || message.type === "batch";
        const empty = message.type === "watermark-response" && length === 9;
        if (!open && !empty) expect(decoded.ok).toBe(false);
      }
      if (message.type !== "block" && message.type !== "batch") {
        expect(decodeMessage(Uint8Array.from([...frame, 0])).ok).toBe(false);
      }
    }
  });

  it("refuses a cosignature of a time that no calendar has", () => {
    const cosignature = MADE.find((message) => message.type === "cosignature");
    if (cosignature?.type !== "cosignature") throw new Error("none made");
    const read = (timeS: number) => decodeMessage(encodeMessage({ ...cosignature, timeS }));
    expect(read(LIMITS.checkpointTimeSMax).ok).toBe(true);
    expect(read(LIMITS.checkpointTimeSMax + 1)).toMatchObject({ code: "encoding.malformed" });
  });

  it("never throws, and reads nothing that it would write differently", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: TYPES - 1 }), mutation, (which, change) => {
        const message = MADE[which];
        if (message === undefined) return;
        const frame = mutate(encodeMessage(message), change);
        const decoded = decodeMessage(frame);
        if (decoded.ok) expect(encodeMessage(decoded.value)).toEqual(frame);
      }),
      { numRuns: 2_000 },
    );
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 20 }),
        fc.uint8Array({ maxLength: 300 }),
        (type, rest) => {
          const frame = Uint8Array.from([type, ...rest]);
          const decoded = decodeMessage(frame);
          if (decoded.ok) expect(encodeMessage(decoded.value)).toEqual(frame);
        },
      ),
      { numRuns: 2_000 },
    );
  });
});

describe("a message on another stream than its own", () => {
  for (const message of MADE) {
    it(`(${message.type}) is malformed`, () => {
      for (const trafficClass of TRAFFIC_CLASSES) {
        if (trafficClass === classOf(message)) continue;
        const lab = new Lab();
        lab.frame(1, trafficClass, encodeMessage(message));
        expect(lab.cutOff).toEqual(["encoding.malformed"]);
      }
    });
  }
});

describe("a replica under any bytes", () => {
  const classes = fc.constantFrom<TrafficClass>(...TRAFFIC_CLASSES);

  it("throws nothing, halts not, and still makes blocks final", () => {
    const lab = new Lab();
    lab.finalize([lab.nextBatch(lab.chain.alice)]);
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: TYPES - 1 }),
        mutation,
        fc.option(classes, { freq: 8 }),
        fc.integer({ min: 1, max: 3 }),
        (which, change, otherClass, from) => {
          lab.connectAll();
          const message = oneOfEach(lab)[which];
          if (message === undefined) return;
          const frame = mutate(encodeMessage(message), change);
          lab.frame(from, otherClass ?? classOf(message), frame);
          expect(lab.halts).toEqual([]);
        },
      ),
      { numRuns: 1_000 },
    );
    lab.connectAll();
    const { finalHeight, view } = lab.status;
    // What got through may have been a leader's proposal or votes: a view that nobody spoke of yet.
    lab.time.nowMs += 2_000;
    lab.tell(1, { type: "certificate", certificate: lab.certificate("nullify", view + 2) });
    lab.toForeignView();
    lab.finalize();
    expect(lab.status.finalHeight).toBe(finalHeight + 1);
    // Timers: view, retry, idle, and one for each block that somebody made us want.
    expect(lab.time.pending).toBeLessThan(512);
  });

  it("lets a peer do nothing before everything is loaded, or after the node has stopped", () => {
    const lab = new Lab();
    const frames = oneOfEach(lab).map(
      (message) => [classOf(message), encodeMessage(message)] as const,
    );
    lab.data.fail("io");
    lab.finalize();
    expect(lab.halts).toHaveLength(1);
    lab.clearSent();
    for (const [trafficClass, bytes] of frames) lab.frame(1, trafficClass, bytes);
    expect(lab.transport.sent).toEqual([]);
    expect(lab.halts).toHaveLength(1);
  });
});

describe("a peer that floods", () => {
  it("with votes: has so many checks waiting and no more, and others are heard all the same", () => {
    const lab = new Lab();
    lab.toForeignView();
    const { view } = lab.status;
    lab.verifier.hold = true;
    const vote = lab.vote(1, "nullify", view);
    for (let i = 0; i < LIMITS.peerChecksMax + 500; i++) {
      const signature = vote.signature.slice();
      signature[700] = i & 255;
      signature[701] = i >> 8;
      lab.tell(1, { type: "vote", vote: { ...vote, signature } });
    }
    expect(lab.verifier.waiting).toBe(LIMITS.peerChecksMax);
    expect(lab.counts.get("tetrad_messages_dropped_total consensus.rate")).toBe(500);
    lab.tell(2, { type: "vote", vote: lab.vote(2, "nullify", view) });
    expect(lab.verifier.waiting).toBe(LIMITS.peerChecksMax + 1);
    expect(lab.cutOff).toEqual([]);
    lab.verifier.release();
    lab.loop.run();
    expect(lab.cutOff).toEqual(["consensus.signature"]);
    lab.connect(1);
    lab.verifier.hold = false;
    const jobs = lab.verifier.jobs;
    lab.tell(1, { type: "vote", vote });
    expect(lab.verifier.jobs).toBe(jobs + 1);
  });

  it("with contradictions: each signer's second statement of a kind is the last one checked", () => {
    const lab = new Lab();
    lab.toForeignView();
    const { view } = lab.status;
    const before = lab.verifier.asked.consensus;
    for (let i = 0; i < 50; i++) {
      lab.tell(1, {
        type: "vote",
        vote: lab.vote(1, "notarize", view, new Uint8Array(32).fill(i)),
      });
    }
    expect(lab.verifier.asked.consensus - before).toBe(2);
  });

  it("with certificates of far views: one view each is all they leave", () => {
    const lab = new Lab();
    for (let view = 1_000; view < 1_060; view++) {
      lab.tell(1, { type: "certificate", certificate: lab.certificate("nullify", view) });
    }
    lab.finalize();
    expect(lab.status).toMatchObject({ finalHeight: 1 });
    expect(lab.time.pending).toBeLessThan(10);
  });

  it("with the same vote by everybody: it is checked once, and what differs by a bit as well", () => {
    const lab = new Lab();
    lab.toForeignView();
    const { view } = lab.status;
    const [signer = 1, liar = 2, ...rest] = lab.others;
    const vote = lab.vote(signer, "nullify", view);
    const signature = vote.signature.slice();
    signature[100] = (signature[100] ?? 0) ^ 1;
    const before = lab.verifier.asked.consensus;
    lab.verifier.hold = true;
    lab.tell(liar, { type: "vote", vote: { ...vote, signature } });
    for (const peer of [...rest, signer, ...rest]) lab.tell(peer, { type: "vote", vote });
    expect(lab.verifier.asked.consensus - before).toBe(2);
    lab.verifier.hold = false;
    lab.verifier.release();
    lab.loop.run();
    expect(lab.faults).toEqual(["consensus.signature"]);
    // It counts: with two more the view is left.
    const others = lab.others.filter((other) => other !== signer);
    for (const other of others) {
      const more = lab.vote(other, "nullify", view);
      lab.tell(signer, { type: "vote", vote: more });
    }
    expect(lab.status.view).toBe(view + 1);
  });

  it("with the same certificate by everybody: one of them is checked", () => {
    const lab = new Lab();
    lab.toForeignView();
    const { view } = lab.status;
    const certificate = lab.certificate("nullify", view);
    const before = lab.verifier.asked.consensus;
    lab.verifier.hold = true;
    for (const peer of lab.others) lab.tell(peer, { type: "certificate", certificate });
    expect(lab.verifier.asked.consensus - before).toBe(certificate.signers.length);
    lab.verifier.hold = false;
    lab.verifier.release();
    lab.loop.run();
    expect(lab.status.view).toBe(view + 1);
    expect(lab.verifier.asked.consensus - before).toBe(certificate.signers.length);
    expect(lab.faults).toEqual([]);
  });

  it("with a forged certificate before a good one: the good one is checked next", () => {
    const lab = new Lab();
    lab.toForeignView();
    const { view } = lab.status;
    const good = lab.certificate("nullify", view);
    const signatures = good.signatures.map((bytes) => bytes.toReversed());
    lab.verifier.hold = true;
    const [liar = 1, ...rest] = lab.others;
    lab.tell(liar, { type: "certificate", certificate: { ...good, signatures } });
    for (const peer of rest) lab.tell(peer, { type: "certificate", certificate: good });
    lab.verifier.hold = false;
    lab.verifier.release();
    lab.loop.run();
    expect(lab.status.view).toBe(view + 1);
    expect(lab.faults).toEqual(["certificate.signature"]);
    expect(lab.cutOff).toEqual(["certificate.signature"]);
  });

  it("with the same batch: it waits once", () => {
    const lab = new Lab();
    lab.verifier.hold = true;
    const { bytes } = lab.batch(lab.chain.alice);
    for (let i = 0; i < 100; i++) lab.tell(1 + (i % 3), { type: "batch", batch: bytes });
    expect(lab.verifier.waiting).toBe(1);
  });

  it("so that the verifier is full: what was to be checked is checked later", () => {
    const lab = new Lab();
    lab.toForeignView();
    const { view } = lab.status;
    lab.verifier.refuse = 3;
    lab.tellVotes("nullify", view);
    expect(lab.status.view).toBe(view);
    expect(lab.halts).toEqual([]);
    lab.time.advance(60);
    expect(lab.status.view).toBe(view + 1);
  });
});
