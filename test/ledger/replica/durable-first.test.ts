/**
 * Nothing is visible before it is durable, and a disk that fails stops the node with the right code:
 * clients hear `committed` after the synced append and never otherwise, statements leave after theirs.
 */
import { describe, expect, it } from "vitest";
import { toHex } from "../../../src/crypto/bytes.ts";
import { utf8, Writer } from "../../../src/crypto/codec.ts";
import { batchKey, blockKey, certificateKey } from "../../../src/ledger/keys.ts";
import type { StoreFailure } from "../../../src/ledger/ports.ts";
import { answerOf, Lab, putEvent } from "./support.ts";

/** A lab in a view that another leads, with a batch of Alice submitted. */
const prepared = (): Lab => {
  const lab = new Lab();
  lab.toForeignView();
  return lab;
};

/** Where the vote store keeps an own vote of epoch 0. */
const voteRow = (view: number, kind: number): Uint8Array =>
  new Writer(19).raw(utf8("v/")).u64(0).u64(view).u8(kind).finish();

describe("committed", () => {
  it("is answered when the append's synced write is done, not before", () => {
    const lab = prepared();
    const batch = lab.nextBatch(lab.chain.alice);
    const clients = (["committed", "projected"] as const).map((level) =>
      lab.submit(batch.bytes, level),
    );
    const block = lab.block([batch]);
    const { view, proposer } = block.header;
    lab.data.hold = true;
    lab.tell(proposer, lab.proposal(block));
    const rest = lab.others.filter((other) => other !== proposer);
    lab.tellVotes("notarize", view, block.hash, rest);
    lab.tellVotes("finalize", view, block.hash);
    // One write after the other, oldest first: the block for N, certificates, the append, the execution.
    const seen: string[] = [];
    for (let i = 0; i < 40 && lab.data.waiting > 0; i++) {
      const rowsBefore = new Set(lab.data.rows.keys());
      lab.data.release(1);
      lab.loop.run();
      const added = [...lab.data.rows.keys()].filter((key) => !rowsBefore.has(key));
      const heights = added.filter((key) => key.startsWith(hex("h/")));
      const executions = added.filter((key) => key.startsWith(hex("x/")));
      const states = clients.map((client) => answerOf(client)[0] ?? "-").join(" ");
      seen.push(
        `${heights.length > 0 ? "append" : ""}${executions.length > 0 ? "execute" : ""}:${states}`,
      );
    }
    const append = seen.findIndex((line) => line.startsWith("append:"));
    const execute = seen.findIndex((line) => line.startsWith("execute:"));
    expect(append).toBeGreaterThan(-1);
    expect(seen.slice(0, append).every((line) => line.endsWith(":- -"))).toBe(true);
    expect(seen[append]).toBe("append:committed 1 -");
    expect(seen.slice(append, execute).every((line) => line.endsWith("committed 1 -"))).toBe(true);
    expect(seen[execute]).toBe("execute:committed 1 projected 1");
  });

  it("writes a block once, though its vote is signed while that is under way, and so a notarization", () => {
    const lab = prepared();
    const batch = lab.nextBatch(lab.chain.alice);
    lab.submit(batch.bytes, "committed");
    const block = lab.block([batch]);
    const { view, proposer } = block.header;
    lab.data.hold = true;
    lab.tell(proposer, lab.proposal(block));
    lab.loop.run();
    expect(lab.data.puts.get(toHex(blockKey(block.hash)))).toBe(1);
    expect(lab.votes.puts.get(toHex(voteRow(view, 1)))).toBeUndefined();
    lab.data.hold = false;
    lab.data.release();
    lab.loop.run();
    expect(lab.votes.puts.get(toHex(voteRow(view, 1)))).toBe(1);
    const rest = lab.others.filter((other) => other !== proposer);
    lab.tellVotes("notarize", view, block.hash, rest);
    lab.tellVotes("finalize", view, block.hash);
    expect(lab.data.puts.get(toHex(blockKey(block.hash)))).toBe(1);
    expect(lab.data.puts.get(toHex(batchKey(batch.digest)))).toBe(1);
    expect(lab.data.puts.get(toHex(certificateKey(0, view, 1)))).toBe(1);
    expect(lab.handle.status().finalHeight).toBe(block.header.height);
  });

  it("is asked of the disk with sync, as is everything else", () => {
    const lab = prepared();
    const batch = lab.nextBatch(lab.chain.alice);
    lab.finalize([batch]);
    expect(lab.data.syncedWrites).toBe(lab.data.writes);
    expect(lab.votes.syncedWrites).toBe(lab.votes.writes);
  });

  it("is never answered where the append fails", () => {
    const lab = prepared();
    const batch = lab.nextBatch(lab.chain.alice);
    const client = lab.submit(batch.bytes, "committed");
    lab.data.hold = true;
    const block = lab.block([batch]);
    lab.tell(block.header.proposer, lab.proposal(block));
    lab.tell(1, {
      type: "certificate",
      certificate: lab.certificate("finalize", block.header.view, block.hash),
    });
    lab.data.fail("io");
    lab.data.release();
    lab.loop.run();
    expect(answerOf(client)).toEqual(["node.stopping"]);
    expect(lab.halts.map((failure) => failure.code)).toEqual(["store.io"]);
  });
});

describe("a vote", () => {
  it("leaves after its write to the vote store, and after its block's to the data store", () => {
    for (const which of ["votes", "data"] as const) {
      const lab = prepared();
      lab.clearSent();
      lab[which].hold = true;
      const block = lab.block();
      lab.tell(block.header.proposer, lab.proposal(block));
      expect(lab.signatures).toBeGreaterThan(0);
      expect(lab.sent("vote")).toEqual([]);
      lab[which].hold = false;
      lab[which].release();
      lab.loop.run();
      expect(lab.sent("vote").map((frame) => frame.message.vote.statement.kind)).toEqual([
        "notarize",
        "notarize",
        "notarize",
      ]);
    }
  });

  it("is in the vote store with its block in the data store, and is sent again after a restart", () => {
    const lab = prepared();
    const block = lab.block();
    lab.tell(block.header.proposer, lab.proposal(block));
    const [first] = lab.sent("vote");
    const after = new Lab({ chain: lab.chain, ...lab.disks() });
    expect(after.sent("vote").map((frame) => frame.message.vote)).toContainEqual(
      first?.message.vote,
    );
    expect(after.signatures).toBe(0);
    const from = block.header.proposer;
    after.tell(from, { type: "block-request", hash: block.hash });
    expect(after.sent("block")).toHaveLength(1);
  });
});

describe("a disk that fails", () => {
  const CODES: readonly [StoreFailure["code"], string][] = [
    ["full", "store.full"],
    ["io", "store.io"],
    ["corrupt", "store.corrupt"],
  ];

  for (const [failure, code] of CODES) {
    for (const which of ["data", "votes"] as const) {
      it(`(${failure}, ${which}) stops the node with ${code}, and nothing leaves it any more`, () => {
        const lab = prepared();
        const client = lab.submit(lab.nextBatch(lab.chain.alice).bytes, "committed");
        lab.clearSent();
        lab[which].fail(failure);
        const block = lab.block();
        lab.tell(block.header.proposer, lab.proposal(block));
        lab.tellVotes("notarize", block.header.view, block.hash);
        lab.tellVotes("finalize", block.header.view, block.hash);
        expect(lab.halts.map((halt) => halt.code)).toEqual([code]);
        expect(lab.status).toMatchObject({ voting: "halted", finalHeight: 0 });
        expect(lab.sent("vote")).toEqual([]);
        expect(answerOf(client)).toEqual(["node.stopping"]);
        expect(lab.handle.ready().ready).toBe(false);
        lab.clearSent();
        lab.time.advance(60_000);
        expect(lab.transport.sent).toEqual([]);
      });
    }
  }

  it("goes on from where it was once there is room again", () => {
    const lab = prepared();
    lab.finalize();
    lab.data.fail("full");
    lab.toForeignView();
    lab.finalize();
    expect(lab.halts.map((halt) => halt.code)).toEqual(["store.full"]);
    const after = new Lab({ chain: lab.chain, ...lab.disks() });
    expect(after.status).toMatchObject({ voting: "yes", finalHeight: 1, problems: [] });
  });

  for (const code of ["store.io", "store.corrupt"] as const) {
    it(`cannot crash the node by a read that throws ${code}, in whatever callback`, () => {
      const reads: readonly ((lab: Lab) => void)[] = [
        (lab) => lab.tell(1, { type: "sync-request", from: 1 }),
        (lab) => lab.tell(1, { type: "block-request", hash: new Uint8Array(32) }),
        (lab) => lab.tell(1, { type: "batch-request", digests: [new Uint8Array(32)] }),
        (lab) => lab.tell(1, { type: "certificate-request", epoch: 0, view: 900, kind: "nullify" }),
        (lab) =>
          lab.tell(1, { type: "batch", batch: lab.batch(lab.chain.alice, [putEvent("x")]).bytes }),
        (lab) => {
          const block = lab.block();
          lab.tell(block.header.proposer, lab.proposal(block));
        },
      ];
      for (const read of reads) {
        const lab = prepared();
        lab.finalize();
        lab.toForeignView();
        const bytesOf = lab.batch(lab.chain.alice).bytes;
        const block = lab.block();
        // Made before the disk goes bad: the lab reads the subject's status for both.
        lab.batch = () => ({ ...lab.chain, bytes: bytesOf }) as never;
        lab.block = () => block;
        lab.data.readFailure = code;
        expect(() => read(lab)).not.toThrow();
        expect(lab.halts.map((halt) => halt.code)).toEqual([code]);
      }
    });
  }

  it("answers a client once, with the code, where admission cannot read", () => {
    for (const level of ["accepted", "committed"] as const) {
      const lab = prepared();
      const { bytes } = lab.batch(lab.chain.alice);
      lab.data.readFailure = "store.io";
      expect(answerOf(lab.submit(bytes, level))).toEqual(["store.io"]);
      expect(lab.halts.map((halt) => halt.code)).toEqual(["store.io"]);
    }
  });

  it("(a damaged floor of the vote store) refuses to vote and says so, start after start", () => {
    const lab = prepared();
    lab.finalize();
    const { data, votes } = lab.disks();
    votes.set(hex("w"), new Uint8Array(3));
    let after = new Lab({ chain: lab.chain, data, votes });
    for (const finalHeight of [2, 3]) {
      expect(after.status.voting).toBe("refused");
      expect(after.status.problems.map((problem) => problem.code)).toEqual(["store.corrupt"]);
      after.finalize();
      expect(after.status.finalHeight).toBe(finalHeight);
      after = new Lab({ chain: lab.chain, ...after.disks() });
    }
  });

  it("(votes of the vote store that fail their check) refuses to vote and follows on", () => {
    const after = new Lab({ votesFail: "corrupt" });
    expect(after.halts).toEqual([]);
    expect(after.status.voting).toBe("refused");
    expect(after.status.problems.map((problem) => problem.code)).toEqual(["store.corrupt"]);
  });

  for (const [row, key] of [
    ["format", "f"],
    ["floor", "w"],
  ] as const) {
    it(`(the ${row} of the vote store fails its check) refuses to vote and follows on`, () => {
      const lab = prepared();
      lab.finalize();
      const disks = lab.disks();
      const votesUnreadable = { code: "store.corrupt", prefix: key } as const;
      const after = new Lab({ chain: lab.chain, ...lab.disks(), votesUnreadable });
      expect(after.halts).toEqual([]);
      expect(after.status.problems.map((problem) => problem.code)).toEqual(["store.corrupt"]);
      after.finalize();
      expect(after.status).toMatchObject({ voting: "refused", finalHeight: 2 });
      expect(after.sent("vote")).toEqual([]);
      // A floor written anew would be of this life: the next one would take the store for whole.
      expect(after.disks().votes).toEqual(disks.votes);
    });

    it(`(the ${row} of the vote store cannot be read) ends the start, and the next one votes`, () => {
      const lab = prepared();
      lab.finalize();
      const votesUnreadable = { code: "store.io", prefix: key } as const;
      const ended = new Lab({ chain: lab.chain, ...lab.disks(), votesUnreadable });
      expect(ended.halts.map((halt) => halt.code)).toEqual(["store.io"]);
      const after = new Lab({ chain: lab.chain, ...ended.disks() });
      expect(after.status).toMatchObject({ voting: "yes", finalHeight: 1, problems: [] });
    });
  }

  for (const [failure, code] of CODES.filter(([, one]) => one !== "store.corrupt")) {
    it(`(${failure}, a vote store that cannot be read) ends the start, and the next one votes`, () => {
      const lab = prepared();
      lab.finalize();
      const ended = new Lab({ chain: lab.chain, ...lab.disks(), votesFail: failure });
      expect(ended.halts.map((halt) => halt.code)).toEqual([code]);
      expect(ended.status).toMatchObject({ voting: "halted", finalHeight: 1 });
      expect(ended.sent("watermark-request")).toEqual([]);
      expect(ended.handle.ready().ready).toBe(false);
      const after = new Lab({ chain: lab.chain, ...ended.disks() });
      expect(after.halts).toEqual([]);
      expect(after.status).toMatchObject({ voting: "yes", finalHeight: 1, problems: [] });
    });
  }
});

const hex = (text: string): string => Buffer.from(utf8(text)).toString("hex");
