/** What the doctor says of members that were seen serving wrong bytes, and of nodes that tell nothing of it. */
import { afterEach, describe, expect, it } from "vitest";
import { checkMembers } from "../../src/cli/doctor-members.ts";
import { json, problem, serve, type TestServer } from "../client/support.ts";

let server: TestServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

const check = async (body: unknown) => {
  server = await serve((_, response) => json(response, body));
  return checkMembers(server.base, new AbortController().signal);
};

const lie = (count: unknown) => ({ kind: "object-chunk", count, lastMs: 1, transferable: false });

describe("the line members", () => {
  it("names who was seen serving wrong bytes, and how often", async () => {
    const items = [
      { id: "ab".repeat(32), observed: [lie(2), lie(1)] },
      { id: "cd".repeat(32), observed: [] },
    ];
    const [finding] = await check({ items });
    expect(finding).toMatchObject({ check: "members", state: "warn" });
    expect(finding?.found).toBe("served wrong bytes: abababababababab… 3 times");
    expect(finding?.todo).toContain("nexus object ls --evidence");
  });

  it("is well where nobody was seen, and where what a node tells is nonsense", async () => {
    for (const observed of [[], [7, lie("x")], [{}]]) {
      expect(await check({ items: [{ id: "x", observed }] })).toMatchObject([{ state: "ok" }]);
      await server?.close();
    }
  });

  it("is not there where a node does not tell", async () => {
    for (const items of [[], [{ id: "x" }], [7], [{ observed: "no" }], "none"]) {
      expect(await check({ items })).toEqual([]);
      await server?.close();
    }
    expect(await check({})).toEqual([]);
  });

  it("is not there where the node takes a request and never answers", async () => {
    server = await serve(() => {});
    expect(await checkMembers(server.base, new AbortController().signal)).toEqual([]);
  });

  it("is not there where the node does not answer: other lines say that", async () => {
    server = await serve((_, response) => problem(response, 503, "node.overloaded"));
    expect(await checkMembers(server.base, new AbortController().signal)).toEqual([]);
    expect(await checkMembers("http://[::1]:1", new AbortController().signal)).toEqual([]);
  });
});
