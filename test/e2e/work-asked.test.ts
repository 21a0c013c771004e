/** A development network asks for work: who does it is heard, who does not is refused by every node. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { operatorKeyPath } from "../../src/cli/dev/record.ts";
import { openSigningKey } from "../../src/cli/key.ts";
import { ApiClient } from "../../src/client/api.ts";
import { doWork, workTask } from "../../src/client/work.ts";
import { fromHex, toHex } from "../../src/crypto/bytes.ts";
import { createHasher } from "../../src/crypto/hash.ts";
import { actorId, buildBatch, sealBatch } from "../../src/ledger/batch.ts";
import { workSlot } from "../../src/ledger/batch-work.ts";
import { recordPut } from "../../src/ledger/projections/events.ts";
import type { ProofSlot } from "../../src/ledger/types.ts";
import { devNetwork } from "./dev-network.ts";

const net = devNetwork();

beforeAll(() => net.start(), 120_000);
afterAll(() => net.end());

/** The bytes of a batch by the operator that is right but for its proofs. */
const batchWith = async (
  key: string,
  prove: (work: ProofSlot) => readonly ProofSlot[],
): Promise<Uint8Array> => {
  const client = new ApiClient(net.url(0));
  const signer = await openSigningKey(operatorKeyPath(net.dir), {}, () => undefined);
  const status = await client.status();
  const hasher = createHasher(status.chainId);
  const actor = actorId(hasher, signer.publicKey);
  const lane = await client.lane(toHex(actor));
  const unsigned = buildBatch(hasher, {
    actor,
    laneSeq: lane.pendingSeq + 1,
    prevBatchId: fromHex(lane.pendingId),
    refHeight: status.refHeight,
    refHash: fromHex(status.refHash),
    events: [recordPut.encode({ topic: "work", key, body: new Uint8Array(8) })],
  });
  const task = workTask(status.chainId, undefined, status.work, unsigned);
  if (task === undefined) throw new Error("the network asks for no work");
  const work = await doWork(task, {}, new AbortController().signal);
  const signature = await signer.sign(unsigned.signingMessage);
  return sealBatch(hasher, unsigned, signature, prove(work)).bytes;
};

const send = async (name: string, bytes: Uint8Array, node: number) => {
  const file = join(net.folder, `${name}.batch`);
  writeFileSync(file, bytes);
  return net.run("--api", net.url(node), "append", "--batch", file);
};

/** Nodes are behind each other by a block: one that has not heard of the reference says so. */
const settled = async (name: string, bytes: Uint8Array, node: number) => {
  for (let left = 20; ; left--) {
    const run = await send(name, bytes, node);
    if (left === 0 || !/batch\.(ref-future|lane-gap)|node\.not-ready/.test(run.stderr)) return run;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
};

describe("a development network", () => {
  it("says what it asks for", async () => {
    const status = await new ApiClient(net.url(1)).status();
    expect(status.work).toMatchObject({
      price: "65536",
      puzzle: { kind: "equihash-96-5" },
    });
    expect(status.work?.beacon).toMatch(/^[0-9a-f]{64}$/);
  });

  it("takes what nexus writes, which works for it", async () => {
    const [receipt] = await net.json<{ readonly level: string }[]>("append", "work/cli", "hello");
    expect(receipt?.level).toBe("projected");
  }, 60_000);

  it.each<[string, string, (work: ProofSlot) => readonly ProofSlot[]]>([
    ["without work", "work.missing", () => []],
    ["with bytes that are none", "work.malformed", () => [workSlot(new Uint8Array(20))]],
    [
      "with another solution",
      "work.(effort|solution)",
      ({ bytes }) => [workSlot(bytes.map((byte, i) => (i === 40 ? byte ^ 1 : byte)))],
    ],
    [
      "with a proof that is not asked for",
      "batch.proofs-unsupported",
      (work) => [work, { kind: 9, version: 1, bytes: new Uint8Array(4) }],
    ],
  ])(
    "refuses a batch %s, at every node",
    async (what, code, prove) => {
      const bytes = await batchWith(what.replaceAll(" ", "-"), prove);
      for (const node of [0, 1, 2, 3]) {
        const run = await settled(code.replace(/[^a-z]/g, "-"), bytes, node);
        expect(run.code).not.toBe(0);
        expect(run.stderr).toMatch(new RegExp(`error ${code}`));
      }
    },
    60_000,
  );

  it("takes the same batch with its work, as often as it is sent", async () => {
    const bytes = await batchWith("again", (work) => [work]);
    for (const node of [2, 2, 3])
      expect(await settled("again", bytes, node)).toMatchObject({ code: 0 });
    const row = await net.json<{ readonly key: string }>("get", "records", "work/again");
    expect(JSON.stringify(row)).toContain("again");
  }, 60_000);

  it("is found without fault by an audit", async () => {
    const { result } = await net.json<{ readonly result: string }>("audit", "--api", net.url(3));
    expect(result).toBe("clean");
  }, 60_000);
});
