/** What ends by itself between nodes with objects, and what may be tried again: by a clock that the test moves. */
import { beforeEach, describe, expect, it, vi } from "vitest";
import { fromHex } from "../../../src/crypto/bytes.ts";
import { falconSign } from "../../../src/crypto/falcon.ts";
import { encodeOrder, orderStatement } from "../../../src/crypto/objects/statements.ts";
import { CHUNK_BYTES } from "../../../src/crypto/objects/tree.ts";
import type { Timers } from "../../../src/ledger/ports.ts";
import { LIMITS } from "../../../src/limits.ts";
import { realTimers } from "../../../src/node/real-ports.ts";
import { falconKeys } from "../../transport/stoq/support.ts";
import {
  BIG,
  bytesOf,
  codeOf,
  getAll,
  hasher,
  idOf,
  objectOf,
  type TestNode,
  type TestNodeOptions,
  until,
  useTestNodes,
} from "./support.ts";

// Synced files and keys: a busy disk is no fault.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const at = useTestNodes();
const { node } = at;

describe("time", () => {
  /** How far the clock of a test is ahead. One for each test: what a test has left on its way moves no other's. */
  type Ahead = { ms: number };
  let ahead: Ahead;
  beforeEach(() => {
    ahead = { ms: 0 };
  });
  const aheadNode = (index: number, options: TestNodeOptions = {}): Promise<TestNode> => {
    const own = ahead;
    return node(index, { ...options, aheadMs: () => own.ms });
  };

  it("ends a fetch after objectStallMs without a chunk, and what has come stays", async () => {
    await node(0, { has: [[BIG, [0, 1, 2]]] });
    const asker = await aheadNode(1);
    const missing = asker.chunk(BIG.root, 5);
    await until("what there is has come", () => asker.objects.state(BIG.root)?.held === 3);
    ahead.ms = LIMITS.objectStallMs - 5_000;
    expect((await asker.chunk(BIG.root, 2)).ok).toBe(true);
    expect(asker.objects.figures().fetches).toBe(1);
    ahead.ms = LIMITS.objectStallMs + 1;
    const result = await missing;
    expect(result.ok ? "" : result.code).toBe("object.stalled");
    expect(asker.objects.state(BIG.root)).toMatchObject({ held: 3, fetch: undefined });
  });

  it("ends a fetch after objectIdleMs in which nobody asked, though chunks come", async () => {
    await node(0, { has: [[BIG]] });
    const asker = await aheadNode(1);
    const own = ahead;
    at.network.mangle = async (_from, _to, name) => {
      if (name[0] !== 3) return undefined;
      await new Promise((resolve) => setTimeout(resolve, 300));
      own.ms += LIMITS.objectIdleMs / 3;
      return undefined;
    };
    await asker.manifest(BIG.root);
    await until("it is over", () => asker.objects.figures().fetches === 0);
    expect(asker.objects.state(BIG.root)?.held).toBeLessThan(BIG.chunks.length);
  });

  it("lets a liar be asked again after objectLiarMs", async () => {
    const liar = await node(0, { has: [[BIG]] });
    await node(1, { has: [[BIG]] });
    at.network.mangle = (_from, to, name, answer) =>
      to === liar.id && name[0] === 3 ? answer?.subarray(1) : undefined;
    const asker = await aheadNode(2);
    // Whom it asks first is not said: so that the liar is asked, nobody else is there until it has lied.
    at.network.away.add(idOf(1));
    const first = asker.manifest(BIG.root);
    await until("the lie is found", () => asker.objects.evidence().length === 1);
    at.network.away.delete(idOf(1));
    // It may have ended with the only source that it had.
    await first;
    await getAll(asker);
    at.network.mangle = undefined;
    at.network.away.add(idOf(1));
    const other = objectOf(bytesOf(2_000, 8));
    const served = await node(0, { folder: liar.folder, has: [[other]] });
    const early = await asker.manifest(other.root);
    expect(early.ok ? "" : early.code).toBe("object.not-found");
    ahead.ms = LIMITS.objectLiarMs;
    expect((await asker.manifest(other.root)).ok).toBe(true);
    expect(served.id).toBe(liar.id);
  });

  it("has a name that nobody had asked for again after objectAbsentMs", async () => {
    const asker = await aheadNode(1);
    const absent = await asker.manifest(BIG.root);
    expect(absent.ok ? "" : absent.code).toBe("object.not-found");
    await node(0, { has: [[BIG]] });
    const early = await asker.manifest(BIG.root);
    expect(early.ok ? "" : early.code).toBe("object.not-found");
    ahead.ms = LIMITS.objectAbsentMs;
    expect((await asker.manifest(BIG.root)).ok).toBe(true);
  });

  /** A node with an actor who may do everything, and orders of it to keep small objects. */
  const keeper = async (options: TestNodeOptions = {}) => {
    const { Writer } = await import("../../../src/crypto/codec.ts");
    const actor = hasher.ht("id", falconKeys(5).publicKey);
    const row = new Writer(4096).u64(0).u64(0).fixed(falconKeys(5).publicKey, 1793);
    const encoded = row.string("ops").u32(1).string("*").finish();
    const keeping = await aheadNode(0, { ...options, row: () => encoded });
    const ordered = (seed: number, length = 10): Uint8Array => {
      const object = objectOf(bytesOf(length, seed));
      const order = {
        ...({ action: "keep", actor, node: fromHex(idOf(0)), root: object.name } as const),
        ...{ notAfterMs: Date.now() + 60_000, manifest: object.encoded },
      };
      const message = orderStatement(hasher, order);
      const signature = falconSign(message, falconKeys(5).secretKey, new Uint8Array(48).fill(1));
      return encodeOrder({ ...order, signature });
    };
    return { keeping, ordered };
  };

  it("takes its place from an upload that gets nothing for objectUploadIdleMs", async () => {
    const { keeping, ordered } = await keeper();
    for (let seed = 1; seed <= LIMITS.objectUploadsMax; seed++) {
      await keeping.objects.order(ordered(seed));
    }
    ahead.ms = LIMITS.objectUploadIdleMs - 60_000;
    expect(await codeOf(keeping.objects.order(ordered(99)))).toBe("node.overloaded");
    ahead.ms = LIMITS.objectUploadIdleMs;
    expect(await codeOf(keeping.objects.order(ordered(99)))).toBe("");
    const first = objectOf(bytesOf(10, 1));
    expect(await codeOf(keeping.objects.upload(first.root, 0, first.bytes))).toBe(
      "object.not-ordered",
    );
  });

  it("gives the room of an idle upload to what somebody fetches", async () => {
    const has = [[objectOf(bytesOf(CHUNK_BYTES, 3))]] as const;
    const [[object]] = has;
    await node(1, { has });
    const { keeping, ordered } = await keeper({ budgetBytes: 2 * CHUNK_BYTES });
    await keeping.objects.order(ordered(1, CHUNK_BYTES + 10));
    const early = await keeping.manifest(object.root);
    expect(early.ok ? "" : early.code).toBe("object.no-room");
    ahead.ms = LIMITS.objectUploadIdleMs;
    expect((await keeping.manifest(object.root)).ok).toBe(true);
  });

  it("ends idle uploads by itself, as long as the node runs", async () => {
    const due: (() => void)[] = [];
    let cancelled = 0;
    const timers: Timers = {
      set: (ms, fire) => {
        if (ms !== LIMITS.objectUploadCheckMs) return realTimers.set(ms, fire);
        due.push(fire);
        return () => {
          cancelled += 1;
        };
      },
    };
    const { keeping, ordered } = await keeper({ timers });
    await keeping.objects.order(ordered(1));
    await keeping.objects.order(ordered(2));
    expect(due).toHaveLength(1);
    ahead.ms = LIMITS.objectUploadIdleMs - 60_000;
    due.shift()?.();
    expect(due).toHaveLength(1);
    ahead.ms = LIMITS.objectUploadIdleMs;
    due.shift()?.();
    expect(due).toHaveLength(0);
    const first = objectOf(bytesOf(10, 1));
    const late = keeping.objects.upload(first.root, 0, first.bytes);
    expect(await codeOf(late)).toBe("object.not-ordered");
    await keeping.objects.order(ordered(3));
    expect(due).toHaveLength(1);
    await keeping.objects.close();
    expect(cancelled).toBe(1);
  });

  it("ends the search for a manifest too after objectIdleMs in which nobody asked", async () => {
    const silent = await node(0, { has: [[BIG]] });
    at.network.mangle = (_from, to) => (to === silent.id ? "silent" : undefined);
    const asker = await aheadNode(1);
    const waiting = asker.manifest(BIG.root);
    ahead.ms = LIMITS.objectIdleMs;
    const result = await waiting;
    expect(result.ok ? "" : result.code).toBe("object.stalled");
  });
});
