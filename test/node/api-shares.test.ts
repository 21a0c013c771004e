/** Budgets that clients share, and what the subscribers of the stream share. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LIMITS } from "../../src/limits.ts";
import { clientOf, Shares } from "../../src/node/api/shares.ts";
import { RecentPages, Stalled, type StreamPage } from "../../src/node/api/stream-load.ts";

describe("a client", () => {
  it.each([
    ["::1", "0:0:0:0"],
    ["::", "0:0:0:0"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
    ["2001:db8::6", "2001:db8:0:0"],
    ["2001:db8:1:2::", "2001:db8:1:2"],
    ["fe80::1%eth0", "fe80:0:0:0"],
    ["::1:2:3:4:5:6:7", "0:1:2:3"],
    ["127.0.0.1", "127.0.0.1"],
  ])("of %s is %s", (address, client) => {
    expect(clientOf(address)).toBe(client);
  });

  it("of a closed socket is none", () => {
    expect(clientOf(undefined)).toBe("");
  });
});

describe("shares", () => {
  it("hold at most the whole, and of each client at most its part", () => {
    const shares = new Shares(10, 6);
    expect(shares.take("a", 6)).toBe(true);
    expect(shares.take("a", 1)).toBe(false);
    expect(shares.take("b", 4)).toBe(true);
    expect(shares.take("b", 1)).toBe(false);
    expect(shares.take("c", 1)).toBe(false);
    shares.give("a", 6);
    expect(shares.take("c", 6)).toBe(true);
    expect([shares.total, shares.clients]).toEqual([10, 2]);
  });

  it("are what was taken and not given back, and forget who holds nothing", () => {
    const step = fc.record({ client: fc.constantFrom("a", "b", "c"), amount: fc.nat(9) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const shares = new Shares(20, 12);
        const held: { client: string; amount: number }[] = [];
        for (const [i, { client, amount }] of steps.entries()) {
          const own = held.filter((one) => one.client === client);
          const fits =
            held.reduce((sum, one) => sum + one.amount, amount) <= 20 &&
            own.reduce((sum, one) => sum + one.amount, amount) <= 12;
          expect(shares.take(client, amount)).toBe(fits);
          if (fits) held.push({ client, amount });
          const [first] = held;
          if (i % 3 === 2 && first !== undefined) {
            shares.give(first.client, first.amount);
            held.shift();
          }
        }
        for (const { client, amount } of held) shares.give(client, amount);
        expect([shares.total, shares.clients]).toEqual([0, 0]);
      }),
    );
  });
});

describe("pages of the stream", () => {
  const page = (next: number): StreamPage => ({ bytes: new Uint8Array(1), next });

  it("are read once for all at one place", async () => {
    const pages = new RecentPages();
    let reads = 0;
    const read = async (): Promise<StreamPage> => {
      reads += 1;
      return page(100 + reads);
    };
    const got = await Promise.all([pages.get("sse", 4, read), pages.get("sse", 4, read)]);
    expect(got).toEqual([page(101), page(101)]);
    expect(await pages.get("ndjson", 4, read)).toEqual(page(102));
    expect(await pages.get("sse", 5, read)).toEqual(page(103));
    expect(await pages.get("sse", 4, read)).toEqual(page(101));
  });

  it("are asked for again when they could not be read, or nothing was there", async () => {
    const pages = new RecentPages();
    await expect(pages.get("x", 1, () => Promise.reject(new Error("disk")))).rejects.toThrow(
      "disk",
    );
    expect(await pages.get("x", 1, async () => page(1))).toEqual(page(1));
    expect(await pages.get("x", 1, async () => page(2))).toEqual(page(2));
    expect(await pages.get("x", 1, async () => page(3))).toEqual(page(2));
  });

  it("are few: the oldest is forgotten", async () => {
    const pages = new RecentPages();
    for (let i = 0; i <= LIMITS.httpStreamPagesMax; i++)
      await pages.get("x", i, async () => page(99));
    expect(await pages.get("x", 1, async () => page(7))).toEqual(page(99));
    expect(await pages.get("x", 0, async () => page(7))).toEqual(page(7));
  });
});

describe("subscribers that do not read", () => {
  it("are dropped in the order in which they stalled when they hold too much", () => {
    const stalled = new Stalled();
    const dropped: number[] = [];
    const third = Math.floor(LIMITS.httpStreamBytesMax / 3);
    const drops = [0, 1, 2, 3, 4].map((i) => {
      const drop = (): void => {
        dropped.push(i);
        stalled.remove(drop);
      };
      return drop;
    });
    for (const drop of drops.slice(0, 3)) stalled.add(drop, third);
    expect(dropped).toEqual([]);
    stalled.remove(drops[0] ?? (() => {}));
    stalled.add(drops[3] ?? (() => {}), third);
    expect(dropped).toEqual([]);
    stalled.add(drops[4] ?? (() => {}), third);
    expect(dropped).toEqual([1]);
    expect(stalled.total).toBe(3 * third);
  });
});
