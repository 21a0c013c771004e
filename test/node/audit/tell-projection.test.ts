/** Which projection a wrong state root is of: told where somebody's roots account for it, and only there. */
import { beforeAll, describe, expect, it } from "vitest";
import { fromHex, toHex } from "../../../src/crypto/bytes.ts";
import type { Finding } from "../../../src/ledger/audit/finding.ts";
import { readItems } from "../../../src/ledger/audit/item.ts";
import { executionKey, nodePrefix, rowPrefix } from "../../../src/ledger/keys.ts";
import {
  type ExecutionRecord,
  encodeExecutionRecord,
  readExecution,
} from "../../../src/ledger/records.ts";
import { BlockStore } from "../../../src/ledger/replica/block-store.ts";
import { type StateChange, updateStateTree } from "../../../src/ledger/state-tree.ts";
import { createMemoryStore } from "../../../src/ledger/store/memory.ts";
import { rootOfProjections } from "../../../src/ledger/verify/claims.ts";
import { Auditor } from "../../../src/node/audit/auditor.ts";
import { type StatedRoots, tellProjection } from "../../../src/node/audit/tell-projection.ts";
import { type AuditedChain, auditRows, makeChain, storeOf } from "./support.ts";

let audited: AuditedChain;
let records: readonly ExecutionRecord[];

beforeAll(async () => {
  audited = makeChain(12);
  const store = await storeOf(audited.rows);
  records = Array.from({ length: 13 }, (_, height) => {
    const record = readExecution((key) => store.get(key), height);
    if (record === undefined) throw new RangeError(`no record of ${height}`);
    return record;
  });
});

const recordAt = (height: number): ExecutionRecord => records[height] as ExecutionRecord;

/** With another root for some projections, and the state root that follows. */
const forged = (record: ExecutionRecord, roots: Readonly<Record<string, Uint8Array>>) => {
  const projections = record.projections.map(({ name, root }) => ({
    name,
    root: roots[name] ?? root,
  }));
  const versioned = projections.map((one, at) => ({
    ...one,
    schemaVersion: record.schemaVersions[at] ?? 0,
  }));
  return { ...record, projections, stateRoot: rootOfProjections(audited.rules.hasher, versioned) };
};

const SEVENS = new Uint8Array(32).fill(7);
const finding: Finding = {
  height: 6,
  subject: "state",
  code: "block.wrong-root",
  detail: "stateRoot differs",
};

const tell = (
  stateRoot: Uint8Array,
  stated: (height: number) => StatedRoots | undefined,
): Promise<Finding> =>
  tellProjection(
    finding,
    { height: 9, stateRoot },
    {
      hasher: audited.rules.hasher,
      own: recordAt,
      stated: async (height) => stated(height),
    },
  );

describe("a wrong state root", () => {
  it("is of the projection whose stated root accounts for it, from the first height on", async () => {
    const wrong = (height: number): ExecutionRecord =>
      height < 8 ? recordAt(height) : forged(recordAt(height), { assets: SEVENS });
    const told = await tell(wrong(9).stateRoot, (height) => wrong(height).projections);
    expect(told).toMatchObject({ height: 8, projection: "assets", code: "block.wrong-root" });
    expect(told.detail).toContain("projection assets is another one from height 8 on");
  });

  it("is of two projections where two differ", async () => {
    const wrong = forged(recordAt(9), { assets: SEVENS, records: SEVENS });
    const told = await tell(wrong.stateRoot, (height) =>
      height === 9 ? wrong.projections : recordAt(height).projections,
    );
    expect(told).toMatchObject({ height: 9 });
    expect(told.detail).toMatch(/projection (assets, records|records, assets) is/);
  });

  it("is not believed to be of a projection that does not account for it", async () => {
    const wrong = forged(recordAt(9), { assets: SEVENS }).projections;
    for (const [stateRoot, stated, why] of [
      [SEVENS, wrong, "do not hash to it"],
      [SEVENS, recordAt(9).projections, "it is the root of none of them"],
      [SEVENS, undefined, "no roots"],
      [SEVENS, wrong.slice(1), "no roots"],
      [SEVENS, [...wrong, { name: "more", root: SEVENS }], "no roots"],
    ] as const) {
      const told = await tell(stateRoot, () => stated);
      expect(told).toMatchObject({ height: 6, detail: expect.stringContaining(why) });
      expect(told).not.toHaveProperty("projection");
    }
  });

  it("in a header that a quorum has signed names the projection, by what the node says of it", async () => {
    const chain = makeChain(7);
    const { rules, verifier } = chain;
    const before = await storeOf(chain.rows);
    const executed = readExecution((key) => before.get(key), 7);
    if (executed === undefined) throw new RangeError("not executed");
    const wrong = forged(executed, { records: SEVENS });
    chain.lab.time.advance(1);
    chain.lab.finalize([], { stateRoot: wrong.stateRoot });
    const rows = new Map<string, Uint8Array>(chain.lab.disks().data);
    rules.executor.dropCaches();
    const store = await storeOf(rows);
    const items = readItems(new BlockStore((key) => store.get(key), rules.hasher), 1, 8);
    const auditor = await Auditor.open({
      rules,
      scratch: createMemoryStore(),
      verifier,
      signaturesFrom: 1,
    });
    const source = {
      name: "test",
      read: async (from: number) => items.slice(from - 1),
      rootsAt: async (height: number) =>
        height === 7
          ? wrong.projections
          : readExecution((key) => store.get(key), height)?.projections,
    };
    const found = await auditor.advance(source, 8, new AbortController().signal);
    expect(found).toMatchObject({
      height: 7,
      subject: "state",
      projection: "records",
      code: "block.wrong-root",
    });
  });
});

describe("a row of a projection, with all hashes above it made anew", () => {
  it("is found at the first height whose roots follow from it, with the projection", async () => {
    const { rules } = audited;
    const prefix = toHex(rowPrefix("records"));
    const rows = new Map(audited.rows);
    const changes: StateChange[] = [];
    const mine = [...rows].filter(([key]) => key.startsWith(prefix));
    // The row that was written last, so that the heights above it have the same root.
    const last = Math.max(
      ...mine.map(([, value]) => Number(Buffer.from(value).readBigUInt64BE(0))),
    );
    for (const [key, value] of mine) {
      const mustChange = Number(Buffer.from(value).readBigUInt64BE(0)) === last;
      const now = value.slice();
      if (mustChange) now[now.length - 1] = (now.at(-1) ?? 0) ^ 1;
      rows.set(key, now);
      changes.push({ key: fromHex(key).subarray(prefix.length / 2), value: now });
    }
    const tree = updateStateTree(rules.hasher, nodePrefix("records"), () => undefined, changes);
    for (const key of [...rows.keys()]) {
      if (key.startsWith(toHex(nodePrefix("records")))) rows.delete(key);
    }
    for (const op of tree.ops) if (op.type === "put") rows.set(toHex(op.key), op.value);
    const rootAt = (height: number): Uint8Array | undefined =>
      recordAt(height).projections.find(({ name }) => name === "records")?.root;
    const right = toHex(rootAt(12) ?? SEVENS);
    const from = records.findIndex((_, height) => toHex(rootAt(height) ?? SEVENS) === right);
    for (let height = from; height <= 12; height++) {
      const record = forged(recordAt(height), { records: tree.root });
      rows.set(toHex(executionKey(height)), encodeExecutionRecord(record));
    }
    const { findings } = await auditRows(audited, rows);
    expect(findings.sorted()[0]).toMatchObject({
      height: from,
      subject: "execution record",
      projection: "records",
    });
    expect(from).toBeGreaterThan(1);
  });
});
