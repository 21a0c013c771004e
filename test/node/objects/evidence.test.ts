/** Evidence of wrong chunks: on the disk at once, whatever the member does next and however soon the node stops. */
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { sha256 } from "../../../src/crypto/hash.ts";
import { chunkHash, proveChunk } from "../../../src/crypto/objects/tree.ts";
import { LIMITS } from "../../../src/limits.ts";
import { createMetrics } from "../../../src/node/metrics.ts";
import {
  EvidenceFolder,
  type EvidenceRecord,
  type NewEvidence,
} from "../../../src/node/objects/evidence.ts";
import { BIG, idOf, quiet, type TestNode, tempFolder, until, useTestNodes } from "./support.ts";

// Synced files and keys: a busy disk is no fault.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const at = useTestNodes();
const node = (index: number, has = false): Promise<TestNode> =>
  at.node(index, has ? { has: [[BIG]] } : {});

/** What is on the disk of a node: the records, each with whether its bytes are those that it tells of. */
const onDisk = (folder: string): { record: EvidenceRecord; isWhole: boolean }[] => {
  const evidence = join(folder, "evidence");
  const names = readdirSync(evidence).filter((name) => name.endsWith(".json"));
  return names.map((name) => {
    const record = JSON.parse(readFileSync(join(evidence, name), "utf8")) as EvidenceRecord;
    const bytes = readFileSync(join(evidence, name.replace(".json", ".bin")));
    return { record, isWhole: Buffer.from(sha256(bytes)).toString("hex") === record.receivedHash };
  });
};

/** A member that gives wrong chunks, and nothing more once it has given one. Its manifest it gave before. */
const turncoat = (liar: string): readonly number[] => {
  const asked: number[] = [];
  let hasLied = false;
  at.network.mangle = (_from, to, name, answer) => {
    if (to !== liar || name[0] === 1) return undefined;
    if (hasLied) {
      asked.push(name[0] ?? 0);
      return "silent";
    }
    if (name[0] !== 3) return undefined;
    hasLied = true;
    return answer?.with(9, (answer[9] ?? 0) ^ 1);
  };
  return asked;
};

describe("evidence of a wrong chunk", () => {
  it("is on the disk while the member that gave it says nothing more", async () => {
    const liar = await node(0, true);
    const asker = await node(2);
    const asked = turncoat(liar.id);
    void asker.manifest(BIG.root);
    await until("it is asked for what it signed", () => asked.includes(2));
    expect(onDisk(asker.folder)).toEqual([
      { record: expect.objectContaining({ kind: "chunk", claim: null }), isWhole: true },
    ]);
    expect(asker.objects.evidence()).toHaveLength(1);
    // The rest is asked of others at once, and not when the liar's time is over.
    await until("it is no source any more", () => {
      const sources = asker.objects.state(BIG.root)?.fetch?.sources ?? [];
      return sources.every(({ id }) => id !== liar.id);
    });
  });

  it("has what the member signed, as soon as that comes", async () => {
    const liar = await node(0, true);
    const asker = await node(2);
    at.network.mangle = (_from, to, name, answer) => {
      if (to !== liar.id || name[0] !== 3 || answer === undefined) return undefined;
      return answer.with(9, (answer[9] ?? 0) ^ 1);
    };
    void asker.manifest(BIG.root);
    await until("it has the claim", () => asker.objects.evidence()[0]?.claim != null);
    expect(onDisk(asker.folder).map(({ record }) => record)).toEqual(asker.objects.evidence());
  });

  it("is whole on the disk when a node has stopped that was stopped as soon as it saw it", async () => {
    const liar = await node(0, true);
    const asker = await node(2);
    turncoat(liar.id);
    void asker.manifest(BIG.root);
    await new Promise<void>((resolve) => {
      const observed = asker.observed.push.bind(asker.observed);
      asker.observed.push = (...seen) => {
        queueMicrotask(resolve);
        return observed(...seen);
      };
    });
    await asker.objects.close();
    expect(onDisk(asker.folder)).toEqual([
      { record: expect.objectContaining({ member: liar.id, claim: null }), isWhole: true },
    ]);
  });
});

describe("the folder of evidence", () => {
  const open = async (): Promise<{ evidence: EvidenceFolder; folder: string }> => {
    const folder = join(tempFolder(), "evidence");
    at.removed(folder);
    let timeMs = 0;
    const wallMs = (): number => {
      timeMs += 1;
      return timeMs;
    };
    const evidence = await EvidenceFolder.open({
      ...{ folder, chainId: "x", logger: quiet, metrics: createMetrics(), wallMs },
      observations: { observed: () => {} },
    });
    return { evidence, folder };
  };
  const [first] = BIG.chunks;
  if (first === undefined) throw new Error("no chunk");
  const found = (member: string): NewEvidence => ({
    ...{ kind: "chunk", member, root: BIG.name, received: Uint8Array.of(0, 1) },
    ...{ hash: chunkHash(first), proof: proveChunk(BIG.bytes.length, BIG.manifest.hashes, 0) },
  });

  it("lists nothing that could not be written, and leaves no half of it", async () => {
    const { evidence, folder } = await open();
    rmSync(folder, { recursive: true });
    expect(await evidence.add(found(idOf(1)))).toBeUndefined();
    expect(evidence.list()).toEqual([]);
    expect(existsSync(folder)).toBe(false);
  });

  it("takes objectEvidencePerMemberMax of a member though all are written at the same time", async () => {
    const { evidence } = await open();
    const adding = Array.from({ length: LIMITS.objectEvidencePerMemberMax + 1 }, () =>
      evidence.add(found(idOf(1))),
    );
    // What is not written yet is not listed.
    expect(evidence.list()).toEqual([]);
    await evidence.idle();
    expect(evidence.list()).toHaveLength(LIMITS.objectEvidencePerMemberMax);
    expect((await Promise.all(adding)).filter((kept) => kept === undefined)).toHaveLength(1);
    const times = evidence.list().map(({ timeMs }) => timeMs);
    expect(times).toEqual([...times].sort((a, b) => a - b));
  });
});
