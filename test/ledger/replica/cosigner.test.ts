import { describe, expect, it } from "vitest";
import { createTestCheckpointSigner } from "../../../sim/signer.ts";
import { toHex } from "../../../src/crypto/bytes.ts";
import { utf8, Writer } from "../../../src/crypto/codec.ts";
import { sha256 } from "../../../src/crypto/hash.ts";
import {
  checkpointMessages,
  checkpointPolicyOf,
  parseCheckpointText,
} from "../../../src/ledger/verify/checkpoint.ts";
import { parseNote } from "../../../src/ledger/verify/note.ts";
import type { Cosignature } from "../../../src/ledger/wire.ts";
import { LIMITS } from "../../../src/limits.ts";
import { Lab, putEvent } from "./support.ts";

/** Ledger time of the first second, milliseconds: everything after it is counted from here. */
const startOf = (lab: Lab): number => Math.ceil(lab.time.wallMs / 60_000 + 1) * 60_000;

/** A final block at so many milliseconds after `start`, with events or without. */
const finalAt = (lab: Lab, timeMs: number, events: number): void => {
  const author = lab.chain.alice;
  const puts = Array.from({ length: events }, (_, i) => putEvent(`k${timeMs}-${i}`));
  lab.finalize(events === 0 ? [] : [lab.nextBatch(author, puts)], { timeMs });
};

const sizes = (lab: Lab): number[] => {
  const seen = lab.sent("cosignature").map(({ message }) => message);
  return [...new Map(seen.map((one) => [`${one.size} ${one.timeS}`, one.size])).values()];
};

/** What validator `index` says of a root. */
const cosign = (lab: Lab, index: number, of: { size: number; root: Uint8Array; timeS: number }) => {
  const policy = checkpointPolicyOf(lab.chain.genesis);
  const member = policy.members[index];
  if (member === undefined) throw new RangeError("no such member");
  const messages = checkpointMessages(member, { origin: policy.origin, ...of }, of.timeS);
  let made: Cosignature | undefined;
  createTestCheckpointSigner(lab.validatorOf(index), (run) => run()).sign(messages, (bare) => {
    const falcon = lab.chain.ring.sign(lab.keyOf(index), messages.falcon);
    made = { ...of, ...bare, falcon };
  });
  if (made === undefined) throw new Error("not signed");
  return made;
};

const tell = (lab: Lab, index: number, cosignature: Cosignature): void =>
  lab.tell(index, { type: "cosignature", ...cosignature });

/** A lab whose log has one event, signed at second 1. */
const signedOnce = (lab = new Lab()): { lab: Lab; start: number } => {
  const start = startOf(lab);
  finalAt(lab, start, 0);
  lab.clearSent();
  finalAt(lab, start + 1_000, 1);
  return { lab, start };
};

describe("cosigning", () => {
  it("signs the first header of a second in which the log grew, and tells every peer", () => {
    const { lab, start } = signedOnce();
    const sent = lab.sent("cosignature");
    expect(sent.map(({ to }) => to).sort()).toEqual(lab.others.map((i) => lab.peer(i)).sort());
    expect(sent[0]?.message).toMatchObject({ size: 1, timeS: start / 1000 + 1 });
    expect(toHex(sent[0]?.message.root ?? new Uint8Array(0))).toBe(toHex(lab.status.logRoot));
    // Within the same second nothing is signed, whatever comes; at the next one all of it.
    finalAt(lab, start + 1_400, 2);
    finalAt(lab, start + 1_800, 1);
    expect(sizes(lab)).toEqual([1]);
    finalAt(lab, start + 2_100, 1);
    expect(sizes(lab)).toEqual([1, 5]);
  });

  it("is quiet while nothing is written, but for a new time every minute", () => {
    const { lab, start } = signedOnce();
    lab.clearSent();
    for (let second = 2; second < 60; second += 5) finalAt(lab, start + second * 1_000, 0);
    expect(lab.sent("cosignature")).toEqual([]);
    finalAt(lab, start + LIMITS.checkpointRefreshMs, 0);
    expect(sizes(lab)).toEqual([1]);
    finalAt(lab, start + LIMITS.checkpointRefreshMs + 1_000, 0);
    expect(sizes(lab)).toEqual([1]);
    // An empty log has nothing to sign.
    const empty = new Lab();
    finalAt(empty, startOf(empty), 0);
    finalAt(empty, startOf(empty) + 5_000, 0);
    expect(empty.sent("cosignature")).toEqual([]);
  });

  it("serves the newest root that a quorum has signed, with all lines", () => {
    const { lab } = signedOnce();
    const own = lab.sent("cosignature")[0]?.message;
    if (own === undefined) throw new Error("not signed");
    const [one, two, three] = lab.others as [number, number, number];
    tell(lab, one, cosign(lab, one, own));
    expect(lab.handle.checkpoint()).toBeUndefined();
    tell(lab, two, cosign(lab, two, own));
    const served = lab.handle.checkpoint();
    expect(served).toMatchObject({ size: 1, timeS: own.timeS });
    const note = parseNote(utf8(served?.note ?? ""));
    if (!note.ok) throw new Error(note.detail);
    expect(note.value.signatures).toHaveLength(9);
    expect(parseCheckpointText(note.value.text)).toMatchObject({
      value: { origin: `${lab.status.chainId}/tlog`, size: 1 },
    });
    tell(lab, three, cosign(lab, three, own));
    const all = parseNote(utf8(lab.handle.checkpoint()?.note ?? ""));
    expect(all).toMatchObject({ ok: true });
    if (all.ok) expect(all.value.signatures).toHaveLength(12);
    expect(lab.status.checkpoint?.size).toBe(1);
  });

  it("serves no root but its own, and none beyond what it has executed", () => {
    const { lab } = signedOnce();
    const own = lab.sent("cosignature")[0]?.message;
    if (own === undefined) throw new Error("not signed");
    const root = sha256(utf8("a root of liars"));
    for (const other of lab.others) tell(lab, other, cosign(lab, other, { ...own, root }));
    expect(lab.handle.checkpoint()).toBeUndefined();
    for (const other of lab.others) tell(lab, other, cosign(lab, other, { ...own, size: 900 }));
    expect(lab.handle.checkpoint()).toBeUndefined();
    expect(lab.faults).toEqual([]);
  });

  it("believes no time that ledger time has not reached, whatever one validator signs", () => {
    const { lab, start } = signedOnce();
    const own = lab.sent("cosignature")[0]?.message;
    if (own === undefined) throw new Error("not signed");
    const [one, two, liar] = lab.others as [number, number, number];
    tell(lab, one, cosign(lab, one, own));
    tell(lab, liar, cosign(lab, liar, { ...own, timeS: LIMITS.checkpointTimeSMax }));
    // With the liar there are three of four; what it says counts at its time, which is never.
    expect(lab.handle.checkpoint()).toBeUndefined();
    tell(lab, two, cosign(lab, two, own));
    expect(lab.handle.checkpoint()).toMatchObject({ size: 1, timeS: own.timeS });
    expect(lab.handle.checkpoint()?.note.split("\u2014")).toHaveLength(10);
    finalAt(lab, start + 1_500, 0);
    expect(lab.handle.checkpoint()).toMatchObject({ timeS: own.timeS });
  });

  it("counts a time that it has not reached once it has: of a peer that is further", () => {
    const { lab, start } = signedOnce();
    const own = lab.sent("cosignature")[0]?.message;
    if (own === undefined) throw new Error("not signed");
    const [one, two] = lab.others as [number, number];
    const later = { ...own, timeS: own.timeS + 3 };
    for (const peer of [one, two]) tell(lab, peer, cosign(lab, peer, later));
    expect(lab.handle.checkpoint()).toBeUndefined();
    finalAt(lab, start + 3_999, 0);
    expect(lab.handle.checkpoint()).toBeUndefined();
    finalAt(lab, start + 4_000, 0);
    expect(lab.handle.checkpoint()).toMatchObject({ size: 1, timeS: later.timeS });
  });

  it("states a time that one honest validator has signed at least", () => {
    const { lab, start } = signedOnce();
    const own = lab.sent("cosignature")[0]?.message;
    if (own === undefined) throw new Error("not signed");
    const [one, two, liar] = lab.others as [number, number, number];
    finalAt(lab, start + 9_000, 0);
    tell(lab, one, cosign(lab, one, own));
    tell(lab, two, cosign(lab, two, own));
    // The log has not grown, and one of four says that its root is as of now.
    tell(lab, liar, cosign(lab, liar, { ...own, timeS: own.timeS + 8 }));
    expect(lab.handle.checkpoint()).toMatchObject({ timeS: own.timeS });
    tell(lab, two, cosign(lab, two, { ...own, timeS: own.timeS + 7 }));
    expect(lab.handle.checkpoint()).toMatchObject({ timeS: own.timeS + 7 });
  });

  it("cuts off who sends signatures that do not hold, of whichever algorithm", () => {
    for (const algorithm of ["ed25519", "mlDsa44", "falcon"] as const) {
      const { lab } = signedOnce();
      const own = lab.sent("cosignature")[0]?.message;
      if (own === undefined) throw new Error("not signed");
      const [peer = 1] = lab.others;
      const good = cosign(lab, peer, own);
      const bad = Uint8Array.from(good[algorithm]);
      bad[20] = (bad[20] ?? 0) ^ 1;
      tell(lab, peer, { ...good, [algorithm]: bad });
      expect(lab.cutOff, algorithm).toEqual(["checkpoint.signature"]);
    }
  });

  it("looks at a few cosignatures of a peer a second, and at none that is not newer", () => {
    const { lab } = signedOnce();
    const own = lab.sent("cosignature")[0]?.message;
    if (own === undefined) throw new Error("not signed");
    const [peer = 1] = lab.others;
    const dropped = () => lab.counts.get("tetrad_cosignatures_dropped_total") ?? 0;
    const good = cosign(lab, peer, own);
    tell(lab, peer, good);
    expect(dropped()).toBe(0);
    tell(lab, peer, good);
    expect(dropped()).toBe(1);
    for (let i = 2; i <= LIMITS.cosignaturesPerSecond; i++) {
      tell(lab, peer, cosign(lab, peer, { ...own, timeS: own.timeS + i }));
    }
    expect(dropped()).toBe(2);
    tell(lab, peer, cosign(lab, peer, { ...own, timeS: own.timeS + 10 }));
    expect(dropped()).toBe(3);
    expect(lab.faults).toEqual([]);
  });

  it("greets a peer with its newest signatures", () => {
    const { lab, start } = signedOnce();
    finalAt(lab, start + 2_000, 1);
    const [peer = 1] = lab.others;
    lab.clearSent();
    lab.transport.up.delete(lab.peer(peer));
    lab.connect(peer);
    expect(lab.sent("cosignature").map(({ message }) => message.size)).toEqual([2]);
  });
});

describe("two roots of one size", () => {
  it("are never signed: the first is synced beside the key before it leaves", () => {
    const lab = new Lab();
    const start = startOf(lab);
    finalAt(lab, start, 0);
    lab.clearSent();
    let durable = false;
    lab.transport.onSent = ({ message }) => {
      if (message.type === "cosignature") durable = lab.votes.rows.has(toHex(utf8("c")));
    };
    finalAt(lab, start + 1_000, 1);
    expect(sizes(lab)).toEqual([1]);
    expect(durable).toBe(true);
  });

  it("are never signed over a restart, with the data or without it", () => {
    const { lab } = signedOnce();
    const { data, votes } = lab.disks();
    // The same key comes to another root of the size: one that never was executed with its vote store.
    const key = toHex(utf8("c"));
    const forged = new Writer(40)
      .u64(1)
      .hash(sha256(utf8("another")))
      .finish();
    const next = new Lab({ chain: lab.chain, data, votes: new Map([...votes, [key, forged]]) });
    const start = next.status.finalTimeMs;
    finalAt(next, start + 1_000, 0);
    finalAt(next, start + 2_000, 0);
    expect(next.sent("cosignature")).toEqual([]);
    expect(next.status.problems.map(({ code }) => code)).toContain("checkpoint.conflict");

    // Data that was wiped comes to the size again: with a root of the same log, or not at all.
    const wiped = new Lab({ chain: lab.chain, votes: new Map([...votes, [key, forged]]) });
    finalAt(wiped, start + 1_000, 0);
    finalAt(wiped, start + 2_000, 1);
    expect(wiped.sent("cosignature")).toEqual([]);
    finalAt(wiped, start + 3_000, 1);
    expect(sizes(wiped)).toEqual([2]);
  });

  it("that an earlier run has served are served until there is a newer one", () => {
    const { lab, start } = signedOnce();
    const of = { size: 1, root: lab.status.logRoot.slice(), timeS: start / 1000 + 1 };
    for (const index of [1, 2]) tell(lab, index, cosign(lab, index, of));
    lab.loop.run();
    const kept = lab.handle.checkpoint();
    expect(kept).toMatchObject({ size: 1 });
    const disks = lab.disks();
    expect(new Lab({ chain: lab.chain, ...disks }).handle.checkpoint()).toBeUndefined();
    const next = new Lab({ chain: lab.chain, ...disks, keptCheckpoint: kept });
    expect(next.handle.checkpoint()).toEqual(kept);
    expect(next.status.checkpoint).toMatchObject({ size: 1 });
    const [last] = lab.finals.at(-1)?.batches ?? [];
    const place = { laneSeq: 2, prevBatchId: last?.id ?? lab.chain.hash };
    next.finalize([next.batch(lab.chain.alice, [putEvent("k")], place)], {
      timeMs: start + 2_000,
      parentView: lab.finals.at(-1)?.certificate.statement.view ?? 0,
    });
    const later = { size: 2, root: next.status.logRoot.slice(), timeS: start / 1000 + 2 };
    // Fewer than a quorum say so, and then a quorum does.
    tell(next, 1, cosign(next, 1, later));
    next.loop.run();
    expect(next.handle.checkpoint()).toEqual(kept);
    tell(next, 2, cosign(next, 2, later));
    next.loop.run();
    expect(next.handle.checkpoint()).toMatchObject({ size: 2, timeS: later.timeS });

    // Of a root that this log has not, or of a size that it has not come to: as if there were none.
    const other = kept === undefined ? undefined : { ...kept, root: sha256(utf8("another")) };
    const forged = new Lab({ chain: lab.chain, ...disks, keptCheckpoint: other });
    expect(forged.handle.checkpoint()).toBeUndefined();
    const wiped = new Lab({ chain: lab.chain, votes: disks.votes, keptCheckpoint: kept });
    expect(wiped.handle.checkpoint()).toBeUndefined();
  });

  it("and one root again after a restart, so that peers have it", () => {
    const { lab } = signedOnce();
    const next = new Lab({ chain: lab.chain, ...lab.disks() });
    finalAt(next, next.status.finalTimeMs + 1_000, 0);
    expect(next.sent("cosignature").map(({ message }) => toHex(message.root))[0]).toBe(
      toHex(lab.status.logRoot),
    );
    expect(next.status.problems).toEqual([]);
  });
});
