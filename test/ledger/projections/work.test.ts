/** Shares of work on the chain: what counts, and for which epoch. */
import { describe, expect, it } from "vitest";
import { toHex } from "../../../src/crypto/bytes.ts";
import { workUnitsAt } from "../../../src/ledger/projections/power-inputs.ts";
import { work, workSharesAt } from "../../../src/ledger/projections/work.ts";
import {
  workSharesCommitted,
  workSharesProven,
} from "../../../src/ledger/projections/work-events.ts";
import { readRow } from "../../../src/ledger/row.ts";
import { LIMITS } from "../../../src/limits.ts";
import { idOf } from "../execution-support.ts";
import { ClaimChain, noncesOf, openedOf, PROOFS, rootOf } from "./claims-support.ts";

const commit = (chain: ClaimChain, nonces: readonly number[], by = "v0"): string =>
  chain.write(by, workSharesCommitted.encode({ epoch: chain.epoch.number, ...rootOf(nonces) }));

const answer = (chain: ClaimChain, epoch: number, nonces: readonly number[], at: number) => {
  const challenge = chain.beaconAt(at + LIMITS.challengeDelayHeights);
  const shares = openedOf(nonces, challenge);
  return chain.write("v0", workSharesProven.encode({ epoch, part: 0, shares }));
};

const unitsAt = (chain: ClaimChain, epoch: number, by = "v0") =>
  workUnitsAt(chain.store.read, idOf(by), epoch);

describe("shares on the chain", () => {
  it("are units for the epoch in which they are opened", () => {
    const chain = new ClaimChain();
    const nonces = noncesOf(chain, { count: 40 });
    expect(commit(chain, nonces)).toBe("accepted");
    const at = chain.height;
    chain.passChallenge();
    expect(unitsAt(chain, 0)).toBe(0n);
    expect(answer(chain, 0, nonces, at)).toBe("accepted");
    // Two tries a share, 16 a unit.
    expect([0, 1].map((epoch) => unitsAt(chain, epoch))).toEqual([5n, 0n]);
    expect(unitsAt(chain, 0, "v1")).toBe(0n);
  });

  it("of two epochs that are opened in one count once: the larger", () => {
    const chain = new ClaimChain();
    const few = noncesOf(chain, { count: 16 });
    expect(commit(chain, few)).toBe("accepted");
    const fewAt = chain.height;
    chain.nextEpoch();
    const many = noncesOf(chain, { count: 32 });
    expect(commit(chain, many)).toBe("accepted");
    const manyAt = chain.height;
    chain.passChallenge();
    expect(answer(chain, 1, many, manyAt)).toBe("accepted");
    expect(answer(chain, 0, few, fewAt)).toBe("accepted");
    expect(unitsAt(chain, 1)).toBe(4n);
  });

  it("are one to as many as a tree may have", () => {
    const chain = new ClaimChain();
    const root = new Uint8Array(32).fill(1);
    const claim = (count: number) =>
      chain.write("v0", workSharesCommitted.encode({ epoch: 0, count, root }));
    expect(claim(0)).toBe("event.invalid");
    expect(claim(LIMITS.workSharesMax + 1)).toBe("event.invalid");
    expect(claim(LIMITS.workSharesMax)).toBe("accepted");
  });

  it("are shown readably", () => {
    const chain = new ClaimChain();
    const nonces = noncesOf(chain);
    expect(commit(chain, nonces)).toBe("accepted");
    const [claim] = workSharesAt(chain.store.read, idOf("v0"));
    expect(claim).toMatchObject({ epoch: 0, count: 16, units: 2, state: 0 });
    const key = Uint8Array.of(1, ...idOf("v0"));
    const row = readRow(chain.store.read, "work", key)?.value ?? key;
    expect(work.format?.(key, row)).toEqual({
      validator: toHex(idOf("v0")),
      shares: [
        {
          epoch: 0,
          state: "open",
          shares: 16,
          units: 2,
          root: toHex(rootOf(nonces).root),
          committedHeight: 1,
          challengeHeight: 11,
          partsAccepted: 0,
          countsForEpoch: null,
          fault: null,
        },
      ],
    });
  });

  it("are unknown to a chain that asks for none", () => {
    const chain = new ClaimChain({ ...PROOFS, work: null });
    const event = workSharesCommitted.encode({ epoch: 0, ...rootOf(noncesOf(chain)) });
    expect(chain.write("v0", event)).toBe("event.forbidden");
  });
});
