/** Whom the log has evidence against is told on, after a start and after a block, page by page, and once. */
import { describe, expect, it } from "vitest";
import { toHex } from "../../src/crypto/bytes.ts";
import { quarantinePrefix } from "../../src/detect/index.ts";
import { fail, ok } from "../../src/errors.ts";
import type { LedgerHandle } from "../../src/ledger/handle.ts";
import { LIMITS } from "../../src/limits.ts";
import { watchQuarantine } from "../../src/node/quarantine-watch.ts";

const idOf = (n: number): Uint8Array => {
  const id = new Uint8Array(32);
  new DataView(id.buffer).setUint32(0, n);
  return id;
};
const keyOf = (n: number): Uint8Array => Uint8Array.from([...quarantinePrefix, ...idOf(n)]);

const setUp = () => {
  const culprits: number[] = [];
  const told: string[][] = [];
  const warned: string[] = [];
  const pending: (() => void)[] = [];
  const executed = new Set<() => void>();
  const broken = { is: false };
  const rows: LedgerHandle["rows"] = (projection, { after, prefix, limit }, done) => {
    expect([projection, prefix]).toEqual(["quarantine", quarantinePrefix]);
    if (broken.is) return done(fail("store.io", "a test says so"));
    const from =
      after === undefined ? 0 : culprits.findIndex((n) => toHex(keyOf(n)) === toHex(after)) + 1;
    const page = culprits.slice(from, from + limit);
    done(ok(page.map((n) => ({ key: keyOf(n), value: new Uint8Array(0) }))));
  };
  const stop = watchQuarantine({
    handle: {
      rows,
      onExecuted: (listener) => {
        const call = (): void => listener(1, 1);
        executed.add(call);
        return () => executed.delete(call);
      },
    },
    timers: {
      set: (_delayMs, callback) => {
        pending.push(callback);
        return () => {
          pending.splice(pending.indexOf(callback), 1);
        };
      },
    },
    logger: { log: (_level, message) => warned.push(message) },
    shutOut: (ids) => told.push([...ids]),
  });
  const look = (): void => {
    for (const callback of pending.splice(0)) callback();
  };
  const block = (): void => {
    for (const call of executed) call();
  };
  return { culprits, told, warned, pending, broken, executed, stop, look, block };
};

describe("watchQuarantine", () => {
  it("tells who was in quarantine before the start, and who comes later, each change once", () => {
    const watch = setUp();
    watch.culprits.push(7);
    watch.look();
    expect(watch.told).toEqual([[toHex(idOf(7))]]);
    watch.block();
    watch.look();
    expect(watch.told).toHaveLength(1);
    watch.culprits.push(8);
    watch.block();
    // Blocks that follow at once are looked at together.
    watch.block();
    expect(watch.pending).toHaveLength(1);
    watch.look();
    expect(watch.told.at(-1)).toEqual([7, 8].map((n) => toHex(idOf(n))));
  });

  it("reads on past one page", () => {
    const watch = setUp();
    const count = LIMITS.stakeCandidatesMax + 3;
    for (let n = 0; n < count; n++) watch.culprits.push(n);
    watch.look();
    expect(watch.told.at(-1)).toHaveLength(count);
  });

  it("says so once when it cannot read, looks again without a block, and ends", () => {
    const watch = setUp();
    watch.broken.is = true;
    watch.look();
    watch.look();
    expect(watch.warned).toHaveLength(1);
    watch.broken.is = false;
    watch.culprits.push(1);
    watch.look();
    expect(watch.told).toHaveLength(1);
    watch.broken.is = true;
    watch.block();
    watch.look();
    expect(watch.warned).toHaveLength(2);
    watch.block();
    watch.stop();
    expect([watch.pending.length, watch.executed.size]).toEqual([0, 0]);
  });
});
