/** The tree alone: what a forgotten verdict on a signature means, how a verdict is retried, what it waits for. */
import { describe, expect, it } from "vitest";
import { ZERO_HASH } from "../../../src/crypto/bytes.ts";
import type { BlockFacts, Verdict } from "../../../src/ledger/consensus/types.ts";
import type { Ports } from "../../../src/ledger/ports.ts";
import type { BatchPool } from "../../../src/ledger/replica/batch-pool.ts";
import type { BlockStore } from "../../../src/ledger/replica/block-store.ts";
import { BlockTree } from "../../../src/ledger/replica/block-tree.ts";
import type { Context } from "../../../src/ledger/replica/context.ts";
import type { TreeChain } from "../../../src/ledger/replica/held-block.ts";
import { createLeaderSchedule } from "../../../src/ledger/validator-set.ts";
import { genesisParent } from "../../../src/ledger/validity.ts";
import { productOptions } from "../../../src/node/product.ts";
import { Loop, ManualTime } from "./ports.ts";
import { Lab, WALL_START_MS } from "./support.ts";

/**
 * A tree of one block on the genesis, over a pool that forgets: `answers` is what it says of the block's batch
 * each time it is asked. While `appending`, the store shows the batch's lane as after that block.
 */
const plant = (answers: readonly (boolean | undefined)[], appending = false) => {
  const chainState = { appending };
  const lab = new Lab();
  const { chain } = lab;
  const batch = lab.batch(chain.alice);
  lab.toForeignView();
  const block = lab.block([batch]);
  const loop = new Loop();
  const time = new ManualTime(loop, WALL_START_MS);
  const verdicts: string[] = [];
  let asked = 0;
  let checks = 0;
  const pool = {
    get: () => batch,
    verdict: () => answers[Math.min(asked++, answers.length - 1)],
    verify: (_batches: unknown, _priority: unknown, done: () => void) => {
      checks++;
      loop.post(done);
    },
    // A chain that asks for no space.
    space: { facts: () => undefined },
  };
  const options = productOptions({
    name: "tree",
    genesis: chain.genesis,
    hasher: chain.hasher,
    verifySignature: () => true,
  });
  const ports = { timers: time, clock: time.clock } as unknown as Ports;
  const context = {
    options,
    ports,
    hasher: chain.hasher,
    timing: { fetchMs: 100 },
    log: () => undefined,
    stopped: () => false,
  } as unknown as Context;
  const { status } = lab;
  const tree = new BlockTree(
    context,
    {
      tip: () => ({
        epoch: 0,
        view: 0,
        height: 0,
        hash: chain.hash,
        timeMs: WALL_START_MS,
        boundary: false,
      }),
      settledHeight: () => (chainState.appending ? 1 : 0),
      executedHeight: () => 0,
      epoch: () => ({
        set: chain.set,
        schedule: createLeaderSchedule(chain.hasher, chain.hash, chain.set),
        epochStartMs: WALL_START_MS,
        epochMs: 86_400_000,
        nextSetHash: ZERO_HASH,
      }),
      rootsAt: () => ({
        height: 0,
        logSize: 0,
        logRoot: status.logRoot,
        stateRoot: status.stateRoot,
        projections: [],
      }),
      actorKey: () => ({ publicKey: chain.alice.key.publicKey, registeredHeight: 0 }),
      finalHashAt: () => chain.hash,
      finalTimeAt: () => WALL_START_MS,
      finalPoint: () => undefined,
      finalLaneHead: () =>
        chainState.appending ? { seq: 1, id: batch.id } : { seq: 0, id: ZERO_HASH },
      tipParent: () => genesisParent(chain.hash, WALL_START_MS, 0),
      send: () => undefined,
      connected: () => [],
      verdict: (_facts: BlockFacts, verdict: Verdict) => verdicts.push(verdict),
      isOpen: () => false,
      behind: () => undefined,
    } satisfies TreeChain,
    pool as unknown as BatchPool,
    { block: () => undefined, batch: () => undefined } as unknown as BlockStore,
  );
  const settle = (): void => {
    loop.run();
    time.advance(1_000);
  };
  tree.need(block.hash, block, []);
  settle();
  const appended = (): void => {
    chainState.appending = false;
    tree.pump();
    settle();
  };
  return { verdicts, checks: () => checks, appended };
};

describe("a verdict on a signature that is forgotten before the block is looked at", () => {
  const tried = (answers: readonly (boolean | undefined)[]) => {
    const { verdicts, checks } = plant(answers);
    return { verdicts, checks: checks() };
  };

  it("is asked for again, and the block is valid", () => {
    // Tried, gone when the predicate looks, then tried again and kept.
    const untried = [undefined, undefined];
    expect(tried([...untried, ...untried, true])).toEqual({ verdicts: ["valid"], checks: 2 });
  });

  it("never makes the block invalid, however often it is forgotten", () => {
    // Gone when the predicate looks, and known again when the tree does.
    const answers = [undefined, true, undefined, true, undefined, true];
    expect(tried(answers)).toEqual({ verdicts: ["valid"], checks: 0 });
  });

  it("is not asked for where it is known: a bad signature is a bad block", () => {
    expect(tried([false])).toEqual({ verdicts: ["invalid"], checks: 0 });
  });
});

describe("a block on the tip while what follows the tip is being written", () => {
  it("is judged when that is done, by the lanes as they were agreed and not as the store shows them", () => {
    const planted = plant([true], true);
    expect(planted.verdicts).toEqual([]);
    planted.appended();
    expect(planted.verdicts).toEqual(["valid"]);
  });
});
