import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromHex } from "../../../src/crypto/bytes.ts";
import {
  type AuditItem,
  decodeItems,
  encodeItems,
  itemBytes,
  readItems,
} from "../../../src/ledger/audit/item.ts";
import { decodeSaved, NO_COUNTS, savedOp } from "../../../src/ledger/audit/saved.ts";
import { BATCH_COUNT_AT } from "../../../src/ledger/block.ts";
import { heightKey } from "../../../src/ledger/keys.ts";
import { BlockStore } from "../../../src/ledger/replica/block-store.ts";
import { LIMITS } from "../../../src/limits.ts";
import { makeChain, storeOf } from "../../node/audit/support.ts";

const block = fc.uint8Array({ minLength: 288, maxLength: 400 });
const item: fc.Arbitrary<AuditItem> = fc.record({
  block,
  batches: fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 4 }),
  certificate: fc.option(fc.uint8Array({ minLength: 1, maxLength: 50 }), { nil: undefined }),
});

describe("blocks as bytes", () => {
  it("come back as they were", () => {
    fc.assert(
      fc.property(fc.nat(2 ** 40), fc.array(item, { maxLength: 5 }), (from, items) => {
        expect(decodeItems(encodeItems({ from, items }))).toEqual({
          ok: true,
          value: { from, items },
        });
      }),
    );
  });

  it("are refused by code, never by an exception, whatever they are", () => {
    const bytes = encodeItems({ from: 1, items: fc.sample(item, { numRuns: 3, seed: 1 }) });
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), fc.nat(bytes.length), (at, value, end) => {
        const changed = bytes.slice(0, end);
        if (at < end) changed[at] = value;
        const decoded = decodeItems(changed);
        if (!decoded.ok) expect(decoded.code).toMatch(/^encoding\./);
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (random) => {
        const decoded = decodeItems(random);
        if (!decoded.ok) expect(decoded.code).toMatch(/^encoding\./);
        else expect(encodeItems(decoded.value)).toEqual(random);
      }),
    );
  });

  it("are at most auditBlocksMax in one piece", () => {
    const one: AuditItem = { block: new Uint8Array(292), batches: [], certificate: undefined };
    const most = Array.from({ length: LIMITS.auditBlocksMax }, () => one);
    expect(decodeItems(encodeItems({ from: 1, items: most })).ok).toBe(true);
    const more = encodeItems({ from: 1, items: [...most, one] });
    expect(decodeItems(more)).toMatchObject({ ok: false, code: "encoding.malformed" });
  });
});

describe("reading what one answer holds", () => {
  it("ends at the last height, at the limits, and before what is damaged", async () => {
    const audited = makeChain(8);
    const store = await storeOf(audited.rows);
    const { hasher } = audited.rules;
    const blocks = new BlockStore((key) => store.get(key), hasher);
    expect(readItems(blocks, 1, 8)).toHaveLength(8);
    expect(readItems(blocks, 7, 8)).toHaveLength(2);
    expect(readItems(blocks, 9, 8)).toEqual([]);
    const rows = new Map(audited.rows);
    rows.delete(Buffer.from(heightKey(4)).toString("hex"));
    const gap = await storeOf(rows);
    const damaged = new BlockStore((key) => gap.get(key), hasher);
    expect(readItems(damaged, 1, 8)).toHaveLength(3);
    expect(() => readItems(damaged, 4, 8)).toThrow("height 4");
  });

  it("gives the first block whatever its size, and no second one past the bytes", () => {
    const big = new Uint8Array(LIMITS.auditBytesMax + 1);
    // One batch, and a proof section that is not taken for a second one.
    const block = new Uint8Array(288 + 32 + 4 + 70);
    new DataView(block.buffer).setUint32(BATCH_COUNT_AT, 1);
    const reader = {
      hashAt: (height: number) => new Uint8Array(32).fill(height),
      blockBytes: () => block,
      batchBytes: () => big,
      finalizationAt: () => undefined,
      certificate: () => undefined,
    } as unknown as BlockStore;
    const items = readItems(reader, 1, 100);
    expect(items).toHaveLength(1);
    expect(items.map(itemBytes)).toEqual([big.length + 394]);
    const small = { ...reader, batchBytes: () => new Uint8Array(8) } as unknown as BlockStore;
    expect(readItems(small, 1, 10_000)).toHaveLength(
      Math.min(LIMITS.auditBlocksMax, Math.ceil(LIMITS.auditLookupsMax / 5)),
    );
  });
});

describe("a saved audit", () => {
  it("comes back as it was, and any other bytes are refused by code", () => {
    const hash = (fill: number): Uint8Array => new Uint8Array(32).fill(fill);
    const position = {
      parent: {
        hash: hash(1),
        height: 7,
        epoch: 1,
        view: 9,
        timeMs: 1_000,
        executedHeight: 6,
        boundary: false,
      },
      epochStartMs: 500,
      certifiedHeight: 6,
      certifiedEpoch: 1,
      certifiedView: 8,
    };
    const record = { logSize: 3, logRoot: hash(2), stateRoot: hash(3) };
    const fixed = { genesisHash: hash(4), version: "1.2.3", signaturesFrom: 1, finished: true };
    const op = savedOp(fixed, position, record, NO_COUNTS);
    const bytes = op.type === "put" ? op.value : fromHex("");
    expect(decodeSaved(bytes)).toEqual({
      ok: true,
      value: { ...fixed, position, ...record, counts: NO_COUNTS },
    });
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), fc.nat(bytes.length), (at, value, end) => {
        const changed = bytes.slice(0, end);
        if (at < end) changed[at] = value;
        const decoded = decodeSaved(changed);
        if (!decoded.ok) expect(decoded.code).toMatch(/^encoding\./);
      }),
    );
    expect(decodeSaved(bytes.subarray(1)).ok).toBe(false);
  });
});
