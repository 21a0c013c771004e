/** Whether a validator's sectors go on, and which is made next. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  isUsedNumber,
  NO_EPOCH,
  NO_PROVER_ROW,
  type ProverRow,
  type SectorRow,
} from "../../src/ledger/projections/space/index.ts";
import type { LocalSector } from "../../src/ledger/replica/space-plan.ts";
import { LIMITS } from "../../src/limits.ts";
import { planRenewal, type RenewalView } from "../../src/node/space/renewal-plan.ts";

const CHALLENGES = 4;
const EPOCH = 1_000;
const root = (of: number): Uint8Array => new Uint8Array(32).fill(of);

const sectorRow = (of: number, done: number): SectorRow => ({
  ...{ beacon: root(9), beaconHeight: 16, commC: root(of), commRl: root(of) },
  ...{ committedHeight: 1, committedEpoch: 1, seed: root(0), done },
});

const local = (number: number, more: Partial<LocalSector> = {}): LocalSector => ({
  statement: {
    ...{ validatorId: root(1), sectorNo: number, beacon: root(9), lgNodes: 12, layers: 2 },
    ...{ commC: root(number), commRl: root(number) },
  },
  hasLayers: true,
  ...more,
});

type Entry = ProverRow["sectors"][number] & { readonly done?: number };
const entry = (number: number, endEpoch: number, done = CHALLENGES): Entry => ({
  ...{ number, endEpoch, done, fromEpoch: done < CHALLENGES ? NO_EPOCH : 2 },
});

const viewOf = (
  entries: readonly Entry[],
  files: readonly LocalSector[],
  more: Partial<RenewalView> = {},
): RenewalView => ({
  parameters: { lgNodes: 12, layers: 2, admissionChallenges: CHALLENGES },
  ...{ epoch: EPOCH, wanted: 1, local: files, jobs: [], isKnown: () => true },
  prover: { ...NO_PROVER_ROW, sectors: entries },
  sector: (number) => {
    const found = entries.find((one) => one.number === number);
    return found === undefined ? undefined : sectorRow(number, found.done ?? CHALLENGES);
  },
  ...more,
});

const nextOf = (...args: Parameters<typeof viewOf>): number | undefined =>
  planRenewal(viewOf(...args)).next;

const LIVE = EPOCH + LIMITS.spaceRenewEpochs + 1;

describe("the next sector", () => {
  it("is none while as many as are wanted go on", () => {
    expect(nextOf([entry(0, LIVE)], [local(0)])).toBeUndefined();
    // Its file is the keeper's matter: it gives back what it cannot open.
    expect(nextOf([entry(0, LIVE)], [])).toBeUndefined();
    expect(nextOf([], [], { wanted: 0 })).toBeUndefined();
  });

  it("is due a day of epochs before the end of the last one, and not sooner", () => {
    expect(nextOf([entry(0, LIVE)], [local(0)])).toBeUndefined();
    expect(nextOf([entry(0, LIVE - 1)], [local(0)])).toBe(1);
  });

  it("is due where the last one lapsed, was given back, or never was", () => {
    expect(nextOf([entry(0, EPOCH - 1, 0)], [local(0)])).toBe(1);
    expect(nextOf([entry(4, EPOCH)], [local(4)])).toBe(5);
    // Given back while it was being admitted: it is in the list until the epoch ends.
    const dropped = { ...entry(4, EPOCH, 1), fromEpoch: EPOCH + 1 };
    expect(nextOf([dropped], [local(4)])).toBe(5);
    expect(nextOf([], [])).toBe(0);
    expect(planRenewal(viewOf([], [], { prover: undefined })).next).toBe(0);
  });

  it("is not due while one is being admitted that can be", () => {
    expect(nextOf([entry(3, EPOCH + 1, 1)], [local(3)])).toBeUndefined();
    expect(nextOf([entry(3, EPOCH + 1, 1)], [local(3, { hasLayers: false })])).toBe(4);
    const other = local(3);
    const changed = { ...other, statement: { ...other.statement, commRl: root(8) } };
    expect(nextOf([entry(3, EPOCH + 1, 1)], [changed])).toBe(4);
    expect(nextOf([entry(3, EPOCH + 1, 1)], [])).toBe(4);
  });

  it("waits for one on the disk that can be committed to", () => {
    expect(nextOf([entry(0, EPOCH - 1)], [local(0), local(1)])).toBeUndefined();
    // Under a number that is used up, of another shape, or from a beacon that is forgotten, it cannot.
    expect(nextOf([entry(2, EPOCH - 1)], [local(1)])).toBe(3);
    const shape = local(1);
    const larger = { ...shape, statement: { ...shape.statement, lgNodes: 13 } };
    expect(nextOf([entry(0, EPOCH - 1)], [larger])).toBe(2);
    expect(nextOf([entry(0, EPOCH - 1)], [local(1)], { isKnown: () => false })).toBe(2);
  });

  it("is the one that was begun, where there is one", () => {
    const jobs = [local(7).statement];
    const begun = planRenewal(viewOf([entry(0, EPOCH - 1)], [], { jobs }));
    expect(begun).toMatchObject({ unfinished: [7], next: undefined });
    // Not where it is not wanted, nor under a number that is used up.
    expect(planRenewal(viewOf([entry(0, LIVE)], [], { jobs })).unfinished).toEqual([]);
    const late = planRenewal(viewOf([entry(8, EPOCH - 1)], [], { jobs }));
    expect(late).toMatchObject({ unfinished: [], next: 9 });
  });

  it("is one of several", () => {
    const two = [entry(0, LIVE), entry(1, EPOCH - 1)];
    expect(nextOf(two, [], { wanted: 2 })).toBe(2);
    expect(nextOf(two, [local(2)], { wanted: 2 })).toBeUndefined();
    expect(nextOf(two, [local(2)], { wanted: 3 })).toBe(3);
  });

  it("is never under a number that is used up", () => {
    const entries = fc.uniqueArray(
      fc.record({
        number: fc.nat(20),
        fromEpoch: fc.nat(2 * EPOCH),
        endEpoch: fc.nat(2 * EPOCH),
        done: fc.nat(CHALLENGES),
      }),
      { selector: ({ number }) => number, maxLength: 10 },
    );
    fc.assert(
      fc.property(
        entries,
        fc.uniqueArray(fc.nat(20), { maxLength: 5 }),
        fc.option(fc.nat(30), { nil: undefined }),
        fc.nat(12),
        (sectors, files, lost, wanted) => {
          const prover = {
            ...{ ...NO_PROVER_ROW, sectors: sectors.toSorted((a, b) => a.number - b.number) },
            ...(lost === undefined ? {} : { hasLost: true, lostUpTo: lost }),
          };
          const view = viewOf(
            sectors,
            files.map((number) => local(number)),
            { prover, wanted },
          );
          const { next, goingOn, coming, spent } = planRenewal(view);
          expect(next !== undefined).toBe(goingOn + coming < wanted);
          if (next !== undefined) expect(isUsedNumber(prover, next, EPOCH)).toBe(false);
          // What is removed is never what may still be asked for or committed to.
          for (const number of spent) {
            expect(isUsedNumber(prover, number, EPOCH)).toBe(true);
            const found = sectors.find((one) => one.number === number);
            expect(found?.endEpoch ?? 0).toBeLessThan(EPOCH);
          }
        },
      ),
    );
  });
});

describe("what is spent", () => {
  it("is over, or under a number that is used up, so that nothing asks for it", () => {
    const spent = (end: number): readonly number[] =>
      planRenewal(viewOf([entry(0, end), entry(1, LIVE)], [local(0), local(1)])).spent;
    expect(spent(EPOCH)).toEqual([]);
    expect(spent(EPOCH - 1)).toEqual([0]);
    // The same when it has left the list, which another event of the validator brings about.
    const prover = { ...NO_PROVER_ROW, hasLost: true, lostUpTo: 0, sectors: [entry(1, LIVE)] };
    expect(planRenewal(viewOf([], [local(0), local(1)], { prover })).spent).toEqual([0]);
  });
});
