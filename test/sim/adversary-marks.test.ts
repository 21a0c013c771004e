/** The mark of an adversary comes where its lie leaves, and not with what only comes before it. */
import { describe, expect, it } from "vitest";
import { corruptTransport } from "../../sim/adversary/index.ts";
import { createChain } from "../../sim/genesis.ts";
import { Host } from "../../sim/host.ts";
import { type StrategyName, scenario } from "../../sim/scenario.ts";
import { KeyRing } from "../../sim/signer.ts";
import { World } from "../../sim/world.ts";
import type { Hasher } from "../../src/crypto/hash.ts";
import { batchesRoot, encodeBlock, proofsHash } from "../../src/ledger/block.ts";
import type { Transport, TransportHandler } from "../../src/ledger/ports.ts";
import { finalize, notarize, nullify } from "../../src/ledger/statement.ts";
import type { Statement } from "../../src/ledger/types.ts";
import { classOf, encodeMessage, type Message } from "../../src/ledger/wire.ts";

const SELF = 0;
const PEERS = ["p1", "p2", "p3"];
const ZERO = new Uint8Array(32);
const VIEW = 5;

const createLiar = (strategy: StrategyName, { leader = 1, isUp = true } = {}) => {
  const one = scenario("marks", {});
  const ring = new KeyRing(1, true, true);
  const chain = createChain(one, ring);
  const key = chain.keys[SELF];
  if (key === undefined) throw new RangeError("no key");
  const host = new Host(new World(1), SELF);
  host.boot();
  const marks: string[] = [];
  const sent: { readonly peer: string; readonly bytes: Uint8Array }[] = [];
  let handler: TransportHandler | undefined;
  const under: Transport = {
    start: (given) => {
      handler = given;
    },
    send: (peer, _class, bytes) => {
      if (isUp) sent.push({ peer, bytes });
      return isUp;
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
      ...{ signedByReplica: () => true, redial: () => undefined, isVictim: () => false },
      cosign: () => {
        throw new Error("not asked for");
      },
    },
    [{ node: SELF, strategy, view: VIEW, to: 1, fromMs: 0, untilMs: 1_000_000 }],
    under,
  );
  transport.start({ peerUp: () => undefined, peerDown: () => undefined, frame: () => undefined });
  return {
    sent,
    acted: () => marks.filter((mark) => mark === `adversary ${strategy}`).length,
    says: (message: Message, peers: readonly string[] = PEERS) => {
      for (const peer of peers) transport.send(peer, classOf(message), encodeMessage(message));
    },
    hears: (message: Message, peer = "p1") =>
      handler?.frame(peer, classOf(message), encodeMessage(message)),
    proposal: (view: number, proposer: number): Message => {
      const block = encodeBlock(chain.hasher, headerOf(chain.hasher, view, proposer), []);
      const statement = notarize(0, view, block.hash);
      return {
        type: "proposal",
        ...voteOf(statement, proposer),
        parentView: 0,
        block: block.bytes,
      };
    },
  };
};

const headerOf = (hasher: Hasher, view: number, proposer: number) => ({
  ...{ protocolVersion: 1, chainHash: hasher.chainHash, epoch: 0, view, height: 1, parentView: 0 },
  ...{
    parentHash: ZERO,
    timeMs: 1_800_000_000_000,
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

const answer = (from: number, batches: readonly Uint8Array[] = []): Message => ({
  type: "sync-response",
  from,
  certificate: {
    statement: finalize(0, 1, HASH),
    signers: [1],
    signatures: [new Uint8Array(1280)],
    setSize: 4,
  },
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
