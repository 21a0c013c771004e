import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  assetAt,
  assets,
  type HostRegistered,
  hostAssetId,
  hostRegistered,
  hostRetired,
} from "../../src/assets/index.ts";
import { utf8 } from "../../src/crypto/codec.ts";
import { sha256 } from "../../src/crypto/hash.ts";
import type { EncodedEvent } from "../../src/ledger/types.ts";
import { LIMITS } from "../../src/limits.ts";
import { ALL_PROJECTIONS, codesOf, hasher, idOf, TestChain } from "../ledger/execution-support.ts";
import { projectionContract } from "../ledger/projection-contract.ts";

const fingerprintOf = (machine: string) => sha256(utf8(machine));

const facts = (memoryBytes = 1): HostRegistered["facts"] => ({
  cpu: { vendor: "AMD", model: "EPYC", physicalCores: 2, logicalCores: 4, speedMhz: 0 },
  memoryBytes,
  disks: [{ name: "vda", model: "", serialHash: new Uint8Array(32), sizeBytes: 1 }],
  nics: [{ name: "eth0", macHash: sha256(utf8("mac")), speedMbps: 0 }],
  gpus: [],
  os: { platform: "linux", distribution: "Debian", release: "12", kernel: "6", arch: "x64" },
  virtualization: "KVM",
});

const hostOf = (by: string, machine: string, memoryBytes = 1): HostRegistered => {
  const fingerprint = fingerprintOf(machine);
  const assetId = hostAssetId(hasher, idOf(by), fingerprint);
  return { assetId, fingerprint, hostname: machine, facts: facts(memoryBytes) };
};

const register = (by: string, machine: string, memoryBytes = 1): EncodedEvent =>
  hostRegistered.encode(hostOf(by, machine, memoryBytes));
const retire = (owner: string, machine: string): EncodedEvent =>
  hostRetired.encode({ assetId: hostAssetId(hasher, idOf(owner), fingerprintOf(machine)) });

describe("assets", () => {
  it("registers a machine, takes its updates, and retires it for good", () => {
    const chain = new TestChain();
    const { assetId } = hostOf("clerk", "m1");
    chain.block({ by: "clerk", events: [register("clerk", "m1")] });
    expect(assetAt(chain.store.read, assetId)).toMatchObject({
      actor: idOf("clerk"),
      hostname: "m1",
      registeredHeight: 1,
      updatedHeight: 1,
      retiredHeight: 0,
    });
    chain.block({ by: "clerk", events: [register("clerk", "m1", 99)] });
    expect(assetAt(chain.store.read, assetId)).toMatchObject({
      registeredHeight: 1,
      updatedHeight: 2,
      facts: { memoryBytes: 99 },
    });
    const last = chain.block({
      by: "clerk",
      events: [retire("clerk", "m1"), retire("clerk", "m1"), register("clerk", "m1")],
    });
    expect(codesOf(last)).toEqual(["accepted", "event.conflict", "event.conflict"]);
    expect(assetAt(chain.store.read, assetId)).toMatchObject({ retiredHeight: 3 });
    expect(assetAt(chain.store.read, idOf("nothing"))).toBeUndefined();
  });

  it("lets nobody touch or take the asset of another", () => {
    const chain = new TestChain();
    const execution = chain.block(
      // An id that is the clerk's, taken by another before the clerk registers it.
      { by: "root", events: [register("clerk", "m1"), retire("clerk", "m1")] },
      { by: "clerk", events: [register("clerk", "m1")] },
      { by: "root", events: [register("clerk", "m1", 2), retire("clerk", "m1")] },
      // The same machine as another's asset is another asset.
      { by: "root", events: [register("root", "m1")] },
    );
    expect(codesOf(execution)).toEqual([
      "event.invalid",
      "event.conflict",
      "accepted",
      "event.invalid",
      "event.conflict",
      "accepted",
    ]);
    const { assetId } = hostOf("clerk", "m1");
    expect(assetAt(chain.store.read, assetId)).toMatchObject({ retiredHeight: 0 });
  });

  it("takes a machine of every part at its limit, and no more", () => {
    const text = "é".repeat(LIMITS.assetTextBytesMax / 2);
    const value = hostOf("clerk", "large");
    const hash = fingerprintOf("part");
    const disk = { name: text, model: text, serialHash: hash, sizeBytes: Number.MAX_SAFE_INTEGER };
    const nic = { name: text, macHash: hash, speedMbps: 0xffff_ffff };
    const gpu = { vendor: text, model: text, memoryBytes: Number.MAX_SAFE_INTEGER };
    const largest: HostRegistered = {
      ...value,
      hostname: text,
      facts: {
        ...value.facts,
        disks: Array.from({ length: LIMITS.assetDisksMax }, () => disk),
        nics: Array.from({ length: LIMITS.assetNicsMax }, () => nic),
        gpus: Array.from({ length: LIMITS.assetGpusMax }, () => gpu),
      },
    };
    const chain = new TestChain();
    const event = hostRegistered.encode(largest);
    expect(codesOf(chain.block({ by: "clerk", events: [event] }))).toEqual(["accepted"]);
    const more = [
      { ...largest, hostname: `${text}x` },
      { ...largest, facts: { ...largest.facts, disks: [...largest.facts.disks, disk] } },
      { ...largest, facts: { ...largest.facts, nics: [...largest.facts.nics, nic] } },
      { ...largest, facts: { ...largest.facts, gpus: [...largest.facts.gpus, gpu] } },
    ];
    for (const one of more) expect(() => hostRegistered.encode(one)).toThrow(RangeError);
  });

  it("agrees with a naive model over any history", () => {
    const step = fc.record({
      by: fc.constantFrom("clerk", "root"),
      owner: fc.constantFrom("clerk", "root"),
      machine: fc.constantFrom("m1", "m2"),
      retiring: fc.boolean(),
      memory: fc.nat(9),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        const chain = new TestChain();
        const model = new Map<string, { memory: number; retired: boolean }>();
        for (const { by, owner, machine, retiring, memory } of steps) {
          const name = `${owner} ${machine}`;
          const known = model.get(name);
          const open = known !== undefined && !known.retired;
          let expected = "accepted";
          if (retiring) {
            if (open && by === owner) model.set(name, { ...known, retired: true });
            else expected = "event.conflict";
          } else if (by !== owner) expected = "event.invalid";
          else if (known?.retired === true) expected = "event.conflict";
          else model.set(name, { memory, retired: false });
          const event = retiring ? retire(owner, machine) : register(owner, machine, memory);
          expect(codesOf(chain.block({ by, events: [event] }))).toEqual([expected]);
        }
        for (const [name, { memory, retired }] of model) {
          const [owner = "", machine = ""] = name.split(" ");
          const row = assetAt(chain.store.read, hostOf(owner, machine).assetId);
          expect(row?.facts.memoryBytes).toBe(memory);
          expect((row?.retiredHeight ?? 0) > 0).toBe(retired);
        }
      }),
      { numRuns: 50 },
    );
  });
});

projectionContract({
  projection: assets,
  projections: ALL_PROJECTIONS,
  events: fc.record({
    by: fc.constantFrom("clerk", "root"),
    event: fc
      .tuple(fc.constantFrom("clerk", "root"), fc.constantFrom("m1", "m2"), fc.boolean())
      .map(([owner, machine, ending]) =>
        ending ? retire(owner, machine) : register(owner, machine),
      ),
  }),
});
