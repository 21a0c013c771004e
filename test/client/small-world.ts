/** One small chain, nodes that serve it up to a height, and clients of them that trust its checkpoint. */
import { type Client, type ClientOptions, createClient } from "../../src/client/client.ts";
import type { World } from "../ledger/verify/support.ts";
import { checkpointOf, type FakeNode, startFakeNode, verifierOf, worldOf } from "./fake-node.ts";

export const world: World = worldOf(6);

const nodes: FakeNode[] = [];

export const start = async (of: World, height: number): Promise<FakeNode> => {
  const node = await startFakeNode(of, height);
  nodes.push(node);
  return node;
};

/** For afterEach. */
export const closeNodes = async (): Promise<void> => {
  await Promise.all(nodes.splice(0).map((node) => node.close()));
};

export const clientOf = (
  bases: readonly FakeNode[],
  options: Partial<ClientOptions> = {},
): Client =>
  createClient({
    baseUrl: bases.map(({ base }) => base),
    trust: { checkpoint: checkpointOf(world) },
    verifier: verifierOf(world),
    ...options,
  });
