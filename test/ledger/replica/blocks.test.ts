/** Blocks on their way to a verdict: what is fetched, from whom, how long, and what may not go on for ever. */
import { describe, expect, it } from "vitest";
import { equalBytes, toHex } from "../../../src/crypto/bytes.ts";
import { BATCH_CORE_BYTES, batchDigest } from "../../../src/ledger/batch.ts";
import { decodeBlock } from "../../../src/ledger/block.ts";
import type { Batch, Block, Hash } from "../../../src/ledger/types.ts";
import type { Message } from "../../../src/ledger/wire.ts";
import { LIMITS } from "../../../src/limits.ts";
import { Lab, putEvent } from "./support.ts";

const voted = (lab: Lab): string[] => [
  ...new Set(lab.sent("vote").map(({ message }) => message.vote.statement.kind)),
];

const foreign = (): Lab => {
  const lab = new Lab();
  lab.toForeignView();
  lab.clearSent();
  return lab;
};

const certify = (lab: Lab, block: Block): void => {
  const certificate = lab.certificate("notarize", block.header.view, block.hash);
  lab.tell(1, { type: "certificate", certificate });
};

describe("who proposes a block that breaks a rule by itself", () => {
  const charged = (lab: Lab): number =>
    lab.counts.get("tetrad_messages_dropped_total block.next-set") ?? 0;

  it("is charged with it by the table of errors, once", () => {
    const lab = foreign();
    const block = lab.block([], { nextSetHash: lab.chain.hash });
    lab.tell(block.header.proposer, lab.proposal(block));
    lab.tell(block.header.proposer, lab.proposal(block));
    expect(charged(lab)).toBe(1);
    expect(lab.cutOff).toEqual([]);
    expect(voted(lab)).not.toContain("notarize");
  });

  it("is not who has served it, or signed for it in a certificate", () => {
    const lab = foreign();
    const block = lab.block([], { nextSetHash: lab.chain.hash });
    certify(lab, block);
    lab.time.advance(1_000);
    for (const other of lab.others) lab.tell(other, { type: "block", block: block.bytes });
    lab.time.advance(1_000);
    expect(charged(lab)).toBe(0);
    expect(lab.logs.some(({ code }) => code === "block.next-set")).toBe(true);
  });
});

describe("a block that is not here", () => {
  it("is asked of those who signed for it, one after the other, until it comes", () => {
    const lab = foreign();
    const block = lab.block();
    certify(lab, block);
    lab.time.advance(1_000);
    const asked = lab.sent("block-request");
    expect(new Set(asked.map((frame) => frame.to)).size).toBe(3);
    expect(asked.every(({ message }) => equalBytes(message.hash, block.hash))).toBe(true);
    const { view } = lab.status;
    lab.tell(2, { type: "block", block: block.bytes });
    expect(lab.status.view).toBe(view + 1);
    const before = lab.sent("block-request").length;
    lab.time.advance(1_000);
    expect(lab.sent("block-request")).toHaveLength(before);
  });

  it("is not taken in another's place, nor where nobody asked for it", () => {
    const lab = foreign();
    const block = lab.block();
    const other = lab.block([], { timeMs: block.header.timeMs + 1 });
    certify(lab, block);
    const { view } = lab.status;
    lab.tell(1, { type: "block", block: other.bytes });
    expect(lab.status.view).toBe(view);
    lab.tell(1, { type: "block", block: block.bytes });
    expect(lab.status.view).toBe(view + 1);
  });

  it("has its batches asked for, at most 512 at a time", () => {
    const lab = foreign();
    const batches = Array.from({ length: 600 }, () => lab.nextBatch(lab.chain.alice));
    const block = lab.block(batches);
    lab.tell(block.header.proposer, lab.proposal(block));
    const [first] = lab.sent("batch-request");
    expect(first?.message.digests).toHaveLength(512);
    expect(first?.to).toBe(lab.peer(block.header.proposer));
    const give = (to: string, message: Message & { type: "batch-request" }): void => {
      const wanted = new Set(message.digests.map(toHex));
      const found = batches.filter((batch) => wanted.has(toHex(batch.digest)));
      const peer = lab.chain.peers.indexOf(to);
      lab.tell(peer, { type: "batches", batches: found.map((batch) => batch.bytes) });
    };
    if (first !== undefined) give(first.to, first.message);
    lab.time.advance(300);
    const rest = lab.sent("batch-request").at(-1);
    expect(rest?.message.digests).toHaveLength(88);
    if (rest !== undefined) give(rest.to, rest.message);
    expect(voted(lab)).toEqual(["notarize"]);
  });

  it("whose batch has a bad signature is invalid; the right copy is not harmed by it", () => {
    const lab = foreign();
    const good = lab.batch(lab.chain.alice);
    const bytes = good.bytes.slice();
    bytes[bytes.length - 600] = (bytes[bytes.length - 600] ?? 0) ^ 1;
    const bad = { ...good, bytes, digest: lab.chain.hasher.ht("batch/digest", bytes) };
    const block = lab.block([bad]);
    lab.tell(block.header.proposer, lab.proposal(block));
    lab.tell(block.header.proposer, { type: "batches", batches: [bytes] });
    expect(voted(lab)).toEqual(["nullify"]);
    lab.tellVotes("nullify", block.header.view);
    lab.finalize([good]);
    expect(lab.status.logSize).toBe(1);
  });
});

describe("blocks that become final before the last of them is checked here", () => {
  /** A chain of blocks that others lead, on the tip; the last holds the batch. */
  const chained = (lab: Lab, count: number, batch: Batch): Block[] => {
    const blocks: Block[] = [];
    for (let i = 0; i < count; i++) {
      const before = blocks.at(-1);
      const { view, height, timeMs } = before?.header ?? {};
      const on =
        before === undefined || view === undefined
          ? {}
          : { view: view + 1, parentView: view, parentHash: before.hash };
      const at = height === undefined ? {} : { height: height + 1, timeMs: (timeMs ?? 0) + 1 };
      blocks.push(lab.block(i === count - 2 ? [batch] : [], { ...on, ...at }));
    }
    return blocks;
  };

  it.each([1, 2])("are not refused for lane heads of their own append, %i in one", (count) => {
    const lab = foreign();
    while ([0, 1, 2].some((after) => lab.leader(lab.status.view + after) === lab.self)) {
      lab.tellVotes("nullify", lab.status.view);
    }
    const batch = lab.nextBatch(lab.chain.alice);
    const blocks = chained(lab, count + 1, batch);
    const child = blocks[count];
    const last = blocks[count - 1];
    if (child === undefined || last === undefined) throw new Error("no block");
    const { view, proposer } = last.header;
    for (const block of blocks) {
      lab.tell(block.header.proposer, lab.proposal(block));
      if (block !== child) certify(lab, block);
    }
    lab.tell(1, { type: "certificate", certificate: lab.certificate("finalize", view, last.hash) });
    lab.data.early = true;
    lab.data.hold = true;
    // With its batch the last one is appended at once, and checked when the batch's signature has been.
    lab.tell(proposer, { type: "batches", batches: [batch.bytes] });
    expect(lab.status.finalHeight).toBe(0);
    lab.data.hold = false;
    lab.data.release();
    lab.loop.run();
    expect(lab.logs.filter(({ code }) => code === "block.batch-invalid")).toEqual([]);
    expect(lab.status).toMatchObject({ finalHeight: count, view: view + 1 });
    expect(lab.sent("vote").at(-1)?.message.vote.statement).toMatchObject({
      kind: "notarize",
      view: view + 1,
      hash: child.hash,
    });
  });
});

describe("ancestors that somebody invents", () => {
  it("are not followed without end: heights must fit", () => {
    const lab = foreign();
    const tip = lab.status.finalHeight;
    const invented = new Map<string, Block>();
    let parentHash: Hash = new Uint8Array(32).fill(7);
    let last: Block | undefined;
    for (let i = 0; i < 200; i++) {
      last = lab.block([], {
        parentHash,
        height: tip + 2,
        view: lab.status.view,
        timeMs: 1_950_000_000_000 + i,
      });
      invented.set(toHex(last.hash), last);
      parentHash = last.hash;
    }
    if (last === undefined) throw new Error("no block");
    const liar = last.header.proposer;
    lab.transport.onSent = (frame) => {
      if (frame.message.type !== "block-request" || frame.to !== lab.peer(liar)) return;
      const found = invented.get(toHex(frame.message.hash));
      if (found === undefined) return;
      lab.loop.post(() => lab.tell(liar, { type: "block", block: found.bytes }));
    };
    lab.tell(liar, lab.proposal(last));
    lab.time.advance(5_000);
    const hashes = new Set(lab.sent("block-request").map(({ message }) => toHex(message.hash)));
    expect(hashes.size).toBeLessThanOrEqual(2);
    expect(voted(lab)).toEqual(["nullify"]);
  });

  it("cannot fork from below the tip: that is refused at once", () => {
    const lab = new Lab();
    lab.finalize();
    lab.toForeignView();
    lab.clearSent();
    const block = lab.block([], { parentHash: lab.chain.hash });
    lab.tell(block.header.proposer, lab.proposal(block));
    expect(voted(lab)).toEqual(["nullify"]);
    expect(lab.sent("block-request")).toEqual([]);
  });

  it("are forgotten when what became final settles them", () => {
    const lab = foreign();
    for (let i = 0; i < 30; i++) {
      const view = lab.status.view;
      const hash = new Uint8Array(32).fill(i + 1);
      const leader = lab.leader();
      if (leader !== lab.self) {
        const block = lab.block([], { parentHash: hash, height: lab.status.finalHeight + 2 });
        lab.tell(leader, lab.proposal(block));
      }
      lab.tellVotes("nullify", view);
      lab.finalize();
    }
    lab.clearSent();
    for (let i = 0; i < 20; i++) lab.finalize();
    expect(lab.time.pending).toBeLessThan(10);
  });
});

describe("a final block that is not here", () => {
  it("is fetched and appended although nothing else moves", () => {
    const lab = foreign();
    const batch = lab.nextBatch(lab.chain.alice, [putEvent("a")]);
    const block = lab.block([batch]);
    const { view } = block.header;
    lab.tell(1, {
      type: "certificate",
      certificate: lab.certificate("finalize", view, block.hash),
    });
    expect(lab.status.finalHeight).toBe(0);
    const askedOf = (type: "block-request" | "batch-request"): number =>
      lab.chain.peers.indexOf(lab.sent(type).at(-1)?.to ?? "");
    lab.tell(askedOf("block-request"), { type: "block", block: block.bytes });
    lab.tell(askedOf("batch-request"), { type: "batches", batches: [batch.bytes] });
    expect(lab.status).toMatchObject({ finalHeight: 1, executedHeight: 1, logSize: 1 });
  });
});

describe("the size of a block", () => {
  const offer = (batches: readonly Batch[]): Lab => {
    const lab = foreign();
    const block = lab.block(batches);
    lab.tell(block.header.proposer, lab.proposal(block));
    for (const batch of batches) {
      lab.tell(block.header.proposer, { type: "batches", batches: [batch.bytes] });
    }
    return lab;
  };
  const maker = foreign();
  const small = Array.from({ length: LIMITS.batchEventsMax }, (_, i) => putEvent(`k${i}`, 0));
  const most = Array.from({ length: LIMITS.blockEventsMax / small.length }, () =>
    maker.nextBatch(maker.chain.alice, small),
  );
  const oneMore = maker.nextBatch(maker.chain.alice, small.slice(0, 1));

  it("may be 8192 events, and with one more it gets S with the code", () => {
    expect(voted(offer(most))).toEqual(["notarize"]);
    const lab = offer([...most, oneMore]);
    expect(voted(lab)).toEqual(["nullify"]);
    expect(lab.logs.map((line) => line.code)).toContain("block.too-many-events");
    expect(lab.cutOff).toEqual([]);
  });

  it("may be 4 MiB of batches, and with one more it gets S with the code", () => {
    const big = Array.from({ length: 20 }, (_, i) => putEvent(`k${i}`, 52_000));
    const author = foreign();
    const batches = Array.from({ length: 5 }, () => author.nextBatch(author.chain.alice, big));
    const four = batches.slice(0, 4);
    const bytes = (of: readonly Batch[]): number => of.reduce((sum, b) => sum + b.bytes.length, 0);
    expect(bytes(four)).toBeLessThanOrEqual(LIMITS.blockBytesMax);
    expect(bytes(batches)).toBeGreaterThan(LIMITS.blockBytesMax);
    expect(voted(offer(four))).toEqual(["notarize"]);
    const lab = offer(batches);
    expect(voted(lab)).toEqual(["nullify"]);
    expect(lab.logs.map((line) => line.code)).toContain("block.too-large");
  });

  /** Other bytes under a digest of their own: the core is as it was, and the events do not hash to its root. */
  const spoiled = (lab: Lab, batch: Batch): Batch => {
    const bytes = batch.bytes.slice();
    const at = BATCH_CORE_BYTES + 4 + (batch.events[0]?.bytes.length ?? 0) - 1;
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    return { ...batch, bytes, digest: batchDigest(lab.chain.hasher, bytes) };
  };

  it("is judged by cores, when the first batch too many is here and however many are not", () => {
    const lab = foreign();
    const over = spoiled(lab, oneMore);
    const never = Array.from({ length: 40 }, (_, i) => ({
      ...{ ...oneMore, laneSeq: oneMore.laneSeq + 1 + i },
      digest: lab.chain.hasher.ht("test/never", Uint8Array.of(i)),
    }));
    const late = spoiled(lab, { ...oneMore, laneSeq: oneMore.laneSeq + 50 });
    const block = lab.block([...most, over, ...never, late]);
    const { proposer } = block.header;
    const tell = (batch: Batch): void =>
      lab.tell(proposer, { type: "batches", batches: [batch.bytes] });
    lab.tell(proposer, lab.proposal(block));
    for (const batch of most) tell(batch);
    expect(voted(lab)).toEqual([]);
    tell(over);
    expect(voted(lab)).toEqual(["nullify"]);
    expect(lab.logs.map((line) => line.code)).toContain("block.too-many-events");
    // Nobody waits for what comes now, and nobody looks into it.
    tell(late);
    expect(lab.logs.map((line) => line.code)).toContain("block.too-many-events");
    expect(lab.faults).toEqual([]);
  });

  it("is judged where one frame brings too much, before an event in it is hashed", () => {
    const big = Array.from({ length: 20 }, (_, i) => putEvent(`k${i}`, 52_000));
    const lab = foreign();
    const author = foreign();
    const batches = Array.from({ length: 5 }, () => author.nextBatch(author.chain.alice, big));
    const [first, second, third, ...rest] = batches as [Batch, Batch, Batch, ...Batch[]];
    const last = rest.map((batch) => spoiled(lab, batch));
    const block = lab.block([first, second, third, ...last]);
    const { proposer } = block.header;
    const tell = (of: readonly Batch[]): void =>
      lab.tell(proposer, { type: "batches", batches: of.map(({ bytes }) => bytes) });
    lab.tell(proposer, lab.proposal(block));
    tell([first]);
    tell([second, third]);
    expect(voted(lab)).toEqual([]);
    tell(last);
    expect(voted(lab)).toEqual(["nullify"]);
    expect(lab.faults).toEqual(["block.too-large"]);
  });

  it("is kept by a leader: what does not fit waits for the next block", () => {
    const lab = new Lab();
    for (const batch of [...most, oneMore]) lab.submit(batch.bytes);
    expect(lab.status.mempoolBatches).toBe(most.length + 1);
    while (lab.leader() !== lab.self) lab.tellVotes("nullify", lab.status.view);
    lab.time.advance(200);
    const [proposal] = lab.sent("proposal");
    const block = decodeBlock(lab.chain.hasher, proposal?.message.block ?? new Uint8Array(0));
    expect(block.ok && block.value.header.batchCount).toBe(most.length);
  });
});

describe("work", () => {
  it("in a block of a view that was given up is still work: the next leader does not idle", () => {
    const lab = new Lab();
    const leads = (ahead: number): boolean => lab.leader(lab.status.view + ahead) === lab.self;
    while (leads(0) || leads(1) || !leads(2)) lab.tellVotes("nullify", lab.status.view);
    const first = lab.block();
    lab.tell(first.header.proposer, lab.proposal(first));
    lab.tellVotes("notarize", first.header.view, first.hash);
    const batch = lab.nextBatch(lab.chain.alice);
    lab.submit(batch.bytes);
    const second = lab.block([batch], {
      height: 2,
      parentHash: first.hash,
      parentView: first.header.view,
      timeMs: first.header.timeMs + 1,
    });
    lab.tell(second.header.proposer, lab.proposal(second));
    // The first is final only now: the node looks at its work again, which is all in the second.
    lab.tellVotes("finalize", first.header.view, first.hash);
    expect(lab.status.finalHeight).toBe(1);
    lab.clearSent();
    lab.tellVotes("nullify", second.header.view);
    // No time has passed: the batch must be proposed again now, not after t_idle.
    const [proposal] = lab.sent("proposal");
    expect(proposal?.message.vote.statement.view).toBe(second.header.view + 1);
  });

  it("that a leader lets gather is not proposed in a view that is over by then", () => {
    const big = Array.from({ length: 2 }, (_, i) => putEvent(`k${i}`, 50 * 1024));
    /** The subject has just begun to lead, and lets its block fill. */
    const gathering = (): Lab => {
      const lab = new Lab();
      lab.finalize();
      while (lab.leader() === lab.self || lab.leader(lab.status.view + 1) !== lab.self) {
        lab.tellVotes("nullify", lab.status.view);
      }
      lab.submit(lab.nextBatch(lab.chain.alice, big).bytes);
      lab.tellVotes("nullify", lab.status.view);
      expect(lab.leader()).toBe(lab.self);
      expect(lab.sent("proposal")).toEqual([]);
      return lab;
    };
    const kept = gathering();
    kept.time.advance(100);
    expect(kept.sent("proposal").length).toBeGreaterThan(0);
    const over = gathering();
    over.tellVotes("nullify", over.status.view);
    over.time.advance(100);
    expect(over.sent("proposal")).toEqual([]);
  });

  it("that was taken in while no peer was there is pushed to those who come", () => {
    const lab = new Lab({ connect: false });
    const batch = lab.nextBatch(lab.chain.alice);
    lab.submit(batch.bytes);
    const pushed = lab.nextBatch(lab.chain.alice);
    lab.connect(1);
    expect(lab.sent("batch").map((frame) => toHex(frame.message.batch))).toEqual([
      toHex(batch.bytes),
    ]);
    // What came from a peer is that peer's to push.
    lab.tell(1, { type: "batch", batch: pushed.bytes });
    lab.clearSent();
    lab.connect(2);
    expect(lab.sent("batch").map((frame) => frame.to)).toEqual([lab.peer(2)]);
    lab.finalize([batch]);
    lab.clearSent();
    lab.connect(3);
    expect(lab.sent("batch")).toEqual([]);
  });

  it("is told to the peers again when its client asks again, once a second at most", () => {
    const lab = new Lab();
    const batch = lab.nextBatch(lab.chain.alice);
    const toldAfter = (submit: () => void): number => {
      lab.clearSent();
      submit();
      return lab.sent("batch").length;
    };
    const again = () => lab.submit(batch.bytes);
    const peers = toldAfter(again);
    expect(peers).toBeGreaterThan(0);
    expect(toldAfter(again)).toBe(0);
    lab.time.advance(LIMITS.gossipAgainMs - 1);
    expect(toldAfter(again)).toBe(0);
    lab.time.advance(1);
    expect(toldAfter(again)).toBe(peers);
    expect(toldAfter(again)).toBe(0);
    // What a peer has pushed is that peer's to tell.
    const pushed = lab.nextBatch(lab.chain.alice);
    lab.tell(1, { type: "batch", batch: pushed.bytes });
    lab.time.advance(LIMITS.gossipAgainMs);
    expect(toldAfter(() => lab.submit(pushed.bytes))).toBe(0);
  });
});
