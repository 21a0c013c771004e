/** Every checker must find what it is there for: each is shown a violation, and a run that is clean. */
import { describe, expect, it } from "vitest";
import { agreement, oneFinalizable } from "../../sim/checkers/agreement.ts";
import { blockTime } from "../../sim/checkers/block-time.ts";
import { capsKept } from "../../sim/checkers/caps.ts";
import { certificatesValid } from "../../sim/checkers/certificates.ts";
import { answersDurable, clientsServed } from "../../sim/checkers/clients.ts";
import { FINALIZE, NOTARIZE, NULLIFY, statementBytes } from "../../sim/checkers/decode.ts";
import { durableBeforeSent } from "../../sim/checkers/durability.ts";
import { evidenceSound } from "../../sim/checkers/evidence.ts";
import { finalNotarized } from "../../sim/checkers/final-notarized.ts";
import { monotone } from "../../sim/checkers/monotone.ts";
import { oneNotarized } from "../../sim/checkers/notarized.ts";
import { nullifiedOrFinal } from "../../sim/checkers/nullified.ts";
import { isQuorum, rfc6962Root, taggedHash } from "../../sim/checkers/oracle.ts";
import { ownStatements } from "../../sim/checkers/own-statements.ts";
import { recordsFolded } from "../../sim/checkers/records.ts";
import { ReleaseTracker } from "../../sim/checkers/release.ts";
import { encodeLeaf, rootsEqual } from "../../sim/checkers/roots.ts";
import type {
  CheckContext,
  Checker,
  CheckerFactory,
  Dump,
  Entry,
  Member,
  Status,
} from "../../sim/checkers/types.ts";
import { KeyRing } from "../../sim/signer.ts";
import { createHasher } from "../../src/crypto/hash.ts";
import { encodeHeader } from "../../src/ledger/block.ts";
import {
  encodeCertificate,
  statementBytes as srcStatementBytes,
} from "../../src/ledger/statement.ts";
import { HASH_A, statusWith, toHex, utf8Hash } from "./support.ts";

const CHAIN = "tetrad-test";
const HASH_B = "bb".repeat(32);
const ZERO = "00".repeat(32);
const ring = new KeyRing(1);
const keys = [0, 1, 2, 3].map((i) => ring.createKey(`v${i}`));
const members: Member[] = keys.map((key, index) => ({
  index,
  slot: index,
  idHex: toHex(Uint8Array.of(index)).padStart(64, "0"),
  publicKey: key.publicKey,
  weight: 1n,
}));

type Rig = { readonly checker: Checker; readonly found: string[] };

/** A checker over four members, of which slot 3 is an adversary. */
const createRig = (factory: CheckerFactory): Rig => {
  const found: string[] = [];
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
    nowUs: () => 0,
    wallMs: () => 1_000,
    report: (id) => found.push(id),
    mark: () => undefined,
  };
  return { checker: factory(context), found };
};

const statement = (view: number, kind: number, hash: string): Uint8Array =>
  statementBytes(CHAIN, { epoch: 0, view, kind, hash });

const release = (rig: Rig, slot: number, view: number, kind: number, hash: string): void =>
  rig.checker.released?.(slot, statement(view, kind, hash), new Uint8Array(1280));

describe("the oracle's arithmetic", () => {
  it("knows a quorum as more than two thirds, for every remainder of W by 3", () => {
    for (let total = 1n; total < 50n; total++) {
      const quorum = (2n * total) / 3n + 1n;
      expect(isQuorum(quorum, total)).toBe(true);
      expect(isQuorum(quorum - 1n, total)).toBe(false);
    }
  });

  it("agrees with the product on statements, headers and tagged hashes", () => {
    const hasher = createHasher(CHAIN);
    const hash = new Uint8Array(32).fill(0xaa);
    const parts = { epoch: 0, view: 7, kind: "finalize" as const, hash };
    expect(statement(7, FINALIZE, HASH_A)).toEqual(Buffer.from(srcStatementBytes(hasher, parts)));
    expect(Buffer.from(taggedHash(CHAIN, "x", hash))).toEqual(Buffer.from(hasher.ht("x", hash)));
  });

  it("has the RFC 6962 heads of small trees", () => {
    expect(toHex(rfc6962Root([]))).toBe(
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    );
    expect(toHex(rfc6962Root([new Uint8Array(0)]))).toBe(
      "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    );
  });
});

describe("statements", () => {
  const conflicts: readonly (readonly [number, string, number, string])[] = [
    [NOTARIZE, HASH_A, NOTARIZE, HASH_B],
    [FINALIZE, HASH_A, FINALIZE, HASH_B],
    [NULLIFY, ZERO, FINALIZE, HASH_A],
    [NOTARIZE, HASH_A, FINALIZE, HASH_B],
  ];
  it.each(conflicts)("I7: finds kind %s %s with kind %s %s", (kindA, hashA, kindB, hashB) => {
    const rig = createRig(ownStatements);
    release(rig, 0, 4, kindA, hashA);
    release(rig, 0, 5, kindB, hashB);
    release(rig, 3, 4, kindB, hashB);
    release(rig, 3, 4, kindA, hashA);
    expect(rig.found).toEqual([]);
    release(rig, 0, 4, kindB, hashB);
    expect(rig.found).toEqual(["I7"]);
  });

  it("I7: allows N and S of one view, and N and F of one hash", () => {
    const rig = createRig(ownStatements);
    release(rig, 0, 4, NOTARIZE, HASH_A);
    release(rig, 0, 4, NULLIFY, ZERO);
    release(rig, 1, 4, NOTARIZE, HASH_A);
    release(rig, 1, 4, FINALIZE, HASH_A);
    expect(rig.found).toEqual([]);
  });

  const quorum = (rig: Rig, kind: number, hash: string, slots: readonly number[]): void => {
    for (const slot of slots) release(rig, slot, 9, kind, hash);
  };

  it("I3: finds two hashes with a quorum in one view, counting a signer once", () => {
    const rig = createRig(oneNotarized);
    quorum(rig, NOTARIZE, HASH_A, [0, 1, 3]);
    quorum(rig, NOTARIZE, HASH_B, [2, 2, 3]);
    expect(rig.found).toEqual([]);
    quorum(rig, NOTARIZE, HASH_B, [1]);
    expect(rig.found).toEqual(["I3"]);
  });

  it("I1: finds two hashes that a quorum of one view has finalized, and no other id does", () => {
    const rig = createRig(oneFinalizable);
    const others = [oneNotarized, nullifiedOrFinal].map(createRig);
    for (const one of [rig, ...others]) quorum(one, FINALIZE, HASH_A, [0, 1, 3]);
    expect(rig.found).toEqual([]);
    for (const one of [rig, ...others]) quorum(one, FINALIZE, HASH_B, [0, 2, 3]);
    expect(rig.found).toEqual(["I1"]);
    expect(others.flatMap(({ found }) => found)).toEqual([]);
  });

  it("I4: finds a view both skipped and final, whichever comes first", () => {
    const skipped = createRig(nullifiedOrFinal);
    quorum(skipped, NOTARIZE, HASH_A, [0, 1, 2]);
    quorum(skipped, NULLIFY, ZERO, [0, 1, 3]);
    expect(skipped.found).toEqual([]);
    quorum(skipped, FINALIZE, HASH_A, [1, 2, 3]);
    expect(skipped.found).toEqual(["I4"]);
    const final = createRig(nullifiedOrFinal);
    quorum(final, FINALIZE, HASH_A, [1, 2, 3]);
    quorum(final, NULLIFY, ZERO, [0, 1, 3]);
    expect(final.found).toEqual(["I4"]);
  });

  it("I6: finds what is final without notarization", () => {
    const bare = createRig(finalNotarized);
    quorum(bare, NOTARIZE, HASH_A, [0, 1, 2]);
    quorum(bare, FINALIZE, HASH_A, [0, 1, 2]);
    expect(bare.found).toEqual([]);
    release(bare, 0, 10, FINALIZE, HASH_A);
    for (const slot of [1, 2]) release(bare, slot, 10, FINALIZE, HASH_A);
    expect(bare.found).toEqual(["I6"]);
  });

  it("count from when they are durable or sent, and not if the process died first", () => {
    const seen: string[] = [];
    const tracker = new ReleaseTracker(
      (slot) => slot === 0,
      (slot, _message, signature) => seen.push(`${slot}/${signature[1]}`),
    );
    const message = statement(1, NULLIFY, ZERO);
    const signatures = [1, 2, 3].map((i) => new Uint8Array(1280).fill(i));
    const [first, second, third] = signatures as [Uint8Array, Uint8Array, Uint8Array];
    tracker.signed(0, message, first);
    tracker.signed(0, message, second);
    tracker.signed(0, message, third);
    expect(seen).toEqual([]);
    tracker.durable(0, "data", [{ key: first, value: first }]);
    tracker.durable(0, "votes", [{ key: first, value: Uint8Array.of(9, ...second) }]);
    tracker.sent(0, Uint8Array.of(2, ...third));
    expect(seen).toEqual(["0/2", "0/3"]);
    tracker.booted(0);
    tracker.sent(0, first);
    expect(seen).toHaveLength(2);
    tracker.signed(3, message, first);
    expect(seen).toEqual(["0/2", "0/3", "3/1"]);
  });
});

describe("durability", () => {
  const hasher = createHasher(CHAIN);
  const header = encodeHeader({
    protocolVersion: 1,
    chainHash: hasher.chainHash,
    epoch: 0,
    view: 3,
    height: 2,
    parentView: 2,
    parentHash: utf8Hash("parent"),
    timeMs: 5,
    batchesRoot: new Uint8Array(32),
    batchCount: 0,
    executedHeight: 1,
    logSize: 0,
    logRoot: new Uint8Array(32),
    stateRoot: new Uint8Array(32),
    proofsHash: new Uint8Array(32),
    nextSetHash: new Uint8Array(32),
    proposer: 0,
  });
  const hash = toHex(hasher.ht("header", header));
  const key = keys[0];
  if (key === undefined) throw new RangeError("no key");
  const message = statement(3, NOTARIZE, hash);
  const signature = ring.sign(key, message);
  const frame = Uint8Array.of(2, 7, 7, ...signature);
  const vote = { key: Uint8Array.of(1), value: Uint8Array.of(5, ...signature) };
  const block = { key: Uint8Array.of(2), value: header };

  const run = (...steps: readonly ((checker: Checker) => void)[]): string[] => {
    const rig = createRig(durableBeforeSent);
    rig.checker.signed?.(0, message, signature);
    for (const step of steps) step(rig.checker);
    rig.checker.sent?.(0, 1, "consensus", frame);
    return rig.found;
  };

  it("I8: finds a vote that leaves before it or its block is durable", () => {
    expect(run()).toEqual(["I8"]);
    expect(run((checker) => checker.durable?.(0, "votes", [vote]))).toEqual(["I8"]);
    expect(run((checker) => checker.durable?.(0, "data", [block]))).toEqual(["I8"]);
    expect(run((checker) => checker.durable?.(0, "data", [vote, block]))).toEqual(["I8"]);
  });

  it("I8: is content when both are durable, in either order", () => {
    const votes = (checker: Checker): void => checker.durable?.(0, "votes", [vote]);
    const data = (checker: Checker): void => checker.durable?.(0, "data", [block]);
    expect(run(votes, data)).toEqual([]);
    expect(run(data, votes)).toEqual([]);
  });

  it("I8: remembers over a restart that the block of a durable vote is missing", () => {
    const votes = (checker: Checker): void => checker.durable?.(0, "votes", [vote]);
    expect(run(votes, (checker) => checker.booted?.(0, 2, false))).toEqual(["I8"]);
  });
});

describe("certificates", () => {
  const parts = { epoch: 0, view: 3, kind: "nullify" as const, hash: new Uint8Array(32) };
  const message = statement(3, NULLIFY, ZERO);
  const certificate = (signers: readonly number[], by = signers): Uint8Array => {
    const signatures = by.map((i) => {
      const key = keys[i];
      if (key === undefined) throw new RangeError("no key");
      return ring.sign(key, message);
    });
    return Uint8Array.of(3, ...encodeCertificate({ statement: parts, signers, signatures }, 4));
  };
  const send = (from: number, bytes: Uint8Array): string[] => {
    const rig = createRig(certificatesValid);
    rig.checker.sent?.(from, 1, "consensus", bytes);
    return rig.found;
  };

  it("I9: finds too little weight, a wrong signature and bytes that cannot be read", () => {
    expect(send(0, certificate([0, 1, 2]))).toEqual([]);
    expect(send(0, certificate([0, 1]))).toEqual(["I9"]);
    expect(send(0, certificate([0, 1, 2], [0, 1, 1]))).toEqual(["I9"]);
    expect(send(0, certificate([0, 1, 2]).slice(0, 900))).toEqual(["I9"]);
    expect(send(3, certificate([0]))).toEqual([]);
  });
});

describe("nodes", () => {
  const show = (
    factory: CheckerFactory,
    ...shown: (readonly [number, Partial<Status>])[]
  ): string[] => {
    const rig = createRig(factory);
    for (const [slot, part] of shown) rig.checker.status?.(slot, statusWith(part));
    return rig.found;
  };

  it("I1: finds two hashes at one height", () => {
    expect(show(agreement, [0, {}], [1, {}], [3, { finalHash: HASH_B }])).toEqual([]);
    expect(show(agreement, [0, {}], [1, { finalHash: HASH_B }])).toEqual(["I1"]);
  });

  it("I2: finds a height that goes back, unless the disk was lost", () => {
    expect(show(monotone, [0, {}], [0, { finalHeight: 4, executedHeight: 4 }])).toContain("I2");
    expect(show(monotone, [0, {}], [0, { logSize: 4 }])).toEqual(["I2"]);
    expect(show(monotone, [0, {}], [1, { finalHeight: 4, executedHeight: 4 }])).toEqual([]);
    const rig = createRig(monotone);
    rig.checker.status?.(0, statusWith({}));
    rig.checker.booted?.(0, 2, true);
    rig.checker.status?.(0, statusWith({ finalHeight: 1, executedHeight: 1, logSize: 0 }));
    expect(rig.found).toEqual([]);
  });

  it("I18: finds time that does not grow or is of the future", () => {
    const next = { finalHeight: 6, finalHash: HASH_B };
    expect(show(blockTime, [0, {}], [1, { ...next, finalTimeMs: 501 }])).toEqual([]);
    expect(show(blockTime, [0, {}], [1, { ...next, finalTimeMs: 500 }])).toEqual(["I18"]);
    expect(show(blockTime, [0, { finalTimeMs: 10_000_000 }])).toEqual(["I18"]);
  });

  it("I10: finds different roots at one executed height", () => {
    expect(show(rootsEqual, [0, {}], [1, {}])).toEqual([]);
    expect(show(rootsEqual, [0, {}], [1, { stateRoot: HASH_B }])).toEqual(["I10"]);
    expect(show(rootsEqual, [0, {}], [1, { logRoot: HASH_B }])).toEqual(["I10"]);
  });

  it("I16: finds a mempool over its cap", () => {
    const most = { mempoolBytes: 64 * 1024 * 1024, mempoolBatches: 64 };
    expect(show(capsKept, [0, most])).toEqual([]);
    expect(show(capsKept, [0, { ...most, mempoolBytes: most.mempoolBytes + 1 }])).toEqual(["I16"]);
  });

  it("I16: finds a count of bytes that cannot be of so many batches", () => {
    const told = (mempoolBytes: number, mempoolBatches: number): string[] =>
      show(capsKept, [0, { mempoolBytes, mempoolBatches }]);
    expect(told(3 * 1_472, 3)).toEqual([]);
    expect(told(3 * 1_472 - 1, 3)).toEqual(["I16"]);
    expect(told(2 * 1024 * 1024, 2)).toEqual([]);
    expect(told(2 * 1024 * 1024 + 1, 2)).toEqual(["I16"]);
    expect(told(1, 0)).toEqual(["I16"]);
    expect(told(-1, 0)).toEqual(["I16"]);
  });
});

describe("the log", () => {
  const entry = (index: number, batchId: string, position: number): Entry => ({
    index,
    height: 1,
    batchId,
    position,
    refusedWith: "",
    effectsHash: new Uint8Array(32),
    eventType: "record.put",
    eventBytes: Uint8Array.of(index),
  });
  const dump = (slot: number, entries: readonly Entry[], part: Partial<Status> = {}): Dump => ({
    slot,
    status: statusWith({
      logSize: entries.length,
      logRoot: toHex(rfc6962Root(entries.map(encodeLeaf))),
      ...part,
    }),
    entries,
    timesMs: [1, 2],
    rows: new Map(),
  });
  const submission = (batchIdHex: string, laneSeq: number, eventCount: number) => ({
    actorHex: "actor",
    laneSeq,
    batchIdHex,
    eventCount,
    bytes: 1_500,
  });
  const whole = [entry(0, HASH_A, 0), entry(1, HASH_A, 1), entry(2, HASH_B, 0)];

  const audit = (
    entries: readonly Entry[],
    ...acknowledged: readonly [string, number, number][]
  ) => {
    const rig = createRig(clientsServed);
    rig.checker.submitted?.(0, submission(HASH_A, 1, 2));
    rig.checker.submitted?.(0, submission(HASH_B, 2, 1));
    for (const args of acknowledged) rig.checker.acknowledged?.(0, submission(...args), 1);
    rig.checker.end?.([dump(0, entries)]);
    return rig.found;
  };

  it("I11: finds lost, torn, doubled and disordered batches", () => {
    expect(audit(whole, [HASH_A, 1, 2], [HASH_B, 2, 1])).toEqual([]);
    expect(audit(whole.slice(0, 2), [HASH_B, 2, 1])).toEqual(["I11"]);
    expect(audit(whole.slice(0, 1), [HASH_A, 1, 2])).toEqual(["I11"]);
    expect(audit([...whole, entry(3, HASH_A, 0), entry(4, HASH_A, 1)])).toContain("I11");
    expect(audit([entry(0, HASH_B, 0), entry(1, HASH_A, 0), entry(2, HASH_A, 1)])).toEqual(["I11"]);
  });

  it("I11: finds an answer before the height is synced on that node", () => {
    const heightKey = (height: number): Uint8Array =>
      Uint8Array.of(0x68, 0x2f, 0, 0, 0, 0, 0, 0, 0, height);
    const rig = createRig(answersDurable);
    const put = { key: heightKey(7), value: new Uint8Array(32) };
    rig.checker.durable?.(0, "data", [put]);
    rig.checker.acknowledged?.(0, submission(HASH_A, 1, 1), 7);
    expect(rig.found).toEqual([]);
    rig.checker.acknowledged?.(0, submission(HASH_A, 1, 1), 8);
    rig.checker.acknowledged?.(1, submission(HASH_A, 1, 1), 7);
    rig.checker.acknowledged?.(0, submission(HASH_A, 1, 1), undefined);
    rig.checker.diskLost?.(0, "data");
    rig.checker.acknowledged?.(0, submission(HASH_A, 1, 1), 7);
    expect(rig.found).toEqual(["I11", "I11", "I11", "I11"]);
  });

  it("I10: finds a log root that is not the head over the entries, and logs that differ", () => {
    const rig = createRig(rootsEqual);
    rig.checker.end?.([dump(0, whole), dump(1, whole.slice(0, 2))]);
    expect(rig.found).toEqual([]);
    rig.checker.end?.([dump(0, whole, { logRoot: HASH_B })]);
    expect(rig.found).toEqual(["I10"]);
    const other = [entry(0, HASH_B, 0), ...whole.slice(1)];
    rig.checker.end?.([dump(0, whole), dump(1, other)]);
    expect(rig.found).toEqual(["I10", "I10"]);
  });

  it("I10: finds records that are not the fold of the log", () => {
    const sized = (text: string): Buffer => {
      const bytes = Buffer.from(text);
      const length = Buffer.alloc(4);
      length.writeUInt32BE(bytes.length);
      return Buffer.concat([length, bytes]);
    };
    const put = (index: number, key: string, body: string, refusedWith = ""): Entry => {
      const payload = Buffer.concat([sized("t"), sized(key), sized(body)]);
      const head = Buffer.concat([
        Buffer.from([0, 10]),
        Buffer.from("record.put"),
        Buffer.from([0, 1]),
      ]);
      const length = Buffer.alloc(4);
      length.writeUInt32BE(payload.length);
      const eventBytes = Buffer.concat([head, length, payload]);
      return { ...entry(index, HASH_A, index), refusedWith, eventBytes };
    };
    const row = (key: string, body: string) => {
      const value = Buffer.concat([Buffer.alloc(32), Buffer.alloc(16), sized(body)]);
      value.writeBigUInt64BE(1n, 32);
      return { key: Buffer.from(`t\0\0${key}\0\0`), value };
    };
    const log = [
      put(0, "a", "old"),
      put(1, "b", "x"),
      put(2, "a", "new"),
      put(3, "a", "no", "code"),
    ];
    const check = (...rows: readonly { key: Uint8Array; value: Uint8Array }[]): string[] => {
      const rig = createRig(recordsFolded);
      rig.checker.end?.([{ ...dump(0, log), rows: new Map([["records", rows]]) }]);
      return rig.found;
    };
    expect(check(row("a", "new"), row("b", "x"))).toEqual([]);
    expect(check(row("a", "old"), row("b", "x"))).toEqual(["I10"]);
    expect(check(row("a", "new"))).toEqual(["I10"]);
    expect(check(row("a", "new"), row("b", "x"), row("c", ""))).toEqual(["I10"]);
    // However many there are.
    const keys = Array.from({ length: 1_500 }, (_, i) => `${i}`);
    const long = dump(
      0,
      keys.map((key, i) => put(i, key, "x")),
    );
    const rows = keys.map((key) => row(key, "x"));
    const rig = createRig(recordsFolded);
    rig.checker.end?.([{ ...long, rows: new Map([["records", rows]]) }]);
    expect(rig.found).toEqual([]);
    rig.checker.end?.([{ ...long, rows: new Map([["records", rows.slice(0, 1_400)]]) }]);
    expect(rig.found).toEqual(["I10"]);
  });

  it("I12: finds an honest validator in quarantine, and not a culprit", () => {
    const accuse = (index: number): Dump => ({
      ...dump(0, whole),
      rows: new Map([
        [
          "quarantine",
          [
            {
              key: Uint8Array.of(1, ...Buffer.from(members[index]?.idHex ?? "", "hex")),
              value: new Uint8Array(1),
            },
          ],
        ],
      ]),
    });
    const rig = createRig(evidenceSound);
    release(rig, 3, 4, NOTARIZE, HASH_A);
    release(rig, 3, 4, NOTARIZE, HASH_B);
    release(rig, 1, 4, NOTARIZE, HASH_A);
    release(rig, 1, 5, NOTARIZE, HASH_B);
    rig.checker.end?.([accuse(3)]);
    expect(rig.found).toEqual([]);
    rig.checker.end?.([accuse(1)]);
    expect(rig.found).toEqual(["I12"]);
  });
});
