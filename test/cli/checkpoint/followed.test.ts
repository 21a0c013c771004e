/** Whose signatures count for `nexus checkpoint`, by the steps in a file. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it, vi } from "vitest";
import { signersOffline } from "../../../src/cli/checkpoint/followed.ts";
import { prepareToKeep } from "../../../src/cli/checkpoint/keep.ts";
import { readText } from "../../../src/cli/checkpoint/read-text.ts";
import { formatSets } from "../../../src/client/kept-steps.ts";
import { KEYS } from "../../../src/ledger/projections/stake/rows.ts";
import type { Bundle } from "../../../src/ledger/verify/bundle.ts";
import { formatCheckpoint } from "../../../src/ledger/verify/trust.ts";
import { identities } from "../../client/stake-identities.ts";
import { World } from "../../ledger/verify/support.ts";
import { fakeContext } from "../fake-context.ts";

const signed = vi.hoisted(() => ({
  verify: (_signature: Uint8Array, _message: Uint8Array, _publicKey: Uint8Array): boolean => false,
}));

vi.mock(import("../../../src/crypto/falcon.ts"), async (original) => ({
  ...(await original()),
  falconVerify: (signature, message, publicKey) => signed.verify(signature, message, publicKey),
}));

const world = new World({ chainId: "followed", epochs: 5, stake: identities });
signed.verify = (signature, message, publicKey) =>
  world.ring.verify({ signature, message, publicKey });

const folder = mkdtempSync(join(tmpdir(), "tetrad-followed-"));
afterAll(() => rmSync(folder, { recursive: true }));

const keysOf = (epoch: number): Uint8Array[] =>
  (world.sets[epoch]?.validators ?? []).map(({ id }) => KEYS.identity(id)).sort(Buffer.compare);

const step = (from: number, to: number): Bundle =>
  world.bundle(world.rowsOf("stake", keysOf(to)).claim, world.links.slice(from, to + 1));

const written = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};

const setsOf = (...bundles: readonly Bundle[]): string => {
  const text = formatSets(bundles);
  if (!text.ok) throw new Error(text.detail);
  return text.value;
};

const trustOf = (epoch: number): string => {
  const { result } = world.verify(step(0, epoch));
  if (!result.ok) throw new Error(result.detail);
  return written(`trust-${epoch}.json`, formatCheckpoint(result.value.checkpoint));
};

describe("the file of --sets", () => {
  const text = setsOf(step(0, 1), step(1, 3), step(3, 4));
  const sets = written("sets.ndjson", text);
  const { context } = fakeContext({});

  it("leads on for who trusts a set in its midst, and is written with all its steps", () => {
    for (const epoch of [1, 2, 3, 4]) {
      const { followed } = signersOffline(context, { trust: trustOf(epoch), sets });
      expect(followed?.set.epoch).toBe(4);
      expect(followed?.steps[0]?.from).toBe(epoch);
      prepareToKeep(context, { sets }, followed)();
      expect(readText(sets, text.length)).toBe(text);
    }
  });

  it("is refused by name where it ends before what is trusted", () => {
    const short = written("short.ndjson", setsOf(step(0, 1), step(1, 3)));
    const named = expect.objectContaining({
      code: "proof.unanchored",
      message: expect.stringContaining(`${short}: the steps end at the set of epoch 3`),
    });
    expect(() => signersOffline(context, { trust: trustOf(4), sets: short })).toThrow(named);
  });
});
