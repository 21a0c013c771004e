/** The beacon: making an iVRF key, and checking a reveal. */
import { cpuMs, rateOf } from "../../src/cli/time/measure.ts";
import { createHasher } from "../../src/crypto/hash.ts";
import { acceptReveal } from "../../src/proofs/beacon/beacon.ts";
import { createIvrfKey } from "../../src/proofs/beacon/ivrf.ts";
import type { Report } from "../report.ts";

/** How long one figure may take. */
const MS = 2_000;

export const benchBeacon = (report: Report): void => {
  const hasher = createHasher("bench-beacon");
  const secret = new Uint8Array(32).fill(7);
  const before = new Uint8Array(32).fill(8);
  for (const depth of [10, 16]) {
    const began = cpuMs();
    const key = createIvrfKey(hasher, secret, depth);
    report.row("ivrf", `depth ${depth}: making a key`, cpuMs() - began, "ms", 2 ** depth);
    const registration = { root: key.root, depth, registeredEpoch: 0, firstHeight: 100 };
    const reveal = key.reveal(5);
    const rate = rateOf(MS, () => {
      const at = { height: 105, epoch: 2 };
      const verdict = acceptReveal(hasher, before, registration, at, reveal);
      if (!verdict.ok) throw new Error(verdict.detail);
    });
    report.row("ivrf", `depth ${depth}: checking a reveal`, 1e6 / rate, "us", Math.round(rate));
    report.row("ivrf", `depth ${depth}: reveal`, reveal.length, "bytes", 1);
  }
};
