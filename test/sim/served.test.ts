/** I23 is shown checkpoints with a forged line, of too few, and of another root than was signed. */
import { describe, expect, it } from "vitest";
import { servedSigned } from "../../sim/checkers/served.ts";
import type { CheckContext, Member } from "../../sim/checkers/types.ts";
import { createChain } from "../../sim/genesis.ts";
import { scenario } from "../../sim/scenario.ts";
import { checkpointKeysOf, checkpointSignaturesOf, KeyRing } from "../../sim/signer.ts";
import { toHex } from "../../src/crypto/bytes.ts";
import {
  checkpointLines,
  checkpointMessages,
  checkpointPolicyOf,
  checkpointText,
} from "../../src/ledger/verify/checkpoint.ts";
import { formatNote } from "../../src/ledger/verify/note.ts";

const ROOT = new Uint8Array(32).fill(5);
const ring = new KeyRing(1);
const chain = createChain(scenario("test", { n: 4 }), ring);
const { origin, members: policy } = checkpointPolicyOf(chain.genesis);
const members: Member[] = chain.keys.map(({ publicKey }, slot) => ({
  index: chain.indexOfSlot[slot] ?? -1,
  slot,
  idHex: toHex(chain.ids[slot] ?? ROOT),
  publicKey,
  weight: 1n,
}));

/** The note of size 9 by the validators of these slots, signed for `signedRoot`; `forged` did not sign. */
const noteOf = (slots: readonly number[], forged?: number, signedRoot = ROOT): string => {
  const signatures = slots.flatMap((slot) => {
    const [key, member] = [chain.keys[slot], policy[members[slot]?.index ?? -1]];
    if (key === undefined || member === undefined) throw new Error("no such slot");
    const timeS = 1_000 + slot;
    const messages = checkpointMessages(member, { origin, size: 9, root: signedRoot }, timeS);
    const bare = checkpointSignaturesOf(checkpointKeysOf(key.publicKey), messages);
    const falcon = ring.sign(key, messages.falcon);
    if (slot === forged) falcon.fill(1);
    return checkpointLines(member, timeS, { ...bare, falcon });
  });
  return formatNote({ text: checkpointText({ origin, size: 9, root: ROOT }), signatures });
};

/** What is reported of a note that a node serves; slot 3 is an adversary. */
const reported = (note: string, slot = 0): string[] => {
  const found: string[] = [];
  const context: CheckContext = {
    chainId: chain.genesis.chainId,
    genesisHash: chain.hash,
    genesisTimeMs: 0,
    epochMs: 3_600_000,
    members,
    honest: (one) => one < 3,
    asked: () => true,
    haltedMs: [],
    memberOf: (one) => members[one],
    standing: () => undefined,
    verify: (publicKey, message, signature) => ring.verify({ publicKey, message, signature }),
    nowUs: () => 0,
    wallMs: () => 0,
    report: (id, detail) => found.push(`${id} ${detail}`),
    mark: () => undefined,
  };
  servedSigned(context).served?.(slot, note);
  return found;
};

describe("checkpoints that are served (I23)", () => {
  it("may carry the signatures of a quorum, or of all", () => {
    expect(reported(noteOf([0, 1, 2]))).toEqual([]);
    expect(reported(noteOf([0, 1, 2, 3]))).toEqual([]);
  });

  it("may not carry one that nobody made, beside a quorum of good ones either", () => {
    expect(reported(noteOf([0, 1, 2, 3], 3))).toEqual([
      expect.stringMatching(/^I23 n0 serves .* as tetrad-sim\/tlog\/v3 that nobody made$/),
    ]);
    expect(reported(noteOf([0, 1, 2, 3], 3), 3)).toEqual([]);
  });

  it("may not be of less than a quorum, or of another root than was signed", () => {
    expect(reported(noteOf([0, 1]))).toEqual([expect.stringContaining("weight 2 of 4")]);
    const other = new Uint8Array(32).fill(6);
    expect(reported(noteOf([0, 1, 2], undefined, other))).toEqual([
      expect.stringContaining("nobody made"),
    ]);
  });
});
