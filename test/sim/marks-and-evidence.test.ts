/** The checker that asks for evidence, the marks of where a run has been, and faults that name statements. */
import { describe, expect, it } from "vitest";
import { otherNotarized, reproposals, splitViews } from "../../sim/checkers/coverage.ts";
import { FINALIZE, NOTARIZE, NULLIFY, statementBytes } from "../../sim/checkers/decode.ts";
import { evidenceComplete } from "../../sim/checkers/evidence-complete.ts";
import { turnsOf } from "../../sim/checkers/leaders.ts";
import type {
  CheckContext,
  Checker,
  CheckerFactory,
  Member,
  Status,
} from "../../sim/checkers/types.ts";
import { KeyRing } from "../../sim/signer.ts";
import { statementOfFrame } from "../../sim/statements.ts";
import { fromHex } from "../../src/crypto/bytes.ts";
import { createHasher } from "../../src/crypto/hash.ts";
import { encodeHeader } from "../../src/ledger/block.ts";
import { finalize, notarize, nullify } from "../../src/ledger/statement.ts";
import type { Statement, Vote } from "../../src/ledger/types.ts";
import { encodeMessage } from "../../src/ledger/wire.ts";
import { HASH_A, statusWith, toHex } from "./support.ts";

const CHAIN = "tetrad-test";
const HASH_B = "bb".repeat(32);
const ring = new KeyRing(1);
const keys = [0, 1, 2, 3].map((i) => ring.createKey(`v${i}`));
const members: Member[] = keys.map((key, index) => ({
  index,
  slot: index,
  idHex: toHex(Uint8Array.of(index)).padStart(64, "0"),
  publicKey: key.publicKey,
  weight: 1n,
}));

type Rig = {
  readonly checker: Checker;
  readonly found: string[];
  readonly marks: string[];
  nowMs: number;
};

/** Slot 3 is an adversary. */
const createRig = (factory: CheckerFactory): Rig => {
  const found: string[] = [];
  const marks: string[] = [];
  const clock = { nowMs: 0 };
  const context: CheckContext = {
    chainId: CHAIN,
    genesisHash: new Uint8Array(32),
    genesisTimeMs: 0,
    epochMs: 3_600_000,
    members,
    honest: (slot) => slot < 3,
    asked: () => true,
    haltedMs: [],
    memberOf: (slot) => members[slot],
    standing: () => undefined,
    verify: (publicKey, message, signature) => ring.verify({ publicKey, message, signature }),
    nowUs: () => clock.nowMs * 1000,
    wallMs: () => clock.nowMs,
    report: (id) => found.push(id),
    mark: (name) => marks.push(name),
  };
  return Object.assign(clock, { checker: factory(context), found, marks });
};

const KIND_NUMBERS = { notarize: NOTARIZE, nullify: NULLIFY, finalize: FINALIZE };

const voteOf = (signer: number, statement: Statement): Vote => {
  const key = keys[signer];
  if (key === undefined) throw new RangeError(`no key ${signer}`);
  const { epoch, view, kind } = statement;
  const hash = toHex(statement.hash);
  const message = statementBytes(CHAIN, { epoch, view, kind: KIND_NUMBERS[kind], hash });
  return { statement, signer, signature: ring.sign(key, message) };
};

const voteFrame = (vote: Vote): Uint8Array => encodeMessage({ type: "vote", vote });

const show = (rig: Rig, view: number, part: Partial<Status> = {}): void =>
  rig.checker.status?.(0, statusWith({ view, ...part }));

describe("evidence is complete", () => {
  const pair = [notarize(0, 6, fromHex(HASH_A)), notarize(0, 6, fromHex(HASH_B))];

  /** Node 0 gets these votes of the adversary in view 5 and lives on for a while. */
  const given = (votes: readonly Vote[], lifeMs = 3_000, viewAfter = 6): Rig => {
    const rig = createRig(evidenceComplete);
    rig.checker.booted?.(0, 1, false);
    show(rig, 5);
    for (const vote of votes) rig.checker.delivered?.(vote.signer, 0, voteFrame(vote));
    show(rig, viewAfter);
    rig.nowMs = lifeMs;
    show(rig, viewAfter + 1);
    return rig;
  };
  const votes = pair.map((statement) => voteOf(3, statement));
  const rows = (culprit: number | undefined) => () =>
    culprit === undefined
      ? []
      : [{ key: Buffer.from(`01${members[culprit]?.idHex}`, "hex"), value: new Uint8Array(0) }];

  it("where the culprit is in the log, and not before", () => {
    const rig = given(votes);
    expect(rig.marks).toContain("culprit owed to the log");
    expect(rig.checker.settled?.(rows(undefined))).toBe(false);
    expect(rig.checker.settled?.(rows(2))).toBe(false);
    expect(rig.checker.settled?.(rows(3))).toBe(true);
    rig.checker.end?.([]);
    expect(rig.found).toEqual([]);
  });

  it("and what is missing at the end is reported", () => {
    const rig = given(votes);
    const status = { view: 7 } as Status;
    const dump = { slot: 0, status, entries: [], timesMs: [], rows: new Map() };
    rig.checker.end?.([{ ...dump, rows: new Map([["quarantine", []]]) }]);
    expect(rig.found).toEqual(["I12"]);
  });

  it("for S with F too, but not for S with N", () => {
    const hash = pair[0]?.hash ?? new Uint8Array(32);
    const skip = voteOf(3, nullify(0, 6));
    expect(given([skip, voteOf(3, finalize(0, 6, hash))]).marks).toHaveLength(1);
    expect(given([skip, voteOf(3, notarize(0, 6, hash))]).marks).toHaveLength(0);
  });

  it("for what the leader of the view has proposed, and not for what anybody else has", () => {
    const context = { chainId: CHAIN, genesisHash: new Uint8Array(32), members };
    const turns = turnsOf(context, 0);
    const ledBy = (signer: number): number => 1 + turns.indexOf(signer);
    /** Node 0 is in this view when two proposals of it come from slot 3. */
    const offered = (view: number, viewAfter: number): readonly string[] => {
      const rig = createRig(evidenceComplete);
      rig.checker.booted?.(0, 1, false);
      show(rig, view);
      for (const hash of [HASH_A, HASH_B]) {
        const vote = voteOf(3, notarize(0, view, fromHex(hash)));
        const parts = { type: "proposal", vote, parentView: 1, block: undefined } as const;
        rig.checker.delivered?.(3, 0, encodeMessage(parts));
      }
      show(rig, viewAfter);
      rig.nowMs = 3_000;
      show(rig, viewAfter + 1);
      return rig.marks;
    };
    const own = ledBy(3);
    expect(offered(own, own)).toEqual(["culprit owed to the log"]);
    // R2, R8: of whoever does not lead, the proposal is dropped, and the vote in it unchecked.
    expect(offered(ledBy(2), ledBy(2))).toEqual([]);
    // A view that is left may be final: then its proposals are dropped.
    expect(offered(own, own + 1)).toEqual([]);
  });

  it("without what a node need not have taken in, or could not keep", () => {
    const [first, second] = votes;
    if (first === undefined || second === undefined) throw new Error("two votes");
    const forged = { ...second, signature: first.signature };
    const far = votes.map(({ statement }) => voteOf(3, { ...statement, view: 60 }));
    expect(given([first, forged]).marks).toHaveLength(0);
    expect(given(far).marks).toHaveLength(0);
    expect(given(votes, 3_000, 20).marks).toHaveLength(0);
    expect(given(votes, 1_000).marks).toHaveLength(0);
    const wiped = given(votes);
    wiped.checker.diskLost?.(0, "data");
    expect(wiped.checker.settled?.(rows(undefined))).toBe(true);
  });
});

describe("marks", () => {
  const hasher = createHasher(CHAIN);
  const header = (height: number, nextSetHash = new Uint8Array(32)) =>
    encodeHeader({
      protocolVersion: 1,
      chainHash: hasher.chainHash,
      epoch: 0,
      view: height,
      height,
      parentView: 0,
      parentHash: new Uint8Array(32),
      timeMs: 1,
      batchesRoot: new Uint8Array(32),
      batchCount: 0,
      executedHeight: 0,
      logSize: 0,
      logRoot: new Uint8Array(32),
      stateRoot: new Uint8Array(32),
      proofsHash: new Uint8Array(32),
      nextSetHash,
      proposer: 0,
    });

  const proposed = (rig: Rig, view: number, block: Uint8Array, again: boolean): void => {
    const vote = voteOf(0, notarize(0, view, hasher.ht("header", block)));
    const frame = encodeMessage({
      type: "proposal",
      vote,
      parentView: 1,
      block: again ? undefined : block,
    });
    rig.checker.sent?.(0, 1, "consensus", frame);
  };

  it("tell a block that is proposed again, how far above the final one, and a boundary", () => {
    const rig = createRig(reproposals);
    show(rig, 1, { finalHeight: 4 });
    proposed(rig, 12, header(12), false);
    expect(rig.marks).toEqual([]);
    proposed(rig, 13, header(12), true);
    expect(rig.marks).toEqual(["re-proposed", "re-proposed at a gap of 8"]);
    proposed(rig, 14, header(5, new Uint8Array(32).fill(1)), false);
    proposed(rig, 15, header(5, new Uint8Array(32).fill(1)), true);
    expect(rig.marks).toContain("boundary block re-proposed");
  });

  it("tell a view with F by one and S by two others, all of them honest", () => {
    const rig = createRig(splitViews);
    const release = (slot: number, kind: number, hash: string): void =>
      rig.checker.released?.(
        slot,
        statementBytes(CHAIN, { epoch: 0, view: 4, kind, hash }),
        new Uint8Array(1280),
      );
    release(0, FINALIZE, HASH_A);
    release(1, NULLIFY, "00".repeat(32));
    release(3, NULLIFY, "00".repeat(32));
    expect(rig.marks).toEqual([]);
    release(2, NULLIFY, "00".repeat(32));
    expect(rig.marks).toEqual(["F and S in one view"]);
  });

  it("tell a notarization of another block than an honest node voted for, while it may still say F", () => {
    const rig = createRig(otherNotarized);
    const hash = new Uint8Array(32).fill(3);
    const votes = [0, 1, 2].map((i) => voteOf(i, notarize(0, 4, hash)));
    const certificate = {
      statement: notarize(0, 4, hash),
      setSize: 4,
      signers: [0, 1, 2],
      signatures: votes.map(({ signature }) => signature),
    };
    const frame = encodeMessage({ type: "certificate", certificate });
    const say = (slot: number, view: number, kind: number, said: string): void =>
      rig.checker.released?.(
        slot,
        statementBytes(CHAIN, { epoch: 0, view, kind, hash: said }),
        new Uint8Array(1280),
      );
    say(0, 4, NOTARIZE, toHex(hash));
    say(1, 4, NOTARIZE, HASH_A);
    say(1, 4, NULLIFY, "00".repeat(32));
    say(2, 5, NOTARIZE, HASH_A);
    say(3, 4, NOTARIZE, HASH_A);
    for (const to of [0, 1, 2, 3]) rig.checker.delivered?.(3, to, frame);
    expect(rig.marks).toEqual([]);
    say(2, 4, NOTARIZE, HASH_A);
    const [last = 0] = frame.slice(-1);
    rig.checker.delivered?.(3, 2, Uint8Array.of(...frame.slice(0, -1), last ^ 1));
    // Nobody who looks at the signatures is shown anything.
    expect(rig.marks).toEqual([]);
    rig.checker.delivered?.(3, 2, frame);
    expect(rig.marks).toEqual(["another block notarized"]);
  });
});

describe("the statement of a frame", () => {
  it("is read from proposals, votes and certificates, and from nothing else", () => {
    const vote = voteOf(1, finalize(2, 77, new Uint8Array(32).fill(3)));
    const { statement, signature } = vote;
    const certificate = { statement, signers: [1], signatures: [signature], setSize: 4 };
    const expected = { epoch: 2, view: 77, kind: "finalize" };
    expect(statementOfFrame(voteFrame(vote))).toEqual({ message: "vote", ...expected });
    const proposal = { type: "proposal", vote, parentView: 1, block: undefined } as const;
    expect(statementOfFrame(encodeMessage(proposal))).toMatchObject(expected);
    expect(statementOfFrame(encodeMessage({ type: "certificate", certificate }))).toEqual({
      message: "certificate",
      ...expected,
    });
    expect(statementOfFrame(encodeMessage({ type: "sync-none", from: 3 }))).toBeUndefined();
    expect(statementOfFrame(Uint8Array.of(2, 0))).toBeUndefined();
    expect(statementOfFrame(new Uint8Array(0))).toBeUndefined();
  });
});
