import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toHex } from "../../../src/crypto/bytes.ts";
import type { Json } from "../../../src/ledger/event-schema.ts";
import { rowPrefix } from "../../../src/ledger/keys.ts";
import {
  certificateKey,
  certificateOf,
  isMoreThanThird,
  ZONES,
  zones,
} from "../../../src/ledger/projections/zones.ts";
import { readRow } from "../../../src/ledger/row.ts";
import { LIMITS } from "../../../src/limits.ts";
import { codesOf, idOf } from "../execution-support.ts";
import {
  certificate,
  inOrder,
  LOCATION,
  PlaceChain,
  receiptOf,
  setOf,
  WEIGHTS,
} from "./zones-support.ts";

const rowOf = (chain: PlaceChain, name: string, epoch: number) => {
  const row = readRow(chain.store.read, ZONES, certificateKey(idOf(name), epoch));
  return row === undefined ? undefined : certificateOf(row.value);
};

const shown = (chain: PlaceChain, name: string, epoch: number): Json | undefined => {
  const key = certificateKey(idOf(name), epoch);
  const row = readRow(chain.store.read, ZONES, key);
  return row === undefined ? undefined : zones.format?.(key, row.value);
};

const enough = [receiptOf("v0"), receiptOf("v2", { rttUs: 5_000 })];

describe("a certificate of a zone", () => {
  it("is taken of witnesses with more than a third of the power, and says what they measured", () => {
    const chain = new PlaceChain();
    expect(chain.write("v3", certificate(enough))).toBe("accepted");
    const bounds = inOrder(enough).map(({ witness, rttUs }) => ({
      witness: toHex(witness),
      rttUs,
    }));
    expect(shown(chain, "v3", 0)).toEqual({
      ...{ validator: toHex(idOf("v3")), epoch: 0, state: "certified", zone: "near" },
      ...{ sector: 0, height: 1, bounds },
    });
  });

  it("does not count the prover, however heavy", () => {
    const chain = new PlaceChain();
    const light = [receiptOf("v0"), receiptOf("v1")];
    expect(chain.write("v3", certificate(light))).toBe("location.too-few");
    const own = [...light, receiptOf("v3")];
    expect(chain.write("v3", certificate(own))).toBe("location.own-receipt");
    expect(rowOf(chain, "v3", 0)).toBeUndefined();
  });

  it("counts receipts of the zone's bound, and none above it", () => {
    const at = (rttUs: number) => [receiptOf("v0", { rttUs }), receiptOf("v2", { rttUs })];
    const most = LOCATION.zones[0]?.rttMaxUs ?? 0;
    expect(new PlaceChain().write("v3", certificate(at(most)))).toBe("accepted");
    const chain = new PlaceChain();
    expect(chain.write("v3", certificate(at(most + 1)))).toBe("location.too-far");
    expect(chain.write("v3", certificate(at(most + 1), { zone: "far" }))).toBe("accepted");
  });

  it("is of the running epoch, once, and of a zone that there is", () => {
    const chain = new PlaceChain();
    expect(chain.write("v3", certificate(enough, { zone: "moon" }))).toBe("location.zone-unknown");
    expect(chain.write("v3", certificate(enough, { epoch: 1 }))).toBe("location.stale");
    expect(chain.write("v3", certificate(enough))).toBe("accepted");
    expect(chain.write("v3", certificate(enough))).toBe("location.repeated");
    chain.nextEpoch();
    expect(chain.write("v3", certificate(enough))).toBe("location.stale");
    const next = enough.map((_, i) => receiptOf(`v${2 * i}`, { epoch: 1 }));
    expect(chain.write("v3", certificate(next, { epoch: 1 }))).toBe("accepted");
  });

  it("is of members of the set: prover and witnesses", () => {
    const weights = { v0: 1n, v2: 3n, v3: 4n };
    const chain = new PlaceChain(weights);
    expect(chain.write("v1", certificate(enough))).toBe("location.not-member");
    const stranger = [receiptOf("v1"), receiptOf("v2")];
    expect(chain.write("v3", certificate(stranger))).toBe("location.not-member");
  });

  it("has each witness once, in ascending order", () => {
    const chain = new PlaceChain();
    const turned = inOrder(enough).toReversed();
    expect(chain.write("v3", certificate([], { receipts: turned }))).toBe("event.invalid");
    const [first] = enough;
    const twice = first === undefined ? [] : [first, first];
    expect(chain.write("v3", certificate(twice))).toBe("event.invalid");
  });

  it("stands in the first place of a batch, so that a batch costs no more than one", () => {
    const chain = new PlaceChain();
    const events = [certificate(enough), certificate(enough)];
    const codes = codesOf(chain.block({ by: "v3", events }));
    expect(codes).toEqual(["accepted", "event.invalid"]);
    expect(LIMITS.locationPositionsMax).toBe(1);
  });

  it("ends for the epoch with the first receipt that is false, and is not looked at again", () => {
    const chain = new PlaceChain();
    const forged = [receiptOf("v0"), receiptOf("v2", { by: "v3" })];
    expect(chain.write("v3", certificate(forged))).toBe("location.receipt-invalid");
    expect(rowOf(chain, "v3", 0)?.bounds).toEqual([]);
    const before = PlaceChain.checked;
    expect(chain.write("v3", certificate(enough))).toBe("location.failed");
    expect(chain.write("v3", certificate(forged))).toBe("location.failed");
    expect(PlaceChain.checked).toBe(before);
    // Nobody else is meant, and the next epoch is another one.
    const other = [receiptOf("v3", { prover: "v0" })];
    expect(chain.write("v0", certificate(other))).toBe("accepted");
    chain.nextEpoch();
    const next = ["v0", "v2"].map((witness) => receiptOf(witness, { epoch: 1 }));
    expect(chain.write("v3", certificate(next, { epoch: 1 }))).toBe("accepted");
  });

  it("checks no signature of what is wrong without one", () => {
    const chain = new PlaceChain();
    const before = PlaceChain.checked;
    const few = [receiptOf("v0")];
    for (const event of [
      certificate(enough, { epoch: 3 }),
      certificate(enough, { from: 1 }),
      certificate(few),
      certificate([...enough, receiptOf("v1", { rttUs: 5_001 })]),
    ]) {
      expect(chain.write("v3", event)).not.toBe("accepted");
    }
    expect(PlaceChain.checked).toBe(before);
  });
});

describe("a certificate of many witnesses", () => {
  const names = Array.from({ length: LIMITS.validatorsMax - 1 }, (_, i) => `w${i}`);
  const weights = Object.fromEntries(["v3", ...names].map((name) => [name, 1n]));
  const all = inOrder(names.map((name) => receiptOf(name)));
  const most = LIMITS.locationReceiptsMax;

  it("comes in parts, each of them full but the last", () => {
    const chain = new PlaceChain(weights);
    const part = (from: number, count: number, change = {}) =>
      certificate([], { from, receipts: all.slice(from, from + count), ...change });
    expect(chain.write("v3", part(0, most - 1))).toBe("location.too-few");
    expect(chain.write("v3", part(0, most))).toBe("accepted");
    expect(rowOf(chain, "v3", 0)).toMatchObject({ state: 0 });
    expect(chain.write("v3", part(0, most))).toBe("location.part");
    expect(chain.write("v3", part(most + 1, most))).toBe("location.part");
    expect(chain.write("v3", part(most, most, { zone: "far" }))).toBe("location.part");
    expect(chain.write("v3", part(most, most, { sector: 1 }))).toBe("location.part");
    // Behind the last witness of the part before.
    const again = certificate([], { from: most, receipts: all.slice(0, most) });
    expect(chain.write("v3", again)).toBe("event.invalid");
    expect(chain.write("v3", part(most, most))).toBe("accepted");
    // 85 of 256 are no more than a third, and 86 are.
    expect(chain.write("v3", part(2 * most, 5))).toBe("location.too-few");
    expect(chain.write("v3", part(2 * most, 6))).toBe("accepted");
    expect(rowOf(chain, "v3", 0)).toMatchObject({ state: 1 });
    expect(rowOf(chain, "v3", 0)?.bounds).toHaveLength(86);
    expect(chain.write("v3", part(86, 6))).toBe("location.repeated");
  });

  it("has so many receipts in an event, and no more", () => {
    expect(certificate([], { receipts: all.slice(0, most) }).bytes.length).toBeLessThan(
      LIMITS.eventBytesMax,
    );
    expect(() => certificate([], { receipts: all.slice(0, most + 1) })).toThrow(RangeError);
  });
});

describe("rows of certificates", () => {
  it("are kept of so many epochs", () => {
    const chain = new PlaceChain();
    for (let epoch = 0; epoch <= LIMITS.locationEpochsKept; epoch++) {
      const receipts = ["v0", "v2"].map((witness) => receiptOf(witness, { epoch }));
      expect(chain.write("v3", certificate(receipts, { epoch }))).toBe("accepted");
      chain.nextEpoch();
    }
    expect(rowOf(chain, "v3", 0)).toBeUndefined();
    for (let epoch = 1; epoch <= LIMITS.locationEpochsKept; epoch++) {
      expect(rowOf(chain, "v3", epoch)).toBeDefined();
    }
    const prefix = toHex(rowPrefix(ZONES));
    const keys = [...chain.store.rows.keys()].filter((key) => key.startsWith(prefix));
    // What is asked for, the list of epochs, and a row of each.
    expect(keys).toHaveLength(2 + LIMITS.locationEpochsKept);
  });
});

describe("more than a third", () => {
  it("is exact, whoever is repeated or strange", () => {
    const names = Object.keys(WEIGHTS);
    fc.assert(
      fc.property(fc.subarray(names), (some) => {
        const set = setOf(WEIGHTS, 0);
        const witnesses = [...some, "nobody"].map((name) => ({ witness: idOf(name) }));
        const weight = some.reduce((sum, name) => sum + Number(WEIGHTS[name]), 0);
        expect(isMoreThanThird(set, witnesses)).toBe(weight > 10 / 3);
      }),
    );
  });
});
