/** Runs of more batches than checkers once remembered: nothing right is accused, nothing wrong goes by. */
import { describe, expect, it } from "vitest";
import { assetsSingle } from "../../sim/checkers/assets.ts";
import { Batches } from "../../sim/checkers/batches.ts";
import { clientsServed } from "../../sim/checkers/clients.ts";
import { hex, taggedHash } from "../../sim/checkers/oracle.ts";
import { authorsOf } from "../../sim/checkers/payload.ts";
import type { CheckerFactory, Submission } from "../../sim/checkers/types.ts";
import { bytesOf, CHAIN, createRig, dumpOf, type EventSpec, type Rig } from "./rig.ts";

const ANNA = "a1".repeat(32);
const BERT = "b2".repeat(32);
const MANY = 20_000;

const batch = (actorHex: string, laneSeq: number, name = ""): Submission => ({
  ...{ actorHex, laneSeq, eventCount: 1, bytes: 1_500 },
  batchIdHex: hex(taggedHash(CHAIN, `${actorHex}/${laneSeq}/${name}`)),
});

const placeOf = ({ actorHex, laneSeq, eventCount }: Submission) => ({
  ...{ actorHex, laneSeq, eventCount },
});

/** A lane from its first batch on. */
const lane = (actorHex: string, length: number): Submission[] =>
  Array.from({ length }, (_, i) => batch(actorHex, i + 1));

const entryOf = ({ batchIdHex }: Submission): EventSpec => ({
  ...{ type: "record.put", payload: new Uint8Array(0), batch: batchIdHex },
});

const submit = (rig: Rig, batches: readonly Submission[]): void => {
  for (const one of batches) rig.checker.submitted?.(0, one);
};

describe("the order of lanes (I11)", () => {
  /** What is said of a log with these batches, where those in `written` were submitted. */
  const audit = (
    written: readonly Submission[],
    log: readonly Submission[],
    factory: CheckerFactory = clientsServed,
  ): readonly string[] => {
    const rig = createRig(factory);
    submit(rig, written);
    for (const one of log) rig.checker.acknowledged?.(0, one, one.laneSeq);
    rig.checker.end?.([dumpOf(log.map(entryOf))]);
    return rig.details;
  };
  const without = (batches: readonly Submission[], laneSeq: number): Submission[] =>
    batches.filter((one) => one.laneSeq !== laneSeq);
  const exchanged = (batches: readonly Submission[], laneSeq: number): Submission[] => {
    const [first, second] = batches.slice(laneSeq - 1, laneSeq + 1);
    if (first === undefined || second === undefined) throw new RangeError("no such place");
    return batches.with(laneSeq - 1, second).with(laneSeq, first);
  };

  it("is right in one long lane, and in two of which one ended long ago", () => {
    const long = lane(ANNA, MANY);
    expect(audit(long, long)).toEqual([]);
    const both = [...lane(BERT, 50), ...long];
    expect(audit(both, both)).toEqual([]);
  });

  it("is held against every batch of a long run, the first ones too", () => {
    const long = lane(ANNA, MANY);
    const gap = "lane a1a1a1a1a1a1a1a1: ";
    expect(audit(long, without(long, 1))).toEqual([`n0: ${gap}0 is followed by 2`]);
    expect(audit(long, without(long, 77))).toEqual([`n0: ${gap}76 is followed by 78`]);
    expect(audit(long, without(long, 19_900))).toEqual([`n0: ${gap}19899 is followed by 19901`]);
    expect(audit(long, exchanged(long, 3))).toEqual([`n0: ${gap}2 is followed by 4`]);
  });

  it("finds an answered batch of the beginning that is not in the log", () => {
    const rig = createRig(clientsServed);
    const long = lane(ANNA, MANY);
    submit(rig, long);
    for (const one of long) rig.checker.acknowledged?.(0, one, one.laneSeq);
    rig.checker.end?.([dumpOf(long.slice(0, -1).map(entryOf))]);
    expect(rig.details).toEqual([
      `n0: acknowledged batch ${MANY} of lane a1a1a1a1a1a1a1a1 has 0 of 1 events`,
    ]);
    const early = createRig(clientsServed);
    const lost = batch(BERT, 1);
    submit(early, [lost, ...long]);
    early.checker.acknowledged?.(0, lost, 1);
    early.checker.end?.([dumpOf(long.map(entryOf))]);
    expect(early.details).toEqual([
      "n0: acknowledged batch 1 of lane b2b2b2b2b2b2b2b2 has 0 of 1 events",
    ]);
  });
});

describe("what is remembered of batches", () => {
  it("is all of them up to its size, and past it the newer half with how far each lane went", () => {
    const batches = new Batches(2_000);
    const [anna, bert] = [lane(ANNA, 1_500), lane(BERT, 500)];
    for (const one of [...bert, ...anna]) batches.add(one);
    for (const one of [...bert, ...anna])
      expect(batches.get(one.batchIdHex)).toMatchObject(placeOf(one));
    expect([batches.size, batches.forgottenOf(ANNA), batches.forgottenOf(BERT)]).toEqual([
      2_000, 0, 0,
    ]);
    batches.acknowledge(batch(ANNA, 1_500));
    batches.acknowledge(batch(ANNA, 1_501));
    expect([batches.size, batches.forgottenOf(ANNA), batches.forgottenOf(BERT)]).toEqual([
      1_001, 500, 500,
    ]);
    expect(batches.get(batch(BERT, 500).batchIdHex)).toBe(undefined);
    expect(batches.get(batch(ANNA, 500).batchIdHex)).toBe(undefined);
    expect(batches.get(batch(ANNA, 501).batchIdHex)).toEqual(placeOf(batch(ANNA, 501)));
    const told = Array.from({ length: batches.size }, (_, place) => batches.wasAcknowledged(place));
    expect(told.flatMap((was, place) => (was ? [place] : []))).toEqual([999, 1_000]);
  });

  it("is each batch once, whoever shows it and however often", () => {
    const batches = new Batches();
    const [first, second] = [batch(ANNA, 1), batch(ANNA, 1, "another")];
    expect([first, second, first].map((one) => batches.add(one))).toEqual([0, 1, 0]);
  });
});

describe("what is forgotten", () => {
  const SMALL = 1_024;
  const long = lane(ANNA, 2_000);
  /** Of a run whose checkers remember the newest 512 batches, and up to 1,024. */
  const audit = (written: readonly Submission[], log: readonly Submission[]): readonly string[] => {
    const rig = createRig((context) => clientsServed(context, new Batches(SMALL)));
    submit(rig, written);
    rig.checker.end?.([dumpOf(log.map(entryOf))]);
    return rig.details;
  };

  it("is no gap in a lane", () => {
    expect(audit(long, long)).toEqual([]);
    expect(audit([...lane(BERT, 300), ...long], [...lane(BERT, 300), ...long])).toEqual([]);
  });

  it("hides nothing behind it, and nothing in a lane that is all known", () => {
    const gap = long.filter(({ laneSeq }) => laneSeq !== 1_900);
    expect(audit(long, gap)).toEqual(["n0: lane a1a1a1a1a1a1a1a1: 1899 is followed by 1901"]);
    const late = [...long, ...lane(BERT, 3)];
    const without = late.filter((one) => one.actorHex !== BERT || one.laneSeq !== 1);
    expect(audit(late, without)).toEqual(["n0: lane b2b2b2b2b2b2b2b2: 0 is followed by 2"]);
  });

  it("is passed over in the log, also where it comes again", () => {
    const fork = batch(ANNA, 900, "another");
    const written = [...long.slice(0, 900), fork, ...long.slice(900)];
    expect(audit(written, long)).toEqual([]);
    const twice = [...long, batch(ANNA, 1_999, "another")];
    expect(audit(twice, twice)).toEqual(["n0: lane a1a1a1a1a1a1a1a1: 2000 is followed by 1999"]);
  });
});

describe("machines (I14)", () => {
  const print = "f0".repeat(32);
  const idOf = (actor: string): string =>
    hex(taggedHash(CHAIN, "asset/host", Buffer.from(actor, "hex"), Buffer.from(print, "hex")));
  const registered = ({ batchIdHex }: Submission, id: string): EventSpec => ({
    ...{ type: "asset.host.registered", payload: bytesOf(id, print), batch: batchIdHex },
  });

  it("are judged however many batches ago they were registered, and after that", () => {
    const long = lane(ANNA, MANY);
    const [first, second] = [batch(BERT, 1), batch(BERT, 2)];
    const rig = createRig(assetsSingle);
    submit(rig, [first, ...long, second]);
    const log = [
      registered(first, idOf(BERT)),
      ...long.map(entryOf),
      registered(second, idOf(ANNA)),
    ];
    rig.checker.end?.([dumpOf(log, { assets: [] })]);
    const says = "asset.host.registered, is accepted where the rules say event.invalid";
    expect(rig.details).toEqual([`n0: event ${MANY + 1}, ${says}`]);
  });

  it("of which somebody forgotten spoke are not judged, and all others are", () => {
    const long = lane(ANNA, 2_000);
    const [first, second, third] = [batch(BERT, 1), batch(BERT, 2), batch(BERT, 3)];
    const judge = (log: readonly EventSpec[]): Rig => {
      const rig = createRig((context) =>
        assetsSingle(context, authorsOf(context, new Batches(1_024))),
      );
      submit(rig, [first, ...long, second, third]);
      rig.checker.end?.([dumpOf(log, { assets: [] })]);
      return rig;
    };
    const unsure = judge([
      registered(first, idOf(BERT)),
      { ...registered(second, idOf(BERT)), refusedWith: "event.conflict" },
    ]);
    expect([unsure.details, unsure.marks]).toEqual([[], ["author not known"]]);
    const caught = judge([registered(first, idOf(BERT)), registered(third, idOf(ANNA))]);
    const says = "asset.host.registered, is accepted where the rules say event.invalid";
    expect(caught.details).toEqual([`n0: event 1, ${says}`]);
  });
});
