import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toHex } from "../../../src/crypto/bytes.ts";
import { evidenceEvent, evidenceWithKeyEvent } from "../../../src/detect/index.ts";
import {
  type EpochKey,
  epochKeyAt,
  epochKeys,
  epochKeysAt,
  epochKeysRegistered,
} from "../../../src/ledger/projections/epoch-keys.ts";
import { decodeValidatorSet, encodeValidatorSet } from "../../../src/ledger/replica/set-codec.ts";
import type { EncodedEvent } from "../../../src/ledger/types.ts";
import { LIMITS } from "../../../src/limits.ts";
import { hasher, idOf, keyOf } from "../execution-support.ts";
import {
  conflict,
  entryOf,
  evidence,
  inSet,
  keyFor,
  keysGenesis,
  keysOf,
  NAMES,
} from "./keys-support.ts";
import { genesis as base, bond, equivocation, grant, register, StakeChain } from "./support.ts";

const { epochKeyLeadEpochs: LEAD, epochKeysAheadMax: AHEAD } = LIMITS;

describe("keys of epochs", () => {
  it("begin with those of the genesis, which are not the long-lived ones", () => {
    const chain = new StakeChain(keysGenesis);
    expect(NAMES.map((name) => inSet(chain, name, 1))).toEqual(
      NAMES.map((name) => toHex(keyFor(name, 0))),
    );
    expect(chain.set(0).validators.map(({ id }) => toHex(id))).toEqual(
      base.validators.map(({ id }) => toHex(id)).sort(),
    );
  });

  it("stand in the set of their epoch and in all after it until the next one does", () => {
    const chain = new StakeChain(keysGenesis);
    expect(chain.codes(["v0", keysOf("v0", 3, 5)])).toEqual(["accepted"]);
    const seen: string[] = [];
    for (let epoch = 2; epoch <= 7; epoch++) {
      chain.end();
      seen.push(inSet(chain, "v0", epoch));
    }
    const [k0, k3, k5] = [0, 3, 5].map((epoch) => toHex(keyFor("v0", epoch)));
    expect(seen).toEqual([k0, k3, k3, k5, k5, k5]);
    // Nobody is out of the set for having registered nothing.
    expect(inSet(chain, "v1", 7)).toBe(toHex(keyFor("v1", 0)));
    expect(chain.set(7).validators).toHaveLength(4);
  });

  it("are registered from three epochs ahead to sixteen, by a validator, for itself", () => {
    const chain = new StakeChain(keysGenesis);
    chain.end(2);
    const [first, last] = [2 + LEAD, 2 + AHEAD];
    const of = (name: string, key: EpochKey, instead?: Parameters<typeof entryOf>[2]) =>
      epochKeysRegistered.encode({ keys: [entryOf(name, key, instead)] });
    const other = { epoch: first, publicKey: keyFor("v1", "x") };
    const wrong: readonly (readonly [string, EncodedEvent])[] = [
      ["v0", epochKeysRegistered.encode({ keys: [] })],
      ["v0", keysOf("v0", first - 1)],
      ["v0", keysOf("v0", last + 1)],
      ["v0", keysOf("v0", first + 1, first)],
      ["v0", keysOf("v0", first, first)],
      // Of somebody who holds every permission and is no validator.
      ["root", keysOf("root", first)],
      ["ann", keysOf("ann", first)],
      // Possession is of the validator, the epoch and the key.
      ["v0", of("v1", other)],
      ["v0", of("v0", other, { signer: keyFor("v1", "y") })],
      ["v0", of("v0", { epoch: first, publicKey: keyOf("v0") })],
      ["v0", of("v0", { epoch: first, publicKey: keyFor("v0", 0) })],
    ];
    expect(chain.codes(...wrong)).toEqual([
      ...Array.from({ length: 5 }, () => "event.invalid"),
      "event.forbidden",
      "event.forbidden",
      "stake.possession",
      "stake.possession",
      "event.conflict",
      "event.conflict",
    ]);
    expect(chain.codes(["v0", keysOf("v0", first, last)])).toEqual(["accepted"]);
    const moved = { keys: [entryOf("v0", { epoch: first, publicKey: keyFor("v0", last) })] };
    expect(chain.codes(["v0", epochKeysRegistered.encode(moved)])).toEqual(["event.conflict"]);
    const tooMany = Array.from({ length: LIMITS.epochKeysPerEventMax + 1 }, (_, i) => first + i);
    expect(() => keysOf("v1", ...tooMany)).toThrow(RangeError);
    expect(chain.codes(["v1", keysOf("v1", ...tooMany.slice(1))])).toEqual(["accepted"]);
  });

  it("stand in the first places of a batch alone", () => {
    const chain = new StakeChain(keysGenesis);
    const events = [keysOf("v0", 3), keysOf("v0", 4), keysOf("v0", 5)];
    const { entries } = chain.next([{ by: "v0", events }]);
    expect(entries.map(({ outcome }) => (outcome.kind === "refused" ? outcome.code : ""))).toEqual([
      "",
      "",
      "event.invalid",
    ]);
    expect(LIMITS.epochKeyPositionsMax).toBe(2);
  });

  it("can be replaced until three epochs before, and in the boundary block are too late for that", () => {
    const chain = new StakeChain(keysGenesis);
    chain.codes(["v0", keysOf("v0", 3)]);
    const again = (epoch: number, text: string) =>
      epochKeysRegistered.encode({
        keys: [entryOf("v0", { epoch, publicKey: keyFor("v0", text) })],
      });
    // The boundary block of epoch 0 decides the set of epoch 2, and is still of epoch 0 itself.
    chain.next([{ by: "v0", events: [again(3, "new")] }], true);
    expect(chain.codes(["v0", again(3, "too late")])).toEqual(["event.invalid"]);
    chain.end();
    expect(inSet(chain, "v0", 3)).toBe(toHex(keyFor("v0", "new")));
  });

  it("of a validator that joins: the long-lived one until another is registered", () => {
    const chain = new StakeChain(keysGenesis);
    const codes = chain.codes(
      ["root", grant("ann", 5_000n)],
      ["ann", register("w", "ann")],
      ["ann", bond("w", 2_000n)],
      ["w", keysOf("w", 4)],
    );
    expect(codes).toEqual(["accepted", "accepted", "accepted", "accepted"]);
    const seen = [2, 3, 4].map((epoch) => {
      chain.end();
      return inSet(chain, "w", epoch);
    });
    expect(seen).toEqual([toHex(keyOf("w")), toHex(keyOf("w")), toHex(keyFor("w", 4))]);
  });

  it("are dropped once no set needs them", () => {
    const chain = new StakeChain(keysGenesis);
    for (let epoch = 0; epoch < 40; epoch++) {
      const event = keysOf("v0", epoch + LEAD);
      expect(chain.codes(["v0", event])).toEqual(["accepted"]);
      const held = epochKeysAt(chain.store.read, idOf("v0")).map((key) => key.epoch);
      expect(held).toContain(Math.max(0, epoch < LEAD ? 0 : epoch));
      expect(held.length).toBeLessThanOrEqual(LEAD + 2);
      chain.end();
    }
  });

  it("fill their rows to the limit and no further", () => {
    const chain = new StakeChain(keysGenesis);
    const all = Array.from({ length: AHEAD - LEAD + 1 }, (_, i) => LEAD + i);
    for (let epoch = 0; epoch < 20; epoch++) {
      const wanted = all.map((one) => one + epoch).slice(epoch === 0 ? 0 : -1);
      for (let at = 0; at < wanted.length; at += LIMITS.epochKeysPerEventMax) {
        const part = wanted.slice(at, at + LIMITS.epochKeysPerEventMax);
        expect(chain.codes(["v0", keysOf("v0", ...part)])).toEqual(["accepted"]);
      }
      chain.end();
    }
    const held = epochKeysAt(chain.store.read, idOf("v0"));
    expect(held.length).toBeLessThanOrEqual(AHEAD + LEAD);
  });
});

describe("what a set has", () => {
  it("is the same in every state since the epoch three before began", () => {
    const action = fc.record({
      by: fc.constantFrom(...NAMES),
      ahead: fc.integer({ min: LEAD, max: LEAD + 4 }),
      salt: fc.integer({ min: 0, max: 3 }),
      ends: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(action, { minLength: 5, maxLength: 25 }), (actions) => {
        const chain = new StakeChain(keysGenesis);
        const decided = new Map<number, string>();
        const look = (): void => {
          for (let epoch = chain.epoch; epoch <= chain.epoch + 2; epoch++) {
            const keys = NAMES.map((name) => {
              const key = epochKeyAt(chain.store.read, idOf(name), epoch);
              return key === undefined ? "" : toHex(key.publicKey).slice(0, 16);
            }).join();
            expect(decided.get(epoch) ?? keys).toBe(keys);
            decided.set(epoch, keys);
          }
        };
        look();
        for (const { by, ahead, salt, ends } of actions) {
          const epoch = chain.epoch + ahead;
          const publicKey = keyFor(by, `${epoch}/${salt}`);
          const event = epochKeysRegistered.encode({ keys: [entryOf(by, { epoch, publicKey })] });
          chain.next([{ by, events: [event] }], ends);
          look();
        }
      }),
      { numRuns: 25 },
    );
  });

  it("survives its encoding in the store, with ids of other keys", () => {
    const chain = new StakeChain(keysGenesis);
    const set = chain.set(1);
    const read = decodeValidatorSet(hasher, encodeValidatorSet(set));
    expect(read.ok && toHex(read.value.hash)).toBe(toHex(set.hash));
  });
});

describe("evidence on a chain with keys of epochs", () => {
  const chainWithKeys = (): StakeChain => {
    const chain = new StakeChain(keysGenesis);
    chain.codes(["v0", keysOf("v0", 3, 5)]);
    chain.end(6);
    return chain;
  };

  it("names the key that the culprit had in that epoch", () => {
    const chain = chainWithKeys();
    const codes = chain.codes(
      ["v1", evidence("v0", 4, keyFor("v0", 3), 1)],
      ["v1", evidence("v0", 5, keyFor("v0", 5), 2)],
      ["v1", evidence("v0", 2, keyFor("v0", 0), 3)],
      // Of the epoch before, of the one after, the long-lived one, and another's.
      ["v1", evidence("v0", 5, keyFor("v0", 3), 4)],
      ["v1", evidence("v0", 4, keyFor("v0", 5), 5)],
      ["v1", evidence("v0", 4, keyOf("v0"), 6)],
      ["v1", evidence("v1", 4, keyFor("v0", 3), 7)],
    );
    const invalid = "evidence.invalid";
    expect(codes).toEqual(["accepted", "accepted", "accepted", ...Array(4).fill(invalid)]);
  });

  it("has to be signed with the key that it shows", () => {
    const chain = chainWithKeys();
    const event = evidenceWithKeyEvent(conflict(4, keyOf("v0")), idOf("v0"), keyFor("v0", 3));
    expect(chain.codes(["v1", event])).toEqual(["evidence.invalid"]);
  });

  it("slashes, and is of version 2 only", () => {
    const chain = chainWithKeys();
    const before = chain.standing("v0");
    const plain = evidenceEvent(conflict(4, keyFor("v0", 3)), idOf("v0"));
    expect(chain.codes(["v1", plain])).not.toEqual(["accepted"]);
    expect(chain.standing("v0")).toEqual(before);
    chain.codes(["v1", evidence("v0", 4, keyFor("v0", 3))]);
    expect(chain.standing("v0")?.tombstoned).toBe(true);
    // And on other chains of version 1 only.
    const other = new StakeChain();
    expect(other.codes(["v1", evidence("v0", 0, keyOf("v0"))])).not.toEqual(["accepted"]);
    expect(other.codes(["v1", equivocation("v0", 0)])).toEqual(["accepted"]);
  });

  it("is taken while the key is among the newest that are kept, and not after", () => {
    const chain = new StakeChain(keysGenesis);
    const max = LIMITS.epochKeyHistoryMax;
    // With the one of the genesis as many as are kept.
    for (let next = LEAD; next < LEAD + max - 1; next += LIMITS.epochKeysPerEventMax) {
      const count = Math.min(LIMITS.epochKeysPerEventMax, LEAD + max - 1 - next);
      const epochs = Array.from({ length: count }, (_, i) => next + i);
      expect(chain.codes(["v0", keysOf("v0", ...epochs)])).toEqual(["accepted"]);
      chain.end(LIMITS.epochKeysPerEventMax, 10);
    }
    expect(chain.codes(["v1", evidence("v0", 1, keyFor("v0", 0), 1)])).toEqual(["accepted"]);
    const further = Math.max(chain.epoch, max) + LEAD;
    expect(chain.codes(["v0", keysOf("v0", further)])).toEqual(["accepted"]);
    expect(chain.codes(["v1", evidence("v0", 1, keyFor("v0", 0), 2)])).toEqual([
      "evidence.invalid",
    ]);
    expect(chain.codes(["v1", evidence("v0", LEAD, keyFor("v0", LEAD), 3)])).toEqual(["accepted"]);
  }, 60_000);

  it("against one that joined and had only its long-lived key shows that one", () => {
    const chain = new StakeChain(keysGenesis);
    chain.codes(["ann", register("w", "ann")]);
    chain.end(3);
    expect(chain.codes(["v1", evidence("w", 2, keyOf("w"))])).toEqual(["accepted"]);
  });
});

describe("rows of keys of epochs", () => {
  it("are shown", () => {
    const shown = epochKeys.format?.(
      Uint8Array.from([0, ...idOf("v0")]),
      Uint8Array.from([0, 0, 0, 0]),
    );
    expect(shown).toEqual({ validator: toHex(idOf("v0")), epochs: [] });
  });
});
