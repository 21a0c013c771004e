/** What nodes of a simulation share: rows and the MACs of signatures. Nobody may be able to tell. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DiskSnapshots } from "../../sim/disk-snapshots.ts";
import { sharesByDefault } from "../../sim/network.ts";
import { createSharedRows, OWN_ROWS } from "../../sim/shared-rows.ts";
import { KeyRing } from "../../sim/signer.ts";
import { simulate } from "../../sim/simulate.ts";
import { lengthOf, SortedMap, wholeOf } from "../../sim/sorted-map.ts";
import { randomScenario } from "../../sim/swarm.ts";
import { SYSTEM } from "../../sim/system.ts";
import { concatBytes } from "../../src/crypto/bytes.ts";
import type { StoreEntry, StoreRange } from "../../src/ledger/ports.ts";

const TIMEOUT_MS = 120_000;

describe("a run", () => {
  it.each([13, 14, 15])(
    "of seed %i is the same whether its nodes share or not",
    (seed) => {
      const scenario = randomScenario(seed);
      const [shared, own] = [true, false].map((shares) =>
        simulate(scenario, { ...SYSTEM, shares }),
      );
      expect(shared?.traceHash).toBe(own?.traceHash);
      expect(shared?.steps).toBe(own?.steps);
      expect(shared?.marks).toEqual(own?.marks);
      expect(shared?.nodes).toEqual(own?.nodes);
    },
    TIMEOUT_MS,
  );

  it("shares or not as its seed says, and one in eight does not", () => {
    const seeds = Array.from({ length: 4_000 }, (_, seed) => seed);
    const own = seeds.filter((seed) => !sharesByDefault(seed)).length;
    expect(own).toBeGreaterThan(400);
    expect(own).toBeLessThan(600);
    expect(seeds.map(sharesByDefault)).toEqual(seeds.map(sharesByDefault));
  });
});

describe("rows", () => {
  it("are one where they are equal byte for byte, and never the writer's own array", () => {
    const rows = createSharedRows();
    const written = Uint8Array.of(1, 2, 3);
    const first = rows.keep("k", written);
    expect(rows.keep("k", Uint8Array.of(1, 2, 3))).toBe(first);
    written[0] = 9;
    expect(first.value).toEqual(Uint8Array.of(1, 2, 3));
    expect(rows.keep("k", written).value).toEqual(Uint8Array.of(9, 2, 3));
    expect(rows.keep("other", Uint8Array.of(1, 2, 3))).not.toBe(first);
    expect(rows.keep("k", Uint8Array.of(9, 2)).value).toEqual(Uint8Array.of(9, 2));
  });

  it("that are lists of signatures share these, and read as they were written", () => {
    const ring = new KeyRing(1);
    const key = ring.createKey("a");
    const signatures = Array.from({ length: 5 }, (_, i) => ring.sign(key, Uint8Array.of(i)));
    const rows = createSharedRows();
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 80 }),
        fc.shuffledSubarray([0, 1, 2, 3, 4]),
        fc.option(fc.nat(7_000)),
        (head, chosen, altered) => {
          const value = concatBytes(head, ...chosen.map((i) => signatures[i] ?? head));
          if (altered !== null && altered < value.length) value[altered] = 0x3a;
          const { value: kept } = rows.keep("c", value);
          expect(wholeOf(kept)).toEqual(value);
          expect(lengthOf(kept)).toBe(value.length);
        },
      ),
    );
    const two = [0, 1].map((head) => {
      const value = concatBytes(Uint8Array.of(head), ...signatures.slice(0, 3));
      return rows.keep(`c${head}`, value).value as readonly Uint8Array[];
    });
    expect(two[0]?.[3]).toBe(two[1]?.[3]);
    expect(two[0]?.[0]).not.toBe(two[1]?.[0]);
  });

  it("are each by themselves where nothing is shared", () => {
    const first = OWN_ROWS.keep("k", Uint8Array.of(1));
    const second = OWN_ROWS.keep("k", Uint8Array.of(1));
    expect(second.value).not.toBe(first.value);
  });
});

describe("a key ring that remembers", () => {
  it("takes and refuses what one that hashes every time does", () => {
    const rings = [true, false].map((remembers) => {
      const ring = new KeyRing(5, true, remembers);
      return { ring, keys: [ring.createKey("a"), ring.createKey("b")] };
    });
    const alter = (bytes: Uint8Array, at: number, bit: number): Uint8Array => {
      const out = bytes.slice();
      out[at % out.length] = (out[at % out.length] ?? 0) ^ bit;
      return out;
    };
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200, minLength: 1 }),
        fc.constantFrom("nothing", "message", "signature", "key"),
        // The nonce more often than the rest: it is what is looked up.
        fc.oneof(fc.integer({ min: 0, max: 9 }), fc.nat(5_000)),
        fc.constantFrom(1, 2, 4, 8, 16, 32, 64, 128),
        (message, altered, at, bit) => {
          const answers = rings.map(({ ring, keys: [own, other] }) => {
            if (own === undefined || other === undefined) throw new RangeError("two keys");
            const signature = ring.sign(own, message);
            return ring.verify({
              publicKey: altered === "key" ? other.publicKey : own.publicKey,
              message: altered === "message" ? alter(message, at, bit) : message,
              signature: altered === "signature" ? alter(signature, at, bit) : signature,
            });
          });
          expect(answers).toEqual(new Array(2).fill(altered === "nothing"));
        },
      ),
    );
  });
});

describe("snapshots of a disk", () => {
  const keyOf = (n: number): string => String.fromCharCode(n);
  const everything = { gte: Uint8Array.of(0), lt: Uint8Array.of(255) };
  const ranges: StoreRange[] = [
    { ...everything, limit: 100 },
    { ...everything, limit: 3, reverse: true },
    { gte: Uint8Array.of(3), lt: Uint8Array.of(9), limit: 4 },
    { ...everything, limit: 100, bytesMax: 7 },
    { gte: Uint8Array.of(2), lt: Uint8Array.of(8), limit: 2, reverse: true },
  ];
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ put: fc.nat(11), value: fc.option(fc.nat(255)) }) },
    { weight: 2, arbitrary: fc.constant("take" as const) },
    { weight: 1, arbitrary: fc.record({ release: fc.nat(5) }) },
  );

  it("read as copies of all rows would, in whatever order they are released", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const data = new SortedMap();
        const snapshots = new DiskSnapshots(data);
        const held: { snapshot: ReturnType<DiskSnapshots["take"]>; copy: SortedMap }[] = [];
        for (const one of steps) {
          if (one === "take") held.push({ snapshot: snapshots.take(), copy: data.clone() });
          else if ("release" in one) {
            const [gone] = held.splice(one.release, 1);
            if (gone !== undefined) snapshots.release(gone.snapshot);
          } else {
            const name = keyOf(one.put);
            snapshots.changing(name, data.get(name));
            if (one.value === null) data.delete(name);
            else data.set(name, Uint8Array.of(one.value));
          }
        }
        for (const { snapshot, copy } of held) {
          for (let n = 0; n < 12; n++) {
            expect(snapshots.get(snapshot, keyOf(n))).toEqual(copy.get(keyOf(n)));
          }
          for (const range of ranges) {
            const expected: StoreEntry[] = copy.range(range);
            expect(snapshots.range(snapshot, range)).toEqual(expected);
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});
