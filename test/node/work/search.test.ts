/** Searches in threads: what they find, how they end, and that nothing of them stays. */
import { describe, expect, it } from "vitest";
import { createHasher } from "../../../src/crypto/hash.ts";
import { searchProof, searchShares } from "../../../src/node/work/search.ts";
import {
  createShareTest,
  type Puzzle,
  verifyWork,
  WORK_PROFILES,
} from "../../../src/proofs/work/index.ts";

const CHAIN = "work-threads";
const hasher = createHasher(CHAIN);
const filled = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
const subject = { beacon: filled(1), actor: filled(2), batchId: filled(3) };
const whose = { epochSeed: filled(4), validator: filled(5) };
const { shares: parameters } = WORK_PROFILES.test;
const TIMEOUT_MS = 60_000;

const argon: Puzzle = { kind: "argon2id", memoryKiB: 8 };
const puzzles: Puzzle[] = [argon, { kind: "equihash-96-5" }];

/** An effort that no search meets while a test runs. */
const HOPELESS = 2 ** 20;

describe("a search for a proof", () => {
  it.each(puzzles)(
    "by $kind finds one in several threads, and counts its runs",
    async (puzzle) => {
      const counts: number[] = [];
      const effort = puzzle.kind === "argon2id" ? 2_000 : 4;
      const found = await searchProof({
        ...{ chainId: CHAIN, puzzle, subject, effort, threads: 2 },
        onProgress: (runs) => void counts.push(runs),
      });
      expect(verifyWork(hasher, puzzle, subject, found.proof, effort).ok).toBe(true);
      expect(found.runs).toBeGreaterThan(0);
      expect(counts).toEqual([...counts].sort((a, b) => a - b));
      expect(counts.at(-1)).toBe(found.runs);
    },
    TIMEOUT_MS,
  );

  it(
    "finds another each time: nonces are random",
    async () => {
      const one = () =>
        searchProof({ chainId: CHAIN, puzzle: argon, subject, effort: 1, threads: 1 });
      const [a, b] = [await one(), await one()];
      expect(a.proof).not.toEqual(b.proof);
    },
    TIMEOUT_MS,
  );

  it(
    "ends when its signal does, with its reason",
    async () => {
      const controller = new AbortController();
      const reason = new Error("enough");
      const search = searchProof({
        ...{ chainId: CHAIN, puzzle: argon, subject, effort: HOPELESS, threads: 2 },
        signal: controller.signal,
        onProgress: () => controller.abort(reason),
      });
      await expect(search).rejects.toBe(reason);
      const late = searchProof({
        ...{ chainId: CHAIN, puzzle: argon, subject, effort: 1, threads: 1 },
        signal: controller.signal,
      });
      await expect(late).rejects.toBe(reason);
    },
    TIMEOUT_MS,
  );

  it(
    "fails when a thread does",
    async () => {
      const wrong = { ...subject, actor: new Uint8Array(31) };
      const search = searchProof({
        ...{ chainId: CHAIN, puzzle: argon, subject: wrong, effort: 1, threads: 2 },
      });
      await expect(search).rejects.toMatchObject({ code: "internal" });
    },
    TIMEOUT_MS,
  );
});

describe("a search for shares", () => {
  it(
    "fills slots without a gap, in several threads",
    async () => {
      const options = { chainId: CHAIN, parameters, subject: whose, threads: 3, count: 100 };
      const { nonces, tries } = await searchShares(options);
      const test = createShareTest(hasher, parameters, whose);
      expect(nonces.length).toBe(100);
      expect(nonces.every((nonce, slot) => test(slot, nonce))).toBe(true);
      expect(tries).toBeGreaterThanOrEqual(100);
    },
    TIMEOUT_MS,
  );

  it(
    "gives what there is when time is up, and fails when it is stopped",
    async () => {
      const options = { chainId: CHAIN, parameters, subject: whose, threads: 2, count: 200_000 };
      const until = new AbortController();
      const some = await searchShares({
        ...options,
        until: until.signal,
        onProgress: (shares) => {
          if (shares > 10) until.abort();
        },
      });
      const test = createShareTest(hasher, parameters, whose);
      expect(some.nonces.length).toBeGreaterThan(10);
      expect(some.nonces.every((nonce, slot) => test(slot, nonce))).toBe(true);
      const stop = new AbortController();
      const stopped = searchShares({
        ...options,
        ...{ signal: stop.signal, until: new AbortController().signal },
        onProgress: () => stop.abort(new Error("stopped")),
      });
      await expect(stopped).rejects.toThrow("stopped");
    },
    TIMEOUT_MS,
  );
});
