/** Whom a manifest is asked of: a few members at a time, and not one after the other where they keep silent. */
import { describe, expect, it } from "vitest";
import { ChunkSet } from "../../../src/crypto/objects/chunk-set.ts";
import { LIMITS } from "../../../src/limits.ts";
import { type FoundManifest, findManifest } from "../../../src/node/objects/find-manifest.ts";
import type { ManifestAnswer } from "../../../src/node/objects/sources.ts";
import { objectOf } from "./support.ts";

const OBJECT = objectOf(new Uint8Array(10));
const MAX = LIMITS.objectManifestAsksMax;

/** Members that answer when the test says so; the time goes on when the test says so. */
const makeSearch = (members: readonly string[], slow: readonly string[] = []) => {
  const holdings = new Map<string, (has: boolean) => void>();
  const manifests = new Map<string, (answer: ManifestAnswer) => void>();
  const ended: string[] = [];
  const due = new Set<() => void>();
  const ending = new AbortController();
  let result: FoundManifest | undefined;
  void findManifest({
    sources: {
      members: () => members,
      isSlow: (peer) => slow.includes(peer),
      holding: (peer) =>
        new Promise((resolve) => {
          const holding = { length: 10, chunks: ChunkSet.full(1) };
          holdings.set(peer, (has) => resolve(has ? holding : undefined));
        }),
      manifest: (peer, _root, signal) =>
        new Promise((resolve) => {
          manifests.set(peer, resolve);
          signal.addEventListener("abort", () => {
            ended.push(peer);
            resolve({ kind: "none" });
          });
        }),
    },
    timers: {
      set: (ms, fire) => {
        expect(ms).toBe(LIMITS.objectManifestPatienceMs);
        due.add(fire);
        return () => void due.delete(fire);
      },
    },
    ...{ name: OBJECT.name, signal: ending.signal },
  }).then((found) => {
    result = found;
  });
  const settle = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));
  return {
    ...{ ended, due },
    asked: (): readonly string[] => [...manifests.keys()],
    result: () => result,
    has: async (peer: string, has = true) => {
      holdings.get(peer)?.(has);
      await settle();
    },
    gives: async (peer: string, answer: ManifestAnswer) => {
      manifests.get(peer)?.(answer);
      await settle();
    },
    wait: async () => {
      for (const fire of [...due]) {
        due.delete(fire);
        fire();
      }
      await settle();
    },
    end: async () => {
      ending.abort();
      await settle();
    },
  };
};

const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `m${i}`);
const RIGHT: ManifestAnswer = { kind: "manifest", manifest: OBJECT.manifest };

describe("a manifest", () => {
  it("is asked of objectManifestAsksMax members at one time, and of more when those keep silent", async () => {
    const members = names(2 * MAX + 1);
    const search = makeSearch(members);
    for (const peer of members) await search.has(peer);
    expect(search.asked()).toEqual(members.slice(0, MAX));
    await search.wait();
    expect(search.asked()).toEqual(members.slice(0, 2 * MAX));
    await search.gives(members[MAX] ?? "", { kind: "none" });
    expect(search.asked()).toEqual(members);
    // The one that was given up for slow may still be the first.
    await search.gives(members[0] ?? "", RIGHT);
    expect(search.result()).toMatchObject({ manifest: OBJECT.manifest, asked: 2 * MAX + 1 });
    const others = members.filter((_, i) => i !== 0 && i !== MAX);
    expect(search.ended.filter((peer) => others.includes(peer))).toEqual(others);
    expect(search.due.size).toBe(0);
  });

  it("is asked last of those that kept silent lately", async () => {
    const members = names(MAX + 2);
    const search = makeSearch(members, members.slice(0, MAX + 1));
    for (const peer of members) await search.has(peer);
    expect(search.asked()).toEqual(members.slice(0, MAX));
    await search.gives(members[0] ?? "", { kind: "lie" });
    expect(search.asked().at(-1)).toBe(members[MAX + 1]);
  });

  it("is not there when everybody has said so, and not before", async () => {
    const search = makeSearch(names(3));
    await search.has("m0", false);
    await search.has("m1");
    await search.gives("m1", { kind: "none" });
    expect(search.result()).toBeUndefined();
    await search.has("m2", false);
    expect(search.result()).toEqual({ manifest: undefined, asked: 3, have: 1 });
    const alone = makeSearch([]);
    await alone.wait();
    expect(alone.result()).toEqual({ manifest: undefined, asked: 0, have: 0 });
  });

  it("is looked for no more when nobody wants it", async () => {
    const search = makeSearch(names(2));
    await search.has("m0");
    await search.end();
    expect(search.result()?.manifest).toBeUndefined();
    expect(search.ended).toEqual(["m0"]);
    expect(search.due.size).toBe(0);
  });
});
