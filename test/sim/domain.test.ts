/** I14: the checkers of the domain's rules are shown logs and rows that break them. */
import { describe, expect, it } from "vitest";
import { assetsSingle } from "../../sim/checkers/assets.ts";
import { requestsSettledOnce } from "../../sim/checkers/certificate-requests.ts";
import { ctLogGrows } from "../../sim/checkers/ct-log.ts";
import { hex, rfc6962Root, sha256, taggedHash } from "../../sim/checkers/oracle.ts";
import { quarantineGrows } from "../../sim/checkers/quarantine.ts";
import { culpritsShutOut } from "../../sim/checkers/shut-out.ts";
import type { CheckerFactory, Row } from "../../sim/checkers/types.ts";
import { bytesOf, CHAIN, createRig, dumpOf, type EventSpec, sized, wrote } from "./rig.ts";
import { statusWith } from "./support.ts";

const ANNA = "a1".repeat(32);
const BERT = "b2".repeat(32);

type Case = EventSpec & { readonly by?: string };

/** What the checker says of a log and the rows that came of it. */
const judge = (
  factory: CheckerFactory,
  events: readonly Case[],
  rows: Readonly<Record<string, readonly Row[]>>,
): string[] => {
  const rig = createRig(factory);
  for (const [i, { by = ANNA }] of events.entries()) wrote(rig, `batch ${i}`, by);
  rig.checker.end?.([dumpOf(events, rows)]);
  return rig.found;
};

describe("machines", () => {
  const print = "f0".repeat(32);
  const idOf = (actor: string): string =>
    hex(taggedHash(CHAIN, "asset/host", Buffer.from(actor, "hex"), Buffer.from(print, "hex")));
  const registered = (id: string, part: Partial<Case> = {}): Case => ({
    ...{ type: "asset.host.registered", payload: bytesOf(id, print) },
    ...part,
  });
  const retired = (id: string, part: Partial<Case> = {}): Case => ({
    ...{ type: "asset.host.retired", payload: bytesOf(id) },
    ...part,
  });
  const row = (actor: string, registeredAt: number, updated: number, gone: number): Row => ({
    key: bytesOf(idOf(actor)),
    value: bytesOf(actor, registeredAt, updated, 0, gone, print),
  });
  const [anna, bert] = [idOf(ANNA), idOf(BERT)];

  it("have the owner who registered them, and do not come back", () => {
    const log = [
      registered(anna),
      registered(bert, { refusedWith: "event.invalid" }),
      retired(anna, { by: BERT, refusedWith: "event.conflict" }),
      retired(bert, { by: BERT, refusedWith: "event.conflict" }),
      registered(bert, { by: BERT }),
      registered(anna),
      retired(anna),
      retired(anna, { refusedWith: "event.conflict" }),
      registered(anna, { refusedWith: "event.conflict" }),
    ];
    const rows = [row(ANNA, 1, 7, 7), row(BERT, 5, 5, 0)];
    expect(judge(assetsSingle, log, { assets: rows })).toEqual([]);
  });

  it.each<readonly [string, readonly Case[], readonly Row[]]>([
    ["an id that is another's", [registered(bert)], [row(ANNA, 1, 1, 0)]],
    ["one that is retired", [registered(anna), retired(anna), registered(anna)], []],
    ["a retirement by another", [registered(anna), retired(anna, { by: BERT })], []],
    ["a refusal without a reason", [registered(anna, { refusedWith: "event.conflict" })], []],
    ["a row of another owner", [registered(anna)], [{ ...row(BERT, 1, 1, 0), key: bytesOf(anna) }]],
    ["a row that is gone", [registered(anna)], []],
    ["a row of nothing", [], [row(ANNA, 1, 1, 0)]],
    ["a retirement that is forgotten", [registered(anna), retired(anna)], [row(ANNA, 1, 2, 0)]],
  ])("are reported for %s", (_what, log, assets) => {
    expect(judge(assetsSingle, log, { assets })).toEqual(["I14"]);
  });
});

describe("requests for certificates", () => {
  const issuer = "15".repeat(32);
  const certificate = Buffer.from("a certificate");
  const created: Case = { type: "ca.issuer.created", payload: new Uint8Array(0) };
  const requested: Case = { type: "ca.certificate.requested", payload: bytesOf(issuer) };
  const issued = (request: number, part: Partial<Case> = {}): Case => ({
    ...{ type: "ca.certificate.issued", payload: bytesOf(issuer, request, sized(certificate)) },
    ...part,
  });
  const denied = (request: number, part: Partial<Case> = {}): Case => ({
    type: "ca.certificate.denied",
    payload: bytesOf(issuer, request, sized(Buffer.from("ca.lifetime"))),
    ...part,
  });
  const owner: Row = { key: bytesOf("00", issuer), value: bytesOf(ANNA) };
  const waits = (request: number): Row => ({
    key: bytesOf("01", issuer, request),
    value: new Uint8Array(0),
  });
  const settled = (request: number, code = ""): Row => ({
    key: bytesOf("02", request),
    value: bytesOf(
      issuer,
      code === "" ? hex(sha256(certificate)) : "00".repeat(32),
      sized(Buffer.from(code)),
    ),
  });
  const twice = { refusedWith: "ca.request-settled" };

  it("have one answer by the issuer's actor", () => {
    const log = [
      ...[created, requested, requested, requested],
      issued(1),
      denied(1, twice),
      issued(1, twice),
      denied(2, { by: BERT, refusedWith: "ca.issuer-foreign" }),
      denied(2),
    ];
    const rows = [owner, waits(3), settled(1), settled(2, "ca.lifetime")];
    expect(judge(requestsSettledOnce, log, { certificates: rows })).toEqual([]);
  });

  it.each<readonly [string, readonly Case[], readonly Row[]]>([
    ["a second answer", [created, requested, issued(1), denied(1)], [owner, settled(1)]],
    ["one certificate twice", [created, requested, requested, issued(1), issued(2)], [owner]],
    ["an answer by another", [created, requested, denied(1, { by: BERT })], [owner]],
    ["an answer to nothing", [created, denied(7)], [owner]],
    ["an answer refused as second", [created, requested, denied(1, twice)], [owner, waits(1)]],
    ["a request that waits and was answered", [created, requested, issued(1)], [owner, waits(1)]],
    ["another answer than was given", [created, requested, issued(1)], [owner, settled(1, "x.y")]],
    ["a request that is lost", [created, requested], [owner]],
    ["an issuer of another", [{ ...created, by: BERT }], [owner]],
  ])("are reported for %s", (_what, log, certificates) => {
    expect(judge(requestsSettledOnce, log, { certificates })).toEqual(["I14"]);
  });
});

describe("the CT log", () => {
  const certificates = ["one", "two", "three"].map((text) => Buffer.from(text));
  const log = certificates.map(
    (certificate, i): Case => ({
      type: "ca.certificate.issued",
      payload: bytesOf("15".repeat(32), i, sized(certificate)),
    }),
  );
  const refused: Case = { ...(log[0] as Case), refusedWith: "ca.request-settled" };
  /** The block of entry i is of height i + 1, and so of as many seconds. */
  const leaves = certificates.map((certificate, i) =>
    bytesOf(
      "0000",
      (i + 1) * 1000,
      "0000",
      "0000",
      Uint8Array.of(certificate.length),
      certificate,
      "0000",
    ),
  );
  const tree = (size: number, of: readonly Uint8Array[]): Row => ({
    key: bytesOf("00"),
    value: bytesOf(size, rfc6962Root(of)),
  });
  const entry = (index: number, leaf = leaves[index]): Row => ({
    key: bytesOf("01", index),
    value: bytesOf((index + 1) * 1000, index, sized(leaf ?? new Uint8Array(0))),
  });
  const entries = [entry(0), entry(1), entry(2)];

  it("has what the ledger accepted, in order, and no more", () => {
    expect(judge(ctLogGrows, [], { ct: [] })).toEqual([]);
    const rows = [tree(3, leaves), ...entries];
    expect(judge(ctLogGrows, [...log, refused], { ct: rows })).toEqual([]);
  });

  it.each<readonly [string, readonly Row[]]>([
    ["no tree", entries],
    ["a tree that is smaller", [tree(2, leaves.slice(0, 2)), entry(0), entry(1)]],
    ["the root of another tree", [tree(3, leaves.toReversed()), ...entries]],
    ["an entry that is gone", [tree(3, leaves), entry(0), entry(2)]],
    ["an entry that is another", [tree(3, leaves), entry(0), entry(1), entry(2, leaves[0])]],
  ])("is reported for %s", (_what, ct) => {
    expect(judge(ctLogGrows, log, { ct })).toEqual(["I14"]);
  });
});

describe("quarantine", () => {
  const evidence = (id: string, part: Partial<Case> = {}): Case => ({
    ...{ type: "detect.evidence.committed", payload: bytesOf(id, 0, 9) },
    ...part,
  });
  const row = (id: string, height: number, event: number, count: number): Row => ({
    key: bytesOf("01", id),
    value: bytesOf(height, 0, event, "00", Buffer.from([0, 0, 0, count])),
  });
  const log = [
    evidence(BERT, { refusedWith: "evidence.invalid" }),
    evidence(ANNA),
    evidence(ANNA),
    evidence(ANNA, { refusedWith: "evidence.known" }),
  ];

  it("is of whom evidence names, since the first of it", () => {
    expect(judge(quarantineGrows, log, { quarantine: [row(ANNA, 2, 1, 2)] })).toEqual([]);
    const key = { key: bytesOf("00", BERT), value: new Uint8Array(0) };
    expect(judge(quarantineGrows, [], { quarantine: [key] })).toEqual([]);
  });

  it.each<readonly [string, readonly Row[]]>([
    ["who has come out", []],
    ["a later beginning", [row(ANNA, 3, 2, 2)]],
    ["a fault that is forgotten", [row(ANNA, 2, 1, 1)]],
    ["somebody whom nothing accuses", [row(ANNA, 2, 1, 2), row(BERT, 1, 0, 1)]],
  ])("is reported for %s", (_what, quarantine) => {
    expect(judge(quarantineGrows, log, { quarantine })).toEqual(["I14"]);
  });
});

describe("who is in quarantine", () => {
  const LIAR = "3".padStart(64, "0");
  const CONSENSUS = "consensus";
  /** Evidence of height 4 against slot 3 is executed at 1 s; all is healed at 2 s. */
  const shown = (
    sends: readonly (readonly [atMs: number, from: number, to: number])[],
  ): string[] => {
    const rig = createRig(culpritsShutOut);
    const at = (ms: number): void => {
      rig.nowUs = ms * 1_000;
    };
    rig.checker.booted?.(0, 1, false);
    rig.checker.status?.(0, statusWith({ executedHeight: 3 }));
    at(1_000);
    rig.checker.status?.(0, statusWith({ executedHeight: 5 }));
    at(2_000);
    rig.checker.healed?.(rig.nowUs, [0, 1, 2]);
    for (const [atMs, from, to] of sends) {
      at(atMs);
      rig.checker.sent?.(from, to, CONSENSUS, new Uint8Array(1));
    }
    at(9_000);
    const value = bytesOf(4, 0, 0, "00", Buffer.from([0, 0, 0, 1]));
    const quarantine = [{ key: bytesOf("01", LIAR), value }];
    rig.checker.end?.([dumpOf([], { quarantine })]);
    return rig.found;
  };

  it("may be sent what is on its way, and whatever liars like", () => {
    const sends = [
      [1_500, 0, 3],
      [3_000, 0, 3],
      [8_000, 0, 1],
      [8_000, 3, 0],
    ] as const;
    expect(shown(sends)).toEqual([]);
  });

  it("is reported to be sent more", () => expect(shown([[3_001, 0, 3]])).toEqual(["I14"]));
});
