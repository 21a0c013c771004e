/** Equihash against published solutions, published nonsense, and a naive reference. */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromHex } from "../../../src/crypto/bytes.ts";
import { utf8 } from "../../../src/crypto/codec.ts";
import { checkEquihash, EQUIHASH_ROWS, sha512Rows } from "../../../src/proofs/work/equihash.ts";
import { createEquihashSolver } from "../../../src/proofs/work/equihash-solver.ts";
import { packIndices, unpackIndices } from "../../../src/proofs/work/packing.ts";
import { createChallengeSolver } from "../../../src/proofs/work/wasm-solver.ts";
import { zcashRows } from "../../../src/proofs/work/zcash-rows.ts";
import { referenceCheck, referenceRows, referenceSolve } from "./reference.ts";
import { filled } from "./support.ts";

type Vectors = {
  readonly solver: readonly {
    readonly input: string;
    readonly nonce: string;
    readonly solutions: readonly (readonly number[])[];
  }[];
  readonly invalid: {
    readonly input: string;
    readonly nonce: string;
    readonly cases: readonly {
      readonly what: string;
      readonly fault: string;
      readonly solution: readonly number[];
    }[];
  };
};

const vectors = JSON.parse(
  readFileSync(new URL("../../vectors/equihash-96-5.json", import.meta.url), "utf8"),
) as Vectors;

const rowsOf = ({ input, nonce }: { readonly input: string; readonly nonce: string }) =>
  zcashRows(utf8(input), fromHex(nonce));

const solver = createEquihashSolver();
const solvers = [
  { name: "in JavaScript", solver },
  { name: "in WebAssembly", solver: createChallengeSolver() },
] as const;

const sorted = (solutions: readonly (readonly number[])[]): string[] =>
  solutions.map((indices) => indices.join(" ")).sort();

describe("published solutions", () => {
  it("are many enough to mean something", () => {
    expect(vectors.solver.length).toBe(11);
    expect(vectors.solver.flatMap(({ solutions }) => solutions).length).toBe(26);
    expect(vectors.invalid.cases.length).toBe(9);
  });

  it.each(vectors.solver)("of $input $nonce verify", (one) => {
    for (const indices of one.solutions) {
      expect(checkEquihash(rowsOf(one), Uint32Array.from(indices))).toBeUndefined();
    }
  });

  it.each(vectors.solver)("of $input $nonce are what the solvers find, and all", (one) => {
    for (const { name, solver } of solvers) {
      const found = solver.solve(rowsOf(one)).map((indices) => [...indices]);
      expect(sorted(found), name).toEqual(sorted(one.solutions));
    }
  });

  it.each(vectors.invalid.cases)("are refused with $what: $fault", ({ solution, fault }) => {
    expect(checkEquihash(rowsOf(vectors.invalid), Uint32Array.from(solution))).toBe(fault);
  });

  it("are none of another nonce or input", () => {
    const [first] = vectors.solver;
    const indices = Uint32Array.from(first?.solutions[0] ?? []);
    expect(checkEquihash(zcashRows(utf8("block header"), filled(7)), indices)).toBe("collision");
    expect(checkEquihash(sha512Rows(utf8("block header")), indices)).toBe("collision");
  });
});

describe("the rows of the product", () => {
  const challenge = filled(5);
  const rows = sha512Rows(challenge);
  const row = referenceRows(challenge);

  it("are those of the definition", () => {
    const hash = new Uint8Array(64);
    for (const index of [0, 1, 4, 5, 65_537, EQUIHASH_ROWS - 1]) {
      rows(Math.floor(index / 5), hash);
      const from = (index % 5) * 12;
      const hex = Buffer.from(hash.subarray(from, from + 12)).toString("hex");
      expect(BigInt(`0x${hex}`)).toBe(row(index));
    }
  });

  it("have the solutions that a naive search finds, and no others", { timeout: 120_000 }, () => {
    const found = solver.solve(rows).map((indices) => [...indices]);
    const naive = referenceSolve(row);
    expect(sorted(found)).toEqual(sorted(naive));
    expect(naive.length).toBeGreaterThan(0);
    for (const indices of found) {
      expect(checkEquihash(rows, Uint32Array.from(indices))).toBeUndefined();
      expect(referenceCheck(row, indices)).toBe(true);
    }
  });

  it("are judged as the reference judges them, whatever is changed in a solution", () => {
    const [solution] = solver.solve(rows);
    const indices = [...(solution ?? [])];
    expect(indices.length).toBe(32);
    const change = fc.oneof(
      fc.record({ at: fc.nat(31), to: fc.nat(EQUIHASH_ROWS + 10) }),
      fc.record({ at: fc.nat(31), with: fc.nat(31) }),
      fc.record({ at: fc.nat(31), like: fc.nat(31) }),
    );
    fc.assert(
      fc.property(fc.array(change, { maxLength: 3 }), (changes) => {
        const changed = [...indices];
        for (const one of changes) {
          const before = changed[one.at] ?? 0;
          if ("to" in one) changed[one.at] = one.to;
          else if ("with" in one) {
            changed[one.at] = changed[one.with] ?? 0;
            changed[one.with] = before;
          } else changed[one.at] = changed[one.like] ?? 0;
        }
        const ours = checkEquihash(rows, Uint32Array.from(changed)) === undefined;
        expect(ours).toBe(referenceCheck(row, changed));
      }),
    );
  });

  it("want every swap of subtrees undone", () => {
    const [solution] = solver.solve(rows);
    for (let width = 1; width < 32; width *= 2) {
      for (let at = 0; at < 32; at += 2 * width) {
        const swapped = Uint32Array.from(solution ?? []);
        const left = swapped.slice(at, at + width);
        swapped.copyWithin(at, at + width, at + 2 * width);
        swapped.set(left, at + width);
        expect(checkEquihash(rows, swapped)).toBe("order");
      }
    }
  });

  it("want 32 indices in range", () => {
    const [solution] = solver.solve(rows);
    const indices = Uint32Array.from(solution ?? []);
    expect(checkEquihash(rows, indices.slice(0, 31))).toBe("range");
    expect(checkEquihash(rows, new Uint32Array(0))).toBe("range");
    indices[31] = EQUIHASH_ROWS;
    expect(checkEquihash(rows, indices)).toBe("range");
  });
});

describe("packing", () => {
  const indices = fc.uint8Array({ minLength: 68, maxLength: 68 });

  it("is a bijection between 68 bytes and 32 indices of 17 bits", () => {
    fc.assert(
      fc.property(indices, (bytes) => {
        const unpacked = unpackIndices(bytes);
        // By its definition: the bytes as one number, cut from the top.
        const whole = BigInt(`0x${Buffer.from(bytes).toString("hex")}`);
        const cut = Array.from({ length: 32 }, (_, i) =>
          Number((whole >> BigInt(17 * (31 - i))) & 0x1_ffffn),
        );
        expect([...unpacked]).toEqual(cut);
        expect(packIndices(unpacked)).toEqual(bytes);
      }),
    );
  });

  it("takes nothing else", () => {
    expect(() => unpackIndices(new Uint8Array(67))).toThrow(RangeError);
    expect(() => unpackIndices(new Uint8Array(69))).toThrow(RangeError);
    expect(() => packIndices(new Uint32Array(31))).toThrow(RangeError);
    expect(() => packIndices(new Uint32Array(32).fill(EQUIHASH_ROWS))).toThrow(RangeError);
  });
});
