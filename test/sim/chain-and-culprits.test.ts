/** I5, I13 and I19 are shown violations, and a fork by two of four names the two. */
import { describe, expect, it } from "vitest";
import { overThird, slotsUnderThird } from "../../sim/byzantine.ts";
import { judgeOverThird } from "../../sim/byzantine-judge.ts";
import { chainContiguous } from "../../sim/checkers/chain.ts";
import { createProsecutor } from "../../sim/checkers/culprits.ts";
import {
  FINALIZE,
  HEADER_BYTES,
  NOTARIZE,
  NULLIFY,
  SIGNATURE_BYTES,
  statementBytes,
} from "../../sim/checkers/decode.ts";
import { setHandedOver, setHashOf } from "../../sim/checkers/next-set.ts";
import { hex, taggedHash } from "../../sim/checkers/oracle.ts";
import type { CheckContext, CheckerFactory, Member } from "../../sim/checkers/types.ts";
import { Prng } from "../../sim/prng.ts";
import { SYSTEM } from "../../sim/system.ts";
import { statusWith } from "./support.ts";

const CHAIN = "tetrad-test";
const GENESIS = new Uint8Array(32).fill(7);
const ZERO = "00".repeat(32);
const members: Member[] = [0, 1, 2, 3].map((index) => ({
  index,
  slot: index,
  idHex: String(index).padStart(64, "0"),
  publicKey: Uint8Array.of(index),
  weight: 1n,
}));

const rig = (factory: CheckerFactory) => {
  const found: string[] = [];
  const context: CheckContext = {
    chainId: CHAIN,
    genesisHash: GENESIS,
    genesisTimeMs: 0,
    epochMs: 3_600_000,
    members,
    honest: (slot) => slot < 3,
    asked: () => true,
    haltedMs: [],
    memberOf: (slot) => members[slot],
    standing: () => undefined,
    verify: () => true,
    nowUs: () => 0,
    wallMs: () => 0,
    report: (id) => found.push(id),
    mark: () => undefined,
  };
  return { checker: factory(context), found, context };
};

type Spec = {
  readonly view: number;
  readonly height: number;
  readonly parentView?: number;
  readonly parent?: Uint8Array;
  readonly nextSet?: string;
};

const headerOf = ({ view, height, parentView = 0, parent = GENESIS, nextSet = ZERO }: Spec) => {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeBigUInt64BE(BigInt(view), 42);
  header.writeBigUInt64BE(BigInt(height), 50);
  header.writeBigUInt64BE(BigInt(parentView), 58);
  header.set(parent, 66);
  header.write(nextSet, HEADER_BYTES - 34, "hex");
  return header;
};

const hashOf = (header: Uint8Array): Uint8Array => taggedHash(CHAIN, "header", header);

/** A proposal frame: bytes vote, u64 parent view, bytes block. */
const frameOf = (header: Uint8Array): Uint8Array => {
  const vote = Buffer.alloc(17 + 32);
  vote.set(hashOf(header), 17);
  const size = (length: number): Buffer => {
    const out = Buffer.alloc(4);
    out.writeUInt32BE(length);
    return out;
  };
  return Buffer.concat([
    Uint8Array.of(1),
    size(vote.length),
    vote,
    Buffer.alloc(8),
    size(header.length),
    header,
  ]);
};

const signed = (view: number, kind: number, hash = ZERO): Uint8Array =>
  statementBytes(CHAIN, { epoch: 0, view, kind, hash });

const verdictOf = (
  specs: readonly Spec[],
  skips: readonly [view: number, slot: number][],
  judge: CheckerFactory = chainContiguous,
) => {
  const { checker, found } = rig(judge);
  for (const [view, slot] of skips) checker.released?.(slot, signed(view, NULLIFY), GENESIS);
  let parent: Uint8Array = GENESIS;
  for (const spec of specs) {
    const header = headerOf({ parent, ...spec });
    parent = hashOf(header);
    checker.sent?.(0, 1, "consensus", frameOf(header));
    checker.status?.(0, statusWith({ finalHeight: spec.height, finalHash: hex(parent) }));
  }
  return found;
};

describe("I5", () => {
  it("takes blocks that stand on each other, with a quorum for each view between", () => {
    const skips = [0, 1, 2].map((slot): [number, number] => [2, slot]);
    const blocks = [
      { view: 1, height: 1 },
      { view: 3, height: 2, parentView: 1 },
    ];
    expect(verdictOf(blocks, skips)).toEqual([]);
  });

  it("finds a view that less than a quorum skipped, whoever says it twice", () => {
    const blocks = [
      { view: 1, height: 1 },
      { view: 3, height: 2, parentView: 1 },
    ];
    expect(
      verdictOf(blocks, [
        [2, 0],
        [2, 1],
        [2, 1],
      ]),
    ).toEqual(["I5"]);
  });

  it("finds a height that is left out, and a later block on the genesis", () => {
    const gap = [
      { view: 1, height: 1 },
      { view: 2, height: 3, parentView: 1 },
    ];
    expect(verdictOf(gap, [])).toEqual(["I5"]);
    const again = [
      { view: 1, height: 1 },
      { view: 2, height: 2, parentView: 1, parent: GENESIS },
    ];
    expect(verdictOf(again, [])).toEqual(["I5"]);
  });
});

describe("I19", () => {
  it("takes the set that must follow, and finds another one", () => {
    const right = setHashOf(rig(setHandedOver).context, 1);
    expect(verdictOf([{ view: 1, height: 1, nextSet: right }], [], setHandedOver)).toEqual([]);
    expect(
      verdictOf([{ view: 1, height: 1, nextSet: "ab".repeat(32) }], [], setHandedOver),
    ).toEqual(["I19"]);
  });
});

describe("I13", () => {
  const A = "aa".repeat(32);
  const B = "bb".repeat(32);
  const vote = (
    signer: number,
    view: number,
    kind: number,
    hash = ZERO,
    good = true,
  ): Uint8Array => {
    const out = Buffer.alloc(1 + 17 + 32 + 2 + SIGNATURE_BYTES);
    out[0] = 2;
    out.writeBigUInt64BE(BigInt(view), 9);
    out[17] = kind;
    out.write(hash, 18, "hex");
    out.writeUInt16BE(signer, 50);
    out[52] = good ? 1 : 0;
    return out;
  };
  /** A signature is good that begins with 1. */
  const prosecution = () => {
    const prosecutor = createProsecutor();
    const { context } = rig(prosecutor.checker);
    const verify: CheckContext["verify"] = (_key, _message, signature) => signature[0] === 1;
    return { prosecutor, checker: prosecutor.checker({ ...context, verify }) };
  };
  const judged = (frames: readonly [to: number, frame: Uint8Array][]): string | undefined => {
    const { prosecutor, checker } = prosecution();
    for (const [to, frame] of frames) checker.delivered?.(3, to, frame);
    return prosecutor.faultAfterFork();
  };

  it("wants more than a third of the weight named after a fork", () => {
    // Each half to another honest node.
    const halves: [number, Uint8Array][] = [
      [0, vote(3, 1, NOTARIZE, A)],
      [1, vote(3, 1, NOTARIZE, B)],
    ];
    expect(judged(halves)).toMatch(/1 of 4/);
    const compatible: [number, Uint8Array][] = [
      [0, vote(3, 1, NULLIFY)],
      [0, vote(3, 1, NOTARIZE, B)],
    ];
    expect(judged(compatible)).toMatch(/0 of 4/);
  });

  it("names nobody for what only liars were given, or for a signature that is not theirs", () => {
    const first: [number, Uint8Array] = [0, vote(3, 1, NOTARIZE, A)];
    expect(judged([first, [3, vote(3, 1, NOTARIZE, B)]])).toMatch(/0 of 4/);
    expect(judged([first, [1, vote(3, 1, NOTARIZE, B, false)]])).toMatch(/0 of 4/);
    // A forgery does not stand in the way of the true one.
    const forged: [number, Uint8Array] = [1, vote(3, 1, NOTARIZE, B, false)];
    expect(judged([first, forged, [1, vote(3, 1, NOTARIZE, B)]])).toMatch(/1 of 4/);
    const { prosecutor, checker } = prosecution();
    for (const hash of [A, B]) checker.released?.(3, signed(1, NOTARIZE, hash), GENESIS);
    expect(prosecutor.culprits()).toEqual([]);
  });

  it("reads the signers of certificates and of proposals", () => {
    const certificate = (hash: string): Uint8Array => {
      const out = Buffer.alloc(1 + 17 + 32 + 2 + 1 + 2 * SIGNATURE_BYTES);
      vote(0, 1, FINALIZE, hash)
        .subarray(0, 50)
        .forEach((byte, at) => {
          out[at] = byte;
        });
      out[0] = 3;
      out.writeUInt16BE(4, 50);
      out[52] = 0b1100;
      out[53] = 1;
      out[53 + SIGNATURE_BYTES] = 1;
      return out;
    };
    const { prosecutor, checker } = prosecution();
    checker.delivered?.(3, 0, certificate(A));
    const proposed = Buffer.concat([Buffer.alloc(5), vote(3, 1, NOTARIZE, B).subarray(1)]);
    proposed[0] = 1;
    checker.delivered?.(3, 1, proposed);
    expect(prosecutor.culprits().map(({ slot }) => slot)).toEqual([3]);
    checker.delivered?.(3, 1, certificate(B));
    expect(prosecutor.culprits().map(({ slot }) => slot)).toEqual([3, 2]);
  });

  it("does not accept that an honest one is accused", () => {
    const { prosecutor, checker } = prosecution();
    checker.released?.(0, signed(1, NULLIFY), GENESIS);
    checker.released?.(0, signed(1, FINALIZE, A), GENESIS);
    expect(prosecutor.faultAfterFork()).toMatch(/n0 is honest/);
  });

  it("names two of four that agreed with both halves of the rest", () => {
    expect(judgeOverThird(overThird(4, 2), SYSTEM)).toBe("forked");
  });

  it("has nothing to judge where a third of seven lie: they can only halt it", () => {
    const one = overThird(7, 2);
    // The smaller part never gets past the first view, in which all say S: what liars tell both is one thing.
    const unasked = { ...one, expect: { ...one.expect, marks: [] } };
    expect(["halted", "went on"]).toContain(judgeOverThird(unasked, SYSTEM));
  });
});

describe("the most weight under a third", () => {
  it("is found whatever the weights are", () => {
    expect(slotsUnderThird([1, 1, 1, 1], new Prng(1, "t"))).toHaveLength(1);
    const weights = [33, 30, 17, 11, 9];
    const slots = slotsUnderThird(weights, new Prng(1, "t"));
    expect(slots.reduce((sum, slot) => sum + (weights[slot] ?? 0), 0)).toBe(33);
  });
});
