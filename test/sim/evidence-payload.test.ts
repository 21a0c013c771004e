/** What the oracle makes of an accusation that the log has accepted. */
import { describe, expect, it } from "vitest";
import { FINALIZE, NOTARIZE, NULLIFY } from "../../sim/checkers/decode.ts";
import { faultOfEvidence } from "../../sim/checkers/evidence-payload.ts";
import { KeyRing } from "../../sim/signer.ts";
import { createHasher, sha256 } from "../../src/crypto/hash.ts";
import { evidenceCommitted, evidenceWithKey } from "../../src/detect/events.ts";
import { kindNumber, statementBytes } from "../../src/ledger/statement.ts";
import type { Statement } from "../../src/ledger/types.ts";

const CHAIN = "evidence-test";
const hasher = createHasher(CHAIN);
const ring = new KeyRing(3);
const [first, later] = [ring.createKey("first"), ring.createKey("later")];
const [A, B] = [sha256(Uint8Array.of(1)), sha256(Uint8Array.of(2))];
const EPOCH = 4;
const VIEW = 9;
/** Up to epoch 2 the first key, then the later one. */
const keyOf = (epoch: number): Uint8Array => (epoch <= 2 ? first : later).publicKey;

const signed = (kind: Statement["kind"], hash: Uint8Array, key = later, view = VIEW) => ({
  kind: kindNumber(kind),
  hash: kind === "nullify" ? new Uint8Array(32) : hash,
  signature: ring.sign(
    key,
    statementBytes(hasher, {
      ...{ epoch: EPOCH, view, kind },
      hash: kind === "nullify" ? new Uint8Array(32) : hash,
    }),
  ),
});

type Half = ReturnType<typeof signed>;

const judged = (pair: readonly [Half, Half], named: Uint8Array | null = later.publicKey) => {
  const marks: string[] = [];
  const fields = { validator: A, epoch: EPOCH, view: VIEW, first: pair[0], second: pair[1] };
  const { payload } =
    named === null
      ? evidenceCommitted.encode(fields)
      : evidenceWithKey.encode({ ...fields, publicKey: named });
  const verify = (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean =>
    ring.verify({ publicKey, message, signature });
  const mark = (name: string): void => void marks.push(name);
  return { fault: faultOfEvidence({ chainId: CHAIN, verify, mark }, payload, keyOf), marks };
};

describe("an accusation", () => {
  const pair = [signed("notarize", A), signed("notarize", B)] as const;

  it("is right where both halves are signed with the key of their epoch", () => {
    expect(kindNumber("notarize")).toBe(NOTARIZE);
    expect([kindNumber("nullify"), kindNumber("finalize")]).toEqual([NULLIFY, FINALIZE]);
    const marks = ["evidence with a key of a later epoch"];
    expect(judged(pair)).toEqual({ fault: undefined, marks });
    // A chain without keys of epochs names none.
    expect(judged(pair, null)).toEqual({ fault: undefined, marks: [] });
    expect(judged([signed("notarize", A), signed("finalize", B)]).fault).toBeUndefined();
  });

  it("is wrong with another key, named or used", () => {
    expect(judged(pair, first.publicKey).fault).toContain("not of epoch 4");
    const old = [signed("notarize", A, first), signed("notarize", B, first)] as const;
    expect(judged(old).fault).toContain("has not signed");
    expect(judged([pair[0], signed("notarize", B, first)]).fault).toContain("has not signed");
    expect(judged([pair[0], signed("notarize", B, later, VIEW + 1)]).fault).toContain("not signed");
  });

  it("is wrong with statements that one validator may make both", () => {
    expect(judged([pair[0], pair[0]]).fault).toContain("do not exclude");
    const skipped = [signed("notarize", A), signed("nullify", A)] as const;
    expect(judged(skipped).fault).toContain("do not exclude");
  });
});
