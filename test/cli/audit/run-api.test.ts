/** What a node claims of itself, held against what its log gives. */
import { beforeAll, describe, expect, it } from "vitest";
import type { ApiSource, NodeClaim } from "../../../src/cli/audit/api-source.ts";
import { auditToClaim } from "../../../src/cli/audit/run-api.ts";
import { toHex } from "../../../src/crypto/bytes.ts";
import { readItems } from "../../../src/ledger/audit/item.ts";
import { readExecution } from "../../../src/ledger/records.ts";
import { BlockStore } from "../../../src/ledger/replica/block-store.ts";
import { createMemoryStore } from "../../../src/ledger/store/memory.ts";
import { rootOfProjections } from "../../../src/ledger/verify/claims.ts";
import { Auditor } from "../../../src/node/audit/auditor.ts";
import { Findings } from "../../../src/node/audit/folder.ts";
import type { StatedRoots } from "../../../src/node/audit/tell-projection.ts";
import { type AuditedChain, makeChain, storeOf } from "../../node/audit/support.ts";

let audited: AuditedChain;
beforeAll(() => {
  audited = makeChain(8);
});

/** An audit of a node that serves the chain and claims what it is told to. */
const open = async (stated?: StatedRoots) => {
  const { rules, verifier, rows } = audited;
  rules.executor.dropCaches();
  const scratch = createMemoryStore();
  const store = await storeOf(rows);
  const read = (key: Uint8Array): Uint8Array | undefined => store.get(key);
  const blocks = new BlockStore(read, rules.hasher);
  const source: ApiSource = {
    name: "the node",
    read: async (from) => readItems(blocks, from, 8),
    rootsAt: async () => stated,
    claim: () => Promise.reject(new Error("not asked")),
  };
  const auditor = await Auditor.open({ rules, scratch, verifier, signaturesFrom: 1 });
  const findings = new Findings();
  const to = (claim: NodeClaim): Promise<boolean> =>
    auditToClaim(auditor, source, scratch, claim, findings, new AbortController().signal);
  const claimAt = (height: number): NodeClaim => {
    const record = readExecution(read, height);
    if (record === undefined) throw new RangeError("no such height");
    return {
      genesisHash: toHex(rules.genesisHash),
      finalHeight: height,
      executedHeight: height,
      logSize: record.logSize,
      logRoot: toHex(record.logRoot),
      stateRoot: toHex(record.stateRoot),
    };
  };
  return { to, claimAt, findings, auditor };
};

describe("a node's claim", () => {
  it("is followed up and confirmed, also where nothing is new", async () => {
    const { to, claimAt, auditor } = await open();
    expect(await to(claimAt(5))).toBe(true);
    expect(await to(claimAt(8))).toBe(true);
    expect(await to(claimAt(8))).toBe(true);
    // An auditor that stays keeps nothing of each height.
    expect(auditor.counts.certificates).toBe(8);
    expect(auditor.checkedCertificates.size).toBe(0);
  });

  it("that goes back behind what it has served confirms nothing", async () => {
    const { to, claimAt, findings } = await open();
    expect(await to(claimAt(8))).toBe(true);
    await expect(to(claimAt(7))).rejects.toMatchObject({ code: "audit.unverified" });
    // A state that is ahead of what is final could be held against nothing.
    await expect(to({ ...claimAt(8), executedHeight: 9 })).rejects.toMatchObject({
      code: "audit.unverified",
    });
    expect(findings.total).toBe(0);
  });

  it("of another state is a finding", async () => {
    const { to, claimAt, findings } = await open();
    expect(await to({ ...claimAt(8), stateRoot: "00".repeat(32) })).toBe(false);
    expect(findings.list).toMatchObject([{ height: 8, subject: "answer" }]);
    expect(findings.list[0]).not.toHaveProperty("projection");
  });

  it("of another state names the projection where the node's roots account for it", async () => {
    const { rules, rows } = audited;
    const store = await storeOf(rows);
    const record = readExecution((key) => store.get(key), 8);
    if (record === undefined) throw new RangeError("not executed");
    const stated = record.projections.map(({ name, root }) => ({
      name,
      root: name === "assets" ? new Uint8Array(32).fill(7) : root,
    }));
    const versioned = stated.map((one, at) => ({
      ...one,
      schemaVersion: record.schemaVersions[at] ?? 0,
    }));
    const { to, claimAt, findings } = await open(stated);
    const stateRoot = toHex(rootOfProjections(rules.hasher, versioned));
    expect(await to({ ...claimAt(8), stateRoot })).toBe(false);
    expect(findings.list).toMatchObject([{ height: 8, subject: "answer", projection: "assets" }]);
  });
});
