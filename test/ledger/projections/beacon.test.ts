import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toHex } from "../../../src/crypto/bytes.ts";
import { utf8 } from "../../../src/crypto/codec.ts";
import { sha256 } from "../../../src/crypto/hash.ts";
import type { Genesis } from "../../../src/ledger/genesis.ts";
import { type GenesisProofs, NO_PROOFS, NO_PROVER } from "../../../src/ledger/genesis-proofs.ts";
import {
  beacon,
  beaconKeyRegistered,
  beaconKeysAt,
  dueReveal,
} from "../../../src/ledger/projections/beacon.ts";
import { LIMITS } from "../../../src/limits.ts";
import type { IvrfRegistration } from "../../../src/proofs/beacon/ivrf.ts";
import {
  ALL_PROJECTIONS,
  codesOf,
  idOf,
  genesis as plain,
  runnerOptions,
  TestChain,
} from "../execution-support.ts";

const DEPTH = 5;
const LENGTH = 2 ** DEPTH;
const proofs: GenesisProofs = { ...NO_PROOFS, beacon: { depth: DEPTH } };
const rootOf = (name: string) => sha256(utf8(`root ${name}`));
const genesis: Genesis = {
  ...plain,
  format: 2,
  proofs,
  provers: plain.validators.map(({ name }) => ({ ...NO_PROVER, ivrfRoot: rootOf(name) })),
};
const projections = [...ALL_PROJECTIONS, beacon];
const chainOf = () => new TestChain(runnerOptions(projections, proofs), genesis);
const register = (by: string, name: string, firstHeight: number) => ({
  by,
  events: [beaconKeyRegistered.encode({ root: rootOf(name), firstHeight })],
});
const held = (chain: TestChain, name: string) =>
  beaconKeysAt(chain.store.read, idOf(name)).map(({ root, firstHeight, registeredEpoch }) => ({
    root: toHex(root),
    firstHeight,
    registeredEpoch,
  }));

describe("iVRF keys of validators", () => {
  it("begin with those of the genesis, of height 1 and usable at once", () => {
    const chain = chainOf();
    expect(held(chain, "v2")).toEqual([
      { root: toHex(rootOf("v2")), firstHeight: 1, registeredEpoch: -LIMITS.beaconLeadEpochs },
    ]);
    expect(held(chain, "clerk")).toEqual([]);
    const keys = beaconKeysAt(chain.store.read, idOf("v2"));
    expect(dueReveal(keys, { height: 1, epoch: 0 })?.index).toBe(0);
    expect(dueReveal(keys, { height: LENGTH, epoch: 0 })?.index).toBe(LENGTH - 1);
    expect(dueReveal(keys, { height: LENGTH + 1, epoch: 9 })).toBeUndefined();
  });

  it("are followed by those that a validator registers for itself, two epochs ahead", () => {
    const chain = chainOf();
    chain.run(chain.input([]), { boundary: true });
    expect(codesOf(chain.block(register("v1", "next", LENGTH + 1)))).toEqual(["accepted"]);
    const [, next] = held(chain, "v1");
    expect(next).toEqual({
      root: toHex(rootOf("next")),
      firstHeight: LENGTH + 1,
      registeredEpoch: 1,
    });
    const keys = beaconKeysAt(chain.store.read, idOf("v1"));
    expect(dueReveal(keys, { height: LENGTH + 1, epoch: 2 })).toBeUndefined();
    expect(dueReveal(keys, { height: LENGTH + 1, epoch: 3 })?.index).toBe(0);
    expect(held(chain, "v0")).toHaveLength(1);
  });

  it("are refused for a height that has passed or is too far, twice, and by who may not", () => {
    const chain = chainOf();
    const far = 1 + LIMITS.beaconKeysMax * LENGTH;
    const codes = codesOf(
      chain.block(
        register("v0", "a", 1),
        register("v0", "a", far + 1),
        register("v0", "v0", 20),
        register("v0", "a", far),
        register("v0", "a", 30),
        register("clerk", "b", 30),
      ),
    );
    expect(codes).toEqual([
      "event.invalid",
      "event.invalid",
      "event.conflict",
      "accepted",
      "event.conflict",
      "event.forbidden",
    ]);
  });

  it("are at most so many, and room comes back when one runs out", () => {
    const chain = chainOf();
    const more = (i: number) => register("v0", `k${i}`, LENGTH * i + 1);
    for (let i = 1; i < LIMITS.beaconKeysMax; i++) {
      expect(codesOf(chain.block(more(i)))).toEqual(["accepted"]);
    }
    const last = LIMITS.beaconKeysMax;
    expect(codesOf(chain.block(more(last)))).toEqual(["event.conflict"]);
    while (chain.height < LENGTH - 1) chain.block();
    expect(codesOf(chain.block(more(last)))).toEqual(["accepted"]);
    expect(held(chain, "v0")).toHaveLength(LIMITS.beaconKeysMax);
    expect(held(chain, "v0")[0]?.root).toBe(toHex(rootOf("k1")));
  });

  it("give at each height the newest that is usable and covers it", () => {
    const key = fc.record({
      firstHeight: fc.nat({ max: 80 }),
      registeredEpoch: fc.integer({ min: -2, max: 4 }),
    });
    const at = fc.record({ height: fc.nat({ max: 120 }), epoch: fc.nat({ max: 6 }) });
    fc.assert(
      fc.property(fc.array(key, { maxLength: 4 }), at, (list, place) => {
        const keys: IvrfRegistration[] = list.map((one, i) => ({
          ...one,
          root: rootOf(`${i}`),
          depth: DEPTH,
        }));
        let wanted: { readonly key: IvrfRegistration; readonly index: number } | undefined;
        for (const one of keys) {
          const index = place.height - one.firstHeight;
          const isUsable = place.epoch >= one.registeredEpoch + LIMITS.beaconLeadEpochs;
          if (isUsable && index >= 0 && index < LENGTH) wanted = { key: one, index };
        }
        expect(dueReveal(keys, place)).toEqual(wanted);
      }),
    );
  });

  it("are shown as people read them", () => {
    const chain = chainOf();
    const prefix = toHex(utf8("r/beacon/"));
    const rows = [...chain.store.rows].filter(([name]) => name.startsWith(prefix));
    const shown = rows.map(([name, value]) =>
      beacon.format?.(
        Uint8Array.from(Buffer.from(name.slice(prefix.length), "hex")),
        value.subarray(8),
      ),
    );
    expect(shown).toContainEqual({ depth: DEPTH });
    expect(shown).toContainEqual({
      validator: toHex(idOf("v3")),
      keys: [{ root: toHex(rootOf("v3")), firstHeight: 1, usableFromEpoch: 0 }],
    });
  });
});
