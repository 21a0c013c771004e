import { describe, expect, it } from "vitest";
import { coverage, type Target, type Up } from "../../src/cli/verify-network.ts";
import type { ApiClient, StatusJson } from "../../src/client/api.ts";

const NAMES = ["a", "b", "c", "d"];
const items = NAMES.map((name) => ({ id: `id-${name}`, name }));
const client = { get: () => Promise.resolve({ items }) } as unknown as ApiClient;
const upOf = (name: string, api: string): Up => {
  return { api, name, client, status: { nodeId: `id-${name}` } as StatusJson };
};
const found = async (targets: readonly Target[], up: readonly Up[]): Promise<string> =>
  (await coverage(targets, up, new AbortController().signal)).found;

describe("the coverage of nexus verify", () => {
  const network = NAMES.map((name) => ({ api: `http://${name}`, name }));
  const up = ["c", "d"].map((name) => upOf(name, `http://${name}`));

  it("tells nodes that did not answer from nodes that nobody asked", async () => {
    expect(await found(network, up)).toBe("2 of 4 validators; did not answer: a, b");
    expect(await found(network.slice(1), up)).toBe(
      "2 of 4 validators; did not answer: b; not asked: a",
    );
    expect(await found(network.slice(2), up)).toBe("2 of 4 validators; not asked: a, b");
  });

  it("does not say whose an address is that does not answer", async () => {
    const given = ["http://c", "http://d", "http://x"].map((api) => ({ api, name: api }));
    expect(await found(given, up)).toBe("2 of 4 validators; not asked or did not answer: a, b");
  });
});
