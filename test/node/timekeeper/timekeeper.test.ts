import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { createHasher } from "../../../src/crypto/hash.ts";
import { createStateFile } from "../../../src/node/timekeeper/state-file.ts";
import { startTimekeeper, type Timekeeper } from "../../../src/node/timekeeper/timekeeper.ts";
import { TIME_PROFILES } from "../../../src/proofs/time/parameters.ts";
import { upTo } from "../../../src/proofs/time/statement.ts";
import { verifyBlock, verifyRun } from "../../../src/proofs/time/verify.ts";
import { reference } from "../../proofs/time/reference.ts";

const folder = mkdtempSync(join(tmpdir(), "tetrad-time-"));
afterAll(() => rmSync(folder, { recursive: true }));

const filled = (value: number): Uint8Array => new Uint8Array(32).fill(value);
const CHAIN = "keeper-test";
const parameters = { ...TIME_PROFILES.dev, leavesLog2Max: 20 };
const statement = { epoch: 1, seed: filled(1), timekeeper: filled(2), members: filled(0) };

const newState = (name: string): string => {
  const path = join(folder, name);
  createStateFile(path, { chainId: CHAIN, parameters, statement });
  return path;
};

type Started = { readonly keeper: Timekeeper; readonly readyAt: Promise<number> };

const start = (
  path: string,
  leaves: number,
  duty = 100,
  onProgress: (leaves: number, absorbed: number) => void = () => {},
): Started => {
  const ready = Promise.withResolvers<number>();
  const keeper = startTimekeeper(
    { path, leaves, duty },
    { onReady: ready.resolve, onProgress, onOpening: () => {} },
  );
  return { keeper, readyAt: ready.promise };
};

const input = { hasher: createHasher(CHAIN), parameters, statement };

describe("a timekeeper", () => {
  it("computes what the definition gives, takes in blocks, and answers seeds", async () => {
    const path = newState("whole");
    const both = Promise.withResolvers<void>();
    const { keeper } = start(path, 2 ** 20, 20, (_, taken) => {
      if (taken === 2) both.resolve();
    });
    keeper.absorb(5, filled(50));
    keeper.absorb(4, filled(40));
    keeper.absorb(9, filled(90));
    await both.promise;
    keeper.finish();
    const { leaves, phi, absorbed } = await keeper.finished;
    expect(absorbed).toBe(2);
    const commitment = { leaves, phi };
    const opened = await keeper.open(filled(8), upTo(32), "ends");
    expect(verifyRun({ ...input, commitment }, filled(8), upTo(32), opened.proof).ok).toBe(true);
    const blocks = opened.blocks.map((bytes) => verifyBlock({ ...input, commitment }, bytes));
    const shown = blocks.map((block) => (block.ok ? block.value : undefined));
    expect(shown.map((block) => block?.height)).toEqual([5, 9]);
    await expect(keeper.open(filled(8), upTo(32), [7])).rejects.toMatchObject({
      code: "time.block-unknown",
    });
    await keeper.stop();
    const graph = reference({
      ...{ chain: CHAIN, tailBlocks: parameters.tailBlocks, leaves, ...statement },
      blocks: new Map(shown.flatMap((block) => (block === undefined ? [] : [[block.leaf, block]]))),
    });
    expect(Buffer.from(phi).toString("hex")).toBe(graph.phi.toString("hex"));
    // A finished run is the same after a start.
    const again = start(path, 2 ** 20);
    expect((await again.keeper.finished).phi).toEqual(phi);
    await again.keeper.stop();
  });

  it("goes on where it was stopped, and ends where it is told to", async () => {
    const path = newState("stopped");
    const first = start(path, 2 ** 20, 20);
    await first.readyAt;
    await new Promise((resolve) => setTimeout(resolve, 100));
    await first.keeper.stop();
    await expect(first.keeper.finished).rejects.toMatchObject({ code: "node.stopping" });
    const second = start(path, 2 ** 20);
    expect(await second.readyAt).toBeGreaterThan(0);
    second.keeper.setDuty(50);
    second.keeper.finish();
    const { leaves, phi } = await second.keeper.finished;
    await second.keeper.stop();
    const whole = start(newState("compared"), leaves);
    expect((await whole.keeper.finished).phi).toEqual(phi);
    await whole.keeper.stop();
  });

  it("says why it cannot begin", async () => {
    const { keeper } = start(join(folder, "absent"), 10);
    await expect(keeper.finished).rejects.toMatchObject({ code: "cli.usage" });
    await keeper.stop();
  });
});
