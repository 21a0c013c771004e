/** The beacon that a sector is begun from: that of the genesis, as long as the chain will take it. */
import { describe, expect, it } from "vitest";
import { firstBeacon } from "../../../src/cli/space/begin.ts";
import type { JsonObject, StatusJson } from "../../../src/client/api.ts";
import { TetradError } from "../../../src/errors.ts";
import { genesisHash } from "../../../src/ledger/genesis.ts";
import { LIMITS } from "../../../src/limits.ts";
import { genesis, hasher } from "../../ledger/execution-support.ts";

const hash = genesisHash(hasher, genesis);
const parsed = { genesis, hasher, hash } as Parameters<typeof firstBeacon>[1];
const B0 = hasher.ht("beacon/0", hash);
const NEWER = "5e".repeat(32);
const LAST = (LIMITS.beaconHistory / 4) * 3;

/** A node of a chain at a height; of another chain, or none at all. */
const nodeAt = (
  refHeight: number,
  chainId = genesis.chainId,
  beacon: JsonObject | null = { value: NEWER },
) => {
  const asked: string[] = [];
  return {
    asked,
    status: async () => ({ chainId, refHeight }) as StatusJson,
    get: async (path: string): Promise<JsonObject> => {
      asked.push(path);
      return { beacon };
    },
  };
};

const begin = (node: Parameters<typeof firstBeacon>[0], signal = new AbortController().signal) =>
  firstBeacon(node, parsed, signal);

describe("the beacon that a sector is begun from", () => {
  it("is that of the genesis while the chain knows it for long enough, and of no node", async () => {
    for (const height of [0, 16, LAST]) {
      const node = nodeAt(height);
      expect(await begin(node)).toEqual(B0);
      expect(node.asked).toEqual([]);
    }
    expect(await begin(nodeAt(LAST + 16, "another chain"))).toEqual(B0);
    const unreachable = async (): Promise<never> => {
      throw new TetradError("cli.unreachable", "nobody answers");
    };
    expect(await begin({ status: unreachable, get: unreachable })).toEqual(B0);
  });

  it("must be named on a chain that will have forgotten that of the genesis", async () => {
    const node = nodeAt(LAST + 16);
    await expect(begin(node)).rejects.toMatchObject({
      code: "space.beacon",
      data: { next: expect.stringContaining(`--beacon ${NEWER}`) },
    });
    expect(node.asked).toEqual([`/v1/blocks/${LAST + 16}`]);
    await expect(begin(nodeAt(2 * LAST, genesis.chainId, null))).rejects.toMatchObject({
      code: "space.beacon",
      data: { next: expect.stringContaining(`the beacon of height ${2 * LAST}`) },
    });
  });

  it("ends when it is told to", async () => {
    const told = new AbortController();
    told.abort(new Error("enough"));
    await expect(begin(nodeAt(0), told.signal)).rejects.toThrow("enough");
  });
});
