/** What an administrator changes in the rows of a folder, with right checksums, an audit finds. */
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { isFolderError } from "./outcome.ts";
import { type AuditedChain, areaOf, auditRows, makeChain, metaHex } from "./support.ts";

let audited: AuditedChain;

beforeAll(() => {
  audited = makeChain();
});

/** Notes of the node's for itself, which nothing follows from. */
const NOTES: ReadonlySet<string> = new Set([metaHex("forgotten")]);

const keysOf = (areas: string): string[] =>
  [...audited.rows.keys()].filter((key) => areas.includes(areaOf(key)) && !NOTES.has(key));

/** How many; a folder that says it is of another chain or format is refused as a whole, and only then. */
const findings = async (key: string, rows: ReadonlyMap<string, Uint8Array>): Promise<number> => {
  try {
    return (await auditRows(audited, rows)).findings.total;
  } catch (error) {
    if (!isFolderError(error)) throw error;
    if (error.code !== "store.corrupt") expect(areaOf(key)).toBe("m");
    return 1;
  }
};

describe("an audit of a folder's rows", () => {
  it("is clean for what a replica has written", async () => {
    const { findings: found, auditor } = await auditRows(audited, audited.rows);
    expect(found.list).toEqual([]);
    expect(auditor.height).toBe(audited.lab.status.finalHeight);
    expect(auditor.record.logSize).toBe(audited.lab.status.logSize);
    expect(auditor.counts).toMatchObject({ blocks: 24, events: audited.lab.status.logSize });
    expect(auditor.position.parent.epoch).toBeGreaterThan(1);
    const areas = new Set([...audited.rows.keys()].map(areaOf));
    expect([...areas].sort().join("")).toMatch(/^bcdefhilmnrst?x$/);
  });

  it("is clean for a node that was ended between appending a height and executing it", async () => {
    const before = makeChain(23).rows;
    const final = [...audited.rows].filter(([key]) => "bdhlcfm".includes(areaOf(key)));
    const executed = [...before].filter(([key]) => "xeitsrn".includes(areaOf(key)));
    const { findings: found, auditor } = await auditRows(audited, new Map([...final, ...executed]));
    expect(found.list).toEqual([]);
    expect(auditor.height).toBe(24);
  });

  it("says between which heights a root is another one than a quorum has signed", async () => {
    const wrong = makeChain(7);
    const stateRoot = new Uint8Array(32).fill(7);
    wrong.lab.time.advance(1);
    wrong.lab.finalize([], { stateRoot });
    const { data } = wrong.lab.disks();
    const { findings: found, auditor } = await auditRows(wrong, data);
    expect(auditor.height).toBe(7);
    expect(found.list).toMatchObject([{ height: 7, subject: "state", code: "block.wrong-root" }]);
  });

  it("finds a changed byte of any row", { timeout: 120_000 }, async () => {
    const keys = keysOf("bcdefhilmnprstx");
    await fc.assert(
      fc.asyncProperty(
        fc.nat(keys.length - 1),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        async (which, at, flip) => {
          const key = keys[which] ?? "";
          const value = audited.rows.get(key)?.slice() ?? new Uint8Array(0);
          fc.pre(value.length > 0);
          value[at % value.length] = (value[at % value.length] ?? 0) ^ flip;
          expect(await findings(key, new Map(audited.rows).set(key, value)), key).toBeGreaterThan(
            0,
          );
        },
      ),
      { numRuns: 300, seed: 20_261_126 },
    );
  });

  it("finds a row that is not there any more", { timeout: 120_000 }, async () => {
    const keys = keysOf("dehilnrstx");
    await fc.assert(
      fc.asyncProperty(fc.nat(keys.length - 1), async (which) => {
        const rows = new Map(audited.rows);
        rows.delete(keys[which] ?? "");
        expect(await findings(keys[which] ?? "", rows), keys[which]).toBeGreaterThan(0);
      }),
      { numRuns: 100, seed: 20_261_127 },
    );
  });

  it("finds a row that nothing in the log gives", { timeout: 120_000 }, async () => {
    const keys = keysOf("bcdefhilmnrstx");
    await fc.assert(
      fc.asyncProperty(
        fc.nat(keys.length - 1),
        fc.uint8Array({ minLength: 1, maxLength: 4 }),
        async (which, more) => {
          const key = `${keys[which]}${Buffer.from(more).toString("hex")}`;
          const value = audited.rows.get(keys[which] ?? "") ?? new Uint8Array(1);
          expect(await findings(key, new Map(audited.rows).set(key, value)), key).toBeGreaterThan(
            0,
          );
        },
      ),
      { numRuns: 100, seed: 20_261_128 },
    );
    for (const key of ["00", "6100", "7a2f00", "ff"]) {
      expect(await findings(key, new Map(audited.rows).set(key, Uint8Array.of(1))), key).toBe(1);
    }
  });
});
