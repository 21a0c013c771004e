/** What a node does for the batches that reach it, and for its own blocks, with the sectors that it has or has not. */
import { describe, expect, it } from "vitest";
import { readProofs, readSealed } from "../../../src/ledger/batch.ts";
import { SPACE_SLOT, slotOf } from "../../../src/ledger/batch-proofs.ts";
import { rowKey } from "../../../src/ledger/keys.ts";
import { proverKey, SPACE } from "../../../src/ledger/projections/space/rows.ts";
import type { Batch } from "../../../src/ledger/types.ts";
import { SECTORS, World } from "../../proofs/refusals/world.ts";
import { hasher, idOf } from "../execution-support.ts";

const sealedOf = ({ bytes }: Batch) => {
  const sealed = readSealed(hasher, bytes);
  if (!sealed.ok) throw new Error(sealed.detail);
  return sealed.value;
};

const bare = (world: World, by = "clerk"): Batch =>
  world.sealed({ ...world.parts(by), space: undefined });

describe("the space of a node", () => {
  it("hosts a batch without a host, so that a voter takes it, and leaves one that has a host", () => {
    const world = new World();
    const { space } = world.pool("v1");
    const batch = bare(world);
    expect(world.vote([batch])).toBe("space.missing");
    const hosted = space.host(sealedOf(batch));
    if (!hosted.ok) throw new Error(hosted.detail);
    const again = readSealed(hasher, hosted.value);
    if (!again.ok) throw new Error(again.detail);
    const slots = readProofs(again.value);
    const slot = slots.ok ? slotOf(slots.value, SPACE_SLOT) : undefined;
    expect(slot?.bytes.subarray(0, 32)).toEqual(idOf("v1"));
    expect(again.value.id).toEqual(batch.id);
    expect(world.admit({ bytes: hosted.value }, "v2")).toBe("accepted");
    expect(space.host(again.value)).toEqual({ ok: true, value: again.value.bytes });
  });

  it("cannot host without a sector, and says so to a client; what it writes itself, peers host", () => {
    const world = new World();
    const { space } = world.pool("v2");
    expect(space.host(sealedOf(bare(world)))).toMatchObject({ code: "space.no-host" });
    expect(world.admit(bare(world), "v2")).toBe("space.no-host");
    expect(space.isOwn(sealedOf(bare(world, "v2")))).toBe(true);
    expect(world.admit(bare(world, "v2"), "v2")).toBe("accepted");
    expect(world.gossiped.at(-1)?.proofs.map(({ kind }) => kind)).toEqual([1]);
  });

  it("hosts with the next sector where the first cannot be opened, and with none where all are gone", () => {
    const world = new World();
    const [first] = SECTORS["v0"] ?? [];
    const { space } = world.pool("v0", ({ sectors }) => sectors[0]?.sectorNo !== 0);
    const hosted = space.host(sealedOf(bare(world)));
    const slots = hosted.ok ? readSealed(hasher, hosted.value) : hosted;
    const proofs = slots.ok ? readProofs(slots.value) : slots;
    const slot = proofs.ok ? slotOf(proofs.value, SPACE_SLOT) : undefined;
    expect(first?.statement.sectorNo).toBe(0);
    expect(
      slot && new DataView(slot.bytes.buffer, slot.bytes.byteOffset + 32).getBigUint64(0),
    ).toBe(4n);
    const gone = world.pool("v0", () => false).space;
    expect(gone.host(sealedOf(bare(world)))).toMatchObject({ code: "space.no-host" });
  });

  it("leaves a batch with a reference that it does not know for the check of references", () => {
    const world = new World();
    const right = world.parts("clerk");
    const input = { ...right.input, refHeight: 1_600 };
    const batch = world.sealed({ ...right, input, space: undefined });
    expect(world.pool().space.host(sealedOf(batch))).toEqual({ ok: true, value: batch.bytes });
  });

  it("hosts anew what waits for its clients once the epoch does not count the host, and what is brought anew", () => {
    const world = new World();
    const [own, other, none] = [world.pool("v0"), world.pool("v1"), world.pool("v2")];
    const batch = bare(world);
    expect(world.admit(batch, "v1", other)).toBe("accepted");
    const hosted = world.gossiped.at(-1);
    if (hosted === undefined) throw new Error("not told");
    expect(world.admit(hosted, "v0", own, "v1")).toBe("accepted");
    expect(world.admit(hosted, "v2", none)).toBe("accepted");
    expect(own.hostAnew()).toEqual([]);
    world.nextEpoch();
    world.pass(1);
    world.store.apply([{ type: "del", key: rowKey(SPACE, proverKey(idOf("v1"))) }]);
    expect(world.vote([hosted])).toBe("space.sector-unknown");
    expect(world.built(own)).toEqual([]);
    // A peer's client waits there, and whoever cannot host sends its own away.
    expect(own.hostAnew()).toEqual([]);
    expect(own.getById(batch.id)?.digest).toEqual(hosted.digest);
    const toOthers = [{ batch: hosted, failure: { code: "space.no-host" } }];
    expect(other.hostAnew()).toMatchObject(toOthers);
    expect(none.hostAnew()).toMatchObject(toOthers);
    expect(none.hostAnew()).toEqual([]);
    // They go to one that can, with what they signed; the others take what that one says.
    expect(world.admit(batch, "v0", own)).toBe("accepted");
    const anew = own.getById(batch.id);
    expect(anew?.digest).not.toEqual(hosted.digest);
    expect(world.gossiped.at(-1)).toBe(anew);
    expect(world.built(own)).toEqual([anew]);
    expect(world.vote([anew ?? batch])).toBe("valid");
    expect(world.admit(anew ?? batch, "v1", other, "v0")).toBe("accepted");
    expect(other.getById(batch.id)?.digest).toEqual(anew?.digest);
    expect(other.get(hosted.digest)).toBeUndefined();
    // It has a host now: another envelope of it changes nothing.
    expect(world.admit(hosted, "v1", other, "v2")).toBe("accepted");
    expect(other.getById(batch.id)?.digest).toEqual(anew?.digest);
  });

  it("hosts anew by itself what its own client gave it hosted by another", () => {
    const world = new World();
    const pool = world.pool("v0");
    const sector = SECTORS["v1"]?.[0];
    if (sector === undefined) throw new Error("no sector");
    const parts = world.parts("clerk");
    const batch = world.sealed({ ...parts, space: world.space(parts.input, { sector }) });
    expect(world.admit(batch, "v0", pool)).toBe("accepted");
    world.nextEpoch();
    world.pass(1);
    world.store.apply([{ type: "del", key: rowKey(SPACE, proverKey(idOf("v1"))) }]);
    expect(pool.hostAnew()).toEqual([]);
    const anew = pool.getById(batch.id);
    expect(anew?.digest).not.toEqual(batch.digest);
    expect(world.gossiped.at(-1)).toBe(anew);
    expect(world.vote([anew ?? batch])).toBe("valid");
  });

  it("hosts anew what a peer has brought before its client did, and gives what it wrote itself to its peers", () => {
    const world = new World();
    const [first, next] = [world.pool("v1"), world.pool("v0")];
    const batch = bare(world);
    expect(world.admit(batch, "v1", first)).toBe("accepted");
    const hosted = world.gossiped.at(-1);
    if (hosted === undefined) throw new Error("not told");
    expect(world.admit(hosted, "v0", next, "v1")).toBe("accepted");
    // The first node dies, and the client goes to the next one.
    expect(world.admit(batch, "v0", next)).toBe("accepted");
    const written = bare(world, "v1");
    expect(world.admit(written, "v1", first)).toBe("accepted");
    world.nextEpoch();
    world.pass(1);
    world.store.apply([{ type: "del", key: rowKey(SPACE, proverKey(idOf("v1"))) }]);
    expect(next.hostAnew()).toEqual([]);
    const anew = next.getById(batch.id);
    expect(world.gossiped.at(-1)).toBe(anew);
    expect(world.vote([anew ?? batch])).toBe("valid");
    expect(first.hostAnew().map((one) => one.batch.id)).toEqual([batch.id]);
    expect(world.gossiped.at(-1)?.digest).toEqual(written.digest);
    expect(world.admit(written, "v0", next, "v1")).toBe("accepted");
    expect(world.vote([next.getById(written.id) ?? written])).toBe("valid");
  });

  it("opens for its blocks what is due, nothing where nothing is, and none where it cannot", () => {
    const world = new World();
    const at = world.height + 1;
    const beacon = world.beaconAt(world.height);
    const { set } = world;
    const openings = world.pool("v0").space.blockOpenings(set, at, beacon);
    expect(world.vote([], "v0", { openings: openings ?? new Uint8Array(1) })).toBe("valid");
    expect(world.pool("v2").space.blockOpenings(set, at, beacon)).toHaveLength(0);
    expect(world.pool("v0").space.blockOpenings(set, at, undefined)).toHaveLength(0);
    expect(world.pool("v0", () => false).space.blockOpenings(set, at, beacon)).toBeUndefined();
  });

  it("asks for no host where nobody of the set has a sector", () => {
    const world = new World();
    for (let epochs = 0; epochs < 2; epochs++) world.nextEpoch();
    world.pass(1);
    // Nobody has admitted the sectors of the genesis.
    const batch = bare(world);
    expect(world.pool("v2").space.host(sealedOf(batch))).toEqual({ ok: true, value: batch.bytes });
    expect(world.vote([batch], "v2")).toBe("valid");
  });
});
