import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toHex } from "../../../src/crypto/bytes.ts";
import { utf8 } from "../../../src/crypto/codec.ts";
import { sha256 } from "../../../src/crypto/hash.ts";
import {
  consistencyProof,
  merkleRoot,
  rfc6962Leaf,
  rfc6962Node,
} from "../../../src/crypto/merkle.ts";
import {
  CHECKPOINT_ALGORITHMS,
  type Checkpoint,
  checkConsistency,
  checkpointMessages,
  checkpointPolicyOf,
  checkpointText,
  formatPolicy,
  parseCheckpointText,
  verifyCheckpoint,
} from "../../../src/ledger/verify/checkpoint.ts";
import { LIMITS } from "../../../src/limits.ts";
import {
  allLines,
  checkpoint,
  full,
  linesOf,
  members,
  noteOf,
  policy,
} from "./checkpoint-support.ts";

describe("checkpoints", () => {
  it("are verified by quorums of each algorithm, and tell signers and time", () => {
    for (const algorithm of CHECKPOINT_ALGORITHMS) {
      expect(verifyCheckpoint(policy, full, algorithm)).toEqual({
        ok: true,
        value: { ...checkpoint, signers: ["v0", "v1", "v2", "v3"], timeS: 1003 },
      });
    }
  });

  it("state no time that only validators who may all be faulty have signed", () => {
    const at = (...times: number[]) => {
      const lines = times.flatMap((timeS, i) => linesOf(i, checkpoint, timeS));
      const verified = verifyCheckpoint(policy, noteOf(lines));
      return verified.ok ? verified.value.timeS : verified.code;
    };
    // Weights 1, 1, 1, 2: of these a weight of 1 may be faulty.
    const far = LIMITS.checkpointTimeSMax;
    expect(at(far, 1000, 1001, 1002)).toBe(1002);
    expect(at(far, 1007, 1001, 1002)).toBe(1007);
    expect(at(1000, 1000, 1001, 1009)).toBe(1009);
    expect(at(1000, 1000, 1000, 1000)).toBe(1000);
    expect(at(far + 1, 1000, 1000, 1000)).toBe("checkpoint.signature");
    // Ed25519 lines have no time in them; one member's time is not enough beside them.
    const classic = allLines.flatMap((lines) => lines.slice(0, 1));
    const first = linesOf(0, checkpoint, far).slice(1);
    for (const lines of [classic, [...classic, ...first]]) {
      expect(verifyCheckpoint(policy, noteOf(lines), "ed25519")).toMatchObject({
        value: { timeS: 0 },
      });
    }
  });

  it("need floor(2W/3) + 1 of the weight: 4 of 5", () => {
    expect(policy.quorum).toBe(4n);
    const of = (...signers: number[]) => noteOf(signers.flatMap((i) => allLines[i] ?? []));
    expect(verifyCheckpoint(policy, of(3, 0, 1)).ok).toBe(true);
    expect(verifyCheckpoint(policy, of(0, 1, 2))).toMatchObject({ code: "checkpoint.quorum" });
    // Lines of one algorithm are no quorum of another.
    const [ed25519] = allLines.map((lines) => lines.slice(0, 1));
    expect(verifyCheckpoint(policy, noteOf(ed25519 ?? []), "ed25519")).toMatchObject({
      code: "checkpoint.quorum",
    });
    const classic = noteOf(allLines.flatMap((lines) => lines.slice(0, 1)));
    expect(verifyCheckpoint(policy, classic, "ed25519").ok).toBe(true);
    expect(verifyCheckpoint(policy, classic, "mlDsa44")).toMatchObject({
      code: "checkpoint.quorum",
    });
  });

  it("ignore lines of other keys, and count no key twice", () => {
    const stranger = { name: "w.example/1", keyId: 7, signature: new Uint8Array(64) };
    expect(verifyCheckpoint(policy, noteOf([stranger, ...allLines.flat()])).ok).toBe(true);
    const twice = noteOf([...allLines.flat(), ...(allLines[0] ?? [])]);
    expect(verifyCheckpoint(policy, twice)).toMatchObject({ code: "checkpoint.malformed" });
  });

  it("refuse another log, and a signature over anything else", () => {
    const other = { ...checkpoint, origin: "test-2/tlog" };
    const foreign = noteOf(allLines.flat(), checkpointText(other));
    expect(verifyCheckpoint(policy, foreign)).toMatchObject({ code: "checkpoint.foreign" });
    for (const changed of [
      { ...checkpoint, size: 8 },
      { ...checkpoint, root: sha256(utf8("other")) },
    ]) {
      const note = noteOf(allLines.flat(), checkpointText(changed));
      expect(verifyCheckpoint(policy, note)).toMatchObject({ code: "checkpoint.signature" });
    }
    // The time is signed too, by ML-DSA-44 and FALCON.
    const [, ml] = allLines[0] ?? [];
    const late = Uint8Array.from(ml?.signature ?? []);
    late[7] = (late[7] ?? 0) ^ 1;
    const lines = allLines.flat().map((one) => (one === ml ? { ...one, signature: late } : one));
    expect(verifyCheckpoint(policy, noteOf(lines))).toMatchObject({ code: "checkpoint.signature" });
  });

  it("hold with no byte changed that is checked", () => {
    // A changed key id or name makes a line one of a stranger, so a quorum that needs every line is taken.
    const exact = noteOf([3, 0, 1].flatMap((i) => (allLines[i] ?? []).slice(1, 2)));
    fc.assert(
      fc.property(fc.nat(exact.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const changed = Uint8Array.from(exact);
        changed[at] = (changed[at] ?? 0) ^ flip;
        expect(verifyCheckpoint(policy, changed).ok).toBe(false);
      }),
      { numRuns: 150 },
    );
  });

  it.each([
    ["an extension line", "test-1/tlog\n7\nROOT\nmore\n"],
    ["two lines", "test-1/tlog\n7\n"],
    ["no origin", "\n7\nROOT\n"],
    ["a leading zero", "test-1/tlog\n07\nROOT\n"],
    ["a sign", "test-1/tlog\n+7\nROOT\n"],
    ["a size past 2^53", "test-1/tlog\n9007199254740993\nROOT\n"],
    ["a short root", "test-1/tlog\n7\nAAAA\n"],
  ])("refuse %s", (_what, text) => {
    const root = checkpointText(checkpoint).split("\n")[2] ?? "";
    expect(parseCheckpointText(text.replace("ROOT", root))).toMatchObject({
      ok: false,
      code: "checkpoint.malformed",
    });
  });

  it("sign the bytes of c2sp.org/tlog-cosignature", () => {
    const [member] = policy.members;
    if (member === undefined) throw new RangeError("no member");
    const { ed25519, mlDsa44 } = checkpointMessages(member, checkpoint, 258);
    expect(new TextDecoder().decode(ed25519)).toBe(checkpointText(checkpoint));
    expect(toHex(mlDsa44)).toBe(
      [
        toHex(utf8("subtree/v1\n\0")),
        `0e${toHex(utf8("test-1/tlog/v0"))}`,
        "0000000000000102",
        `0b${toHex(utf8("test-1/tlog"))}`,
        "0000000000000000",
        "0000000000000007",
        toHex(checkpoint.root),
      ].join(""),
    );
  });
});

describe("consistency of checkpoints", () => {
  const leaves = Array.from({ length: 40 }, (_, i) => rfc6962Leaf(Uint8Array.of(i)));
  const at = (size: number): Checkpoint => ({
    origin: "test-1/tlog",
    size,
    root: merkleRoot(leaves.slice(0, size), rfc6962Node),
  });

  it("is shown by RFC 6962 proofs and by nothing else", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 40 }), (a, b) => {
        const [older, newer] = [at(Math.min(a, b)), at(Math.max(a, b))];
        const proof = consistencyProof(leaves.slice(0, newer.size), older.size, rfc6962Node);
        expect(checkConsistency(older, newer, proof)).toBeUndefined();
        const forged = { ...older, root: sha256(utf8("forged")) };
        expect(checkConsistency(forged, newer, proof)?.code).toBe("checkpoint.inconsistent");
        if (a !== b) {
          expect(checkConsistency(newer, older, proof)?.code).toBe("checkpoint.inconsistent");
        }
      }),
    );
    expect(checkConsistency(at(1), { ...at(2), origin: "x" }, [])?.code).toBe("checkpoint.foreign");
  });
});

describe("the policy file", () => {
  it("names every key, and asks for as many heads as are a quorum however light", () => {
    const lines = formatPolicy(policy).split("\n");
    expect(lines.filter((line) => line.startsWith("log test-1/tlog+"))).toHaveLength(4);
    expect(
      lines.filter((line) => /^witness v[0-3] test-1\/tlog\/v[0-3]\+/.test(line)),
    ).toHaveLength(4);
    // 1 + 1 + 1 is not enough, so it takes all four.
    expect(lines).toContain("group Validators 4 v0 v1 v2 v3");
    expect(lines).toContain("quorum Validators");
    const equal = checkpointPolicyOf({
      chainId: "test-1",
      validators: members.map(({ validator }) => ({ ...validator, weight: 1n })),
    });
    expect(formatPolicy(equal)).toContain("\ngroup Validators 3 v0 v1 v2 v3\n");
  });
});
