/** What a node may answer an auditor, and what the auditor makes of it. */
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import type { Finding } from "../../../src/ledger/audit/finding.ts";
import { type AuditItem, readItems } from "../../../src/ledger/audit/item.ts";
import { BlockStore } from "../../../src/ledger/replica/block-store.ts";
import { createMemoryStore } from "../../../src/ledger/store/memory.ts";
import { Auditor, unfinal } from "../../../src/node/audit/auditor.ts";
import { type AuditedChain, makeChain, storeOf } from "../../node/audit/support.ts";

let audited: AuditedChain;
let items: readonly AuditItem[];

beforeAll(async () => {
  audited = makeChain();
  const store = await storeOf(audited.rows);
  const blocks = new BlockStore((key) => store.get(key), audited.rules.hasher);
  items = readItems(blocks, 1, 24);
});

const boundaries = (): number[] =>
  audited.lab.finals
    .filter(({ block }) => block.header.nextSetHash.some((byte) => byte !== 0))
    .map(({ block }) => block.header.height);

type Outcome = { readonly finding: Finding | undefined; readonly auditor: Auditor };

/** Audits what a node answers, `pieces` heights at a time. */
const audit = async (
  answer: readonly AuditItem[],
  { pieces = 5, signaturesFrom = 1, checked = [] as number[] } = {},
): Promise<Outcome> => {
  const { rules, verifier } = audited;
  rules.executor.dropCaches();
  const counting: typeof verifier = {
    ...verifier,
    verify: (jobs, priority, done) => {
      checked.push(jobs.length);
      verifier.verify(jobs, priority, done);
    },
  };
  const scratch = createMemoryStore();
  const auditor = await Auditor.open({ rules, scratch, verifier: counting, signaturesFrom });
  const source = {
    name: "test",
    read: async (from: number) => answer.slice(from - 1, from - 1 + pieces),
    rootsAt: async () => undefined,
  };
  const signal = new AbortController().signal;
  const finding = await auditor.advance(source, Number.MAX_SAFE_INTEGER, signal);
  return { finding: finding ?? unfinal(auditor), auditor };
};

const changed = (height: number, change: (item: AuditItem) => AuditItem): readonly AuditItem[] =>
  items.map((item, i) => (i === height - 1 ? change(item) : item));

describe("the audit of a chain", () => {
  it("is clean however the answers are cut, with the roots of the replica", async () => {
    for (const pieces of [1, 5, 100]) {
      const { finding, auditor } = await audit(items, { pieces });
      expect(finding).toBeUndefined();
      expect(auditor.height).toBe(24);
      const { status } = audited.lab;
      expect(auditor.record.logRoot).toEqual(status.logRoot);
      expect(auditor.record.stateRoot).toEqual(status.stateRoot);
      expect(auditor.position.certifiedHeight).toBe(24);
    }
  });

  it("finds any changed byte of a block, a batch or a certificate, at its height or just above", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 24 }),
        fc.nat(),
        fc.nat(),
        async (height, part, at) => {
          const flip = (bytes: Uint8Array): Uint8Array => {
            const other = bytes.slice();
            other[at % other.length] = (other[at % other.length] ?? 0) ^ 1;
            return other;
          };
          const answer = changed(height, (item) => {
            const which = part % (item.batches.length + 2);
            if (which === 0) return { ...item, block: flip(item.block) };
            if (which === 1 && item.certificate !== undefined) {
              return { ...item, certificate: flip(item.certificate) };
            }
            const batches = item.batches.map((batch, i) => (i === which - 2 ? flip(batch) : batch));
            return { ...item, batches };
          });
          const { finding, auditor } = await audit(answer);
          expect(finding?.height).toBeGreaterThanOrEqual(height);
          expect(finding?.height).toBeLessThanOrEqual(height + 1);
          expect(auditor.height).toBeLessThanOrEqual(height);
        },
      ),
      { numRuns: 200, seed: 20_261_126 },
    );
  });

  it("takes a height as final by a descendant, but not the last one, and not a boundary", async () => {
    const [boundary = 0] = boundaries();
    const without = (height: number): readonly AuditItem[] =>
      changed(height, (item) => ({ ...item, certificate: undefined }));
    expect((await audit(without(2))).finding).toBeUndefined();
    const last = await audit(without(24));
    expect(last.finding).toMatchObject({ height: 24, subject: "certificate" });
    expect(boundary).toBeGreaterThan(1);
    const epoch = await audit(without(boundary));
    expect(epoch.finding).toMatchObject({ height: boundary, subject: "certificate" });
  });

  it("does not take the certificate of another height, or one that is no finalization", async () => {
    const other = items[4]?.certificate;
    const swapped = await audit(changed(7, (item) => ({ ...item, certificate: other })));
    expect(swapped.finding).toMatchObject({ height: 7, code: "sync.mismatch" });
  });

  it("notices batches that are left out, put twice, or in another order", async () => {
    const many = items.findIndex(({ batches }) => batches.length > 1) + 1;
    expect(many).toBeGreaterThan(0);
    for (const change of [
      (batches: readonly Uint8Array[]) => batches.slice(1),
      (batches: readonly Uint8Array[]) => [...batches, ...batches.slice(0, 1)],
      (batches: readonly Uint8Array[]) => batches.toReversed(),
    ]) {
      const { finding } = await audit(
        changed(many, (item) => ({ ...item, batches: change(item.batches) })),
      );
      expect(finding?.height).toBe(many);
    }
  });

  it("notices heights that are left out", async () => {
    const { finding } = await audit([...items.slice(0, 9), ...items.slice(10)]);
    expect(finding).toMatchObject({ height: 10, subject: "header" });
  });

  it("checks every signature once, and none below the height to begin from", async () => {
    const all: number[] = [];
    const { auditor } = await audit(items, { checked: all });
    const sum = all.reduce((a, b) => a + b, 0);
    const batches = items.reduce((count, item) => count + item.batches.length, 0);
    expect(sum).toBe(batches + 3 * 24);
    expect(auditor.counts).toMatchObject({ signatures: sum, batches, certificates: 24 });
    const some: number[] = [];
    const { finding } = await audit(items, { checked: some, signaturesFrom: 20 });
    expect(finding).toBeUndefined();
    const rest = items.slice(19).reduce((count, item) => count + item.batches.length, 0);
    expect(some.reduce((a, b) => a + b, 0)).toBe(rest + 3 * 5);
  });
});
