/**
 * From what an inventory library reports to facts that may be signed. Reports are odd in practice: a
 * speed of -1 or null, a size of "", an address of zeros, a disk of size 0 that is compressed memory.
 * Whatever is not a plain value becomes "not known"; nothing is guessed.
 *
 * Pure, so that every odd report that was ever met can be a test. The reading itself is in probe.ts.
 */
import { utf8 } from "../crypto/codec.ts";
import type { Hasher } from "../crypto/hash.ts";
import { fail, ok, type Result } from "../errors.ts";
import type { Hash } from "../ledger/types.ts";
import { LIMITS } from "../limits.ts";
import { type HostFacts, type HostRegistered, hostAssetId } from "./events.ts";

type Loose = Readonly<Record<string, unknown>>;

/** What the probe reads: objects and lists of the library, taken for nothing more than that. */
export type HostReport = {
  readonly cpu: Loose;
  readonly memory: Loose;
  readonly disks: readonly Loose[];
  readonly blockDevices: readonly Loose[];
  readonly interfaces: readonly Loose[];
  readonly graphics: readonly Loose[];
  readonly os: Loose;
  readonly system: Loose;
  readonly uuid: Loose;
};

const decoder = new TextDecoder("utf-8");
/** What firmware says when nobody has filled in a field. */
const PLACEHOLDER =
  /^(-|unknown|none|n\/a|not specified|to be filled by o\.e\.m\.|default string|0+)$/i;

/** One line of at most LIMITS.assetTextBytesMax bytes; empty for anything that is no text. */
export const cleanText = (value: unknown): string => {
  if (typeof value !== "string") return "";
  const line = value
    .toWellFormed()
    .replace(/\p{Cc}+/gu, " ")
    .trim();
  if (PLACEHOLDER.test(line)) return "";
  const bytes = utf8(line);
  if (bytes.length <= LIMITS.assetTextBytesMax) return line;
  // A character that was cut in the middle decodes to U+FFFD, which is dropped.
  const cut = decoder.decode(bytes.subarray(0, LIMITS.assetTextBytesMax));
  return cut.replace(/\ufffd+$/u, "").trim();
};

/** A whole number of 0 to max; 0 for anything else. */
export const cleanCount = (value: unknown, max: number): number => {
  if (typeof value !== "number" || !Number.isFinite(value) || value <= 0) return 0;
  const whole = Math.round(value);
  return whole > max ? 0 : whole;
};

const U32_MAX = 0xffff_ffff;
const MAX_SAFE = Number.MAX_SAFE_INTEGER;
const UNKNOWN_HASH = (): Hash => new Uint8Array(32);

/**
 * Hash of a serial number or hardware address under the machine's own salt, so that nobody can try all
 * addresses of a maker to find which one it is.
 */
const partHash = (hasher: Hasher, salt: Uint8Array, kind: string, value: string): Hash =>
  value === "" ? UNKNOWN_HASH() : hasher.ht(`asset/${kind}`, salt, utf8(value.toLowerCase()));

const macOf = (value: unknown): string => {
  const text = cleanText(value).toLowerCase();
  const plain = /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(text);
  return plain && text !== "00:00:00:00:00:00" ? text : "";
};

const realInterfaces = (report: HostReport): readonly Loose[] =>
  report.interfaces.filter(
    (one) => one["internal"] !== true && one["virtual"] !== true && macOf(one["mac"]) !== "",
  );

/**
 * A secret that is the machine's own and stays the same: its operating system's machine id, else its
 * firmware's id, else its hardware addresses. It salts the hashes and is hashed itself; it never leaves.
 */
const machineSecret = (report: HostReport): string => {
  const system = cleanText(report.uuid["os"]) || cleanText(report.uuid["hardware"]);
  if (system !== "") return `id/${system.toLowerCase()}`;
  const macs = realInterfaces(report).map((one) => macOf(one["mac"]));
  return macs.length === 0 ? "" : `mac/${macs.sort().join("/")}`;
};

const disksOf = (report: HostReport, hasher: Hasher, salt: Uint8Array): HostFacts["disks"] => {
  const laidOut = report.disks.filter((one) => cleanCount(one["size"], MAX_SAFE) > 0);
  // Virtual disks have no entry in the layout; the kernel's list still has them.
  const listed = laidOut.length > 0 ? laidOut : report.blockDevices.filter(isDisk);
  return listed
    .map((one) => ({
      name: cleanText(one["device"]) || cleanText(one["name"]),
      // Some drivers put the medium, not a model, in the name.
      model: cleanText(one["model"]) || (laidOut.length > 0 ? cleanText(one["name"]) : ""),
      serialHash: partHash(hasher, salt, "serial", cleanText(one["serialNum"] ?? one["serial"])),
      sizeBytes: cleanCount(one["size"], MAX_SAFE),
    }))
    .sort(byName)
    .slice(0, LIMITS.assetDisksMax);
};

const isDisk = (device: Loose): boolean =>
  device["type"] === "disk" &&
  device["removable"] !== true &&
  cleanCount(device["size"], MAX_SAFE) > 0 &&
  // Memory that poses as a disk.
  !/^(zram|ram|loop)\d+$/.test(cleanText(device["name"]));

const byName = (a: { readonly name: string }, b: { readonly name: string }): number =>
  a.name < b.name ? -1 : a.name > b.name ? 1 : 0;

const factsOf = (report: HostReport, hasher: Hasher, salt: Uint8Array): HostFacts => {
  const { cpu, os, system } = report;
  return {
    cpu: {
      vendor: cleanText(cpu["manufacturer"]) || cleanText(cpu["vendor"]),
      model: cleanText(cpu["brand"]),
      physicalCores: cleanCount(cpu["physicalCores"], U32_MAX),
      logicalCores: cleanCount(cpu["cores"], U32_MAX),
      speedMhz: cleanCount(Number(cpu["speed"]) * 1000, U32_MAX),
    },
    memoryBytes: cleanCount(report.memory["total"], MAX_SAFE),
    disks: disksOf(report, hasher, salt),
    nics: realInterfaces(report)
      .map((one) => ({
        name: cleanText(one["iface"]),
        macHash: partHash(hasher, salt, "mac", macOf(one["mac"])),
        speedMbps: cleanCount(one["speed"], U32_MAX),
      }))
      .sort(byName)
      .slice(0, LIMITS.assetNicsMax),
    gpus: report.graphics
      .map((one) => ({
        vendor: cleanText(one["vendor"]),
        model: cleanText(one["model"]),
        // Reported in MiB.
        memoryBytes: cleanCount(Number(one["vram"]) * 2 ** 20, MAX_SAFE),
      }))
      .slice(0, LIMITS.assetGpusMax),
    os: {
      platform: cleanText(os["platform"]),
      distribution: cleanText(os["distro"]),
      release: cleanText(os["release"]),
      kernel: cleanText(os["kernel"]),
      arch: cleanText(os["arch"]),
    },
    virtualization:
      system["virtual"] === true
        ? cleanText(system["virtualHost"]) || cleanText(system["model"]) || "virtual"
        : "",
  };
};

/**
 * The value of an asset.host.registered event for this machine, as this actor's asset. Code:
 * config.invalid for a machine that has nothing by which it could be told from another.
 */
export const hostEventValue = (
  report: HostReport,
  hasher: Hasher,
  actor: Hash,
): Result<HostRegistered> => {
  const secret = machineSecret(report);
  if (secret === "") {
    return fail(
      "config.invalid",
      "this machine has no machine id, no firmware id and no network card to be known by; " +
        "create /etc/machine-id",
    );
  }
  const fingerprint = hasher.ht("asset/fingerprint", utf8(secret));
  return ok({
    assetId: hostAssetId(hasher, actor, fingerprint),
    fingerprint,
    hostname: cleanText(report.os["hostname"]),
    facts: factsOf(report, hasher, utf8(secret)),
  });
};
