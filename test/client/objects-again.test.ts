/** Objects put at a node that does not know any more, half-way, that it was to keep them. */
import { describe, expect, it } from "vitest";
import { createClient, keySigner } from "../../src/client/index.ts";
import type { Objects } from "../../src/client/objects/types.ts";
import { CHUNK_BYTES } from "../../src/crypto/objects/tree.ts";
import { bytesOf, codeOf, objectOf } from "../node/objects/support.ts";
import { memoryNode, type ObjectNode, problem, SECRET_KEY } from "./object-nodes.ts";

const signer = keySigner(SECRET_KEY);
const OBJECT = objectOf(bytesOf(2 * CHUNK_BYTES + 321));

const objectsAt = ({ base, fetch }: Pick<ObjectNode, "base" | "fetch">): Objects =>
  createClient({ baseUrl: base, fetch, unverified: true }).objects;

describe("a node that has forgotten what it was to keep", () => {
  const orders = (node: ObjectNode) => node.asked.filter((one) => one.startsWith("POST")).length;

  it("is ordered again, once for all chunks that are under way", async () => {
    const node = memoryNode();
    let refused = 0;
    const forgets: ObjectNode["fetch"] = async (url, init) => {
      if (init.method !== "PUT" || orders(node) > 1) return node.fetch(url, init);
      refused += 1;
      return problem("object.not-ordered", 409);
    };
    const objects = objectsAt({ base: node.base, fetch: forgets });
    expect(await objects.put(OBJECT.bytes, { signer })).toMatchObject({ sent: 3 });
    expect([refused, orders(node)]).toEqual([3, 2]);
  });

  it("is given up when it forgets every time", async () => {
    const node = memoryNode();
    const forgets: ObjectNode["fetch"] = (url, init) =>
      init.method === "PUT"
        ? Promise.resolve(problem("object.not-ordered", 409))
        : node.fetch(url, init);
    const objects = objectsAt({ base: node.base, fetch: forgets });
    expect(await codeOf(objects.put(OBJECT.bytes, { signer }))).toBe("object.not-ordered");
    expect(orders(node)).toBeLessThanOrEqual(1 + 3 * 3);
  });
});
