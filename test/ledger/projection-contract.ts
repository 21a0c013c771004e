/**
 * What every projection must do, a user's own included: the same rows whatever the caches and the cuts
 * between blocks, a rebuild that gives the same bytes, nothing kept between calls, and rows that can be
 * shown. Run it with the projection and a way to make events that it owns.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromHex, toHex } from "../../src/crypto/bytes.ts";
import { createExecutor } from "../../src/ledger/execution.ts";
import { rowPrefix } from "../../src/ledger/keys.ts";
import type { Projection } from "../../src/ledger/projection.ts";
import { type RebuildReport, rebuildProjections } from "../../src/ledger/rebuild.ts";
import { decodeRow } from "../../src/ledger/row.ts";
import type { EncodedEvent } from "../../src/ledger/types.ts";
import {
  batchOps,
  genesis,
  runnerOptions,
  type TestBatch,
  TestChain,
} from "./execution-support.ts";
import { answer } from "./rebuild-support.ts";

export type ProjectionUnderTest = {
  readonly projection: Projection;
  /** All projections of the chain, the one under test among them. */
  readonly projections: readonly Projection[];
  /** Events that the projection owns or hears, some of which it should refuse; and who writes them. */
  readonly events: fc.Arbitrary<{ readonly by: string; readonly event: EncodedEvent }>;
  /** Enough rounds that accepted and refused events both come up. */
  readonly runs?: number;
};

const blocksOf = (test: ProjectionUnderTest): fc.Arbitrary<TestBatch[][]> =>
  fc.array(
    fc.array(
      test.events.map(({ by, event }) => ({ by, events: [event] })),
      { maxLength: 6 },
    ),
    { minLength: 1, maxLength: 6 },
  );

export const projectionContract = (test: ProjectionUnderTest): void => {
  const { projection } = test;
  const options = runnerOptions(test.projections);
  const runs = { numRuns: test.runs ?? 25 };

  describe(`projection contract: ${projection.name}`, () => {
    it("gives the same bytes on every replica, whatever it remembers", () => {
      fc.assert(
        fc.property(blocksOf(test), (blocks) => {
          const one = new TestChain(options);
          const other = new TestChain(options);
          for (const batches of blocks) {
            const input = one.input(batches);
            // A replica that starts anew before every block must not come out differently.
            const fresh = createExecutor(options);
            const theirs = fresh.executeBlock(input, other.store.read, other.roots);
            other.store.apply([...batchOps(input.batches), ...theirs.ops]);
            other.roots = theirs.roots;
            expect(one.run(input)).toEqual(theirs);
          }
          expect(other.store.dump()).toEqual(one.store.dump());
        }),
        runs,
      );
    });

    it("is rebuilt from the log to the same bytes", () => {
      fc.assert(
        fc.property(blocksOf(test), (blocks) => {
          const chain = new TestChain(options);
          for (const batches of blocks) chain.block(...batches);
          const before = chain.store.dump();
          const rebuild = rebuildProjections({ runner: options, genesis, read: chain.store.read });
          const result = answer(chain.store, rebuild);
          const expected: RebuildReport = { height: chain.height, events: chain.roots.logSize };
          expect(result).toEqual({ ok: true, value: expected });
          expect(chain.store.dump()).toEqual(before);
        }),
        runs,
      );
    });

    it("writes rows that are its own, remember their event, and can be shown", () => {
      fc.assert(
        fc.property(blocksOf(test), (blocks) => {
          const chain = new TestChain(options);
          for (const batches of blocks) chain.block(...batches);
          const prefix = toHex(rowPrefix(projection.name));
          for (const [key, value] of chain.store.rows) {
            if (!key.startsWith(prefix)) continue;
            const row = decodeRow(value);
            const inLog = row.origin < chain.roots.logSize;
            expect(inLog || row.origin === Number.MAX_SAFE_INTEGER).toBe(true);
            const shown = projection.format?.(fromHex(key.slice(prefix.length)), row.value);
            expect(JSON.parse(JSON.stringify(shown ?? null))).toEqual(shown ?? null);
          }
        }),
        runs,
      );
    });
  });
};
