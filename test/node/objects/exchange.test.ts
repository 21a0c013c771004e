/** Objects between nodes: fetched, verified, resumed, served onward; liars are dropped and told of. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { concatBytes, equalBytes, fromHex, toHex } from "../../../src/crypto/bytes.ts";
import { falconSign, falconVerify } from "../../../src/crypto/falcon.ts";
import { sha256 } from "../../../src/crypto/hash.ts";
import { encodeManifest } from "../../../src/crypto/objects/manifest.ts";
import {
  encodeOrder,
  manifestStatement,
  type ObjectOrder,
  orderStatement,
} from "../../../src/crypto/objects/statements.ts";
import { CHUNK_BYTES, verifyChunkHash } from "../../../src/crypto/objects/tree.ts";
import { LIMITS } from "../../../src/limits.ts";
import {
  BUSY_ANSWER,
  decodeServedManifest,
  encodeRequest,
  encodeServedManifest,
  isBusy,
} from "../../../src/transport/objects/messages.ts";
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
  until,
  useTestNodes,
} from "./support.ts";

// Synced files and keys: a busy disk is no fault.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const at = useTestNodes();
const { node } = at;

const fetchedBytes = (from: TestNode): number =>
  from.metrics.read("tetrad_object_fetched_bytes_total");

describe("an object that another node has", () => {
  it("is fetched whole and right, and served onward when the first one is away", async () => {
    const first = await node(0, { has: [[BIG]] });
    const third = await node(2);
    await getAll(third);
    await until("it is whole", () => third.objects.state(BIG.root)?.held === BIG.chunks.length);
    expect(fetchedBytes(third)).toBe(BIG.bytes.length);
    at.network.away.add(first.id);
    const fourth = await node(3);
    await getAll(fourth);
    expect(fetchedBytes(fourth)).toBe(BIG.bytes.length);
    expect(third.metrics.read("tetrad_object_served_bytes_total")).toBe(BIG.bytes.length);
  });

  it("comes from several at once, each asked for what it has", async () => {
    const odd = BIG.chunks.map((_, i) => i).filter((i) => i % 2 === 1);
    const even = BIG.chunks.map((_, i) => i).filter((i) => i % 2 === 0);
    const a = await node(0, { has: [[BIG, odd]] });
    const b = await node(1, { has: [[BIG, even]] });
    await getAll(await node(2));
    expect(new Set(at.network.gaveChunk)).toEqual(new Set([a.id, b.id]));
    expect(at.network.gaveChunk).toHaveLength(BIG.chunks.length);
  });

  it("is fetched on from where a run ended", async () => {
    await node(0, { has: [[BIG]] });
    const before = await node(1);
    await getAll(before, BIG);
    await before.objects.close();
    // What is left of a run that ended in the middle.
    const resumed = await node(2, { has: [[BIG, [0, 2, 3]]] });
    await getAll(resumed);
    await until("it is whole", () => resumed.objects.state(BIG.root)?.held === BIG.chunks.length);
    expect(fetchedBytes(resumed)).toBe(BIG.bytes.length - 3 * CHUNK_BYTES);
  });

  it("is not found where nobody has it, and not asked for again at once", async () => {
    await node(0);
    const asker = await node(1);
    const root = "ab".repeat(32);
    const results = await Promise.all([asker.manifest(root), asker.chunk(root, 0)]);
    expect(results.map((result) => (result.ok ? "" : result.code))).toEqual([
      "object.not-found",
      "object.not-found",
    ]);
    const again = await asker.manifest(root);
    expect(again.ok ? "" : again.code).toBe("object.not-found");
    expect(asker.objects.list()).toEqual([]);
  });

  it("has no chunk past its last one", async () => {
    const asker = await node(0, { has: [[BIG]] });
    const got = await asker.chunk(BIG.root, BIG.chunks.length);
    expect(got.ok ? "" : got.code).toBe("object.not-found");
  });

  it("is got from one that says it is busy, and from one that has given up a chunk meanwhile", async () => {
    const busy = await node(0, { has: [[BIG]] });
    const other = await node(1, { has: [[BIG]] });
    let answers = 0;
    at.network.mangle = (_from, to, name) => {
      if (name[0] !== 3) return undefined;
      answers += 1;
      if (to === busy.id && answers < 4) return BUSY_ANSWER;
      return to === other.id && answers % 3 === 0 ? "missing" : undefined;
    };
    await getAll(await node(2));
  });

  it("is got from one that is too busy at first to say what it has, and to give the manifest", async () => {
    const busy = await node(0, { has: [[BIG]] });
    const told = new Map<number, number>();
    at.network.mangle = (_from, to, name) => {
      const kind = name[0] ?? 0;
      const count = (told.get(kind) ?? 0) + 1;
      told.set(kind, count);
      return to === busy.id && kind !== 3 && count < 3 ? BUSY_ANSWER : undefined;
    };
    await getAll(await node(2));
  });

  it("of no bytes at all is an object too", async () => {
    const empty = objectOf(new Uint8Array(0));
    await node(0, { has: [[empty]] });
    const asker = await node(1);
    const manifest = await asker.manifest(empty.root);
    expect(manifest.ok && equalBytes(manifest.value, empty.encoded)).toBe(true);
    await until("it is whole", () => asker.objects.figures().fetches === 0);
    expect(asker.objects.state(empty.root)).toMatchObject({ length: 0, chunks: 0, held: 0 });
  });
});

describe("a member that lies", () => {
  /** Flips one byte of every chunk that this member gives. */
  const lie = (liar: string): void => {
    at.network.mangle = (_from, to, name, answer) => {
      if (to !== liar || name[0] !== 3 || answer === undefined) return undefined;
      const other = answer.slice();
      other[9] = (other[9] ?? 0) ^ 1;
      return other;
    };
  };

  it("about a chunk is dropped, and what it did is kept, with what it proves and what it does not", async () => {
    const liar = await node(0, { has: [[BIG]] });
    const honest = await node(1, { has: [[BIG]] });
    lie(liar.id);
    const asker = await node(2);
    await getAll(asker);
    await until("it has signed", () => asker.objects.evidence()[0]?.claim != null);
    const [record, ...more] = asker.objects.evidence();
    expect(record).toMatchObject({ kind: "chunk", member: liar.id, transferable: false });
    expect(more).toEqual([]);
    // And handed to detection, which counts it for the people who run the node.
    expect(asker.observed[0]).toEqual({
      ...{ kind: "object-chunk", member: liar.id, transferable: false, timeMs: record?.timeMs },
    });
    expect(asker.metrics.read("tetrad_object_lies_total", { kind: "chunk" })).toBeGreaterThan(0);
    // The file alone shows that the bytes are not the object's chunk.
    const folder = join(asker.folder, "evidence");
    const files = readdirSync(folder).sort();
    expect(files).toHaveLength(2);
    const received = readFileSync(join(folder, files.find((name) => name.endsWith(".bin")) ?? ""));
    const chunk = record?.chunk;
    if (chunk === null || chunk === undefined) throw new Error("no chunk");
    const proof = { length: chunk.length, index: chunk.index, top: fromHex(chunk.top) };
    const path = chunk.path.map(fromHex);
    expect(verifyChunkHash(BIG.name, fromHex(chunk.hash), { ...proof, path })).toBe(true);
    expect(toHex(sha256(received))).toBe(record?.receivedHash);
    expect(record?.receivedHash).not.toBe(chunk.hash);
    // And that the member signed that it serves the object, anybody can check.
    const claim = record?.claim;
    if (claim === null || claim === undefined) throw new Error("no claim");
    const message = hasher.ht(
      "object/manifest",
      fromHex(liar.id),
      BIG.name,
      fromHex(claim.manifestHash),
    );
    expect(falconVerify(fromHex(claim.signature), message, fromHex(claim.publicKey))).toBe(true);
    expect(toHex(hasher.ht("id", fromHex(claim.publicKey)))).toBe(liar.id);
    // It is asked for nothing else, of any object.
    at.network.mangle = undefined;
    at.network.gaveChunk.length = 0;
    const second = objectOf(bytesOf(2 * CHUNK_BYTES, 5));
    await liar.give(second);
    const got = await asker.manifest(second.root);
    expect(got.ok ? "" : got.code).toBe("object.not-found");
    expect(at.network.gaveChunk).not.toContain(liar.id);
    expect(honest.objects.evidence()).toEqual([]);
  });

  it("about a manifest has signed it: that is evidence for everybody", async () => {
    const liar = await node(0, { has: [[BIG]] });
    const forged = { ...BIG.manifest, hashes: [...BIG.manifest.hashes].reverse() };
    const { publicKey, secretKey } = falconKeys(0);
    const manifest = encodeManifest(forged);
    const message = manifestStatement(hasher, fromHex(liar.id), BIG.name, manifest);
    const signature = falconSign(message, secretKey, new Uint8Array(48).fill(3));
    at.network.mangle = (_from, to, name) =>
      to === liar.id && name[0] === 2
        ? encodeServedManifest({ manifest, publicKey, signature })
        : undefined;
    const asker = await node(2);
    const refused = await asker.manifest(BIG.root);
    expect(refused.ok ? "" : refused.code).toBe("object.not-found");
    const [record] = asker.objects.evidence();
    expect(record).toMatchObject({ kind: "manifest", transferable: true, member: liar.id });
    const folder = join(asker.folder, "evidence");
    const file = readdirSync(folder).find((name) => name.endsWith(".bin")) ?? "";
    expect(toHex(readFileSync(join(folder, file)))).toBe(toHex(manifest));
    // A later run knows of it too.
    await asker.objects.close();
    const again = await node(2, { folder: asker.folder });
    expect(again.objects.evidence()).toEqual([record]);
    expect(again.observed).toEqual([
      { kind: "object-manifest", member: liar.id, transferable: true, timeMs: record?.timeMs },
    ]);
  });

  it("is not who gives a manifest that it has not signed: nobody could tell", async () => {
    const server = await node(0, { has: [[BIG]] });
    const other = await node(1, { has: [[BIG]] });
    at.network.mangle = (_from, to, name, answer) => {
      if (to !== server.id || name[0] !== 2 || answer === undefined) return undefined;
      const served = decodeServedManifest(answer);
      if (!served.ok) throw new Error(served.detail);
      const changed = served.value.manifest.slice();
      changed[20] = (changed[20] ?? 0) ^ 1;
      return encodeServedManifest({ ...served.value, manifest: changed });
    };
    const asker = await node(2);
    await getAll(asker);
    expect(asker.objects.evidence()).toEqual([]);
    expect(
      other.metrics.read("tetrad_object_requests_total", { kind: "manifest" }),
    ).toBeGreaterThan(0);
  });

  it("leaves at most objectEvidencePerMemberMax files, however often it does", async () => {
    const { EvidenceFolder } = await import("../../../src/node/objects/evidence.ts");
    const asker = await node(2);
    let now = 1;
    let told = 0;
    const evidence = await EvidenceFolder.open({
      ...{ folder: join(asker.folder, "more"), chainId: "x", logger: { log: () => {} } },
      ...{ metrics: asker.metrics, wallMs: () => now },
      observations: {
        observed: () => {
          told += 1;
        },
      },
    });
    const served = {
      manifest: BIG.encoded,
      publicKey: new Uint8Array(LIMITS.falconPublicKeyBytes),
      signature: new Uint8Array(LIMITS.falconSignatureBytes),
    };
    const add = (member: string) =>
      evidence.add({ kind: "manifest", member, root: BIG.name, served });
    for (let i = 0; i <= LIMITS.objectEvidencePerMemberMax; i++) {
      now += 1;
      await add("00".repeat(32));
    }
    expect(evidence.list()).toHaveLength(LIMITS.objectEvidencePerMemberMax);
    // What is not kept counts all the same.
    expect(told).toBe(LIMITS.objectEvidencePerMemberMax + 1);
    for (let member = 1; member <= LIMITS.objectEvidenceMax; member++) {
      now += 1;
      await add(member.toString(16).padStart(64, "0"));
    }
    expect(evidence.list()).toHaveLength(LIMITS.objectEvidenceMax);
    expect(readdirSync(join(asker.folder, "more"))).toHaveLength(2 * LIMITS.objectEvidenceMax);
  });
});

describe("what others may ask of a node", () => {
  it("is objectRequestsPerPeerBurst at once and then the rate, and past it that it is busy", async () => {
    const server = await node(0, { has: [[BIG]] });
    const port = at.network.port("somebody");
    const have = encodeRequest({ kind: "have", root: BIG.name });
    let busy = 0;
    const asks = LIMITS.objectRequestsPerPeerBurst * 2;
    for (let i = 0; i < asks; i++) {
      const answer = await port.request(server.id, have, 1_000);
      if (answer.ok && isBusy(answer.value.bytes)) busy += 1;
    }
    expect(busy).toBeGreaterThan(0);
    expect(asks - busy).toBeGreaterThanOrEqual(LIMITS.objectRequestsPerPeerBurst);
    const other = await at.network.port("another").request(server.id, have, 1_000);
    expect(other.ok && isBusy(other.value.bytes)).toBe(false);
  });

  it("is objectChecksMax chunks that have to be read at one time, and past it that it is busy", async () => {
    const { ObjectStore } = await import("../../../src/node/objects/store.ts");
    const object = objectOf(bytesOf((LIMITS.objectChecksMax + 1) * CHUNK_BYTES));
    const server = await node(0, { has: [[object]] });
    const reads: number[] = [];
    let go = (): void => {};
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    const read = ObjectStore.prototype.read;
    ObjectStore.prototype.read = async function (...args) {
      reads.push(args[1]);
      await gate;
      return read.apply(this, args);
    };
    try {
      const ask = (member: string, index: number) =>
        at.network
          .port(member)
          .request(server.id, encodeRequest({ kind: "chunk", root: object.name, index }), 60_000);
      const indices = Array.from({ length: LIMITS.objectChecksMax }, (_, i) => i);
      // Two members ask for the same: it is read once.
      const asked = ["one", "two"].flatMap((member) => indices.map((i) => ask(member, i)));
      const past = await ask("one", LIMITS.objectChecksMax);
      expect(past.ok && isBusy(past.value.bytes)).toBe(true);
      expect(reads).toEqual(indices);
      go();
      for (const answer of await Promise.all(asked)) {
        expect(answer.ok && answer.value.bytes.length).toBe(CHUNK_BYTES + 1);
      }
      const later = await ask("one", LIMITS.objectChecksMax);
      expect(later.ok && later.value.bytes.length).toBe(CHUNK_BYTES + 1);
      // What was found right is not read again.
      await ask("one", 0);
      expect(reads).toEqual([...indices, LIMITS.objectChecksMax]);
    } finally {
      ObjectStore.prototype.read = read;
    }
  });

  it("is nothing by bytes that are no request", async () => {
    const server = await node(0, { has: [[BIG]] });
    const port = at.network.port("somebody");
    for (const name of [new Uint8Array(0), Uint8Array.of(9), concatBytes(BIG.name, BIG.name)]) {
      const answer = await port.request(server.id, name, 1_000);
      expect(answer.ok ? "" : answer.code).toBe("bulk.not-found");
    }
  });
});

describe("what clients may ask of a node", () => {
  it("is objectFetchesMax objects at one time", async () => {
    const silent = await node(0, { has: [[BIG]] });
    at.network.mangle = (_from, to) => (to === silent.id ? "silent" : undefined);
    const asker = await node(1);
    const waiting = Array.from({ length: LIMITS.objectFetchesMax }, (_, i) =>
      asker.manifest(i.toString(16).padStart(64, "0")),
    );
    const past = await asker.manifest("ff".repeat(32));
    expect(past.ok ? "" : past.code).toBe("node.overloaded");
    await asker.objects.close();
    for (const result of await Promise.all(waiting)) {
      expect(result.ok ? "" : result.code).toBe("node.stopping");
    }
  });

  it("is objectReadsMax chunks that are read at one time, and the others after them", async () => {
    const { ObjectStore } = await import("../../../src/node/objects/store.ts");
    const server = await node(0, { has: [[BIG]] });
    let reading = 0;
    let most = 0;
    const read = ObjectStore.prototype.read;
    ObjectStore.prototype.read = async function (...args) {
      reading += 1;
      most = Math.max(most, reading);
      await new Promise((resolve) => setTimeout(resolve, 20));
      return read.apply(this, args).finally(() => {
        reading -= 1;
      });
    };
    try {
      const asked = Array.from({ length: 3 * LIMITS.objectReadsMax }, () =>
        server.chunk(BIG.root, 6),
      );
      for (const result of await Promise.all(asked)) expect(result.ok).toBe(true);
      expect(most).toBe(LIMITS.objectReadsMax);
    } finally {
      ObjectStore.prototype.read = read;
    }
  });

  it("ends nobody else's waiting when one gives up", async () => {
    await node(0, { has: [[BIG]] });
    const asker = await node(1);
    let gaveUp = 0;
    const stop = asker.objects.chunk(BIG.root, 6, () => {
      gaveUp += 1;
    });
    const other = asker.chunk(BIG.root, 6);
    stop();
    expect((await other).ok).toBe(true);
    expect(gaveUp).toBe(0);
  });
});

describe("an order", () => {
  const actor = hasher.ht("id", falconKeys(5).publicKey);
  /** A row of actors, as the ledger writes it. */
  const rowOf = async (permissions: readonly string[], revokedHeight = 0): Promise<Uint8Array> => {
    const { Writer } = await import("../../../src/crypto/codec.ts");
    const writer = new Writer(4096)
      .u64(0)
      .u64(revokedHeight)
      .fixed(falconKeys(5).publicKey, LIMITS.falconPublicKeyBytes)
      .string("ops")
      .u32(permissions.length);
    for (const permission of permissions) writer.string(permission);
    return writer.finish();
  };
  const signed = (change: Partial<ObjectOrder> = {}, key = 5): Uint8Array => {
    const order: ObjectOrder = {
      action: "keep",
      actor,
      node: fromHex(idOf(0)),
      root: BIG.name,
      notAfterMs: Date.now() + 60_000,
      manifest: BIG.encoded,
      ...change,
    };
    const message = orderStatement(hasher, order);
    const signature = falconSign(message, falconKeys(key).secretKey, new Uint8Array(48).fill(1));
    return encodeOrder({ ...order, signature });
  };
  const keeper = async (permissions: readonly string[], revokedHeight = 0): Promise<TestNode> => {
    const row = await rowOf(permissions, revokedHeight);
    return node(0, {
      row: (projection, key) =>
        projection === "actors" && equalBytes(key, actor) ? row : undefined,
    });
  };

  it("has a node keep an object when all its chunks are there, and drop it", async () => {
    const keeping = await keeper(["object.*"]);
    const begun = await keeping.objects.order(signed());
    expect(begun).toMatchObject({ root: BIG.root, chunks: 7, held: 0, kept: false });
    for (const [i, chunk] of BIG.chunks.entries()) {
      const state = await keeping.objects.upload(BIG.root, i, chunk);
      expect(state.kept).toBe(i === BIG.chunks.length - 1);
    }
    expect((await keeping.objects.order(signed())).kept).toBe(true);
    expect(keeping.objects.state(BIG.root)?.kept).toBe(true);
    const drop = signed({ action: "drop", manifest: new Uint8Array(0) });
    expect((await keeping.objects.order(drop)).held).toBe(0);
    expect(keeping.objects.state(BIG.root)).toBeUndefined();
    const another = signed({
      action: "drop",
      manifest: new Uint8Array(0),
      notAfterMs: Date.now() + 70_000,
    });
    expect(await codeOf(keeping.objects.order(another))).toBe("object.not-found");
  });

  it("that somebody else gives again undoes nothing of what was ordered since, after a start either", async () => {
    const endMs = Date.now() + 60_000;
    const keep = (ms: number): Uint8Array => signed({ notAfterMs: endMs + ms });
    const drop = signed({ action: "drop", manifest: new Uint8Array(0), notAfterMs: endMs + 9 });
    const first = await keeper(["object.*"]);
    const put = async (on: TestNode, order: Uint8Array): Promise<void> => {
      await on.objects.order(order);
      for (const [i, chunk] of BIG.chunks.entries()) await on.objects.upload(BIG.root, i, chunk);
      expect(on.objects.state(BIG.root)?.kept).toBe(true);
    };
    await put(first, keep(1));
    // As after an answer that was lost.
    expect((await first.objects.order(keep(1))).kept).toBe(true);
    await first.objects.order(drop);
    expect(await codeOf(first.objects.order(keep(1)))).toBe("object.order");
    expect(first.objects.state(BIG.root)).toBeUndefined();
    await put(first, keep(2));
    expect(await codeOf(first.objects.order(drop))).toBe("object.order");
    await first.objects.close();
    const row = await rowOf(["object.*"]);
    const again = await node(0, { folder: first.folder, row: () => row });
    expect(await codeOf(again.objects.order(drop))).toBe("object.order");
    expect(await codeOf(again.objects.order(keep(1)))).toBe("object.order");
    expect(again.objects.state(BIG.root)?.kept).toBe(true);
    expect((await again.objects.order(keep(2))).kept).toBe(true);
  });

  it("is what a chunk is taken by: none without it, and none that it does not name", async () => {
    const keeping = await keeper(["*"]);
    const [chunk] = BIG.chunks;
    if (chunk === undefined) throw new Error("no chunk");
    expect(await codeOf(keeping.objects.upload(BIG.root, 0, chunk))).toBe("object.not-ordered");
    await keeping.objects.order(signed());
    expect(await codeOf(keeping.objects.upload(BIG.root, 1, bytesOf(CHUNK_BYTES, 9)))).toBe(
      "object.mismatch",
    );
    expect(await codeOf(keeping.objects.upload(BIG.root, 99, chunk))).toBe("object.mismatch");
    expect((await keeping.objects.upload(BIG.root, 0, chunk)).held).toBe(1);
  });

  it("is refused that is not of an actor who may, for this node, now, as it was signed", async () => {
    const keeping = await keeper(["object.put"]);
    const tries: readonly (readonly [code: string, order: Uint8Array])[] = [
      ["object.order", signed({ node: new Uint8Array(32) })],
      ["object.order", signed({ notAfterMs: Date.now() - 1_000 })],
      ["object.order", signed({ notAfterMs: Date.now() + LIMITS.objectOrderMsMax + 60_000 })],
      ["event.unknown-actor", signed({ actor: new Uint8Array(32) })],
      ["event.forbidden", signed({ action: "drop", manifest: new Uint8Array(0) })],
      ["object.order-signature", signed({}, 6)],
      ["object.mismatch", signed({ root: new Uint8Array(32).fill(1) })],
      ["encoding.malformed", signed().subarray(0, 99)],
    ];
    for (const [code, order] of tries)
      expect(await codeOf(keeping.objects.order(order))).toBe(code);
    expect(await codeOf(keeping.objects.order(signed()))).toBe("");
    const records = await keeper(["record.*"]);
    expect(await codeOf(records.objects.order(signed()))).toBe("event.forbidden");
    const revoked = await keeper(["*"], 7);
    expect(await codeOf(revoked.objects.order(signed()))).toBe("event.forbidden");
  });

  it("is followed for objectUploadsMax objects at one time", async () => {
    const keeping = await keeper(["*"]);
    const ordered = (seed: number): Uint8Array => {
      const object = objectOf(bytesOf(10, seed));
      return signed({ root: object.name, manifest: object.encoded });
    };
    for (let seed = 1; seed <= LIMITS.objectUploadsMax; seed++) {
      await keeping.objects.order(ordered(seed));
    }
    expect(await codeOf(keeping.objects.order(ordered(99)))).toBe("node.overloaded");
    const object = objectOf(bytesOf(10, 1));
    await keeping.objects.upload(object.root, 0, object.bytes);
    expect(await codeOf(keeping.objects.order(ordered(99)))).toBe("");
  });
});

describe("a check", () => {
  it("finds what has changed on the disk, which then comes from others again", async () => {
    await node(0, { has: [[BIG]] });
    const other = await node(1, { has: [[BIG]] });
    const { writeFileSync } = await import("node:fs");
    writeFileSync(join(other.folder, BIG.root, "4"), "rubbish");
    const turns: number[] = [];
    const turn = async (): Promise<void> => void turns.push(1);
    const first = await other.objects.check(BIG.root, 0, 5, turn);
    expect(first).toEqual({ next: 5, checked: 5, damaged: [4], missing: 0 });
    expect(turns).toHaveLength(5);
    const rest = await other.objects.check(BIG.root, 5, 5, turn);
    expect(rest).toEqual({ next: undefined, checked: 2, damaged: [], missing: 0 });
    expect((await other.chunk(BIG.root, 4)).ok).toBe(true);
    expect(await other.objects.check(BIG.root, 4, 1, turn)).toMatchObject({ damaged: [] });
    expect(await codeOf(other.objects.check("00".repeat(32), 0, 1, turn))).toBe("object.not-found");
  });

  it("is made of a chunk before others are given it, where it has lain since an earlier run", async () => {
    const server = await node(0, { has: [[BIG]] });
    const honest = await node(1, { has: [[BIG]] });
    const { writeFileSync } = await import("node:fs");
    writeFileSync(join(server.folder, BIG.root, "2"), new Uint8Array(CHUNK_BYTES));
    const asker = await node(2);
    await getAll(asker);
    expect(asker.objects.evidence()).toEqual([]);
    expect(server.objects.state(BIG.root)?.held).toBeGreaterThanOrEqual(BIG.chunks.length - 1);
    expect(honest.objects.evidence()).toEqual([]);
  });
});
