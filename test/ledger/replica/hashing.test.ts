/** How much hashing a peer or a client can have this node do with bytes that lead to nothing. */
import { describe, expect, it, vi } from "vitest";
import { Writer } from "../../../src/crypto/codec.ts";
import type { Hasher } from "../../../src/crypto/hash.ts";
import { encodeEvent } from "../../../src/ledger/event.ts";
import { OpenFetches } from "../../../src/ledger/replica/open-fetches.ts";
import type { Batch, EncodedEvent } from "../../../src/ledger/types.ts";
import { LIMITS } from "../../../src/limits.ts";
import { type Author, answerOf, type Chain, createChain, Lab, putEvent } from "./support.ts";

/** Events that were hashed for the root of their batch: that is done in memory of its own, past `ht`. */
const leaves = vi.hoisted(() => ({ hashed: 0 }));

vi.mock(import("../../../src/ledger/event-hashes.ts"), async (original) => {
  const { eventsRoot } = await original();
  return {
    eventsRoot: (hasher, events) => {
      leaves.hashed += events.length;
      return eventsRoot(hasher, events);
    },
  };
});

/** A lab whose replica counts the hashes that it makes, by tag. */
const counting = (): { readonly lab: Lab; readonly count: (tag: string) => number } => {
  const counts = new Map<string, number>();
  const plain: Chain = createChain();
  const hasher: Hasher = {
    ...plain.hasher,
    ht: (tag, ...parts) => {
      counts.set(tag, (counts.get(tag) ?? 0) + 1);
      return plain.hasher.ht(tag, ...parts);
    },
  };
  const lab = new Lab({ chain: { ...plain, hasher } });
  leaves.hashed = 0;
  return {
    lab,
    count: (tag) => {
      const seen = (counts.get(tag) ?? 0) + (tag === "event/leaf" ? leaves.hashed : 0);
      counts.set(tag, 0);
      if (tag === "event/leaf") leaves.hashed = 0;
      return seen;
    },
  };
};

const EVENTS = 64;
const many = (seed: string, count = EVENTS): EncodedEvent[] =>
  Array.from({ length: count }, (_, i) => putEvent(`${seed}${i}`, 0));

const push = (lab: Lab, batch: Pick<Batch, "bytes">, peer = 1): void =>
  lab.tell(peer, { type: "batch", batch: batch.bytes });

/** Makes batches without their hashes being counted as the replica's. */
const made = (
  { lab, count }: ReturnType<typeof counting>,
  author: Author,
  events: readonly EncodedEvent[],
): Batch => {
  const batch = lab.batch(author, events);
  count("event/leaf");
  count("batch/digest");
  return batch;
};

describe("an honest batch", () => {
  it("is hashed once on its way in, whoever sends it again, and not again in its block", () => {
    const counted = counting();
    const { lab, count } = counted;
    const batch = made(counted, lab.chain.alice, many("k"));
    push(lab, batch);
    expect([count("event/leaf"), count("batch/digest")]).toEqual([EVENTS, 1]);
    for (let i = 0; i < 10_000; i++) push(lab, batch, 1 + (i % 3));
    expect([count("event/leaf"), count("batch/digest")]).toEqual([0, 0]);
    expect(answerOf(lab.submit(batch.bytes))).toEqual(["accepted"]);
    lab.finalize([batch]);
    expect(lab.status.logSize).toBe(EVENTS);
    expect(count("event/leaf")).toBe(0);
    expect(lab.verifier.asked.batch).toBe(1);
  });

  it("that waits for its signature is hashed in one pass when it comes again", () => {
    const counted = counting();
    const { lab, count } = counted;
    lab.verifier.hold = true;
    const batch = made(counted, lab.chain.alice, many("k"));
    for (let i = 0; i < 100; i++) push(lab, batch);
    expect([count("event/leaf"), count("batch/digest")]).toEqual([EVENTS, 100]);
  });
});

describe("a batch that leads to nothing", () => {
  it("because its actor is unknown costs no pass over its bytes", () => {
    const counted = counting();
    const { lab, count } = counted;
    const batch = made(counted, lab.chain.stranger, many("k"));
    for (let i = 0; i < 10_000; i++) push(lab, batch);
    for (let i = 0; i < 100; i++) {
      expect(answerOf(lab.submit(batch.bytes))).toEqual(["batch.unknown-actor"]);
    }
    expect([count("event/leaf"), count("batch/digest")]).toEqual([0, 0]);
    expect(lab.cutOff).toEqual([]);
  });

  it("because its place is committed already costs no pass either", () => {
    const counted = counting();
    const { lab, count } = counted;
    const batch = lab.nextBatch(lab.chain.alice, many("k"));
    lab.finalize([batch]);
    count("event/leaf");
    count("batch/digest");
    for (let i = 0; i < 10_000; i++) push(lab, batch);
    expect([count("event/leaf"), count("batch/digest")]).toEqual([0, 0]);
  });

  it("because its signature is known to be bad is not decoded again", () => {
    const counted = counting();
    const { lab, count } = counted;
    const batch = made(counted, lab.chain.alice, many("k"));
    const bytes = batch.bytes.slice();
    bytes[bytes.length - 600] = (bytes[bytes.length - 600] ?? 0) ^ 1;
    for (let i = 0; i < 50; i++) expect(answerOf(lab.submit(bytes))).toEqual(["batch.signature"]);
    expect(count("event/leaf")).toBe(EVENTS);
    expect(lab.verifier.asked.batch).toBe(1);
  });

  /** An event type that nobody knows: decoded in full, refused, and the peer is not cut off. */
  const useless = (count: number): EncodedEvent[] =>
    Array.from({ length: count }, (_, i) => encodeEvent("a.b.c", 1, new Writer().u64(i).finish()));

  it("otherwise is decoded within its sender's rate, exactly, and another peer's is left", () => {
    const counted = counting();
    const { lab, count } = counted;
    const events = useless(LIMITS.batchEventsMax);
    const batch = made(counted, lab.chain.alice, events);
    const cost = batch.bytes.length + events.length * LIMITS.decodeEventCostBytes;
    const affordable = Math.floor(LIMITS.peerDecodeBytesPerSecond / cost);
    for (let i = 0; i < affordable; i++) push(lab, batch);
    expect(count("event/leaf")).toBe(affordable * events.length);
    for (let i = 0; i < 100; i++) push(lab, batch);
    expect(count("event/leaf")).toBe(0);
    push(lab, batch, 2);
    expect(count("event/leaf")).toBe(events.length);
    // By going and coming back it gets no new rate; by waiting it does.
    lab.transport.disconnect(lab.peer(1), { code: "closed", detail: "test" });
    lab.connect(1);
    push(lab, batch);
    expect(count("event/leaf")).toBe(0);
    lab.time.nowMs += 1_000;
    push(lab, batch);
    expect(count("event/leaf")).toBe(events.length);
  });

  it("from clients, who may be anybody, is decoded within one rate for all of them", () => {
    const counted = counting();
    const { lab } = counted;
    const events = useless(LIMITS.batchEventsMax);
    const batch = made(counted, lab.chain.alice, events);
    const cost = batch.bytes.length + events.length * LIMITS.decodeEventCostBytes;
    const affordable = Math.floor(LIMITS.clientDecodeBytesPerSecond / cost);
    for (let i = 0; i < affordable; i++) {
      expect(answerOf(lab.submit(batch.bytes))).toEqual(["batch.unknown-event-type"]);
    }
    expect(answerOf(lab.submit(batch.bytes))).toEqual(["node.overloaded"]);
    lab.time.nowMs += 1_000;
    expect(answerOf(lab.submit(batch.bytes))).toEqual(["batch.unknown-event-type"]);
  });
});

describe("blocks and batches that a peer was not asked for", () => {
  it("are not decoded, although another peer was asked for them", () => {
    const counted = counting();
    const { lab, count } = counted;
    lab.toForeignView();
    const batch = lab.batch(lab.chain.alice, many("k"));
    const block = lab.block([batch]);
    const leader = block.header.proposer;
    const stranger = lab.others.find((other) => other !== leader) ?? 0;
    lab.tell(leader, lab.proposal(block));
    expect(lab.sent("batch-request").map(({ to }) => to)).toEqual([lab.peer(leader)]);
    count("event/leaf");
    count("batch/digest");
    const copies = Array.from({ length: 100 }, () => batch.bytes);
    for (let i = 0; i < 100; i++) lab.tell(stranger, { type: "batches", batches: copies });
    // Nothing was asked of the stranger, so there is nothing to look for.
    expect([count("event/leaf"), count("batch/digest")]).toEqual([0, 0]);
    const other = lab.batch(lab.chain.stranger, many("o"));
    count("event/leaf");
    count("batch/digest");
    const others = Array.from({ length: 100 }, () => other.bytes);
    for (let i = 0; i < 100; i++) lab.tell(leader, { type: "batches", batches: others });
    // One look at each frame tells that nothing in it was asked for.
    expect([count("event/leaf"), count("batch/digest")]).toEqual([0, 100]);
    lab.tell(leader, { type: "batches", batches: copies });
    expect(count("event/leaf")).toBe(EVENTS);
    count("batch/digest");
    for (let i = 0; i < 100; i++) lab.tell(leader, { type: "batches", batches: copies });
    expect([count("event/leaf"), count("batch/digest")]).toEqual([0, 0]);
    expect(lab.sent("vote").map(({ message }) => message.vote.statement.kind)).toContain(
      "notarize",
    );
  });

  it.each(["answered by another", "given up"])(
    "are not looked at once what was asked is %s, however long the peer stays silent",
    (how) => {
      const { lab, count } = counting();
      lab.toForeignView();
      const batch = lab.batch(lab.chain.alice, many("k"));
      const block = lab.block([batch]);
      const { proposer: leader, view } = block.header;
      lab.tell(leader, lab.proposal(block));
      expect(lab.sent("batch-request").map(({ to }) => to)).toEqual([lab.peer(leader)]);
      const junk = [lab.batch(lab.chain.stranger, many("o")).bytes];
      const digests = (): number => {
        count("batch/digest");
        for (let i = 0; i < 100; i++) lab.tell(leader, { type: "batches", batches: junk });
        return count("batch/digest");
      };
      expect(digests()).toBe(100);
      if (how === "given up") {
        lab.tellVotes("nullify", view);
        lab.finalize([]);
      } else {
        lab.time.advance(1_000);
        const { to } = lab.sent("batch-request").find((one) => one.to !== lab.peer(leader)) ?? {};
        lab.tell(lab.chain.peers.indexOf(to ?? ""), { type: "batches", batches: [batch.bytes] });
      }
      expect(digests()).toBe(0);
      expect(lab.cutOff).toEqual([]);
    },
  );

  it("but was asked for one block are taken, when another with a batch of it is settled meanwhile", () => {
    const lab = new Lab();
    lab.toForeignView();
    const [both, more] = [lab.nextBatch(lab.chain.alice), lab.nextBatch(lab.chain.alice)];
    const first = lab.block([both]);
    const { proposer: before, view } = first.header;
    lab.tell(before, lab.proposal(first));
    while ([lab.self, before].includes(lab.leader())) lab.tellVotes("nullify", lab.status.view);
    const second = lab.block([both, more]);
    const { proposer: leader } = second.header;
    lab.tell(leader, lab.proposal(second));
    const asked = lab.sent("batch-request").map(({ to }) => to);
    expect([second.header.view > view, asked]).toEqual([true, [before, leader].map(lab.peer, lab)]);
    lab.tell(before, { type: "batches", batches: [both.bytes] });
    lab.tell(leader, { type: "batches", batches: [both.bytes, more.bytes] });
    const voted = lab.sent("vote").map(({ message }) => message.vote.statement);
    expect(voted).toContainEqual(
      expect.objectContaining({ kind: "notarize", view: second.header.view }),
    );
  });

  it("(a block with its header and another body) are decoded once a question", () => {
    const counted = counting();
    const { lab, count } = counted;
    lab.toForeignView();
    const block = lab.block([lab.batch(lab.chain.alice)]);
    const { view } = block.header;
    lab.tell(1, {
      type: "certificate",
      certificate: lab.certificate("notarize", view, block.hash),
    });
    const asked = lab.chain.peers.indexOf(lab.sent("block-request")[0]?.to ?? "");
    const bytes = block.bytes.slice();
    bytes[290] = (bytes[290] ?? 0) ^ 1;
    count("batch/leaf");
    for (let i = 0; i < 100; i++) lab.tell(asked, { type: "block", block: bytes });
    expect(count("batch/leaf")).toBe(1);
    expect(lab.counts.get("tetrad_messages_dropped_total block.batches-root")).toBe(1);
    // The next one asked, or the same one asked again, can still answer.
    lab.time.advance(1_000);
    const again = lab.chain.peers.indexOf(lab.sent("block-request").at(-1)?.to ?? "");
    lab.tell(again, { type: "block", block: block.bytes });
    expect(lab.sent("batch-request").length).toBeGreaterThan(0);
  });

  it("are forgotten from the oldest where one peer is asked for too much", () => {
    const hash = (i: number): Uint8Array =>
      new Writer().u64(i).fixed(new Uint8Array(24), 24).finish();
    const fetches = new OpenFetches();
    const max = LIMITS.fetchesOpenPerPeer;
    fetches.open(
      "a",
      Array.from({ length: max }, (_, i) => hash(i)),
    );
    fetches.open("b", [hash(0)]);
    expect(fetches.close("a", hash(0))).toBe(true);
    expect(fetches.close("a", hash(0))).toBe(false);
    fetches.open("a", [hash(max), hash(max + 1)]);
    expect(fetches.close("a", hash(1))).toBe(false);
    expect(fetches.close("a", hash(2))).toBe(true);
    expect(fetches.close("b", hash(0))).toBe(true);
  });
});
