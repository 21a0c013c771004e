/**
 * The refusal table of what validators prove once an epoch, as docs/proofs.md has it: for time and shares, what
 * is missing, stale, forged, replayed on another chain, borrowed, precomputed or ground, and what becomes of it.
 * Every row ends with a validator that has no time, or no units, of the epoch.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { timeOkAt, workUnitsAt } from "../../../src/ledger/projections/power-inputs.ts";
import { timeRunsAt } from "../../../src/ledger/projections/time.ts";
import { timeRunCommitted, timeRunProven } from "../../../src/ledger/projections/time-events.ts";
import { workSharesAt } from "../../../src/ledger/projections/work.ts";
import {
  workSharesCommitted,
  workSharesProven,
} from "../../../src/ledger/projections/work-events.ts";
import { LIMITS } from "../../../src/limits.ts";
import type { TimeRun } from "../../../src/proofs/time/run.ts";
import { idOf } from "../execution-support.ts";
import {
  answerOf,
  ClaimChain,
  noncesOf,
  openedOf,
  type RunOf,
  rootOf,
  runOf,
  type SharesOf,
  skippedRun,
} from "./claims-support.ts";

const DELAY = LIMITS.challengeDelayHeights;
const OTHER = new Uint8Array(32).fill(9);

/** What is done on a fresh chain, and the last code that comes of it. */
type Row = readonly [name: string, code: string | RegExp, act: (chain: ClaimChain) => string];

/** Which leaves are open follows from the statement too, so the bytes of another proof may not even fit. */
const NO_PROOF = /^time\.proof-(malformed|invalid)$/;

const commitRun = (chain: ClaimChain, run: TimeRun, more: { epoch?: number; leaves?: number }) => {
  const { leaves, phi } = run.finish().commitment;
  const { epoch } = run.statement;
  return chain.write("v0", timeRunCommitted.encode({ epoch, leaves, phi, members: [], ...more }));
};

const proveRun = (chain: ClaimChain, epoch: number, proof: Uint8Array, part = 0, by = "v0") =>
  chain.write(by, timeRunProven.encode({ epoch, part, proof }));

/** Commits to one run, and answers with what `answer` makes of the challenge. */
const runThen = (
  chain: ClaimChain,
  from: RunOf,
  answer: (run: TimeRun, challenge: Uint8Array) => Uint8Array = answerOf,
): string => {
  const run = runOf(chain, from);
  expect(commitRun(chain, run, { epoch: chain.epoch.number, leaves: 64 })).toBe("accepted");
  const at = chain.height;
  chain.passChallenge();
  return proveRun(chain, 0, answer(run, chain.beaconAt(at + DELAY)));
};

const time: readonly Row[] = [
  ["missing: nothing committed", "time.unknown", (chain) => proveRun(chain, 0, OTHER)],
  [
    "stale: committed in the epoch after its own",
    "time.stale",
    (chain) => {
      const run = runOf(chain);
      chain.nextEpoch();
      return commitRun(chain, run, {});
    },
  ],
  [
    "stale: answered two epochs later",
    "time.stale",
    (chain) => {
      const run = runOf(chain);
      expect(commitRun(chain, run, {})).toBe("accepted");
      const at = chain.height;
      chain.nextEpoch();
      chain.nextEpoch();
      chain.passChallenge();
      return proveRun(chain, 0, answerOf(run, chain.beaconAt(at + DELAY)));
    },
  ],
  ["stale: of the seed of an epoch before", NO_PROOF, (chain) => runThen(chain, { seed: OTHER })],
  [
    "early: of an epoch that has not begun",
    "time.stale",
    (chain) => commitRun(chain, runOf(chain, { epoch: 1 }), {}),
  ],
  [
    "early: answered before the challenge is drawn",
    "time.early",
    (chain) => {
      const run = runOf(chain);
      expect(commitRun(chain, run, {})).toBe("accepted");
      chain.pass(DELAY - 1);
      return proveRun(chain, 0, answerOf(run, OTHER));
    },
  ],
  [
    "forged: leaves were skipped",
    "time.proof-invalid",
    (chain) => {
      const run = skippedRun(chain, 32);
      expect(commitRun(chain, run, { epoch: 0 })).toBe("accepted");
      const at = chain.height;
      chain.passChallenge();
      return proveRun(chain, 0, answerOf(run, chain.beaconAt(at + DELAY)));
    },
  ],
  [
    "forged: a byte is another one",
    "time.proof-invalid",
    (chain) =>
      runThen(chain, {}, (run, challenge) => {
        const proof = answerOf(run, challenge);
        proof[proof.length - 1] = (proof.at(-1) ?? 0) ^ 1;
        return proof;
      }),
  ],
  ["forged: no proof at all", "time.proof-malformed", (chain) => runThen(chain, {}, () => OTHER)],
  [
    "forged: more leaves than there may be",
    "time.commitment",
    (chain) => commitRun(chain, runOf(chain), { leaves: 65 }),
  ],
  [
    "too short for an epoch",
    "time.short",
    (chain) => commitRun(chain, runOf(chain, { leaves: 63 }), {}),
  ],
  [
    "replayed from another chain",
    NO_PROOF,
    (chain) => runThen(chain, { chainId: "another-chain" }),
  ],
  ["borrowed: a run of another validator", NO_PROOF, (chain) => runThen(chain, { by: "v1" })],
  [
    "borrowed: answered by another validator",
    "time.unknown",
    (chain) => {
      const run = runOf(chain);
      expect(commitRun(chain, run, {})).toBe("accepted");
      const at = chain.height;
      chain.passChallenge();
      return proveRun(chain, 0, answerOf(run, chain.beaconAt(at + DELAY)), 0, "v1");
    },
  ],
  [
    "precomputed: begun from the hash of a block instead of the seed",
    NO_PROOF,
    (chain) => runThen(chain, { seed: chain.roots.stateRoot }),
  ],
  [
    "ground: answered to a challenge of its own",
    NO_PROOF,
    (chain) => runThen(chain, {}, (run) => answerOf(run, OTHER)),
  ],
  [
    "ground: a second commitment in the epoch",
    "time.repeated",
    (chain) => {
      expect(commitRun(chain, runOf(chain, { seed: OTHER }), {})).toBe("accepted");
      return commitRun(chain, runOf(chain), {});
    },
  ],
  [
    "ground: a second answer after a false one",
    "time.failed",
    (chain) => {
      const run = runOf(chain);
      expect(commitRun(chain, run, {})).toBe("accepted");
      const at = chain.height;
      chain.passChallenge();
      expect(proveRun(chain, 0, answerOf(run, OTHER))).toMatch(NO_PROOF);
      return proveRun(chain, 0, answerOf(run, chain.beaconAt(at + DELAY)));
    },
  ],
  [
    "a part that there is not",
    "event.invalid",
    (chain) => {
      const run = runOf(chain);
      expect(commitRun(chain, run, {})).toBe("accepted");
      const at = chain.height;
      chain.passChallenge();
      return proveRun(chain, 0, answerOf(run, chain.beaconAt(at + DELAY)), 1);
    },
  ],
];

const commitShares = (chain: ClaimChain, nonces: readonly number[], epoch = 0): string =>
  chain.write("v0", workSharesCommitted.encode({ epoch, ...rootOf(nonces) }));

const openShares = (chain: ClaimChain, shares: Uint8Array, part = 0, by = "v0"): string =>
  chain.write(by, workSharesProven.encode({ epoch: 0, part, shares }));

const sharesThen = (
  chain: ClaimChain,
  from: SharesOf,
  answer: (nonces: readonly number[], challenge: Uint8Array) => Uint8Array = openedOf,
): string => {
  const nonces = noncesOf(chain, from);
  expect(commitShares(chain, nonces)).toBe("accepted");
  const at = chain.height;
  chain.passChallenge();
  return openShares(chain, answer(nonces, chain.beaconAt(at + DELAY)));
};

const shares: readonly Row[] = [
  ["missing: nothing committed", "work.unknown", (chain) => openShares(chain, OTHER)],
  [
    "stale: committed in the epoch after its own",
    "work.stale",
    (chain) => {
      const nonces = noncesOf(chain);
      chain.nextEpoch();
      return commitShares(chain, nonces);
    },
  ],
  [
    "stale: opened two epochs later",
    "work.stale",
    (chain) => {
      const nonces = noncesOf(chain);
      expect(commitShares(chain, nonces)).toBe("accepted");
      const at = chain.height;
      chain.nextEpoch();
      chain.nextEpoch();
      chain.passChallenge();
      return openShares(chain, openedOf(nonces, chain.beaconAt(at + DELAY)));
    },
  ],
  ["stale: of the seed of an epoch before", "work.shares", (c) => sharesThen(c, { seed: OTHER })],
  [
    "early: opened before the challenge is drawn",
    "work.early",
    (chain) => {
      const nonces = noncesOf(chain);
      expect(commitShares(chain, nonces)).toBe("accepted");
      chain.pass(DELAY - 1);
      return openShares(chain, openedOf(nonces, OTHER));
    },
  ],
  ["forged: one slot in 16 holds no share", "work.shares", (c) => sharesThen(c, { empty: [7] })],
  [
    "forged: a byte is another one",
    "work.shares",
    (chain) =>
      sharesThen(chain, {}, (nonces, challenge) => {
        const bytes = openedOf(nonces, challenge);
        bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
        return bytes;
      }),
  ],
  ["forged: no opening at all", "work.malformed", (chain) => sharesThen(chain, {}, () => OTHER)],
  [
    "forged: a list that is committed twice over",
    "work.shares",
    (chain) => {
      const half = noncesOf(chain, { count: 8 });
      const twice = [...half, ...half];
      expect(commitShares(chain, twice)).toBe("accepted");
      const at = chain.height;
      chain.passChallenge();
      return openShares(chain, openedOf(twice, chain.beaconAt(at + DELAY)));
    },
  ],
  [
    "replayed from another chain",
    "work.shares",
    (chain) => sharesThen(chain, { chainId: "another-chain" }),
  ],
  ["borrowed: shares of another validator", "work.shares", (c) => sharesThen(c, { by: "v1" })],
  [
    "borrowed: opened by another validator",
    "work.unknown",
    (chain) => {
      const nonces = noncesOf(chain);
      expect(commitShares(chain, nonces)).toBe("accepted");
      const at = chain.height;
      chain.passChallenge();
      return openShares(chain, openedOf(nonces, chain.beaconAt(at + DELAY)), 0, "v1");
    },
  ],
  [
    "precomputed: for a seed that the epoch does not have",
    "work.shares",
    (chain) => sharesThen(chain, { seed: chain.roots.stateRoot }),
  ],
  [
    "ground: opened to a challenge of its own",
    "work.shares",
    (chain) => sharesThen(chain, {}, (nonces) => openedOf(nonces, OTHER)),
  ],
  [
    "ground: a second commitment in the epoch",
    "work.repeated",
    (chain) => {
      expect(commitShares(chain, noncesOf(chain, { empty: [1] }))).toBe("accepted");
      return commitShares(chain, noncesOf(chain));
    },
  ],
  [
    "ground: a second answer after a false one",
    "work.failed",
    (chain) => {
      const nonces = noncesOf(chain);
      expect(commitShares(chain, nonces)).toBe("accepted");
      const at = chain.height;
      chain.passChallenge();
      const [first = 0, ...rest] = nonces;
      const challenge = chain.beaconAt(at + DELAY);
      expect(openShares(chain, openedOf([...rest, first], challenge))).toBe("work.shares");
      return openShares(chain, openedOf(nonces, challenge));
    },
  ],
];

const provenOf = (chain: ClaimChain) =>
  [0, 1, 2].flatMap((epoch) =>
    ["v0", "v1"].map((by) => [
      timeOkAt(chain.store.read, idOf(by), epoch),
      workUnitsAt(chain.store.read, idOf(by), epoch),
    ]),
  );

describe.each([
  ["time", time],
  ["shares", shares],
])("%s: refused", (_, rows) => {
  it.each(rows)("%s", (_name, code, act) => {
    const chain = new ClaimChain();
    expect(act(chain)).toMatch(code);
    for (const proven of provenOf(chain)) expect(proven).toEqual([false, 0n]);
  });
});

describe("a false answer", () => {
  it("ends the claim, which says why, and costs the chain one check", () => {
    const chain = new ClaimChain();
    runThen(chain, { by: "v1" });
    expect(timeRunsAt(chain.store.read, idOf("v0"))[0]).toMatchObject({
      state: 2,
      fault: expect.stringMatching(NO_PROOF),
    });
    const other = new ClaimChain();
    sharesThen(other, { by: "v1" });
    expect(workSharesAt(other.store.read, idOf("v0"))[0]).toMatchObject({
      state: 2,
      fault: "work.shares",
    });
  });

  it("of any bytes whatever is refused with one of two codes", () => {
    const any = fc.uint8Array({ maxLength: 1_500 });
    fc.assert(
      fc.property(any, (bytes) => {
        const code = runThen(new ClaimChain(), {}, () => bytes);
        expect(["time.proof-malformed", "time.proof-invalid"]).toContain(code);
        const opened = sharesThen(new ClaimChain(), {}, () => bytes);
        expect(["work.malformed", "work.shares"]).toContain(opened);
      }),
      { numRuns: 30 },
    );
  });
});
