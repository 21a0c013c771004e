/**
 * Proof of work: the time of a solution, of a check, of a share, beside the hash functions that they are made
 * of. Times of CPU of this process, one thread; a machine that is shared adds to times of the clock only.
 */
import { hash } from "node:crypto";
import { argon2id as nobleArgon2id } from "@noble/hashes/argon2.js";
import { scrypt as nobleScrypt } from "@noble/hashes/scrypt.js";
import { sha512 as nobleSha512 } from "@noble/hashes/sha2.js";
import { createHasher, sha512Into } from "../../src/crypto/hash.ts";
import { argon2id32, scrypt32 } from "../../src/crypto/memory-hard.ts";
import {
  checkEquihash,
  HASH_BYTES,
  type RowHash,
  sha512Rows,
} from "../../src/proofs/work/equihash.ts";
import { createEquihashSolver } from "../../src/proofs/work/equihash-solver.ts";
import {
  createWorkSearch,
  encodeWorkProof,
  openShares,
  type Puzzle,
  verifyShares,
  verifyWork,
  WORK_PROFILES,
} from "../../src/proofs/work/index.ts";
import { createShareTest } from "../../src/proofs/work/shares.ts";
import { createWasmSolver } from "../../src/proofs/work/wasm-solver.ts";
import { zcashRows } from "../../src/proofs/work/zcash-rows.ts";
import { percentile, type Report } from "../report.ts";

const hasher = createHasher("bench");
const filled = (byte: number, length = 32): Uint8Array => new Uint8Array(length).fill(byte);
const EQUIHASH: Puzzle = { kind: "equihash-96-5" };
const subject = { beacon: filled(1), actor: filled(2), batchId: filled(3) };

const cpuMicros = (): number => {
  const { user, system } = process.cpuUsage();
  return user + system;
};

/** Mean microseconds of CPU of a step, after a tenth as many to warm up. */
const microsOf = (count: number, step: (i: number) => void): number => {
  for (let i = 0; i < Math.ceil(count / 10); i++) step(i);
  const from = cpuMicros();
  for (let i = 0; i < count; i++) step(i);
  return (cpuMicros() - from) / count;
};

const challengeOf = (i: number): Uint8Array => {
  const challenge = filled(7);
  new DataView(challenge.buffer).setUint32(0, i);
  return challenge;
};

const measureHashes = (report: Report): void => {
  const long = new Uint8Array(2 ** 20);
  const micros = microsOf(300, () => hash("sha512", long, "hex"));
  // 1 MiB is 8,192 blocks of 128 bytes.
  report.row("sha512", "native, 1 MiB: compressions, the ceiling", 8192 / micros, "M/s", 300);
  const input = filled(1, 36);
  const target = new Uint8Array(HASH_BYTES);
  const count = 200_000;
  const call = microsOf(count, () => sha512Into(input, target, 0));
  report.row("sha512", "native, 36 bytes: a hash of five rows", call, "us", count);
  const noble = microsOf(20_000, () => target.set(nobleSha512(input)));
  report.row("sha512", "noble, the same: what a browser has", noble, "us", 20_000);
  const rows = zcashRows(filled(1), filled(2));
  const blake = microsOf(20_000, (i) => rows(i, target));
  report.row("blake2b", "noble, the same: rows of Zcash", blake, "us", 20_000);
};

/** Runs of the solver; returns the solutions of each. */
const measureSolver = (
  report: Report,
  what: string,
  solve: (i: number) => readonly Uint32Array[],
  runs: number,
) => {
  solve(0);
  const solutions: number[] = [];
  const from = cpuMicros();
  for (let i = 1; i <= runs; i++) solutions.push(solve(i).length);
  const ms = (cpuMicros() - from) / 1000;
  const found = solutions.reduce((sum, one) => sum + one, 0);
  report.row("equihash", `${what}: a run`, ms / runs, "ms", runs);
  report.row("equihash", `${what}: solutions of a run`, found / runs, "", runs);
  report.row("equihash", `${what}: a solution`, ms / found, "ms", found);
};

const measureChecks = (report: Report): void => {
  const solver = createEquihashSolver();
  const cases: { rows: RowHash; zcash: boolean; indices: Uint32Array }[] = [];
  for (let i = 0; i < 16; i++) {
    for (const zcash of [false, true]) {
      const rows = zcash ? zcashRows(challengeOf(i), filled(0)) : sha512Rows(challengeOf(i));
      for (const indices of solver.solve(rows)) cases.push({ rows, zcash, indices });
    }
  }
  for (const zcash of [false, true]) {
    const own = cases.filter((one) => one.zcash === zcash);
    const count = zcash ? 2_000 : 20_000;
    const micros = microsOf(count, (i) => {
      const one = own[i % own.length];
      if (one === undefined || checkEquihash(one.rows, one.indices) !== undefined) {
        throw new Error("a solution does not verify");
      }
    });
    const what = zcash ? "rows of noble's BLAKE2b" : "rows of native SHA-512";
    report.row("equihash", `check of a solution, ${what}`, micros, "us", count);
  }
};

const proofOf = (puzzle: Puzzle, effort: number, from: number) => {
  const search = createWorkSearch(
    hasher,
    puzzle,
    subject,
    effort,
    challengeOf(from).subarray(0, 12),
  );
  for (let counter = 0; ; counter++) {
    const proof = search.attempt(counter);
    if (proof !== undefined) return encodeWorkProof(puzzle, proof);
  }
};

/** What a client does for a batch, from the start of the search on, and what a node does with the proof. */
const measureProofs = (report: Report, name: string, puzzle: Puzzle, effort: number): void => {
  const samples: number[] = [];
  let proof = new Uint8Array(0);
  const count = effort === 1 ? 60 : 30;
  proofOf(puzzle, 1, 0);
  for (let i = 1; i <= count; i++) {
    const from = cpuMicros();
    proof = new Uint8Array(proofOf(puzzle, effort, i));
    samples.push((cpuMicros() - from) / 1000);
  }
  const mean = samples.reduce((sum, one) => sum + one, 0) / count;
  report.row("prove", `${name}, effort ${effort}: mean`, mean, "ms", count);
  report.row("prove", `${name}, effort ${effort}: median`, percentile(samples, 0.5), "ms", count);
  report.row("prove", `${name}, effort ${effort}: p95`, percentile(samples, 0.95), "ms", count);
  const verify = microsOf(2_000, () => {
    if (!verifyWork(hasher, puzzle, subject, proof, effort).ok) throw new Error("not verified");
  });
  report.row("verify", `${name}, effort ${effort}, ${proof.length} bytes`, verify, "us", 2_000);
  const wrong = proof.slice();
  wrong[wrong.length - 1] = (wrong[wrong.length - 1] ?? 0) ^ 1;
  const refuse = microsOf(2_000, () => {
    verifyWork(hasher, puzzle, subject, wrong, effort);
  });
  report.row("verify", `${name}, effort ${effort}: a wrong one refused`, refuse, "us", 2_000);
};

const measureMemoryHard = (report: Report): void => {
  const password = filled(1, 48);
  const salt = filled(2);
  const scrypt = microsOf(200, () => scrypt32(password, salt, 8192));
  report.row("scrypt", "native, N=8192 r=1 p=1 (1 MiB)", scrypt / 1000, "ms", 200);
  const options = { N: 8192, r: 1, p: 1, dkLen: 32 };
  const noble = microsOf(40, () => nobleScrypt(password, salt, options));
  report.row("scrypt", "noble, the same", noble / 1000, "ms", 40);
  for (const memory of [64, 256, 1024]) {
    const native = microsOf(200, () => argon2id32(password, salt, memory));
    report.row("argon2id", `native, ${memory} KiB, 1 pass`, native / 1000, "ms", 200);
  }
  const slow = microsOf(40, () => nobleArgon2id(password, salt, { t: 1, m: 256, p: 1, dkLen: 32 }));
  report.row("argon2id", "noble, 256 KiB, 1 pass", slow / 1000, "ms", 40);
};

const measureShares = (report: Report): void => {
  const { shares: parameters } = WORK_PROFILES.dev;
  const whose = { epochSeed: filled(1), validator: filled(2) };
  const test = createShareTest(hasher, parameters, whose);
  const count = 64;
  let tries = 0;
  const from = cpuMicros();
  const nonces = Array.from({ length: count }, (_, slot) => {
    let nonce = 0;
    for (; !test(slot, nonce); nonce++) tries += 1;
    tries += 1;
    return nonce;
  });
  const perTry = (cpuMicros() - from) / tries / 1000;
  report.row("shares", "a try of the dev profile", perTry, "ms", tries);
  const opening = openShares(hasher, nonces, filled(3));
  const verify = microsOf(10, () => {
    if (!verifyShares(hasher, parameters, whose, opening, filled(3)).ok) throw new Error("wrong");
  });
  report.row("shares", "check of 32 opened ones", verify / 1000, "ms", 10);
  const many = Array.from({ length: 100_000 }, (_, i) => i);
  const open = microsOf(2, () => openShares(hasher, many, filled(3)));
  report.row("shares", "opening of 100,000", open / 1000, "ms", 2);
};

export const benchWork = (report: Report): void => {
  measureHashes(report);
  const plain = createEquihashSolver();
  const fast = createWasmSolver();
  if (fast === undefined) throw new Error("WebAssembly does not load");
  const solveFast = (i: number) => fast.solveChallenge(challengeOf(i));
  measureSolver(report, "in WebAssembly", solveFast, 200);
  const solvePlain = (i: number) => plain.solve(sha512Rows(challengeOf(i)));
  measureSolver(report, "in JavaScript, native SHA-512", solvePlain, 200);
  const solveZcash = (i: number) => plain.solve(zcashRows(challengeOf(i), filled(0)));
  measureSolver(report, "in JavaScript, noble's BLAKE2b", solveZcash, 10);
  measureChecks(report);
  measureProofs(report, "equihash", EQUIHASH, 1);
  measureProofs(report, "equihash", EQUIHASH, 16);
  measureProofs(report, "argon2id 256 KiB", { kind: "argon2id", memoryKiB: 256 }, 64);
  measureMemoryHard(report);
  measureShares(report);
};
