/** The solver in WebAssembly is the one in JavaScript, and is done without where there is none. */
import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { checkEquihash, sha512Rows } from "../../../src/proofs/work/equihash.ts";
import { createEquihashSolver } from "../../../src/proofs/work/equihash-solver.ts";
import { i32, i64, wasmModule } from "../../../src/proofs/work/wasm-code.ts";
import { createChallengeSolver, createWasmSolver } from "../../../src/proofs/work/wasm-solver.ts";
import { PAGES, PLACES } from "../../../src/proofs/work/wasm-solver-code.ts";
import { filled } from "./support.ts";

const known = createEquihashSolver();
const fast = createWasmSolver();
const listed = (solutions: readonly Uint32Array[]): number[][] =>
  solutions.map((indices) => [...indices]);

afterEach(() => vi.unstubAllGlobals());

describe("the solver in WebAssembly", () => {
  it("finds what the one in JavaScript finds, in its order", { timeout: 120_000 }, () => {
    let count = 0;
    const challenges = fc.uint8Array({ minLength: 32, maxLength: 32 });
    fc.assert(
      fc.property(challenges, (challenge) => {
        const rows = sha512Rows(challenge);
        const found = fast?.solveChallenge(challenge) ?? [];
        expect(listed(found)).toEqual(listed(known.solve(rows)));
        for (const indices of found) expect(checkEquihash(rows, indices)).toBeUndefined();
        expect(listed(fast?.solve(rows) ?? [])).toEqual(listed(found));
        count += found.length;
      }),
      { numRuns: 24, examples: [[filled(0)], [filled(255)]] },
    );
    // Two a run on average: 48, and 20 would be four deviations below.
    expect(count).toBeGreaterThan(20);
  });

  it("keeps nothing of a run for the next, nor shares anything with another solver", () => {
    const other = createWasmSolver();
    const first = listed(fast?.solveChallenge(filled(5)) ?? []);
    other?.solveChallenge(filled(6));
    fast?.solveChallenge(filled(7));
    expect(listed(fast?.solveChallenge(filled(5)) ?? [])).toEqual(first);
    expect(listed(other?.solveChallenge(filled(5)) ?? [])).toEqual(first);
    expect(first.length).toBeGreaterThan(0);
  });

  it("takes challenges of 32 bytes, also such as are a part of other bytes", () => {
    const bytes = new Uint8Array(45);
    bytes.set(filled(5), 7);
    const part = bytes.subarray(7, 39);
    expect(listed(fast?.solveChallenge(part) ?? [])).toEqual(
      listed(fast?.solveChallenge(filled(5)) ?? []),
    );
    for (const length of [0, 31, 33]) {
      expect(() => fast?.solveChallenge(new Uint8Array(length))).toThrow(RangeError);
    }
  });

  it("has tables that do not overlap and end in its memory", () => {
    const places = Object.values(PLACES);
    expect(places).toEqual(places.toSorted((a, b) => a - b));
    expect(places.every((place) => place % 8 === 0)).toBe(true);
    expect(PLACES.end).toBeLessThanOrEqual(PAGES * 65_536);
  });

  it.each([
    ["is not there", undefined],
    [
      "may not be compiled",
      {
        Module: class {
          constructor() {
            throw new EvalError("refused by the page's policy");
          }
        },
      },
    ],
  ])("is done without where WebAssembly %s", async (_, stub) => {
    // What was compiled before is kept by the module: another copy of it has compiled nothing.
    vi.resetModules();
    vi.stubGlobal("WebAssembly", stub);
    const fresh = await import("../../../src/proofs/work/wasm-solver.ts");
    expect(fresh.createWasmSolver()).toBeUndefined();
    const found = fresh.createChallengeSolver().solveChallenge(filled(5));
    vi.unstubAllGlobals();
    expect(listed(found)).toEqual(listed(createChallengeSolver().solveChallenge(filled(5))));
  });
});

type Wasm = {
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => object;
  readonly Instance: new (
    module: object,
  ) => { readonly exports: { readonly memory: { readonly buffer: ArrayBuffer }; run(): void } };
};

describe("the writer of WebAssembly", () => {
  it("writes every number as the machine reads it", () => {
    const api = (globalThis as unknown as { readonly WebAssembly: Wasm }).WebAssembly;
    const run = (body: readonly number[]): DataView => {
      const store = { name: "run", parameters: 0, locals: [], body };
      const { exports } = new api.Instance(new api.Module(wasmModule([store], 1)));
      exports.run();
      return new DataView(exports.memory.buffer);
    };
    const edges = [0, 1, -1, 63, 64, 127, 128, -64, -65, 8191, 8192, 2 ** 31 - 1, -(2 ** 31)];
    const numbers = fc.oneof(fc.constantFrom(...edges), fc.integer());
    fc.assert(
      fc.property(numbers, (value) => {
        const view = run([...i32(0), ...i32(value), 0x36, 2, 0]);
        expect(view.getInt32(0, true)).toBe(value);
      }),
    );
    const wide = fc.oneof(
      fc.constantFrom(0n, 1n, 63n, 64n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n),
      fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    );
    fc.assert(
      fc.property(wide, fc.nat({ max: 60_000 }), (value, offset) => {
        const place = [...i32(offset), ...i64(value), 0x37, 0, 0];
        expect(run(place).getBigUint64(offset, true)).toBe(value);
      }),
    );
  });
});
