import { afterEach, describe, expect, it, vi } from "vitest";
import { type Client, createClient } from "../../src/client/client.ts";
import type { LedgerEvent } from "../../src/client/entry.ts";
import type { EventsOptions } from "../../src/client/events.ts";
import { memoryStore, type TextStore } from "../../src/client/store.ts";
import { parseHead } from "../../src/client/trust-state.ts";
import { LIMITS } from "../../src/limits.ts";
import { World } from "../ledger/verify/support.ts";
import { checkpointOf, type FakeNode, verifierOf, worldOf } from "./fake-node.ts";
import { clientOf, closeNodes, start, world } from "./small-world.ts";

afterEach(closeNodes);

/** The first `count` events of a client's log. */
const read = async (
  client: Client,
  count: number,
  options: EventsOptions = {},
): Promise<LedgerEvent[]> => {
  const events: LedgerEvent[] = [];
  for await (const event of client.events(options)) {
    events.push(event);
    if (events.length === count) break;
  }
  return events;
};

const indexes = (events: readonly LedgerEvent[]): number[] => events.map(({ index }) => index);

describe("one event", () => {
  it("is proven, and so is that there is none", async () => {
    const node = await start(world, 30);
    const client = clientOf([node]);
    const event = await client.event(4);
    expect(event).toMatchObject({ index: 4, type: "record.put", verified: true });
    expect(Buffer.from(event?.payload ?? []).toString()).toBe("event 4");
    expect(event).not.toHaveProperty("claimedTime");
    expect(await client.event(6)).toBeUndefined();
    expect(await client.head()).toMatchObject({ height: 30, logSize: 6 });
  });

  it("is refused when validators have not signed it", async () => {
    const node = await start(new World({ chainId: "fake", events: 6, seed: 6 }), 30);
    const client = clientOf([node]);
    await expect(client.event(0)).rejects.toMatchObject({ code: "proof.invalid" });
    await expect(client.event(7)).rejects.toMatchObject({ code: "proof.invalid" });
    expect(await client.head()).toBeUndefined();
  });

  it("is taken from a longer log that contains the one seen before", async () => {
    const node = await start(world, 30);
    const client = clientOf([node]);
    await client.event(0);
    node.show(worldOf(9), 31);
    expect(await client.event(1)).toMatchObject({ index: 1 });
    expect(await client.event(8)).toMatchObject({ index: 8 });
    expect(await client.head()).toMatchObject({ height: 31, logSize: 9 });
    node.show(worldOf(9), 40);
    expect(await client.event(8)).toMatchObject({ index: 8 });
    expect(await client.head()).toMatchObject({ height: 40 });
  });
});

describe("a log that contradicts the one seen before", () => {
  const fork = (events: number): World => worldOf(events);

  it.each([
    ["another block at the same height", fork(9), 30],
    ["a shorter log later", fork(3), 31],
    ["a longer log earlier", fork(9), 29],
    ["a longer log that does not contain it", fork(8), 31],
  ])("is found out: %s", async (_, other, height) => {
    // Of 8 events, the last batch is another one than that of 6 and 9, from index 6 on; seen were 7.
    const seen = other.entries.length === 8 ? worldOf(7) : world;
    const node = await start(seen, 30);
    const client = clientOf([node]);
    await client.event(0);
    node.show(other, height);
    for (const index of [0, 2, other.entries.length - 1]) {
      const refused = client.event(index);
      await expect(refused).rejects.toMatchObject({ code: "trust.inconsistent" });
      await expect(refused).rejects.toThrow(node.base);
    }
    await expect(read(client, 1)).rejects.toMatchObject({ code: "trust.inconsistent" });
  });

  it("is found out by the next run of the program too", async () => {
    const stateStore = memoryStore();
    const node = await start(worldOf(7), 30);
    await clientOf([node], { stateStore }).event(0);
    node.show(worldOf(8), 31);
    const later = clientOf([node], { stateStore });
    await expect(later.event(0)).rejects.toMatchObject({ code: "trust.inconsistent" });
    expect(await clientOf([node]).event(0)).toMatchObject({ index: 0 });
  });
});

describe("how old a header may be", () => {
  const NEWEST = 2e12 + 40;
  afterEach(() => vi.restoreAllMocks());

  it("is bounded: an older one is left for a newer one, or refused", async () => {
    const now = vi.spyOn(Date, "now").mockReturnValue(NEWEST + LIMITS.clientMaxAgeMs);
    const [old, fresh] = [await start(world, 39), await start(worldOf(9), 40)];
    const left: string[] = [];
    const onFailover = (base: string, { code }: { code: string }) => left.push(`${base} ${code}`);
    expect(await clientOf([old, fresh], { onFailover }).event(0)).toMatchObject({ index: 0 });
    expect(left).toEqual([`${old.base} trust.behind`]);
    now.mockReturnValue(NEWEST + LIMITS.clientMaxAgeMs + 1);
    const late = clientOf([old, fresh]);
    await expect(late.event(0)).rejects.toMatchObject({ code: "trust.behind" });
    await expect(late.event(0)).rejects.toThrow("10 minutes ago");
    // A node that has frozen at what was verified before is no exception.
    now.mockReturnValue(NEWEST);
    const client = clientOf([fresh]);
    await client.event(0);
    now.mockReturnValue(NEWEST + LIMITS.clientMaxAgeMs + 1);
    await expect(client.event(0)).rejects.toMatchObject({ code: "trust.behind" });
    expect(await clientOf([fresh], { maxAgeMs: 1e9 }).event(0)).toMatchObject({ index: 0 });
    const any = clientOf([fresh], { maxAgeMs: Number.POSITIVE_INFINITY });
    expect(await any.event(0)).toMatchObject({ index: 0 });
  });

  it.each([0, -1, Number.NaN])("is a time, which %s is none", (maxAgeMs) => {
    expect(() => clientOf([], { maxAgeMs, baseUrl: "http://[::1]:1" })).toThrow("maxAgeMs");
  });
});

describe("a node that can prove nothing yet", () => {
  it("is asked again, and left when it says so often", async () => {
    const [slow, fresh] = [await start(world, 30), await start(world, 30)];
    slow.withholds = 0;
    const left: string[] = [];
    const onFailover = (base: string, { code }: { code: string }) => left.push(`${base} ${code}`);
    const client = clientOf([slow, fresh], { onFailover });
    expect(await client.event(0)).toMatchObject({ index: 0 });
    expect(left).toEqual([`${slow.base} proof.pending`]);
    expect(slow.proofs()).toBe(3);
  });
});

describe("what a client remembers", () => {
  it("makes it leave a node that is behind for one that is not", async () => {
    const stateStore = memoryStore();
    const [fresh, old] = [await start(worldOf(9), 40), await start(world, 30)];
    await clientOf([fresh], { stateStore }).event(0);
    const left: string[] = [];
    const client = clientOf([old, fresh], {
      stateStore,
      onFailover: (base, { code }) => left.push(`${base} ${code}`),
    });
    expect(await client.event(8)).toMatchObject({ index: 8 });
    expect(left).toEqual([`${old.base} trust.behind`]);
  });

  it("is not moved back by another program with the same store, which learns from it", async () => {
    const stateStore = memoryStore();
    const heightKept = (): number => parseHead(String(stateStore.load())).checkpoint.height;
    const node = await start(world, 30);
    const one = clientOf([node], { stateStore });
    const two = clientOf([node], { stateStore });
    await Promise.all([one.event(0), two.event(0)]);
    node.show(worldOf(9), 40);
    await one.event(0);
    expect(heightKept()).toBe(40);
    // The second one has verified 30 itself, and must not take 35 for the present any more.
    node.show(world, 35);
    await expect(two.event(0)).rejects.toMatchObject({ code: "trust.behind" });
    expect(heightKept()).toBe(40);
    node.show(worldOf(9), 41);
    await two.event(0);
    expect(heightKept()).toBe(41);
    expect(await one.head()).toMatchObject({ height: 40 });
    await one.event(0);
    expect(await one.head()).toMatchObject({ height: 41 });
  });

  it("contradicts what another program with the same store was shown: found out", async () => {
    const stateStore = memoryStore();
    const client = clientOf([await start(world, 30)], { stateStore });
    await client.event(0);
    const forked = memoryStore();
    await clientOf([await start(worldOf(7), 30)], { stateStore: forked }).event(0);
    await stateStore.save(String(forked.load()));
    await expect(client.event(0)).rejects.toMatchObject({ code: "trust.inconsistent" });
  });

  it.each([
    ["garbage", "{"],
    ["nothing", ""],
    ["another format", '{"format":"x","version":1}'],
    ["a long text", " ".repeat(20_000)],
  ])("is not taken for nothing when it is %s", async (_, text) => {
    const node = await start(world, 30);
    const stateStore: TextStore = { load: () => text, save: () => undefined };
    const client = clientOf([node], { stateStore });
    await expect(client.event(0)).rejects.toMatchObject({ code: "trust.state" });
  });

  it("is of one chain", async () => {
    const stateStore = memoryStore();
    await clientOf([await start(world, 30)], { stateStore }).event(0);
    const other = new World({ chainId: "other", events: 6 });
    const client = createClient({
      baseUrl: (await start(other, 30)).base,
      trust: { checkpoint: checkpointOf(other) },
      verifier: verifierOf(other),
      stateStore,
    });
    await expect(client.event(0)).rejects.toMatchObject({ code: "folder.foreign" });
  });
});

describe("following the log", () => {
  it("gives every event once and in order, proven by one proof a run", async () => {
    const node = await start(world, 30);
    const events = await read(clientOf([node]), 6);
    expect(indexes(events)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(events.every(({ verified }) => verified)).toBe(true);
    expect(events[0]?.claimedTime).toMatch(/^20/);
    expect(node.proofs()).toBe(1);
  });

  it("goes on over new heights and broken connections, and begins anywhere", async () => {
    const node = await start(world, 30);
    const client = clientOf([node]);
    const seen: number[] = [];
    for await (const { index } of client.events({ from: 2 })) {
      seen.push(index);
      if (index === 4) node.cut();
      if (index === 5) node.show(worldOf(9), 31);
      if (index === 8) node.show(worldOf(12), 32);
      if (index === 11) break;
    }
    expect(seen).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    expect(await client.head()).toMatchObject({ height: 32, logSize: 12 });
  });

  it("goes on at another node, without a gap and without a repeat", async () => {
    const [first, second] = [await start(worldOf(9), 31), await start(world, 30)];
    const client = clientOf([first, second]);
    const seen: number[] = [];
    for await (const { index } of client.events()) {
      seen.push(index);
      if (index === 8) {
        await first.close();
        // The other node is behind: it has nothing to send before it has caught up.
        setTimeout(() => second.show(worldOf(12), 32), 50);
      }
      if (index === 11) break;
    }
    expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  });

  it.each<[string, FakeNode["forge"], string]>([
    ["changed", (event) => ({ ...event, payload: "AAAA" }), "proof.invalid"],
    [
      "given another outcome",
      (event) => ({ ...event, outcome: { kind: "refused", code: "event.conflict" } }),
      "proof.invalid",
    ],
    ["left out", (event) => (event["index"] === 3 ? undefined : event), "client.bad-answer"],
    [
      "repeated",
      (event) => (event["index"] === 3 ? { ...event, index: 2 } : event),
      "client.bad-answer",
    ],
    ["no event", () => ({ hello: 1 }), "client.bad-answer"],
  ])("refuses events that were %s", async (_, forge, code) => {
    const node = await start(world, 30);
    node.forge = forge;
    await expect(read(clientOf([node]), 6)).rejects.toMatchObject({ code });
  });

  it("filters behind the proof, so that nobody can leave out what is asked for", async () => {
    const node = await start(world, 30);
    const client = clientOf([node]);
    expect(await read(client, 1, { types: ["asset.*"], follow: false })).toEqual([]);
    const types = ["asset.*", "record.put"];
    expect(indexes(await read(client, 9, { types, follow: false }))).toEqual([0, 1, 2, 3, 4, 5]);
    await expect(read(client, 1, { types: ["*"] })).rejects.toMatchObject({ code: "cli.usage" });
  });

  it("shows its data as decoded here, not as the node says", async () => {
    const node = await start(world, 30);
    node.forge = (event) => ({ ...event, data: { forged: true }, time: "tomorrow" });
    const [event] = await read(clientOf([node]), 1);
    expect(event?.data).toBeUndefined();
    expect(event?.claimedTime).toBeUndefined();
  });

  it("asks for a proof before more events wait than may", async () => {
    const count = LIMITS.clientUnprovenEventsMax + 3 - (LIMITS.clientUnprovenEventsMax % 3);
    const node = await start(worldOf(count), 1000);
    expect(await read(clientOf([node]), count)).toHaveLength(count);
    expect(node.proofs()).toBe(2);
  });

  it("ends with the caller's signal", async () => {
    const node = await start(world, 30);
    const controller = new AbortController();
    const reason = new Error("enough");
    const reading = read(clientOf([node]), 7, { signal: controller.signal });
    setTimeout(() => controller.abort(reason), 100);
    await expect(reading).rejects.toBe(reason);
  });
});

describe("a checkpoint store", () => {
  it("goes on behind the last event that was read to its end", async () => {
    const node = await start(world, 30);
    const checkpointStore = memoryStore();
    const client = clientOf([node]);
    const options = { checkpointStore };
    // The loop is left with event 2 in hand: it may not have been dealt with, so it comes again.
    expect(indexes(await read(client, 3, options))).toEqual([0, 1, 2]);
    expect(indexes(await read(client, 2, options))).toEqual([2, 3]);
    expect(indexes(await read(client, 9, { ...options, follow: false }))).toEqual([3, 4, 5]);
    expect(await read(client, 1, { ...options, follow: false })).toEqual([]);
  });

  it("is of one chain, and not silently begun anew", async () => {
    const node = await start(world, 30);
    const reading = (text: string) =>
      read(clientOf([node]), 1, { checkpointStore: { load: () => text, save: () => undefined } });
    await expect(reading("{}")).rejects.toMatchObject({ code: "trust.state" });
    const foreign = { format: "tetrad-position", version: 1, genesisHash: "00", next: 3 };
    const refused = reading(JSON.stringify(foreign));
    await expect(refused).rejects.toMatchObject({ code: "folder.foreign" });
  });
});

describe("a client that verifies nothing", () => {
  it("has to be asked for, and says so in what it gives", async () => {
    const node = await start(world, 30);
    const baseUrl = node.base;
    const usage = expect.objectContaining({ code: "cli.usage" });
    expect(() => createClient({ baseUrl })).toThrow(usage);
    const trust = { checkpoint: checkpointOf(world) };
    expect(() => createClient({ baseUrl, trust, unverified: true })).toThrow(usage);
    const events = await read(createClient({ baseUrl, unverified: true }), 6);
    expect(indexes(events)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(events.some(({ verified }) => verified)).toBe(false);
    expect(node.proofs()).toBe(0);
  });
});

it("makes worlds whose logs contain each other only where the test says so", () => {
  const leaf = (one: World, index: number): string =>
    Buffer.from(one.leaves[index] ?? []).toString("hex");
  expect(leaf(worldOf(9), 5)).toBe(leaf(world, 5));
  expect(leaf(worldOf(8), 6)).not.toBe(leaf(worldOf(7), 6));
});
