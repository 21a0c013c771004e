/** The mark of an adversary comes where its lie leaves, and not with what only comes before it. */
import { describe, expect, it } from "vitest";
import { createOnce } from "../../sim/adversary/by-view.ts";
import { BENT_WAYS } from "../../sim/adversary/forgeries.ts";
import { corruptTransport } from "../../sim/adversary/index.ts";
import { FORGED_WAYS } from "../../sim/adversary/traffic.ts";
import { createChain } from "../../sim/genesis.ts";
import { Host } from "../../sim/host.ts";
import { type StrategyName, scenario } from "../../sim/scenario.ts";
import { KeyRing } from "../../sim/signer.ts";
import { WALL_START_MS, World } from "../../sim/world.ts";
import type { Hasher } from "../../src/crypto/hash.ts";
import { buildBatch, sealBatch } from "../../src/ledger/batch.ts";
import { batchesRoot, encodeBlock, proofsHash } from "../../src/ledger/block.ts";
import { encodeEvent } from "../../src/ledger/event.ts";
import type { Transport, TransportHandler } from "../../src/ledger/ports.ts";
import { finalize, notarize, nullify, statementBytes } from "../../src/ledger/statement.ts";
import type { Batch, Header, Statement } from "../../src/ledger/types.ts";
import { classOf, decodeMessage, encodeMessage, type Message } from "../../src/ledger/wire.ts";
import { LIMITS } from "../../src/limits.ts";

const SELF = 0;
const PEERS = ["p1", "p2", "p3"];
const ZERO = new Uint8Array(32);
const VIEW = 5;

const createLiar = (strategy: StrategyName, { leader = 1, isUp = true, slot = SELF } = {}) => {
  const one = scenario("marks", {});
  const ring = new KeyRing(1, true, true);
  const chain = createChain(one, ring);
  const key = chain.keys[SELF];
  if (key === undefined) throw new RangeError("no key");
  const world = new World(1);
  const host = new Host(world, slot);
  host.boot();
  /** Peers to which nothing leaves. */
  const refusing = new Set<string>(isUp ? [] : PEERS);
  const marks: string[] = [];
  const sent: { readonly peer: string; readonly bytes: Uint8Array }[] = [];
  let handler: TransportHandler | undefined;
  const under: Transport = {
    start: (given) => {
      handler = given;
    },
    send: (peer, _class, bytes) => {
      if (refusing.has(peer)) return false;
      sent.push({ peer, bytes });
      return true;
    },
    disconnect: () => undefined,
    peers: () => PEERS,
    close: (done) => done(),
  };
  const transport = corruptTransport(
    {
      ...{ host, self: SELF, identity: key, key: () => key, followsSets: false, scheme: ring },
      ...{ signTap: () => undefined, hasher: chain.hasher, set: chain.set, genesis: chain.genesis },
      ...{ ids: ["self", ...PEERS], leaderOf: () => leader, healMs: 10_000 },
      beaconAt: () => undefined,
      mark: (name) => marks.push(name),
      ...{
        signedByReplica: () => true,
        redial: () => undefined,
        isVictim: (bytes) => bytes[0] === BATCH_TYPE,
      },
      cosign: () => {
        throw new Error("not asked for");
      },
    },
    [{ node: SELF, strategy, view: VIEW, to: 1, fromMs: 0, untilMs: 1_000_000 }],
    under,
  );
  transport.start({ peerUp: () => undefined, peerDown: () => undefined, frame: () => undefined });
  return {
    host,
    sent,
    refusing,
    hasher: chain.hasher,
    pass: (ms: number) => world.runUntil((world.nowMs + ms) * 1000),
    acted: () => marks.filter((mark) => mark === `adversary ${strategy}`).length,
    marked: (name: string) => marks.filter((mark) => mark === name).length,
    /** Whether it has signed that itself. */
    isOwn: (statement: Statement, signature: Uint8Array) =>
      ring.verify({
        ...{ publicKey: key.publicKey, signature },
        message: statementBytes(chain.hasher, statement),
      }),
    says: (message: Message, peers: readonly string[] = PEERS) => {
      for (const peer of peers) transport.send(peer, classOf(message), encodeMessage(message));
    },
    hears: (message: Message, peer = "p1") =>
      handler?.frame(peer, classOf(message), encodeMessage(message)),
    proposal: (view: number, proposer: number, changed: Changed = {}): Message & Proposed => {
      const { digests = [], ...fields } = changed;
      const root = { batchesRoot: batchesRoot(chain.hasher, digests), batchCount: digests.length };
      const header = { ...headerOf(chain.hasher, view, proposer), ...root, ...fields };
      const block = encodeBlock(chain.hasher, header, digests);
      const statement = notarize(header.epoch, view, block.hash);
      return {
        type: "proposal",
        ...voteOf(statement, proposer),
        parentView: 0,
        block: block.bytes,
      };
    },
  };
};

type Changed = Partial<Header> & { readonly digests?: readonly Uint8Array[] };
type Proposed = { readonly type: "proposal"; readonly block?: Uint8Array | undefined };

const BATCH_TYPE = encodeMessage({ type: "batch", batch: new Uint8Array(1) })[0];

const batchOf = (hasher: Hasher, laneSeq: number): Batch => {
  const unsigned = buildBatch(hasher, {
    ...{ actor: new Uint8Array(32).fill(1), laneSeq, prevBatchId: ZERO },
    ...{ refHeight: 0, refHash: ZERO, events: [encodeEvent("record.put", 1, new Uint8Array(40))] },
  });
  const signature = new Uint8Array(LIMITS.falconSignatureBytes);
  signature[0] = 0x3a;
  return sealBatch(hasher, unsigned, signature);
};

const headerOf = (hasher: Hasher, view: number, proposer: number) => ({
  ...{ protocolVersion: 1, chainHash: hasher.chainHash, epoch: 0, view, height: 1, parentView: 0 },
  ...{
    parentHash: ZERO,
    timeMs: WALL_START_MS,
    batchesRoot: batchesRoot(hasher, []),
    batchCount: 0,
  },
  ...{
    executedHeight: 0,
    logSize: 0,
    logRoot: ZERO,
    stateRoot: ZERO,
    proofsHash: proofsHash(hasher),
  },
  ...{ nextSetHash: ZERO, proposer },
});

const voteOf = (statement: Statement, signer = SELF) => ({
  vote: { statement, signer, signature: new Uint8Array(1280) },
});
const vote = (statement: Statement, signer = SELF): Message => ({
  type: "vote",
  ...voteOf(statement, signer),
});
const HASH = new Uint8Array(32).fill(7);
const certificate: Message = {
  type: "certificate",
  certificate: {
    statement: finalize(0, VIEW + 1, HASH),
    signers: [1],
    signatures: [new Uint8Array(1280)],
    setSize: 4,
  },
};
const held = {
  notarize: new Uint8Array(1),
  finalize: new Uint8Array(1),
  nullify: new Uint8Array(1),
};
const status: Message = {
  type: "status",
  status: { epoch: 0, view: VIEW + 1, finalView: 1, finalHeight: 1, finalHash: HASH, held },
};

const certified = {
  certificate: {
    statement: finalize(0, 1, HASH),
    signers: [1],
    signatures: [new Uint8Array(1280)],
    setSize: 4,
  },
};

const answer = (from: number, batches: readonly Uint8Array[] = []): Message => ({
  type: "sync-response",
  from,
  ...certified,
  blocks: [{ block: new Uint8Array(8), batches }],
});

describe("lying to who catches up", () => {
  it.each(["lying-sync", "lying-snapshot"] as const)("%s has not acted by a claim", (name) => {
    const liar = createLiar(name);
    liar.says(status);
    liar.says({ type: "sync-none", from: 2 });
    // The claim was made: twenty heights that it does not have.
    expect(liar.sent.length).toBeGreaterThanOrEqual(PEERS.length);
    expect(liar.acted()).toBe(0);
    for (let from = 1; from < 20; from++) liar.says(answer(from, [new Uint8Array(300)]));
    expect(liar.acted()).toBeGreaterThan(0);
  });

  it("has not acted where the answer is the truth after all", () => {
    const liar = createLiar("lying-snapshot");
    // Nothing can be left out of it but the only block.
    for (let i = 0; i < 40; i++) liar.says(answer(1), ["p1"]);
    const honest = liar.sent.filter(
      ({ bytes }) => Buffer.compare(bytes, encodeMessage(answer(1))) === 0,
    );
    expect(honest.length).toBeGreaterThan(0);
    expect(liar.acted()).toBe(liar.sent.length - honest.length);
  });

  it("has not acted where the answer did not leave", () => {
    const liar = createLiar("lying-sync", { isUp: false });
    for (let from = 1; from < 20; from++) liar.says(answer(from));
    expect(liar.acted()).toBe(0);
  });
});

describe("out of turn", () => {
  it("has acted when it has proposed where another leads, and drops its vote then", () => {
    const liar = createLiar("out-of-turn");
    liar.hears(liar.proposal(VIEW, 1));
    expect(liar.acted()).toBe(PEERS.length);
    const before = liar.sent.length;
    liar.says(vote(notarize(0, VIEW, HASH)));
    expect([liar.sent.length, liar.acted()]).toEqual([before, PEERS.length]);
  });

  it("does nothing where it leads itself, though another liar proposes there", () => {
    const liar = createLiar("out-of-turn", { leader: SELF });
    liar.hears(liar.proposal(VIEW, 1));
    liar.says(vote(finalize(0, VIEW, HASH)));
    // What it says for its own block is not dropped, as it has proposed nothing else.
    expect([liar.sent.length, liar.acted()]).toEqual([PEERS.length, 0]);
  });

  it("takes a later view where it has voted in the one it was told", () => {
    const liar = createLiar("out-of-turn");
    liar.says(vote(notarize(0, VIEW, HASH)));
    liar.hears(liar.proposal(VIEW, 1));
    expect(liar.acted()).toBe(0);
    liar.hears(liar.proposal(VIEW + 1, 1));
    expect(liar.acted()).toBe(PEERS.length);
  });
});

describe("a clock at the edge", () => {
  it("has acted by its own lie, and not while a fault hides what it has done to its clock", () => {
    const liar = createLiar("timestamp-edge");
    let view = 0;
    const actedOf = (): number => {
      const before = liar.acted();
      // Its own is fast or slow: one of the two is its lie.
      for (const offMs of [1_000, -1_000]) {
        liar.says(liar.proposal(++view, SELF, { timeMs: WALL_START_MS + offMs }));
      }
      return liar.acted() - before;
    };
    expect(actedOf()).toBe(1);
    const lift = liar.host.putClockOff(1_000);
    expect(actedOf()).toBe(0);
    lift();
    expect(actedOf()).toBe(1);
  });
});

describe("a vote that is withheld", () => {
  it("vote-to-one has acted when one has its vote and another does not", () => {
    const liar = createLiar("vote-to-one");
    liar.says(certificate);
    liar.says(status);
    liar.says(vote(notarize(0, VIEW + 1, HASH)));
    liar.says(vote(notarize(0, VIEW, HASH)), ["p2", "p3"]);
    expect([liar.sent.length, liar.acted()]).toEqual([0, 0]);
    liar.says(vote(notarize(0, VIEW, HASH)), ["p1"]);
    expect([liar.sent.length, liar.acted()]).toEqual([1, 1]);
  });

  it("withhold-finalize has acted when it has withheld an F", () => {
    const liar = createLiar("withhold-finalize");
    liar.says(status);
    liar.says(certificate);
    liar.says({ type: "sync-none", from: 1 });
    expect([liar.sent.length, liar.acted()]).toEqual([0, 0]);
    liar.says(vote(finalize(0, VIEW, HASH)));
    expect(liar.acted()).toBe(PEERS.length);
  });

  it.each(["subset-votes", "equivocate-vote"] as const)("%s to a single peer is no lie", (name) => {
    const liar = createLiar(name);
    liar.says(vote(notarize(0, VIEW, HASH)), ["p1"]);
    expect(liar.acted()).toBe(0);
    liar.says(vote(notarize(0, VIEW, HASH)), ["p2", "p3"]);
    expect(liar.acted()).toBeGreaterThan(0);
  });

  it("two-faced has acted when it has told two what does not go together", () => {
    const liar = createLiar("two-faced");
    liar.says(vote(notarize(0, 1, HASH)));
    for (const peer of ["p1", "p2"]) liar.hears(vote(notarize(0, 1, HASH), 1), peer);
    liar.hears(vote(nullify(0, 1), 1), "p1");
    expect([liar.sent.length, liar.acted()]).toEqual([3, 0]);
    liar.hears(vote(nullify(0, 1), 3), "p3");
    expect(liar.acted()).toBe(1);
  });

  it("nullify-only has acted where it skips what it would have agreed to", () => {
    const liar = createLiar("nullify-only");
    liar.says(vote(nullify(0, VIEW)));
    liar.says(vote(finalize(0, VIEW, HASH)));
    expect(liar.acted()).toBe(0);
    liar.says(vote(notarize(0, VIEW, HASH)));
    expect(liar.acted()).toBe(PEERS.length);
  });

  it("withhold-payload has acted when it did not answer", () => {
    const liar = createLiar("withhold-payload");
    liar.says({ type: "batch", batch: new Uint8Array(9) });
    expect(liar.acted()).toBe(0);
    liar.says({ type: "block", block: new Uint8Array(9) }, ["p1"]);
    expect([liar.sent.length, liar.acted()]).toEqual([0, 1]);
  });

  it("is not that of votes in the name of who has joined later, of which no certificate can be made", () => {
    const liar = createLiar("bend-certificates");
    liar.hears(vote(notarize(1, VIEW, HASH), 4), "p1");
    liar.hears(vote(notarize(1, VIEW, HASH), 5), "p2");
    expect(liar.acted()).toBe(0);
    expect(liar.sent).toEqual([]);
  });
});

describe("a certificate that is none", () => {
  type Shown = (Message & { readonly type: "certificate" })["certificate"];
  type Liar = ReturnType<typeof createLiar>;
  const shownBy = ({ sent }: Liar): Shown[] =>
    sent.flatMap(({ bytes }) => {
      const decoded = decodeMessage(bytes.slice());
      return decoded.ok && decoded.value.type === "certificate" ? [decoded.value.certificate] : [];
    });
  const hearing = (liar: Liar, heard: Shown): void =>
    liar.hears({ type: "certificate", certificate: heard });
  const countsOf = (names: readonly string[]): Map<string, number> => {
    const counts = new Map<string, number>();
    for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
    return counts;
  };
  const signed = (signers: readonly number[]): Shown => ({
    ...{ statement: notarize(0, VIEW, HASH), signers, setSize: 4 },
    signatures: signers.map((signer) => new Uint8Array(1280).fill(signer)),
  });

  it("has a mark for the way in which it was forged, once for all to whom it was sent", () => {
    const liar = createLiar("forge-certificates");
    liar.pass(10_000);
    const ways = shownBy(liar).map((one) => {
      if (one.signers.length === 1) return "forged certificate one signer";
      const first = one.signatures[0] ?? ZERO;
      return `forged certificate ${liar.isOwn(one.statement, first) ? "one signature" : "noise"}`;
    });
    expect(countsOf(ways).size).toBe(FORGED_WAYS.length);
    for (const [way, sent] of countsOf(ways)) {
      expect([way, liar.marked(way) * PEERS.length]).toEqual([way, sent]);
    }
  });

  it("has a mark for what was bent about it", () => {
    const liar = createLiar("bend-certificates");
    hearing(liar, signed([1, 2, 3]));
    liar.pass(10_000);
    const bentIn = ({ statement, signers, signatures }: Shown): string => {
      if (signers.length === 6) return "signers twice";
      if (signatures[0]?.[0] !== 1) return "names shifted";
      if (statement.kind !== "notarize") return "other kind";
      return statement.view === VIEW ? "other epoch" : "other view";
    };
    const ways = countsOf(shownBy(liar).map((one) => `bent certificate ${bentIn(one)}`));
    expect(ways.size).toBe(BENT_WAYS.length - 1);
    for (const [way, sent] of ways) expect([way, liar.marked(way)]).toEqual([way, sent]);
    expect(liar.marked("bent certificate below the quorum")).toBe(0);
    liar.hears(vote(notarize(0, VIEW + 1, HASH), 1), "p1");
    expect(liar.marked("bent certificate below the quorum")).toBe(1);
    // With its own vote and two others it is a quorum.
    liar.hears(vote(notarize(0, VIEW + 1, HASH), 2), "p2");
    expect(liar.marked("bent certificate below the quorum")).toBe(1);
  });

  it("is true where the name of its only signer is shifted: no lie, and no mark", () => {
    const liar = createLiar("bend-certificates");
    const only = signed([1]);
    hearing(liar, only);
    liar.pass(10_000);
    const message: Message = { type: "certificate", certificate: only };
    const isTrue = ({ bytes }: { readonly bytes: Uint8Array }): boolean =>
      Buffer.compare(bytes, encodeMessage(message)) === 0;
    const honest = liar.sent.filter(isTrue);
    expect(honest.length).toBeGreaterThan(0);
    expect(liar.acted()).toBe(liar.sent.length - honest.length);
    expect(liar.marked("bent certificate names shifted")).toBe(0);
  });

  it("has no mark where it did not leave", () => {
    for (const name of ["forge-certificates", "bend-certificates"] as const) {
      const liar = createLiar(name, { isUp: false });
      hearing(liar, signed([1, 2, 3]));
      liar.hears(vote(notarize(0, VIEW + 1, HASH), 1), "p1");
      liar.pass(10_000);
      for (const way of FORGED_WAYS) expect(liar.marked(`forged certificate ${way}`)).toBe(0);
      for (const way of BENT_WAYS) expect(liar.marked(`bent certificate ${way}`)).toBe(0);
    }
  });
});

describe("what did not leave", () => {
  const N = vote(notarize(0, VIEW, HASH));
  const F = vote(finalize(0, VIEW, HASH));
  it.each([
    ["equivocate-proposal", undefined, ["p1", "p3"]],
    ["equivocate-vote", N, ["p1", "p3"]],
    ["skip-and-finalize", F, ["p1", "p3"]],
    ["subset-votes", N, ["p3"]],
    ["vote-to-one", N, ["p1"]],
  ] as const)("of the true half is no part of the lie of %s", (name, given, honest) => {
    const liar = createLiar(name);
    const said = given ?? liar.proposal(VIEW, SELF);
    for (const peer of honest) liar.refusing.add(peer);
    liar.says(said);
    expect(liar.acted()).toBe(0);
    liar.refusing.clear();
    const before = liar.sent.length;
    liar.says(said);
    expect(liar.sent.slice(before).map(({ peer }) => peer)).toEqual(
      expect.arrayContaining([...honest]),
    );
    expect(liar.acted()).toBeGreaterThan(0);
  });

  it("votes-to-some has told nobody of what was refused", () => {
    const liar = createLiar("votes-to-some", { isUp: false });
    for (let view = 1; view < 20; view++) liar.says(vote(notarize(0, view, HASH)));
    expect(liar.acted()).toBe(0);
    liar.refusing.clear();
    for (let view = 20; view < 40; view++) liar.says(vote(notarize(0, view, HASH)));
    expect(liar.acted()).toBeGreaterThan(0);
  });

  it("a second process with the key has said nothing", () => {
    const twin = createLiar("twins", { isUp: false, slot: 4 });
    twin.says(N);
    expect(twin.acted()).toBe(0);
    twin.refusing.clear();
    twin.says(N);
    expect(twin.acted()).toBe(PEERS.length);
  });

  it("a time at the edge counts when the proposal that states it leaves", () => {
    const liar = createLiar("timestamp-edge", { isUp: false });
    const both = [1_000, -1_000].map((offMs, i) =>
      liar.proposal(VIEW + i, SELF, { timeMs: WALL_START_MS + offMs }),
    );
    for (const one of both) liar.says(one);
    expect(liar.acted()).toBe(0);
    liar.refusing.clear();
    for (const one of both) liar.says(one);
    expect(liar.acted()).toBe(1);
  });
});

describe("a client that is left out", () => {
  const given = (batch: Batch): Message => ({ type: "batch", batch: batch.bytes });

  it("is so when a block leaves without what was given", () => {
    const liar = createLiar("censor", { isUp: false });
    liar.hears(given(batchOf(liar.hasher, 1)));
    liar.says(liar.proposal(VIEW, SELF));
    expect(liar.acted()).toBe(0);
    liar.refusing.clear();
    liar.says(liar.proposal(VIEW, SELF));
    expect(liar.acted()).toBe(1);
    liar.says(liar.proposal(VIEW + 1, SELF));
    expect(liar.acted()).toBe(2);
    liar.says(liar.proposal(1, SELF, { epoch: 1 }));
    expect(liar.acted()).toBe(3);
  });

  it.each(["proposal", "block", "sync-response"] as const)(
    "is not so where gossip brings a batch after the %s that holds it",
    (type) => {
      const liar = createLiar("censor");
      const batch = batchOf(liar.hasher, 1);
      const proposal = liar.proposal(VIEW, 1, { digests: [batch.digest] });
      const { block = ZERO } = proposal;
      if (type === "proposal") liar.hears(proposal);
      if (type === "block") liar.hears({ type, block });
      const blocks = [{ block, batches: [] }];
      if (type === "sync-response") liar.hears({ ...certified, type, from: 1, blocks });
      liar.hears(given(batch));
      liar.says(liar.proposal(VIEW + 1, SELF));
      expect(liar.acted()).toBe(0);
      liar.hears(given(batchOf(liar.hasher, 2)));
      liar.says(liar.proposal(VIEW + 2, SELF));
      expect(liar.acted()).toBe(1);
    },
  );

  it("is not so where a batch is too old for the block, or may be", () => {
    const liar = createLiar("censor");
    liar.hears(given(batchOf(liar.hasher, 1)));
    const heights = [LIMITS.batchAgeBlocksCap + 1, LIMITS.batchAgeBlocksMax + 1, 0];
    heights.forEach((height, i) => {
      liar.says(liar.proposal(VIEW + i, SELF, { height }));
    });
    expect(liar.acted()).toBe(0);
    liar.says(liar.proposal(VIEW + 9, SELF, { height: LIMITS.batchAgeBlocksMax }));
    expect(liar.acted()).toBe(1);
  });

  it("is not so where the batch came after the block was first sent", () => {
    const liar = createLiar("censor");
    liar.says(liar.proposal(VIEW, SELF));
    liar.hears(given(batchOf(liar.hasher, 1)));
    liar.says(liar.proposal(VIEW, SELF));
    expect(liar.acted()).toBe(0);
  });
});

describe("in a later epoch, where views begin again", () => {
  const messageOf = (bytes: Uint8Array | undefined): Message | undefined => {
    const decoded = decodeMessage((bytes ?? ZERO).slice());
    return decoded.ok ? decoded.value : undefined;
  };

  it.each(["equivocate-proposal", "wrong-roots", "grind"] as const)(
    "%s makes another block than in the same view before",
    (name) => {
      const liar = createLiar(name);
      for (const epoch of [0, 1]) {
        liar.says(liar.proposal(VIEW, SELF, { epoch }));
        const last = messageOf(liar.sent.findLast(({ peer }) => peer === "p2")?.bytes);
        expect(last?.type === "proposal" && last.vote.statement.epoch).toBe(epoch);
      }
    },
  );

  it("timestamp-edge is judged from the first view on", () => {
    const liar = createLiar("timestamp-edge");
    for (const [epoch, from] of [
      [0, 1_000],
      [1, 1],
    ] as const) {
      [1_000, -1_000].forEach((offMs, i) => {
        liar.says(liar.proposal(from + i, SELF, { epoch, timeMs: WALL_START_MS + offMs }));
      });
      expect(liar.acted()).toBe(epoch + 1);
    }
  });

  it("stale has not acted by what it has just said", () => {
    const liar = createLiar("stale");
    // It keeps two hundred frames: of these the vote is the only one that speaks of a view.
    for (let i = 0; i < 199; i++) liar.says({ type: "block-request", hash: HASH }, ["p1"]);
    const said = vote(notarize(1, 1, HASH));
    liar.says(said, ["p1"]);
    liar.says(vote(notarize(0, 1_000, HASH)), ["p1"]);
    const before = liar.sent.length;
    liar.pass(60_000);
    const again = liar.sent.slice(before).map(({ bytes }) => Buffer.from(bytes));
    expect(again.some((bytes) => bytes.equals(encodeMessage(said)))).toBe(true);
    expect(liar.acted()).toBe(0);
    liar.says(vote(notarize(1, 2, HASH)), ["p1"]);
    liar.pass(60_000);
    expect(liar.acted()).toBeGreaterThan(0);
  });

  it("out-of-turn takes an early view, and is silent in that one alone", () => {
    const liar = createLiar("out-of-turn");
    liar.says(vote(notarize(0, 1_000, HASH)));
    liar.hears(liar.proposal(1, 1, { epoch: 1 }));
    expect(liar.acted()).toBe(PEERS.length);
    const before = liar.sent.length;
    liar.says(vote(notarize(1, 1, HASH)));
    expect(liar.sent.length).toBe(before);
    liar.says(vote(notarize(2, 1, HASH)));
    expect(liar.sent.length).toBe(before + PEERS.length);
  });

  it("keeps what it made for sixty-four views, and no more", () => {
    const once = createOnce<number>();
    let made = 0;
    const ask = (view: number) => once({ epoch: 0, view }, () => ++made);
    for (let view = 1; view <= 64; view++) ask(view);
    expect([ask(1), made]).toEqual([1, 64]);
    ask(65);
    expect([ask(2), ask(1), made]).toEqual([2, 66, 66]);
  });
});
