/** A validator that shares the run of another: what it says, when, and that it says it once. */
import { describe, expect, it } from "vitest";
import { toHex } from "../../../src/crypto/bytes.ts";
import { readPoint } from "../../../src/ledger/chain-point.ts";
import type { LedgerHandle } from "../../../src/ledger/handle.ts";
import { timeProvenAt } from "../../../src/ledger/projections/time.ts";
import { timeRunCommitted, timeRunProven } from "../../../src/ledger/projections/time-events.ts";
import { readRow } from "../../../src/ledger/row.ts";
import type { EncodedEvent } from "../../../src/ledger/types.ts";
import { startSharer } from "../../../src/node/claims/sharer.ts";
import { codesOf, idOf } from "../../ledger/execution-support.ts";
import { answerOf, ClaimChain, membersOf, runOf } from "../../ledger/projections/claims-support.ts";

/** What v1 writes is in the next block. */
const ledgerOf = () => {
  const chain = new ClaimChain();
  const waiting: (() => EncodedEvent | undefined)[] = [];
  const codes: string[] = [];
  let listener: (() => void) | undefined;
  const handle: Partial<LedgerHandle> = {
    status: () => ({ executedHeight: chain.height }) as ReturnType<LedgerHandle["status"]>,
    point: (height) => readPoint(chain.store.read, height),
    row: (projection, key) => readRow(chain.store.read, projection, key)?.value,
    write: (make) => void waiting.push(make),
    onExecuted: (call) => {
      listener = () => call(chain.height, 0);
      return () => {
        listener = undefined;
      };
    },
  };
  const step = (boundary = false): void => {
    const events = waiting.splice(0).flatMap((make) => make() ?? []);
    const batches = events.map((event) => ({ by: "v1", events: [event] }));
    codes.push(...codesOf(chain.run(chain.input(batches), { boundary })));
    listener?.();
  };
  /** v0 commits a run for these members and proves it. */
  const prove = (members: readonly string[]): void => {
    const { number: epoch } = chain.epoch;
    const run = runOf(chain, { members });
    const commitment = { epoch, leaves: 64, phi: run.finish().commitment.phi };
    const ids = membersOf(members);
    expect(chain.write("v0", timeRunCommitted.encode({ ...commitment, members: ids }))).toBe(
      "accepted",
    );
    const { height } = chain;
    chain.passChallenge();
    const proof = answerOf(run, chain.beaconAt(height + 10));
    expect(chain.write("v0", timeRunProven.encode({ epoch, part: 0, proof }))).toBe("accepted");
    listener?.();
  };
  return { chain, codes, handle: handle as LedgerHandle, step, prove, open: () => listener };
};

const isOk = ({ store }: ClaimChain, epoch: number): boolean =>
  timeProvenAt(store.read, idOf("v1"), epoch);

describe("a sharer", () => {
  /** `warned`: of which epochs it has said that there was nothing to share, and whose. */
  const start = (handle: LedgerHandle, warned: unknown[] = []) =>
    startSharer({
      ...{ handle, self: idOf("v1"), timekeeper: idOf("v0") },
      logger: {
        log: (level, _, fields) => {
          if (level === "warn") warned.push([fields?.["epoch"], fields?.["id"]]);
        },
      },
    });

  it("tells of every epoch in which there was no run to share, and of no other", () => {
    const { handle, step, prove } = ledgerOf();
    const warned: unknown[] = [];
    start(handle, warned);
    const id = toHex(idOf("v0"));
    step();
    step(true);
    step();
    expect(warned).toEqual([[0, id]]);
    prove(["v1"]);
    step();
    step(true);
    step();
    expect(warned).toEqual([[0, id]]);
    prove(["v2"]);
    step(true);
    step();
    expect(warned).toEqual([
      [0, id],
      [2, id],
    ]);
  });

  it("says once an epoch that it shares a run that is proven", async () => {
    const { chain, codes, handle, step, prove, open } = ledgerOf();
    const sharer = start(handle);
    step();
    step();
    expect(codes).toEqual([]);
    for (const epoch of [0, 1]) {
      prove(["v1", "v2"]);
      expect(isOk(chain, epoch)).toBe(false);
      step();
      expect(isOk(chain, epoch)).toBe(true);
      step();
      step(true);
      step();
    }
    expect(codes).toEqual(["accepted", "accepted"]);
    await sharer.close();
    expect(open()).toBeUndefined();
  });

  it("says nothing of a run that was not begun for it, nor of one of an epoch that is over", () => {
    const { chain, codes, handle, step, prove } = ledgerOf();
    start(handle);
    prove(["v2"]);
    step();
    step(true);
    step();
    prove(["v1"]);
    // The epoch ends before what it has to say is written.
    chain.nextEpoch();
    step();
    step();
    expect(codes).toEqual([]);
    expect(isOk(chain, 1)).toBe(false);
  });
});
