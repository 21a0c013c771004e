/** The arena against a map of copies: what it holds is what was put last, and it stays within its bytes. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  ARENA_CELL_BYTES,
  ARENA_RECORD_BYTES_MAX,
  NodeArena,
} from "../../src/ledger/node-arena.ts";

const recordOf = (length: number, fill: number): Uint8Array =>
  Uint8Array.from({ length }, (_, at) => (fill + 7 * at) & 0xff);

const anyKey = fc.integer({ min: 0, max: 40 });
const anyStep = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      key: anyKey,
      length: fc.integer({ min: 0, max: ARENA_RECORD_BYTES_MAX + 8 }),
      fill: fc.nat(255),
    }),
  },
  { weight: 1, arbitrary: fc.record({ key: anyKey }) },
);

describe("an arena of records", () => {
  it("gives what was put last, or nothing, and never takes more than it may", () => {
    fc.assert(
      fc.property(
        fc.array(anyStep, { maxLength: 200 }),
        fc.constantFrom(0, 40, 100, 5_000),
        (steps, cells) => {
          const arena = new NodeArena(cells * ARENA_CELL_BYTES);
          const model = new Map<number, Uint8Array>();
          let kept = 0;
          for (const step of steps) {
            if ("length" in step) {
              const record = recordOf(step.length, step.fill);
              arena.set(step.key, record);
              const fits = step.length > 0 && step.length <= ARENA_RECORD_BYTES_MAX;
              if (fits) model.set(step.key, record);
              else model.delete(step.key);
              // What was put just now is there, whoever had to leave for it.
              expect(arena.get(step.key)).toEqual(fits && cells > 0 ? record : undefined);
              kept += fits ? 1 : 0;
            } else {
              arena.delete(step.key);
              model.delete(step.key);
            }
            expect(arena.bytes).toBeLessThanOrEqual(cells * ARENA_CELL_BYTES);
            for (let key = 0; key <= 40; key++) {
              const held = arena.get(key);
              if (held !== undefined) expect(held).toEqual(model.get(key));
            }
          }
          // With room for all, all are there.
          if (cells === 5_000 && kept > 0) expect(arena.size).toBe(model.size);
        },
      ),
      { numRuns: 100 },
    );
  });

  it("lets the record leave that came first", () => {
    const cell = 128;
    const arena = new NodeArena(40 * ARENA_CELL_BYTES);
    for (let key = 0; key < 40; key++) arena.set(key, recordOf(cell, key));
    expect(arena.size).toBe(40);
    arena.set(40, recordOf(2 * cell, 40));
    expect([0, 1, 2, 40].map((key) => arena.get(key) !== undefined)).toEqual([
      false,
      false,
      true,
      true,
    ]);
  });

  it("keeps nothing where two of the longest records do not fit", () => {
    const least = (2 * ARENA_RECORD_BYTES_MAX) / 128;
    const small = new NodeArena((least - 1) * ARENA_CELL_BYTES);
    small.set(1, recordOf(100, 1));
    expect(small.get(1)).toBeUndefined();
    const enough = new NodeArena(least * ARENA_CELL_BYTES);
    enough.set(1, recordOf(ARENA_RECORD_BYTES_MAX, 1));
    enough.set(2, recordOf(ARENA_RECORD_BYTES_MAX, 2));
    expect([enough.get(1)?.length, enough.get(2)?.length]).toEqual([2048, 2048]);
  });

  it("is empty after it was cleared, and can be used again", () => {
    const arena = new NodeArena(100 * ARENA_CELL_BYTES);
    for (let key = 0; key < 30; key++) arena.set(key, recordOf(300, key));
    arena.clear();
    expect([arena.size, arena.bytes, arena.get(3)]).toEqual([0, 0, undefined]);
    arena.set(3, recordOf(300, 9));
    expect(arena.get(3)).toEqual(recordOf(300, 9));
  });
});
