import { describe, expect, it } from "vitest";
import { toHex } from "../../../src/crypto/bytes.ts";
import type { Failure } from "../../../src/errors.ts";
import type { Genesis } from "../../../src/ledger/genesis.ts";
import { NO_PROOFS, NO_PROVER } from "../../../src/ledger/genesis-proofs.ts";
import type { Revealer } from "../../../src/ledger/ports.ts";
import { beacon, beaconKeysAt } from "../../../src/ledger/projections/beacon.ts";
import type { Context } from "../../../src/ledger/replica/context.ts";
import { OwnIvrfKeys } from "../../../src/ledger/replica/own-ivrf-keys.ts";
import type { EncodedEvent } from "../../../src/ledger/types.ts";
import { createIvrfKey, type IvrfKey, verifyReveal } from "../../../src/proofs/beacon/ivrf.ts";
import {
  ALL_PROJECTIONS,
  codesOf,
  hasher,
  idOf,
  genesis as plain,
  runnerOptions,
  TestChain,
} from "../execution-support.ts";

const DEPTH = 6;
const LENGTH = 2 ** DEPTH;
const keyOf = (who: string, first: number): IvrfKey =>
  createIvrfKey(hasher, hasher.ht("test/ivrf", Buffer.from(`${who}/${first}`)), DEPTH);
const proofs = { ...NO_PROOFS, beacon: { depth: DEPTH } };
const genesis: Genesis = {
  ...plain,
  format: 2,
  proofs,
  // Four blocks of 250 ms an epoch: a key is followed when half of it is left.
  parameters: { ...plain.parameters, epochMs: 1_000 },
  provers: plain.validators.map(({ name }) => ({ ...NO_PROVER, ivrfRoot: keyOf(name, 1).root })),
};

/** A node whose secret is that of `who`, on the chain as v1; keys are made when `made` is called. */
const nodeOf = (who: string, chain: TestChain) => {
  const held = new Map<number, IvrfKey>();
  const waiting: (() => void)[] = [];
  const problems: Failure[] = [];
  const written: (() => EncodedEvent | undefined)[] = [];
  const revealer: Revealer = {
    make: (first, done) =>
      waiting.push(() => {
        held.set(first, keyOf(who, first));
        done(keyOf(who, first).root);
      }),
    reveal: (root, index) =>
      [...held.values()].find((key) => toHex(key.root) === toHex(root))?.reveal(index),
    forget: (first) => void held.delete(first),
  };
  const context = {
    options: { genesis },
    ports: { revealer },
    hasher,
    read: chain.store.read,
    stopped: () => false,
    log: () => undefined,
    problem: (failure: Failure) => problems.push(failure),
  } as unknown as Context;
  const keys = new OwnIvrfKeys(context, idOf("v1"), {
    timeAt: (height) => genesis.timeMs + height * 250,
    write: (make) => written.push(make),
  });
  const made = () => {
    for (const one of waiting.splice(0)) one();
  };
  /** The chain goes on to a height, with what the node writes in its blocks. */
  const goTo = (height: number, boundaries: readonly number[] = []) => {
    while (chain.height < height) {
      const events = written.flatMap((make) => make() ?? []);
      const batches = events.length === 0 ? [] : [{ by: "v1", events }];
      const input = chain.input(batches);
      const codes = codesOf(chain.run(input, { boundary: boundaries.includes(chain.height + 1) }));
      expect(codes.every((code) => code === "accepted")).toBe(true);
      for (let i = written.length - 1; i >= 0; i--)
        if (written[i]?.() === undefined) written.splice(i, 1);
      keys.onExecuted(input.header);
      made();
    }
  };
  keys.onExecuted({ height: chain.height, timeMs: genesis.timeMs });
  return { keys, made, goTo, problems, held, waiting };
};

const chainOf = () => new TestChain(runnerOptions([...ALL_PROJECTIONS, beacon], proofs), genesis);

describe("a node's own iVRF keys", () => {
  it("reveal what is due once they are made, and say that it is later until then", () => {
    const chain = chainOf();
    const node = nodeOf("v1", chain);
    let again = 0;
    expect(node.keys.reveal({ height: 5, epoch: 0 }, () => (again += 1))).toBe("later");
    expect(again).toBe(0);
    node.made();
    expect(again).toBe(1);
    const reveal = node.keys.reveal({ height: 5, epoch: 0 }, () => undefined);
    if (!(reveal instanceof Uint8Array)) throw new Error("no reveal");
    expect(verifyReveal(hasher, keyOf("v1", 1), 4, reveal).ok).toBe(true);
    expect(node.keys.reveal({ height: LENGTH + 1, epoch: 0 }, () => undefined)).toHaveLength(0);
    expect(node.problems).toEqual([]);
  });

  it("are followed by others before they run out, and those that have run out are given up", () => {
    const chain = chainOf();
    const node = nodeOf("v1", chain);
    node.made();
    node.goTo(150, [10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120, 130]);
    const registered = beaconKeysAt(chain.store.read, idOf("v1"));
    expect(registered.length).toBeGreaterThan(1);
    for (const { root, firstHeight } of registered) {
      expect(toHex(keyOf("v1", firstHeight).root)).toBe(toHex(root));
    }
    // No height was without a key, and each is revealed from.
    const epoch = 13;
    const reveal = node.keys.reveal({ height: 151, epoch }, () => undefined);
    expect(reveal).toBeInstanceOf(Uint8Array);
    expect(reveal).not.toHaveLength(0);
    expect(node.held.has(1)).toBe(false);
    expect(node.problems).toEqual([]);
  });

  it("are replaced where the secret is another's: the node says so once, and leads again later", () => {
    const chain = chainOf();
    const node = nodeOf("stranger", chain);
    node.made();
    expect(node.keys.reveal({ height: 2, epoch: 0 }, () => undefined)).toBe("missing");
    expect(node.keys.reveal({ height: 3, epoch: 0 }, () => undefined)).toBe("missing");
    expect(node.problems.map(({ code }) => code)).toEqual(["beacon.key-missing"]);
    node.goTo(90, [20, 40, 60]);
    const last = beaconKeysAt(chain.store.read, idOf("v1")).at(-1);
    expect(toHex(last?.root ?? hasher.chainHash)).toBe(
      toHex(keyOf("stranger", last?.firstHeight ?? 0).root),
    );
    const height = last?.firstHeight ?? 0;
    expect(node.keys.reveal({ height, epoch: 3 }, () => undefined)).toBeInstanceOf(Uint8Array);
  });
});
