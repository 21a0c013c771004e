/**
 * What a chain says of a sector, by rows that the projection itself has written and shown as the API shows them, and in
 * words.
 */
import { describe, expect, it } from "vitest";
import { type OnChain, onChain, onChainText } from "../../../src/cli/space/on-chain.ts";
import { ApiClient } from "../../../src/client/api.ts";
import { toHex } from "../../../src/crypto/bytes.ts";
import {
  sectorCommitted,
  sectorDropped,
  sectorProven,
  space,
  windowProven,
} from "../../../src/ledger/projections/space/index.ts";
import { LIMITS } from "../../../src/limits.ts";
import { FORMATS } from "../../../src/node/formats.ts";
import { idOf } from "../../ledger/execution-support.ts";
import {
  admissionPart,
  beaconOf,
  CHAIN,
  genesisSector,
  laterSector,
  SpaceChain,
  windowOpenings,
} from "../../ledger/projections/space-chain.ts";
import type { MemorySector } from "../../proofs/space/support.ts";

const V0 = idOf("v0");
const PROJECTIONS = "/v1/projections/space/";

/** A node's answer: its status, or a row of the chain by the key that people write. */
const answerOf = (chain: SpaceChain, url: string): Response => {
  const path = new URL(url).pathname;
  if (path === "/v1/status") {
    const status = { chainId: CHAIN, genesisHash: toHex(V0), epoch: chain.epoch };
    return Response.json({ ...status, executedHeight: chain.height });
  }
  const key = FORMATS.keyBytes("space", decodeURIComponent(path.slice(PROJECTIONS.length)));
  if (!path.startsWith(PROJECTIONS) || !key.ok) throw new Error(`nobody asks for ${path}`);
  const value = chain.rows.get(toHex(key.value));
  if (value !== undefined) return Response.json({ value: space.format?.(key.value, value) });
  return Response.json({ code: "http.not-found", detail: "no row" }, { status: 404 });
};

const asked = (
  chain: SpaceChain,
  { statement }: MemorySector,
  chainId = CHAIN,
): Promise<OnChain | null> => {
  const client = new ApiClient("http://[::1]:1", { fetch: async (url) => answerOf(chain, url) });
  const { validatorId, sectorNo: sector, commRl } = statement;
  const of = { chainId, validator: toHex(validatorId), sector, commRl: toHex(commRl) };
  return onChain(client, of, new AbortController().signal);
};

const commit = (chain: SpaceChain, { statement }: MemorySector, beaconHeight: number): void => {
  const { sectorNo: number, commC, commRl } = statement;
  const event = sectorCommitted.encode({ number, beaconHeight, commC, commRl });
  expect(chain.write(V0, event)).toBe("accepted");
};

/** Parts of the admission of a sector, whose seed is the beacon of a height. */
const admit = (chain: SpaceChain, sector: MemorySector, height: number, parts = [0, 8]): void => {
  for (const from of parts) {
    const seed = beaconOf(chain.hasher, height);
    const openings = admissionPart(sector, seed, from, Math.min(from + 8, 12));
    const event = sectorProven.encode({ number: sector.statement.sectorNo, from, openings });
    expect(chain.write(V0, event)).toBe("accepted");
  }
};

const answer = (chain: SpaceChain, sector: MemorySector): void => {
  const openings = windowOpenings([sector], beaconOf(chain.hasher, chain.firstHeight));
  const event = windowProven.encode({ epoch: chain.epoch, from: 0, openings });
  expect(chain.write(V0, event)).toBe("accepted");
};

const giveBack = (chain: SpaceChain): void =>
  expect(chain.write(V0, sectorDropped.encode({ number: 7 }))).toBe("accepted");

const SECTOR = laterSector(V0, 7, 96);
/** Its commitment is at height 100 of epoch 1, so that its seed is the beacon of height 110. */
const committed = (): SpaceChain => {
  const chain = new SpaceChain();
  chain.at(1, -1);
  commit(chain, SECTOR, 96);
  return chain;
};
const admitted = (): SpaceChain => {
  const chain = committed();
  chain.at(1, 20);
  admit(chain, SECTOR, 110);
  return chain;
};

const says = async (chain: SpaceChain, wanted: Partial<OnChain>, text: string): Promise<void> => {
  const found = await asked(chain, SECTOR);
  expect(found).toMatchObject(wanted);
  expect(onChainText(found)).toBe(text);
};

describe("a sector, to its chain", () => {
  it("is absent before it is committed to, and another one where its number is another's", async () => {
    const chain = new SpaceChain();
    await says(
      chain,
      { state: "absent", epoch: 0, admission: null, answered: null },
      "not on the chain",
    );
    chain.at(1, -1);
    commit(chain, laterSector(V0, 7, 80), 80);
    await says(chain, { state: "other", epoch: 1 }, "another sector has its number");
  });

  it("is committed to, with as much of its admission as there is", async () => {
    const chain = committed();
    await says(chain, { state: "committed", admission: [0, 12] }, "admission 0 of 12");
    chain.at(1, 20);
    admit(chain, SECTOR, 110, [0]);
    await says(
      chain,
      { state: "committed", admission: [8, 12], answered: null },
      "admission 8 of 12",
    );
  });

  it("is over where its admission was not in time", async () => {
    const chain = committed();
    chain.at(2);
    await says(chain, { state: "committed" }, "admission 0 of 12");
    chain.at(3);
    await says(chain, { state: "over", answered: null }, "counts no more");
  });

  it("is admitted, and counts from the epoch after", async () => {
    const chain = admitted();
    await says(
      chain,
      { state: "admitted", epoch: 1, admission: [12, 12], answered: null },
      "admitted, counts from the next epoch",
    );
    chain.at(2);
    await says(chain, { state: "live", answered: false }, "admitted, epoch 2 not answered");
    answer(chain, SECTOR);
    await says(
      chain,
      { state: "live", answeredEpoch: 2, answered: true },
      "admitted, epoch 2 answered",
    );
  });

  it("is admitted in the first epoch as in any other: it counts from the next one on", async () => {
    const sector = laterSector(V0, 7, 16);
    const chain = new SpaceChain();
    chain.at(0, 20);
    commit(chain, sector, 16);
    chain.at(0, 40);
    admit(chain, sector, chain.firstHeight + 30);
    const found = await asked(chain, sector);
    expect(found).toMatchObject({ state: "admitted", epoch: 0, answered: null });
    expect(onChainText(found)).toBe("admitted, counts from the next epoch");
  });

  it("counts from the start where the chain begins with it, and nothing is asked of epoch 0", async () => {
    const sector = genesisSector(V0, 7);
    const chain = new SpaceChain(undefined, [sector]);
    const found = await asked(chain, sector);
    expect(found).toMatchObject({ state: "live", epoch: 0, admission: [0, 12], answered: null });
    expect(onChainText(found)).toBe("admission 0 of 12");
  });

  it("counts for nothing where two epochs are not answered, and no more after its last one", async () => {
    const chain = admitted();
    chain.at(3);
    await says(
      chain,
      { state: "live", answeredEpoch: 1, answered: false },
      "admitted, epoch 3 not answered, nor the 1 before: it counts for nothing",
    );
    const last = 1 + LIMITS.spaceSectorEpochsMax;
    chain.at(last);
    expect((await asked(chain, SECTOR))?.state).toBe("live");
    chain.at(last + 1);
    await says(chain, { state: "over", answered: null }, "counts no more");
  });

  it("that is given back is asked for until the epoch ends", async () => {
    const chain = admitted();
    chain.at(2);
    giveBack(chain);
    await says(chain, { state: "live", answered: false }, "admitted, epoch 2 not answered");
    chain.at(3);
    await says(chain, { state: "over" }, "counts no more");
  });

  it.each([
    ["before its admission is over", committed],
    ["before the first epoch in which it would count", admitted],
  ])("that is given back %s is over at once", async (_, made) => {
    const chain = made();
    giveBack(chain);
    await says(chain, { state: "over", epoch: 1, answered: null }, "counts no more");
  });
});

describe("a node that is asked for a sector", () => {
  const of = { chainId: CHAIN, validator: toHex(V0), sector: 7, commRl: "00".repeat(32) };
  const clientOf = (fetch: () => Promise<Response>): ApiClient =>
    new ApiClient("http://[::1]:1", { fetch });

  it("says nothing where it is of another chain, is not there, or fails", async () => {
    expect(await asked(new SpaceChain(), SECTOR, "another-chain")).toBeNull();
    const { signal } = new AbortController();
    const nobody = clientOf(async () => {
      throw new TypeError("fetch failed");
    });
    expect(await onChain(nobody, of, signal)).toBeNull();
    const broken = clientOf(async () => Response.json({ code: "internal" }, { status: 500 }));
    expect(await onChain(broken, of, signal)).toBeNull();
    expect(onChainText(null)).toBe("no node of its chain answers");
  });

  it("has none on a chain that asks for no space", async () => {
    const chain = new SpaceChain();
    chain.rows.clear();
    await says(chain, { state: "absent", admission: null }, "not on the chain");
  });

  it("is asked no longer than the caller wants", async () => {
    const told = new AbortController();
    const ends = clientOf(async () => {
      told.abort(new Error("enough"));
      throw new TypeError("fetch failed");
    });
    await expect(onChain(ends, of, told.signal)).rejects.toThrow("enough");
  });
});
