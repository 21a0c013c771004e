/** Nodes whose proofs are genuine, and of something else than what was asked for, or of long ago. */
import { afterEach, describe, expect, it, vi } from "vitest";
import type { Client } from "../../src/client/client.ts";
import type { EventsOptions } from "../../src/client/events.ts";
import { memoryStore } from "../../src/client/store.ts";
import { formatCheckpoint } from "../../src/ledger/verify/trust.ts";
import { worldOf } from "./fake-node.ts";
import { clientOf, closeNodes, start, world } from "./small-world.ts";

afterEach(async () => {
  vi.restoreAllMocks();
  await closeNodes();
});

const indexesOf = async (client: Client, options: EventsOptions, count = 99): Promise<number[]> => {
  const seen: number[] = [];
  for await (const { index } of client.events(options)) {
    seen.push(index);
    if (seen.length === count) break;
  }
  return seen;
};

/** Clocks of waits go so much faster. */
const hurry = (factor: number): void => {
  const now = performance.now.bind(performance);
  const base = now();
  vi.spyOn(performance, "now").mockImplementation(() => base + (now() - base) * factor);
};

describe("one event", () => {
  it("is not absent because a node proves another one and says that its log is short", async () => {
    const node = await start(world, 30);
    node.says = 0;
    node.proves = () => 3;
    await expect(clientOf([node]).event(5)).rejects.toMatchObject({ code: "proof.invalid" });
    // That another event is absent says nothing about this one.
    node.proves = () => 9;
    await expect(clientOf([node]).event(5)).rejects.toMatchObject({ code: "proof.invalid" });
    await expect(clientOf([node]).event(8)).rejects.toMatchObject({ code: "proof.invalid" });
    node.proves = undefined;
    expect(await clientOf([node]).event(5)).toMatchObject({ index: 5 });
    expect(await clientOf([node]).event(6)).toBeUndefined();
  });
});

describe("the log to its end", () => {
  it("is not shorter than what was verified before", async () => {
    const node = await start(world, 30);
    const client = clientOf([node]);
    await client.event(0);
    node.says = 0;
    expect(await indexesOf(client, { follow: false })).toEqual([0, 1, 2, 3, 4, 5]);
    expect(await indexesOf(client, { follow: false, from: 4 })).toEqual([4, 5]);
  });

  it("is not shorter than a header has it, for who has verified nothing before", async () => {
    const node = await start(world, 30);
    node.says = 3;
    expect(await indexesOf(clientOf([node]), { follow: false })).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it.each<EventsOptions>([{ follow: false }, { from: "end" }])(
    "is read from another node when one cannot prove its length (%o)",
    async (options) => {
      hurry(50);
      const [liar, node] = [await start(world, 30), await start(world, 30)];
      liar.says = Number.MAX_SAFE_INTEGER;
      const left: string[] = [];
      const onFailover = (base: string, { code }: { code: string }) => left.push(`${base} ${code}`);
      const reading = indexesOf(clientOf([liar, node], { onFailover }), options, 3);
      if (options.from === "end") setTimeout(() => node.show(worldOf(9), 31), 1_000);
      expect(await reading).toEqual(options.from === "end" ? [6, 7, 8] : [0, 1, 2]);
      expect(left).toEqual([`${liar.base} trust.behind`]);
      const alone = indexesOf(clientOf([liar]), options);
      await expect(alone).rejects.toMatchObject({ code: "trust.behind" });
    },
  );
});

describe("following the log", () => {
  it("ends at a node that proves another event than it has sent", async () => {
    const node = await start(world, 30);
    for (const other of [0, 7]) {
      node.proves = () => other;
      for (const from of [0, 3]) {
        const reading = indexesOf(clientOf([node]), { from }, 3);
        await expect(reading).rejects.toMatchObject({ code: "proof.invalid" });
      }
    }
  });

  it("leaves a node that sends events and never proves them, and begins again behind what is proven", async () => {
    hurry(50);
    const [liar, node] = [await start(worldOf(8), 30), await start(world, 31)];
    // The liar streams two more events than it has a header for.
    liar.withholds = 6;
    const client = clientOf([liar, node]);
    const reading = indexesOf(client, {}, 9);
    setTimeout(() => node.show(worldOf(9), 32), 1_500);
    expect(await reading).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it("goes on waiting where there is no other node", async () => {
    hurry(50);
    const node = await start(world, 30);
    node.withholds = 3;
    const reading = indexesOf(clientOf([node]), {}, 6);
    setTimeout(() => {
      node.withholds = undefined;
      node.show(world, 31);
    }, 1_000);
    expect(await reading).toEqual([0, 1, 2, 3, 4, 5]);
  });
});

describe("a trusted checkpoint", () => {
  const at = (height: number): string => {
    const { chainId, genesisHash } = world;
    const { setHash } = world.trust;
    const blockHash = new Uint8Array(32);
    const block = { epoch: 0, setHash, height, blockHash, timeMs: 0 };
    return formatCheckpoint({ chainId, genesisHash, ...block });
  };

  it("is the oldest that a client takes for the present", async () => {
    const old = await start(world, 30);
    const client = clientOf([old], { trust: { checkpoint: at(1_000) } });
    await expect(client.event(0)).rejects.toMatchObject({ code: "trust.behind" });
    expect(await client.head()).toBeUndefined();
    const fresh = await start(world, 1_001);
    const both = clientOf([old, fresh], { trust: { checkpoint: at(1_000) } });
    expect(await both.event(0)).toMatchObject({ index: 0 });
    expect(await both.head()).toMatchObject({ height: 1_001 });
  });

  it("counts beside a state from before it, as its block does", async () => {
    const stateStore = memoryStore();
    const node = await start(world, 30);
    await clientOf([node], { stateStore }).event(0);
    node.show(world, 40);
    const behind = clientOf([node], { stateStore, trust: { checkpoint: at(41) } });
    await expect(behind.event(0)).rejects.toMatchObject({ code: "trust.behind" });
    const fork = clientOf([node], { stateStore, trust: { checkpoint: at(40) } });
    await expect(fork.event(0)).rejects.toMatchObject({ code: "trust.inconsistent" });
    const later = clientOf([node], { stateStore, trust: { checkpoint: at(39) } });
    expect(await later.event(0)).toMatchObject({ index: 0 });
  });
});
