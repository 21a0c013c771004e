import { afterEach, describe, expect, it } from "vitest";
import { type Client, createClient } from "../../src/client/client.ts";
import type { LedgerRow, ListOptions, ListPage, PageOptions } from "../../src/client/lists.ts";
import { utf8, Writer } from "../../src/crypto/codec.ts";
import { recordKey } from "../../src/ledger/projections/records.ts";
import { bytesAt } from "../../src/ledger/verify/base64url.ts";
import type { Claim, RowProof } from "../../src/ledger/verify/bundle.ts";
import { LIMITS } from "../../src/limits.ts";
import { World } from "../ledger/verify/support.ts";
import { checkpointOf, type FakeNode, startFakeNode, verifierOf } from "./fake-node.ts";

const nodes: FakeNode[] = [];
afterEach(async () => {
  await Promise.all(nodes.splice(0).map((node) => node.close()));
});

const record = (body: string): Uint8Array =>
  new Writer().hash(new Uint8Array(32)).u64(7).u64(9).bytes(utf8(body)).finish();

const NAMES = ["a/1", "a/2", "a/3", "b/1", "b/2", "b/3", "b/4"];
const keyOf = (name: string): Uint8Array => recordKey(name.slice(0, 1), name.slice(2));
const worldWith = (body: string, events = 6): World =>
  new World({
    chainId: "fake",
    events,
    seed: 5,
    records: NAMES.map((name) => ({ key: keyOf(name), value: record(`${body} ${name}`) })),
  });
const world = worldWith("body");

const claimOf = (names: readonly string[], from: World = world, projection = "records") =>
  from.rowsOf(projection, names.map(keyOf)).claim as Claim & { readonly kind: "rows" };

const nameOf = (key: Uint8Array): string =>
  NAMES.find((name) => Buffer.compare(keyOf(name), key) === 0) ?? "";

/** What an honest node says: the rows behind the key, of the group, up to the limit. */
const honest = (query: URLSearchParams): string[] => {
  const after = query.get("afterKey");
  const start = after === null ? 0 : NAMES.indexOf(nameOf(bytesAt("", after, 1, 512))) + 1;
  const group = query.get("prefix");
  const names = NAMES.slice(start).filter((name) => group === null || name.startsWith(group));
  return names.slice(0, Number(query.get("limit")));
};

const start = async (page: FakeNode["page"], height = 30): Promise<FakeNode> => {
  const node = await startFakeNode(world, height);
  node.page = page;
  nodes.push(node);
  return node;
};

const clientOf = (...bases: readonly FakeNode[]): Client =>
  createClient({
    baseUrl: bases.map(({ base }) => base),
    trust: { checkpoint: checkpointOf(world) },
    verifier: verifierOf(world),
  });

const all = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
};

const rows = (client: Client, options?: ListOptions): Promise<LedgerRow[]> =>
  all(client.rows("records", options));

const pages = (client: Client, options?: PageOptions): Promise<ListPage[]> =>
  all(client.pages("/v1/projections/records", options));

const honestPage: FakeNode["page"] = (query) => ({ claim: claimOf(honest(query)) });

describe("a list of rows", () => {
  it("is proven row by row, and decoded here", async () => {
    const client = clientOf(await start(honestPage));
    const found = await rows(client);
    expect(found.map(({ key }) => key)).toEqual(NAMES);
    expect(found.every(({ verified, height }) => verified && height === 29)).toBe(true);
    expect(found[4]).toMatchObject({ projection: "records", value: { text: "body b/2" } });
    expect((await rows(client, { prefix: "a" })).map(({ key }) => key)).toEqual(NAMES.slice(0, 3));
    expect(await client.head()).toMatchObject({ height: 30 });
  });

  it("is read on behind the last proven key, and says that rows may have been left out", async () => {
    const node = await start(honestPage);
    const found = await pages(clientOf(node), { limit: 3 });
    expect(found.map(({ items }) => items.length)).toEqual([3, 3, 1]);
    expect(found[1]).toMatchObject({
      projection: "records",
      height: 29,
      verified: true,
      mayOmit: true,
    });
    const asked = node.requests.filter(({ url }) => url.startsWith("/v1/projections"));
    expect(asked).toHaveLength(4);
    expect(asked.every(({ url }) => !/[?&]after=/.test(url))).toBe(true);
  });

  it("does not show what a node left out: that is what mayOmit says", async () => {
    const node = await start((query) => ({
      claim: claimOf(honest(query).filter((name) => name !== "b/1")),
    }));
    expect((await rows(clientOf(node))).map(({ key }) => key)).not.toContain("b/1");
  });

  it("goes on over a new height, whose rows say that they are of it", async () => {
    const later = worldWith("later", 9);
    const node = await start((query) => {
      const names = honest(query);
      if (!query.has("afterKey")) return { claim: claimOf(names) };
      node.show(later, 31);
      return { claim: claimOf(names, later) };
    });
    const heights: [string, number, unknown][] = [];
    for (const { items } of await pages(clientOf(node), { limit: 3 })) {
      for (const { key, height, value } of items as LedgerRow[]) {
        heights.push([key, height, (value as { text: string }).text]);
      }
    }
    expect(heights).toEqual(
      NAMES.map((name, i) => [name, i < 3 ? 29 : 30, `${i < 3 ? "body" : "later"} ${name}`]),
    );
  });

  it("takes limits that a page may have", async () => {
    const client = clientOf(await start(honestPage));
    expect(await pages(client, { limit: LIMITS.httpPageMax })).toHaveLength(1);
    for (const limit of [0, LIMITS.httpPageMax + 1, 1.5]) {
      await expect(pages(client, { limit })).rejects.toMatchObject({ code: "cli.usage" });
    }
  });
});

describe("rows in a schema version that this program does not know", () => {
  it("are refused, though they are proven: what their bytes mean would be a guess", async () => {
    const later = new World({
      chainId: "fake",
      events: 6,
      seed: 5,
      schemaVersion: 2,
      records: [{ key: keyOf("a/1"), value: record("body") }],
    });
    const node = await startFakeNode(later, 30);
    nodes.push(node);
    node.page = () => ({ claim: claimOf(["a/1"], later) });
    const client = clientOf(node);
    await expect(client.row("records", "a/1")).rejects.toMatchObject({ code: "proof.version" });
    await expect(all(client.rows("records"))).rejects.toMatchObject({ code: "proof.version" });
    node.page = () => ({ claim: claimOf(["a/1"]) });
    await expect(client.row("records", "a/1")).rejects.toMatchObject({ code: "proof.invalid" });
  });
});

describe("a node that lies in a list", () => {
  const changed = (change: (row: RowProof) => RowProof): FakeNode["page"] => {
    return (query) => {
      const claim = claimOf(honest(query));
      return {
        claim: { ...claim, rows: claim.rows.map((row, i) => (i === 1 ? change(row) : row)) },
      };
    };
  };
  const flip = (bytes: Uint8Array | undefined): Uint8Array =>
    Uint8Array.from(bytes ?? [], (byte, i) => (i === 60 ? byte ^ 1 : byte));
  const empty = Uint8Array.of(0, 0, 0, 0);

  it.each<[string, FakeNode["page"], string]>([
    ["with a changed value", changed((row) => ({ ...row, row: flip(row.row) })), "proof.invalid"],
    [
      "with the row of another key",
      changed((row) => ({ ...row, key: keyOf("a/20") })),
      "proof.invalid",
    ],
    ["without a proof", changed((row) => ({ ...row, proof: empty })), "proof.malformed"],
    ["with a key that has no row", changed((row) => ({ ...row, row: undefined })), "proof.invalid"],
    [
      "with a proven absence",
      () => ({ claim: world.rowsOf("records", [keyOf("a/0")]).claim }),
      "proof.invalid",
    ],
    [
      "with rows of another projection",
      () => ({ claim: world.rowsOf("actors", [utf8("actors-3")]).claim }),
      "proof.invalid",
    ],
    ["with an event", () => ({ claim: world.events(1).claim }), "proof.invalid"],
    ["with a row twice", () => ({ claim: claimOf(["a/1", "a/1"]) }), "proof.malformed"],
    ["with rows out of order", () => ({ claim: claimOf(["a/2", "a/1"]) }), "proof.malformed"],
    ["that repeats its first page", () => ({ claim: claimOf(["a/1", "a/2"]) }), "proof.invalid"],
    [
      "that goes back",
      (query) => ({ claim: claimOf([query.has("afterKey") ? "a/2" : "b/1"]) }),
      "proof.invalid",
    ],
    [
      "with more rows than were asked for",
      () => ({ claim: claimOf(["a/1", "a/2", "a/3"]) }),
      "proof.invalid",
    ],
  ])("%s, is refused", async (_, page, code) => {
    const client = clientOf(await start(page));
    await expect(pages(client, { limit: 2 })).rejects.toMatchObject({ code });
  });

  it("with rows outside of the group, is refused", async () => {
    const client = clientOf(await start(() => ({ claim: claimOf(["b/1"]) })));
    const refused = rows(client, { prefix: "a" });
    await expect(refused).rejects.toMatchObject({ code: "proof.invalid" });
  });

  it("with a row of an older height, is left and refused", async () => {
    const node = await start((query) => ({
      claim: claimOf(honest(query)),
      at: query.has("afterKey") ? 29 : 30,
    }));
    const got: string[] = [];
    const reading = (async () => {
      for await (const page of clientOf(node).pages("/v1/projections/records", { limit: 3 })) {
        got.push(...(page.items as LedgerRow[]).map(({ key }) => key));
      }
    })();
    await expect(reading).rejects.toMatchObject({ code: "trust.behind" });
    expect(got).toEqual(NAMES.slice(0, 3));
  });

  it("with another history, is found out", async () => {
    const node = await start(honestPage);
    const client = clientOf(node);
    await client.event(0);
    const fork = worldWith("fork");
    node.page = (query) => ({ claim: claimOf(honest(query), fork) });
    node.show(fork, 30);
    await expect(rows(client)).rejects.toMatchObject({ code: "trust.inconsistent" });
  });
});

describe("pages of other lists", () => {
  it("are the proven log, without a gap, for /v1/events", async () => {
    const client = clientOf(await start(honestPage));
    const found = await all(client.pages("/v1/events", { limit: 4 }));
    expect(found.map(({ items }) => items.length)).toEqual([4, 2]);
    expect(found.every(({ verified, mayOmit }) => verified && !mayOmit)).toBe(true);
    expect(found[1]?.items[1]).toMatchObject({ index: 5, verified: true });
    const grouped = all(client.pages("/v1/events", { prefix: "a" }));
    await expect(grouped).rejects.toMatchObject({ code: "cli.usage" });
  });

  it("are read on a client that verifies only where their word is asked for", async () => {
    const client = clientOf(await start(honestPage));
    for (const path of ["/v1/blocks", "/v1/events?from=2", "/v1/projections/records/a"]) {
      await expect(all(client.pages(path))).rejects.toMatchObject({ code: "cli.usage" });
      const told = all(client.pages(path, { unverified: true }));
      await expect(told).rejects.not.toMatchObject({ code: "cli.usage" });
    }
  });
});
