/**
 * What the one who withholds blocks can choose, by trying every strategy: a small world of leaders in a given
 * order, where a leader's turn either makes the next height or is withheld and passes to the next leader.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { toHex } from "../../../src/crypto/bytes.ts";
import { createHasher } from "../../../src/crypto/hash.ts";
import { epochSeedHeight, firstBeacon, nextBeacon } from "../../../src/proofs/beacon/beacon.ts";
import { createIvrfKey, type IvrfKey } from "../../../src/proofs/beacon/ivrf.ts";
import { tagged } from "../time/reference.ts";
import { filled } from "../time/support.ts";

const hasher = createHasher("beacon-test");
const key = (value: number): IvrfKey => createIvrfKey(hasher, filled(value), 5);

type Leader = { readonly key: IvrfKey; readonly isAdversary: boolean };
type Outcome = { readonly beacon: string; readonly withheld: number };

const adversaries = Array.from({ length: 6 }, (_, i) => ({ key: key(i), isAdversary: true }));
const honest: Leader = { key: key(99), isAdversary: false };

/** The beacons of `last` that can be reached, each with the fewest blocks that must be withheld for it. */
const outcomes = (turns: readonly Leader[], last: number): Outcome[] => {
  const found = new Map<string, number>();
  const step = (turn: number, height: number, beacon: Uint8Array, withheld: number): void => {
    if (height > last) {
      const name = toHex(beacon);
      found.set(name, Math.min(found.get(name) ?? withheld, withheld));
      return;
    }
    const leader = turns[turn] ?? honest;
    const value = leader.key.reveal(height).slice(0, 32);
    step(turn + 1, height + 1, nextBeacon(hasher, beacon, height, value), withheld);
    if (leader.isAdversary) step(turn + 1, height, beacon, withheld + 1);
  };
  step(0, 1, firstBeacon(hasher, filled(200)), 0);
  return [...found].map(([beacon, withheld]) => ({ beacon, withheld }));
};

const choose = (n: number, k: number): number =>
  k === 0 ? 1 : (choose(n, k - 1) * (n - k + 1)) / k;

describe("the bias of the beacon", () => {
  it("is nothing where nobody may withhold", () => {
    expect(outcomes([honest, honest, honest], 3)).toHaveLength(1);
  });

  it("is one bit for one turn of the adversary: its own value, or the next leader's", () => {
    for (const before of [0, 1, 2]) {
      const turns = [...Array<Leader>(before).fill(honest), adversaries[0] ?? honest];
      const found = outcomes(turns, before + 1);
      expect(found.map(({ withheld }) => withheld).sort()).toEqual([0, 1]);
    }
  });

  it("is at most one bit for each turn that may be withheld, and has that much", () => {
    for (let turns = 1; turns <= 6; turns++) {
      const found = outcomes(adversaries.slice(0, turns), turns);
      expect(found.length).toBeLessThanOrEqual(2 ** turns);
      expect(Math.log2(found.length)).toBeGreaterThan(turns - 1);
    }
  });

  it("is more than a bit for one withheld block where the adversary may pick which", () => {
    for (let turns = 2; turns <= 6; turns++) {
      const found = outcomes(adversaries.slice(0, turns), turns);
      for (let most = 0; most <= turns; most++) {
        const reached = found.filter(({ withheld }) => withheld <= most).length;
        let bound = 0;
        for (let k = 0; k <= most; k++) bound += choose(turns, k);
        expect(reached).toBeLessThanOrEqual(bound);
      }
      // Which is why the page counts turns, not withheld blocks.
      expect(found.filter(({ withheld }) => withheld <= 1).length).toBe(turns + 1);
    }
  });

  it("does not grow with what a proposer writes: one leader has one value at a height", () => {
    const one = adversaries[0] ?? honest;
    // Withholding one's own block and making the next attempt oneself changes nothing.
    const found = outcomes([one, one, honest], 1);
    expect(found).toHaveLength(2);
    expect(new Set(found.map(({ beacon }) => beacon)).size).toBe(2);
  });

  it("follows from genesis, heights and reveals alone: the chain of the definition", () => {
    let expected = tagged("beacon-test", "beacon/0", filled(200));
    let beacon = firstBeacon(hasher, filled(200));
    for (let height = 1; height <= 20; height++) {
      const value = honest.key.reveal(height).slice(0, 32);
      beacon = nextBeacon(hasher, beacon, height, value);
      const wide = Buffer.alloc(8);
      wide.writeUInt32BE(height, 4);
      expected = tagged(
        "beacon-test",
        "beacon",
        expected,
        wide,
        tagged("beacon-test", "ivrf/y", value, expected),
      );
    }
    expect(toHex(beacon)).toBe(expected.toString("hex"));
  });

  it("can be fed by no signature and no root of a time proof: its code reaches neither", () => {
    const folder = join(import.meta.dirname, "../../../src/proofs/beacon");
    const imported = readdirSync(folder).flatMap((name) => [
      ...readFileSync(join(folder, name), "utf8").matchAll(/from "([^"]+)"/g),
    ]);
    expect(new Set(imported.map(([, path]) => path))).toEqual(
      new Set([
        ...["../../crypto/bytes.ts", "../../crypto/codec.ts", "../../crypto/hash.ts"],
        ...["../../errors.ts", "../../limits.ts", "./ivrf.ts"],
      ]),
    );
  });

  it("takes the seed of an epoch 16 heights before it", () => {
    expect([100, 17, 16, 15, 1].map(epochSeedHeight)).toEqual([84, 1, 0, 0, 0]);
  });
});
