/** What `nexus checkpoint` writes, and what it does not write over. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { prepareToKeep } from "../../../src/cli/checkpoint/keep.ts";
import type { FollowedSet } from "../../../src/client/validator-sets.ts";
import { sha256 } from "../../../src/crypto/hash.ts";
import { checkpointPolicyOf } from "../../../src/ledger/verify/checkpoint.ts";
import { type Checkpoint, formatCheckpoint, parseTrust } from "../../../src/ledger/verify/trust.ts";
import { World } from "../../ledger/verify/support.ts";
import { fakeContext } from "../fake-context.ts";

const folder = mkdtempSync(join(tmpdir(), "tetrad-keep-"));
const trust = join(folder, "trust.json");
const sets = join(folder, "sets.ndjson");
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(() => {
  for (const path of [trust, sets]) rmSync(path, { force: true });
});

const hash = (n: number) => sha256(Uint8Array.of(n));
const kept: Checkpoint = {
  ...{ chainId: "keep", genesisHash: hash(1), epoch: 4, setHash: hash(4) },
  ...{ height: 100, blockHash: hash(100), timeMs: 5 },
};

const world = new World({ chainId: "keep", epochs: 2 });
const verified = world.verify(world.events(0)).result;
if (!verified.ok) throw new Error(verified.detail);
const { header } = verified.value;
const [set] = world.sets;
if (set === undefined) throw new Error("no set");

const followedTo = (change: Partial<Checkpoint>): FollowedSet => ({
  ...{ set, header, policies: [], steps: [], bundles: [world.events(0)] },
  policy: checkpointPolicyOf({ chainId: "keep", validators: [] }),
  checkpoint: { ...kept, ...change },
});

/** "written", or the code of the refusal. */
const keep = (change: Partial<Checkpoint>): string => {
  const { context } = fakeContext({});
  try {
    prepareToKeep(context, { checkpoint: trust, sets }, followedTo(change))();
    return "written";
  } catch (error) {
    return (error as { code: string }).code;
  }
};

describe("trust that is kept", () => {
  it("is written where there is none, and on from what is there", () => {
    expect(keep({})).toBe("written");
    expect(keep({})).toBe("written");
    expect(keep({ height: 101, blockHash: hash(101) })).toBe("written");
    expect(keep({ epoch: 5, setHash: hash(5), height: 120, blockHash: hash(7) })).toBe("written");
    expect(parseTrust(readFileSync(trust, "utf8"))).toMatchObject({
      ok: true,
      value: { epoch: 5 },
    });
    expect(existsSync(sets)).toBe(true);
  });

  it("is not replaced by what is older, of another chain, or a fork, and then nothing is written", () => {
    const text = formatCheckpoint(kept);
    writeFileSync(trust, text);
    expect(keep({ chainId: "other" })).toBe("proof.untrusted");
    expect(keep({ genesisHash: hash(2) })).toBe("proof.untrusted");
    expect(keep({ setHash: hash(9), height: 110 })).toBe("proof.invalid");
    expect(keep({ blockHash: hash(9) })).toBe("proof.invalid");
    expect(keep({ height: 99, blockHash: hash(99) })).toBe("proof.unanchored");
    expect(keep({ epoch: 3, setHash: hash(3), height: 80 })).toBe("proof.unanchored");
    expect(keep({ epoch: 3, setHash: hash(3), height: 110 })).toBe("proof.unanchored");
    expect(readFileSync(trust, "utf8")).toBe(text);
    expect(existsSync(sets)).toBe(false);
  });

  it("takes the place of no other file", () => {
    for (const text of ["", "notes", '{"format":1}']) {
      writeFileSync(trust, text);
      expect(keep({})).toMatch(/^(proof\.trust|config\.genesis)$/);
      expect(readFileSync(trust, "utf8")).toBe(text);
    }
  });

  it("is not asked for where nothing was followed", () => {
    const { context } = fakeContext({});
    prepareToKeep(context, { checkpoint: trust, sets }, undefined)();
    expect(existsSync(trust)).toBe(false);
  });
});
