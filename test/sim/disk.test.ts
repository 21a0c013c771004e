/** The simulated disk: the contract of every Store, and what crashes leave behind. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CALM_DISK, type DiskKnobs, SimDisk } from "../../sim/disk.ts";
import { Host } from "../../sim/host.ts";
import { World } from "../../sim/world.ts";
import type { StoreFailure, StoreOp } from "../../src/ledger/ports.ts";
import { storeContract } from "../contract/store-contract.ts";

const put = (key: number, value = key): StoreOp => ({
  type: "put",
  key: Uint8Array.of(key >> 8, key & 0xff),
  value: Uint8Array.of(value & 0xff),
});

type Rig = {
  readonly world: World;
  readonly host: Host;
  readonly disk: SimDisk;
  /** What the disk says has happened. */
  readonly marks: string[];
};

const createRig = (knobs: Partial<DiskKnobs> = {}, seed = 1): Rig => {
  const world = new World(seed);
  const host = new Host(world, 0);
  const marks: string[] = [];
  const tap = { durable: () => undefined, happened: (what: string) => marks.push(what) };
  const disk = new SimDisk("data", host, { ...CALM_DISK, ...knobs }, tap);
  return { world, host, disk, marks };
};

for (const visibleEarly of [false, true]) {
  storeContract(`simulated disk, visible ${visibleEarly ? "early" : "late"}`, () => {
    const { world, host, disk } = createRig({ visibleEarly });
    return Promise.resolve({
      store: disk.open(host.boot()),
      pump: () => {
        world.runUntil(world.nowUs + 100_000);
      },
      reopen: () => {
        disk.failNth = 0;
        return Promise.resolve(disk.open(host.incarnation));
      },
      failNextWrite: () => {
        disk.failNth = 1;
        return Promise.resolve();
      },
      dispose: () => Promise.resolve(),
    });
  });
}

const countOf = (disk: SimDisk): number => disk.dump().length;

describe("crashes", () => {
  it("keep what a completed sync covers, and always a prefix of the writes", () => {
    fc.assert(
      fc.property(
        fc.array(fc.boolean(), { minLength: 1, maxLength: 30 }),
        fc.integer({ min: 0, max: 4_000 }),
        fc.boolean(),
        fc.boolean(),
        fc.nat(),
        (syncs, crashUs, power, visibleEarly, seed) => {
          const { world, host, disk } = createRig({ visibleEarly }, seed);
          const store = disk.open(host.boot());
          const completed: number[] = [];
          syncs.forEach((sync, i) => {
            world.after(i * 60, () => {
              store.write([put(2 * i), put(2 * i + 1)], { sync }, () => completed.push(i));
            });
          });
          world.runUntil(crashUs);
          host.kill("test");
          disk.crash(power);
          const kept = countOf(disk) / 2;
          // Whole batches only, and no later one without all before it.
          expect(Number.isInteger(kept)).toBe(true);
          disk.dump().forEach(([key], i) => {
            expect((key[0] ?? 0) * 256 + (key[1] ?? 0)).toBe(i);
          });
          const lastSynced = completed.filter((i) => syncs[i]).pop() ?? -1;
          expect(kept).toBeGreaterThan(lastSynced);
          // A killed process loses nothing that was completed.
          if (!power) expect(kept).toBeGreaterThanOrEqual(completed.length);
        },
      ),
    );
  });

  it("really lose unsynced writes in a power cut", () => {
    let lost = 0;
    for (let seed = 0; seed < 20; seed++) {
      const { world, host, disk } = createRig({}, seed);
      const store = disk.open(host.boot());
      for (let i = 0; i < 10; i++) store.write([put(i)], { sync: false }, () => undefined);
      world.runUntil(1_000_000);
      expect(countOf(disk)).toBe(10);
      host.kill("test");
      disk.crash(true);
      lost += 10 - countOf(disk);
    }
    expect(lost).toBeGreaterThan(20);
  });

  it("bring back the overwritten value of a lost write", () => {
    for (let seed = 0; seed < 20; seed++) {
      const { world, host, disk } = createRig({}, seed);
      const store = disk.open(host.boot());
      store.write([put(1, 7)], { sync: true }, () => undefined);
      world.runUntil(100_000);
      store.write([put(1, 8)], { sync: false }, () => undefined);
      world.runUntil(200_000);
      host.kill("test");
      disk.crash(true);
      expect([7, 8]).toContain(disk.dump()[0]?.[1][0]);
    }
  });

  it("tear a write where one that was under way is not there afterwards, and only there", () => {
    const seen = new Set<string>();
    for (let seed = 0; seed < 200; seed++) {
      const { world, host, disk, marks } = createRig({}, seed);
      const store = disk.open(host.boot());
      for (let i = 0; i < 3; i++) store.write([put(i)], { sync: false }, () => undefined);
      world.runUntil(100_000);
      for (let i = 3; i < 6; i++) store.write([put(i)], { sync: true }, () => undefined);
      host.kill("test");
      disk.crash(true);
      const isTorn = countOf(disk) < 6;
      expect(marks.includes("write torn"), `seed ${seed}`).toBe(isTorn);
      seen.add(`${isTorn} ${marks.includes("write lost")}`);
    }
    expect([...seen].sort()).toEqual(["false false", "true false", "true true"]);
  });

  it("tear nothing where no write was under way", () => {
    for (let seed = 0; seed < 20; seed++) {
      const { world, host, disk, marks } = createRig({}, seed);
      const store = disk.open(host.boot());
      for (let i = 0; i < 3; i++) store.write([put(i)], { sync: false }, () => undefined);
      world.runUntil(100_000);
      host.kill("test");
      disk.crash(true);
      expect(marks).toEqual(countOf(disk) < 3 ? ["write lost"] : []);
    }
  });

  it("leave nothing of a dead process's callbacks", () => {
    const { world, host, disk } = createRig();
    let calls = 0;
    disk.open(host.boot()).write([put(1)], { sync: true }, () => calls++);
    host.kill("test");
    disk.crash(true);
    world.runUntil(1_000_000);
    expect(calls).toBe(0);
  });
});

describe("faults", () => {
  it("refuse every later write after a failed one, until reopened", () => {
    const { world, host, disk } = createRig();
    const store = disk.open(host.boot());
    const answers: (StoreFailure | undefined)[] = [];
    store.write([put(1)], { sync: true }, (failure) => answers.push(failure));
    world.runUntil(100_000);
    disk.capacityBytes = disk.bytes;
    store.write([put(2)], { sync: true }, (failure) => answers.push(failure));
    world.runUntil(200_000);
    disk.capacityBytes = Number.MAX_SAFE_INTEGER;
    store.write([put(3)], { sync: true }, (failure) => answers.push(failure));
    world.runUntil(300_000);
    expect(answers.map((failure) => failure?.code)).toEqual([undefined, "full", "full"]);
    expect(countOf(disk)).toBe(1);
    disk.open(host.incarnation).write([put(4)], { sync: true }, (failure) => answers.push(failure));
    world.runUntil(400_000);
    expect(answers[3]).toBeUndefined();
    expect(countOf(disk)).toBe(2);
  });

  it("take writes back that were seen early when the disk fails", () => {
    const { world, host, disk } = createRig({ visibleEarly: true });
    const store = disk.open(host.boot());
    disk.failNth = 1;
    store.write([put(1)], { sync: true }, () => undefined);
    store.write([put(2)], { sync: true }, () => undefined);
    expect(store.get(Uint8Array.of(0, 1))).toBeDefined();
    world.runUntil(100_000);
    expect(countOf(disk)).toBe(0);
  });

  it("restore an earlier state", () => {
    const { world, host, disk } = createRig();
    const store = disk.open(host.boot());
    store.write([put(1)], { sync: true }, () => undefined);
    world.runUntil(100_000);
    disk.snapshot("before");
    store.write([put(2)], { sync: true }, () => undefined);
    world.runUntil(200_000);
    expect(disk.restore("never taken")).toBe(false);
    expect(disk.restore("before")).toBe(true);
    expect(countOf(disk)).toBe(1);
    // It is that state.
    expect(disk.restore("before")).toBe(false);
    store.write([put(1, 9)], { sync: true }, () => undefined);
    world.runUntil(300_000);
    expect(disk.restore("before")).toBe(true);
    expect(disk.dump()).toEqual([[Uint8Array.of(0, 1), Uint8Array.of(1)]]);
    disk.wipe();
    expect(countOf(disk)).toBe(0);
    expect(disk.bytes).toBe(0);
  });
});

describe("rot", () => {
  const filled = (): Rig & { store: ReturnType<SimDisk["open"]> } => {
    const rig = createRig();
    const store = rig.disk.open(rig.host.boot());
    for (let i = 0; i < 20; i++) store.write([put(i)], { sync: true }, () => undefined);
    rig.world.runUntil(1_000_000);
    return { ...rig, store };
  };
  const unreadable = (store: ReturnType<SimDisk["open"]>): number[] => {
    const out: number[] = [];
    for (let i = 0; i < 20; i++) {
      try {
        store.get(Uint8Array.of(0, i));
      } catch (error) {
        expect(error).toMatchObject({ code: "store.corrupt" });
        out.push(i);
      }
    }
    return out;
  };

  it("is never read as data: neighbouring rows fail, and ranges over them", () => {
    const { world, disk, store } = filled();
    expect(disk.isDamaged).toBe(false);
    // Three bytes a row.
    expect(disk.spoil(7)).toBe(true);
    const rows = unreadable(store);
    expect(rows.length).toBeGreaterThan(0);
    expect(rows.length).toBeLessThanOrEqual(3);
    expect((rows.at(-1) ?? 0) - (rows[0] ?? 0)).toBe(rows.length - 1);
    const failures: (StoreFailure | undefined)[] = [];
    const all = { gte: Uint8Array.of(0), lt: Uint8Array.of(1), limit: 100 };
    store.range(all, (failure) => failures.push(failure));
    world.runUntil(world.nowUs + 100_000);
    expect(failures[0]?.code).toBe("corrupt");
  });

  it("is hidden by newer writes, and gone with a new disk", () => {
    const { world, disk, store } = filled();
    disk.spoil(1);
    const row = unreadable(store)[0] ?? 0;
    store.write([put(row, 77)], { sync: true }, () => undefined);
    world.runUntil(world.nowUs + 100_000);
    expect(store.get(Uint8Array.of(0, row))).toEqual(Uint8Array.of(77));
    expect(disk.isDamaged).toBe(false);
    disk.spoil(1);
    disk.wipe();
    expect(disk.isDamaged).toBe(false);
    expect(disk.spoil(1)).toBe(false);
  });

  it("shows again where the write that hid it is lost, and is no more in the row that was written", () => {
    const seen = new Set<string>();
    for (let seed = 0; seed < 60; seed++) {
      const { world, host, disk } = createRig({ visibleEarly: seed % 2 === 0 }, seed);
      const store = disk.open(host.boot());
      store.write([put(0, 7)], { sync: true }, () => undefined);
      world.runUntil(100_000);
      disk.spoil(1);
      store.write([put(0, 8), put(1)], { sync: false }, () => undefined);
      // Under way in some, done in others.
      world.runUntil(seed % 4 < 2 ? 100_000 : 200_000);
      if (seed % 4 !== 1) expect([disk.isDamaged, disk.isUnsure]).toEqual([false, true]);
      host.kill("test");
      disk.crash(true);
      const isLost = countOf(disk) === 1;
      expect(disk.isDamaged).toBe(isLost);
      expect(disk.isUnsure).toBe(false);
      seen.add(`${seed % 4} ${isLost}`);
    }
    expect(seen.size).toBe(8);
  });

  it("shows again where the disk fails a write that hid it", () => {
    const { world, host, disk } = createRig({ visibleEarly: true });
    const store = disk.open(host.boot());
    store.write([put(0, 7)], { sync: true }, () => undefined);
    world.runUntil(100_000);
    disk.spoil(1);
    disk.failNth = 1;
    store.write([put(0, 8)], { sync: true }, () => undefined);
    expect(disk.isDamaged).toBe(false);
    world.runUntil(200_000);
    expect(disk.isDamaged).toBe(true);
  });

  it("of a row that is lost is lost with it", () => {
    for (let seed = 0; seed < 20; seed++) {
      const { world, host, disk } = createRig({}, seed);
      const store = disk.open(host.boot());
      store.write([put(0)], { sync: false }, () => undefined);
      world.runUntil(100_000);
      disk.spoil(1);
      host.kill("test");
      disk.crash(true);
      expect(disk.isDamaged).toBe(countOf(disk) === 1);
    }
  });

  it("is in a copy as it was in the disk, and in a twin's", () => {
    const { world, host, disk, store } = filled();
    disk.snapshot("sound");
    disk.misdirectNth = 1;
    store.write([put(30)], { sync: true }, () => undefined);
    world.runUntil(world.nowUs + 100_000);
    disk.snapshot("rotten");
    const rows = unreadable(store);
    const twin = new SimDisk("data", host, CALM_DISK);
    twin.copyFrom(disk);
    expect(disk.restore("sound")).toBe(true);
    expect(disk.isDamaged).toBe(false);
    expect(disk.restore("rotten")).toBe(true);
    for (const one of [disk, twin]) {
      expect(one.failsToOpen()).toBe(true);
      expect(unreadable(one.open(host.incarnation))).toEqual(rows);
    }
    // It is that disk, rot and all.
    expect(disk.restore("rotten")).toBe(false);
    disk.wipe();
    expect(disk.restore("rotten")).toBe(true);
    expect(disk.isDamaged).toBe(true);
  });

  it("in the log keeps a store from opening, after a write that landed elsewhere", () => {
    const { world, disk, store } = filled();
    disk.misdirectNth = 2;
    store.write([put(30)], { sync: true }, () => undefined);
    world.runUntil(world.nowUs + 100_000);
    expect(disk.failsToOpen()).toBe(false);
    store.write([put(31)], { sync: true }, () => undefined);
    world.runUntil(world.nowUs + 100_000);
    expect(disk.failsToOpen()).toBe(true);
  });
});

describe("a disk that lies", () => {
  it("loses in a power cut what it had said to be durable, newest first, and says so to the run", () => {
    let broken = 0;
    for (let seed = 0; seed < 40; seed++) {
      const { world, host, disk } = createRig({}, seed);
      const store = disk.open(host.boot());
      const write = (i: number): void => {
        store.write([put(i)], { sync: true }, () => undefined);
        world.runUntil(world.nowUs + 100_000);
      };
      for (let i = 0; i < 5; i++) write(i);
      disk.lie(() => undefined);
      for (let i = 5; i < 10; i++) write(i);
      expect(disk.isUnsure).toBe(true);
      host.kill("");
      const lost = disk.crash(true);
      const left = countOf(disk);
      expect(lost).toBe(left < 10);
      expect(left).toBeGreaterThanOrEqual(5);
      expect(disk.dump().map(([key]) => key[1])).toEqual(Array.from({ length: left }, (_, i) => i));
      if (lost) broken += 1;
    }
    expect(broken).toBeGreaterThan(10);
  });

  it("keeps everything once it has told the truth again", () => {
    const { world, host, disk } = createRig();
    const store = disk.open(host.boot());
    const endLie = disk.lie(() => undefined);
    store.write([put(1)], { sync: true }, () => undefined);
    world.runUntil(100_000);
    endLie();
    store.write([put(2)], { sync: true }, () => undefined);
    world.runUntil(200_000);
    host.kill("");
    expect(disk.crash(true)).toBe(false);
    expect(countOf(disk)).toBe(2);
  });
});

describe("reads", () => {
  it("fail once where a sector cannot be read", () => {
    const { world, host, disk } = createRig();
    const store = disk.open(host.boot());
    store.write([put(1)], { sync: true }, () => undefined);
    world.runUntil(100_000);
    disk.failReadNth = 2;
    const key = Uint8Array.of(0, 1);
    expect(store.get(key)).toBeDefined();
    expect(() => store.get(key)).toThrow("simulated read error");
    expect(store.get(key)).toBeDefined();
  });
});
