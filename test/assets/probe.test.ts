import { readFileSync } from "node:fs";
import { arch, cpus, hostname, networkInterfaces, totalmem } from "node:os";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hostRegistered } from "../../src/assets/events.ts";
import {
  cleanCount,
  cleanText,
  type HostReport,
  hostEventValue,
} from "../../src/assets/normalise.ts";
import { probeHost } from "../../src/assets/probe.ts";
import { createHasher } from "../../src/crypto/hash.ts";
import { LIMITS } from "../../src/limits.ts";

const hasher = createHasher("probe-test-1");
const actor = new Uint8Array(32).fill(7);
const NOTHING = new Uint8Array(32);

/** A virtual machine as the library reports it: no disk layout, a speed of 0, a link speed of -1. */
const report: HostReport = {
  cpu: {
    manufacturer: "AMD",
    brand: "EPYC",
    vendor: "AMD",
    speed: 0,
    cores: 2,
    physicalCores: 2,
  },
  memory: { total: 25_276_514_304, available: 1 },
  disks: [],
  blockDevices: [
    { name: "vda", type: "disk", size: 274_877_906_944, physical: "HDD", device: "/dev/vda" },
    { name: "vda1", type: "part", size: 274_876_858_368, device: "/dev/vda1" },
    { name: "zram0", type: "disk", size: 1024, device: "/dev/zram0" },
    { name: "sr0", type: "disk", size: 1024, removable: true, device: "/dev/sr0" },
    { name: "vdb", type: "disk", size: 0, device: "/dev/vdb" },
  ],
  interfaces: [
    { iface: "lo", mac: "00:00:00:00:00:00", internal: true, speed: null },
    { iface: "eth0", mac: "02:FC:00:00:00:01", internal: false, virtual: false, speed: -1 },
    { iface: "veth3", mac: "02:fc:00:00:00:02", internal: false, virtual: true, speed: 10_000 },
    { iface: "tun0", mac: "", internal: false, virtual: false, speed: 10 },
  ],
  graphics: [],
  os: {
    platform: "linux",
    distro: "Debian GNU/Linux",
    release: "12",
    kernel: "6.1",
    arch: "x64",
    hostname: "vm",
  },
  system: { virtual: true, virtualHost: "KVM", model: "Docker Container", serial: "-" },
  uuid: { os: "3d1219c7c4c5404aaa1f6d2a48adfda4", hardware: "" },
};

const factsOf = (from: HostReport) => {
  const value = hostEventValue(from, hasher, actor);
  if (!value.ok) throw new Error(value.detail);
  return value.value;
};

describe("what a report becomes", () => {
  it("keeps what is known and makes nothing up", () => {
    const { facts, hostname: name } = factsOf(report);
    expect(name).toBe("vm");
    expect(facts).toMatchObject({
      cpu: { vendor: "AMD", model: "EPYC", physicalCores: 2, logicalCores: 2, speedMhz: 0 },
      memoryBytes: 25_276_514_304,
      disks: [{ name: "/dev/vda", model: "", serialHash: NOTHING, sizeBytes: 274_877_906_944 }],
      gpus: [],
      virtualization: "KVM",
    });
    expect(facts.nics).toHaveLength(1);
    expect(facts.nics[0]).toMatchObject({ name: "eth0", speedMbps: 0 });
  });

  it("reads the layout of disks and graphics of a physical machine", () => {
    const { facts } = factsOf({
      ...report,
      cpu: { ...report.cpu, speed: 3.35 },
      disks: [
        { device: "/dev/sdb", name: "ST4000", size: 4e12, serialNum: "ZDH1" },
        { device: "/dev/nvme0n1", name: "Samsung 980", size: 1e12, serialNum: "S64" },
      ],
      graphics: [{ vendor: "NVIDIA", model: "H100", vram: 81_559 }],
      system: { virtual: false, model: "PowerEdge" },
    });
    expect(facts.cpu.speedMhz).toBe(3350);
    expect(facts.disks.map((disk) => disk.name)).toEqual(["/dev/nvme0n1", "/dev/sdb"]);
    expect(facts.disks[1]).toMatchObject({ model: "ST4000", sizeBytes: 4e12 });
    expect(facts.gpus).toEqual([
      { vendor: "NVIDIA", model: "H100", memoryBytes: 81_559 * 2 ** 20 },
    ]);
    expect(facts.virtualization).toBe("");
  });

  it("hides serial numbers, addresses and the machine's id, and still recognises them", () => {
    const disks = [{ device: "/dev/sda", size: 1, serialNum: "SERIAL-1" }];
    const one = factsOf({ ...report, disks });
    const json = JSON.stringify(hostRegistered.toJson(one)).toLowerCase();
    for (const secret of ["serial-1", "02:fc:00", "3d1219c7c4c5404aaa1f6d2a48adfda4"]) {
      expect(json).not.toContain(secret);
    }
    expect(factsOf({ ...report, disks })).toEqual(one);
    expect(one.facts.disks[0]?.serialHash).not.toEqual(NOTHING);
    // Another machine with the same card: the salt is the machine's own.
    const other = factsOf({ ...report, uuid: { os: "other-machine" } });
    expect(other.facts.nics[0]?.macHash).not.toEqual(one.facts.nics[0]?.macHash);
    expect(other.assetId).not.toEqual(one.assetId);
  });

  it("knows a machine without an id by its firmware or cards, and refuses one with neither", () => {
    const byFirmware = factsOf({ ...report, uuid: { os: "", hardware: "4C4C4544" } });
    const byCard = factsOf({ ...report, uuid: {} });
    expect(byFirmware.assetId).not.toEqual(byCard.assetId);
    expect(factsOf({ ...report, uuid: {}, memory: {} }).assetId).toEqual(byCard.assetId);
    const nothing = hostEventValue({ ...report, uuid: {}, interfaces: [] }, hasher, actor);
    expect(nothing).toMatchObject({ ok: false, code: "config.invalid" });
  });

  it("fits every list and text of any length into the event", () => {
    const many = <T>(value: T): T[] => Array.from({ length: 300 }, () => value);
    const long = `${"é".repeat(200)}`;
    const { facts } = factsOf({
      ...report,
      cpu: { ...report.cpu, brand: long },
      disks: many({ device: long, name: long, size: 1, serialNum: long }),
      interfaces: many({ iface: long, mac: "02:fc:00:00:00:01", speed: 1 }),
      graphics: many({ vendor: long, model: long, vram: 1 }),
    });
    expect(facts.disks).toHaveLength(LIMITS.assetDisksMax);
    expect(facts.nics).toHaveLength(LIMITS.assetNicsMax);
    expect(facts.gpus).toHaveLength(LIMITS.assetGpusMax);
    expect(facts.cpu.model).toBe("é".repeat(LIMITS.assetTextBytesMax / 2));
  });

  it("turns any report at all into an event that can be written", () => {
    const odd = fc.dictionary(
      fc.constantFrom(
        ...["size", "mac", "iface", "name", "model", "serial", "serialNum", "type", "device"],
        ...["speed", "cores", "brand", "total", "vram", "hostname", "kernel", "virtual", "os"],
      ),
      fc.oneof(
        fc.string({ unit: "binary", maxLength: 200 }),
        fc.double(),
        fc.constantFrom(null, undefined, -1, NaN, Infinity, "disk", "02:fc:00:00:00:01", true),
      ),
    );
    const list = fc.array(odd, { maxLength: 4 });
    const any: fc.Arbitrary<HostReport> = fc.record({
      cpu: odd,
      memory: odd,
      disks: list,
      blockDevices: list,
      interfaces: list,
      graphics: list,
      os: odd,
      system: odd,
      uuid: odd,
    });
    fc.assert(
      fc.property(any, (one) => {
        const value = hostEventValue(one, hasher, actor);
        if (!value.ok) return;
        const again = hostRegistered.decode(hostRegistered.encode(value.value).payload);
        expect(again).toEqual(value);
      }),
    );
  });

  it("cleans texts and counts", () => {
    expect(cleanText(" a\u0000\n b ")).toBe("a  b");
    expect(cleanText("To Be Filled By O.E.M.")).toBe("");
    expect(cleanText("\ud800x")).toBe("\ufffdx");
    expect(cleanText(5)).toBe("");
    const cut = cleanText(`${"a".repeat(LIMITS.assetTextBytesMax - 1)}é`);
    expect(cut).toBe("a".repeat(LIMITS.assetTextBytesMax - 1));
    expect([-1, null, NaN, Infinity, "7", 0].map((one) => cleanCount(one, 10))).toEqual([
      0, 0, 0, 0, 0, 0,
    ]);
    expect(cleanCount(10, 10)).toBe(10);
    expect(cleanCount(11, 10)).toBe(0);
    expect(cleanCount(2.5, 10)).toBe(3);
  });
});

describe("probeHost", () => {
  it("says of this machine what the operating system says", async () => {
    const value = await probeHost(hasher, actor);
    expect(value.hostname).toBe(hostname());
    expect(value.facts.memoryBytes).toBe(totalmem());
    expect(value.facts.cpu.logicalCores).toBe(cpus().length);
    expect(value.facts.os.arch).toBe(arch());
    if (process.platform === "linux") {
      expect(readFileSync("/proc/version", "utf8")).toContain(value.facts.os.kernel);
    }
    const text = JSON.stringify(hostRegistered.toJson(value)).toLowerCase();
    for (const list of Object.values(networkInterfaces())) {
      for (const { mac, internal } of list ?? []) {
        if (!internal) expect(text).not.toContain(mac.toLowerCase());
      }
    }
    expect((await probeHost(hasher, actor)).assetId).toEqual(value.assetId);
    expect(hostRegistered.decode(hostRegistered.encode(value).payload)).toMatchObject({ ok: true });
  });
});
