import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { utf8 } from "../../src/crypto/codec.ts";
import { falconSign, falconVerify } from "../../src/crypto/falcon.ts";
import { sha256 } from "../../src/crypto/hash.ts";
import {
  evidenceCommitted,
  evidenceEvent,
  isQuarantined,
  quarantine,
  quarantineOf,
} from "../../src/detect/index.ts";
import { validatorAt } from "../../src/ledger/projections/validators.ts";
import {
  conflict,
  evidenceOf,
  finalize,
  notarize,
  nullify,
  statementBytes,
} from "../../src/ledger/statement.ts";
import type { EncodedEvent, Statement, Vote } from "../../src/ledger/types.ts";
import { LIMITS } from "../../src/limits.ts";
import { keptKeys } from "../crypto/kept-keys.ts";
import {
  ALL_PROJECTIONS,
  codesOf,
  genesis,
  hasher,
  idOf,
  keyOf,
  runnerOptions,
  TestChain,
  testSign,
  testVerify,
  VALIDATOR_NAMES,
} from "../ledger/execution-support.ts";
import { projectionContract } from "../ledger/projection-contract.ts";

const [A, B] = [sha256(utf8("block a")), sha256(utf8("block b"))];

const vote = (name: string, statement: Statement, salt = 0): Vote => ({
  statement,
  signer: VALIDATOR_NAMES.indexOf(name),
  signature: testSign(statementBytes(hasher, statement), keyOf(name), salt),
});

const evidence = (name: string, a: Statement, b: Statement, salt = 0): EncodedEvent => {
  const found = evidenceOf(vote(name, a, salt), vote(name, b, salt));
  if (found === undefined) throw new Error("no conflict");
  return evidenceEvent(found, idOf(name));
};

/** The fields of evidence as somebody may have filled them in. */
const claim = (name: string, a: Statement, b: Statement): EncodedEvent => {
  const fieldsOf = (statement: Statement) => ({
    kind: ["", "notarize", "nullify", "finalize"].indexOf(statement.kind),
    hash: statement.hash,
    signature: vote(name, statement).signature,
  });
  return evidenceCommitted.encode({
    validator: idOf(name),
    epoch: a.epoch,
    view: a.view,
    first: fieldsOf(a),
    second: fieldsOf(b),
  });
};

const decoded = (event: EncodedEvent) => {
  const value = evidenceCommitted.decode(event.payload);
  if (!value.ok) throw new Error(value.detail);
  return value.value;
};

describe("evidence", () => {
  it.each([
    ["double-notarize", notarize(1, 7, A), notarize(1, 7, B)],
    ["double-finalize", finalize(1, 7, B), finalize(1, 7, A)],
    ["notarize-finalize", finalize(1, 7, B), notarize(1, 7, A)],
    ["nullify-finalize", finalize(1, 7, A), nullify(1, 7)],
  ] as const)("of %s quarantines, whoever of the validators reports it", (kind, a, b) => {
    const chain = new TestChain();
    expect(isQuarantined(chain.store.read, idOf("v1"))).toBe(false);
    const execution = chain.block({ by: "v3", events: [evidence("v1", a, b)] });
    expect(codesOf(execution)).toEqual(["accepted"]);
    expect(isQuarantined(chain.store.read, idOf("v1"))).toBe(true);
    expect(isQuarantined(chain.store.read, idOf("v3"))).toBe(false);
    const row = quarantineOf(chain.store.read, idOf("v1"));
    expect(row).toMatchObject({ sinceHeight: 1, evidenceIndex: 0, count: 1 });
    expect(row?.sinceMs).toBe(genesis.timeMs + 250);
    const shown = [...chain.store.rows].flatMap(([key, value]) => {
      const prefix = Buffer.from("r/quarantine/\u0001").toString("hex");
      if (!key.startsWith(prefix)) return [];
      const bytes = new Uint8Array(Buffer.from(key, "hex").subarray("r/quarantine/".length));
      return [quarantine.format?.(bytes, value.subarray(8))];
    });
    expect(shown).toMatchObject([{ conflict: kind, count: 1 }]);
    // Other projections hear of it as an event.
    expect(validatorAt(chain.store.read, idOf("v1"))?.misbehavedHeight).toBe(1);
    expect(validatorAt(chain.store.read, idOf("v0"))?.misbehavedHeight).toBe(0);
  });

  it("is known by what was stated, not by who signed it how often", () => {
    const chain = new TestChain();
    const event = evidence("v1", notarize(1, 7, A), notarize(1, 7, B));
    const resigned = evidence("v1", notarize(1, 7, A), notarize(1, 7, B), 9);
    expect(Buffer.compare(event.bytes, resigned.bytes)).not.toBe(0);
    const C = sha256(utf8("block c"));
    const later = [
      event,
      resigned,
      // Another pair of blocks in that view is the same fault.
      evidence("v1", notarize(1, 7, A), notarize(1, 7, C)),
      evidence("v1", notarize(1, 7, A), finalize(1, 7, B)),
      evidence("v1", notarize(1, 8, A), notarize(1, 8, B)),
      evidence("v1", notarize(2, 7, A), notarize(2, 7, B)),
      evidence("v2", notarize(1, 7, A), notarize(1, 7, B)),
    ];
    const execution = chain.block(
      { by: "v0", events: [event] },
      ...later.map((one) => ({ by: "v2", events: [one] })),
    );
    expect(codesOf(execution)).toEqual([
      "accepted",
      "evidence.known",
      "evidence.known",
      "evidence.known",
      "accepted",
      "accepted",
      "accepted",
      "accepted",
    ]);
    const { read } = chain.store;
    expect(quarantineOf(read, idOf("v1"))).toMatchObject({
      count: 4,
      evidenceIndex: 0,
      conflict: 0,
    });
    expect(quarantineOf(read, idOf("v2"))).toMatchObject({ count: 1, evidenceIndex: 7 });
  });

  it("is refused when it proves nothing", () => {
    const chain = new TestChain();
    const good = decoded(evidence("v1", notarize(1, 7, A), notarize(1, 7, B)));
    const ordered = good.first.hash[0] === A[0] ? [A, B] : [B, A];
    const [low = A, high = B] = ordered;
    const flipped = (which: "first" | "second") => {
      const signature = good[which].signature.slice();
      signature[0] = (signature[0] ?? 0) ^ 1;
      return evidenceCommitted.encode({ ...good, [which]: { ...good[which], signature } });
    };
    const wrong: Record<string, EncodedEvent> = {
      "the same statement": claim("v1", notarize(1, 7, A), notarize(1, 7, A)),
      "a legal pair": claim("v1", notarize(1, 7, A), nullify(1, 7)),
      "the wrong order": claim("v1", notarize(1, 7, high), notarize(1, 7, low)),
      "no validator": claim("clerk", notarize(1, 7, low), notarize(1, 7, high)),
      "another's key": evidenceCommitted.encode({ ...good, validator: idOf("v2") }),
      "another view": evidenceCommitted.encode({ ...good, view: 8 }),
      "another epoch": evidenceCommitted.encode({ ...good, epoch: 2 }),
      "a wrong first signature": flipped("first"),
      "a wrong second signature": flipped("second"),
      "no kind": evidenceCommitted.encode({ ...good, first: { ...good.first, kind: 0 } }),
      "a kind too many": evidenceCommitted.encode({ ...good, second: { ...good.second, kind: 4 } }),
      "a nullify with a hash": evidenceCommitted.encode({
        ...good,
        first: { ...good.first, kind: 2 },
        second: { ...good.second, kind: 3 },
      }),
    };
    for (const [what, event] of Object.entries(wrong)) {
      const execution = chain.block({ by: "v0", events: [event] });
      expect(codesOf(execution), what).toEqual(["evidence.invalid"]);
    }
    for (const name of VALIDATOR_NAMES) {
      expect(isQuarantined(chain.store.read, idOf(name))).toBe(false);
    }
  });

  it("is looked at in the first places of a batch only", () => {
    let verified = 0;
    const verifySignature = (...args: Parameters<typeof testVerify>): boolean => {
      verified += 1;
      return testVerify(...args);
    };
    const chain = new TestChain({ ...runnerOptions(), verifySignature });
    const events = [1, 2, 3, 4, 5, 6].map((view) =>
      evidence("v1", notarize(1, view, A), notarize(1, view, B)),
    );
    expect(codesOf(chain.block({ by: "v0", events }))).toEqual([
      ...Array.from({ length: LIMITS.evidencePositionsMax }, () => "accepted"),
      "event.invalid",
      "event.invalid",
    ]);
    expect(verified).toBe(2 * LIMITS.evidencePositionsMax);
  });

  it("may be written by validators and by actors with the permission only", () => {
    const chain = new TestChain();
    const event = evidence("v1", notarize(1, 7, A), notarize(1, 7, B));
    const execution = chain.block(
      { by: "clerk", events: [event] },
      { by: "stranger", events: [event] },
      { by: "v1", events: [event] },
    );
    // The culprit itself may report what its other half has done.
    expect(codesOf(execution)).toEqual(["event.forbidden", "event.unknown-actor", "accepted"]);
    expect(codesOf(chain.block({ by: "root", events: [event] }))).toEqual(["evidence.known"]);
  });

  it("agrees with a naive model over any history", () => {
    const statement = fc
      .tuple(fc.constantFrom("n", "s", "f"), fc.constantFrom(A, B), fc.integer({ min: 1, max: 2 }))
      .map(([kind, hash, view]) =>
        kind === "n"
          ? notarize(1, view, hash)
          : kind === "f"
            ? finalize(1, view, hash)
            : nullify(1, view),
      );
    const report = fc.tuple(fc.constantFrom("v0", "v1"), statement, statement);
    fc.assert(
      fc.property(fc.array(report, { maxLength: 20 }), (reports) => {
        const chain = new TestChain();
        const faults = new Map<string, Set<string>>();
        for (const [name, a, b] of reports) {
          const kind = conflict(a, b);
          if (kind === undefined) continue;
          const known = faults.get(name) ?? new Set<string>();
          const fault = `${a.view} ${kind}`;
          const expected = known.has(fault) ? "evidence.known" : "accepted";
          faults.set(name, known.add(fault));
          const execution = chain.block({ by: "v2", events: [evidence(name, a, b)] });
          expect(codesOf(execution)).toEqual([expected]);
        }
        for (const name of VALIDATOR_NAMES) {
          expect(quarantineOf(chain.store.read, idOf(name))?.count).toBe(faults.get(name)?.size);
        }
      }),
      { numRuns: 40 },
    );
  });

  it("is decided by real signatures", () => {
    const keys = keptKeys(3);
    const id = hasher.ht("id", keys.publicKey);
    const [first] = genesis.validators;
    if (first === undefined) throw new Error("no validator");
    const culprit = { ...first, id, publicKey: keys.publicKey };
    const chain = new TestChain(
      { ...runnerOptions(), verifySignature: falconVerify },
      { ...genesis, validators: [culprit, ...genesis.validators.slice(1)] },
    );
    const signed = (statement: Statement, seed: number): Vote => ({
      statement,
      signer: 0,
      signature: falconSign(
        statementBytes(hasher, statement),
        keys.secretKey,
        new Uint8Array(48).fill(seed),
      ),
    });
    const found = evidenceOf(signed(finalize(1, 2, A), 1), signed(nullify(1, 2), 2));
    const forged = evidenceOf(signed(finalize(1, 3, A), 1), {
      ...signed(nullify(1, 2), 2),
      statement: nullify(1, 3),
    });
    if (found === undefined || forged === undefined) throw new Error("no conflict");
    const events = [evidenceEvent(forged, id), evidenceEvent(found, id)];
    expect(codesOf(chain.block({ by: "v2", events }))).toEqual(["evidence.invalid", "accepted"]);
    expect(isQuarantined(chain.store.read, id)).toBe(true);
  });
});

projectionContract({
  projection: quarantine,
  projections: ALL_PROJECTIONS,
  events: fc.record({
    by: fc.constantFrom("v0", "v1", "clerk"),
    event: fc
      .tuple(fc.constantFrom("v1", "v2"), fc.integer({ min: 1, max: 3 }), fc.boolean())
      .map(([name, view, honest]) =>
        honest
          ? claim(name, notarize(1, view, A), nullify(1, view))
          : evidence(name, notarize(1, view, A), notarize(1, view, B)),
      ),
  }),
});
