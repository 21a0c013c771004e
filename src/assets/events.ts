/** Events of assets: the machines that members bring in. Payload encodings are part of the protocol. */
import type { Hasher } from "../crypto/hash.ts";
import { defineEvent, type EventValue, field, LINE_TEXT } from "../ledger/event-schema.ts";
import type { Hash } from "../ledger/types.ts";
import { LIMITS } from "../limits.ts";

const text = <N extends string>(name: N) => field.string(name, LIMITS.assetTextBytesMax, LINE_TEXT);

/**
 * What a machine says of its hardware. 0, an empty text and 32 zero bytes mean: not known. Serial numbers
 * and hardware addresses are never in it, only salted hashes by which the same part is recognised.
 */
export const hostFacts = field.record("facts", [
  field.record("cpu", [
    text("vendor"),
    text("model"),
    field.u32("physicalCores"),
    field.u32("logicalCores"),
    field.u32("speedMhz"),
  ]),
  field.u64("memoryBytes"),
  field.list(
    "disks",
    LIMITS.assetDisksMax,
    field.record("disk", [
      text("name"),
      text("model"),
      field.hash("serialHash"),
      field.u64("sizeBytes"),
    ]),
  ),
  field.list(
    "nics",
    LIMITS.assetNicsMax,
    field.record("nic", [text("name"), field.hash("macHash"), field.u32("speedMbps")]),
  ),
  field.list(
    "gpus",
    LIMITS.assetGpusMax,
    field.record("gpu", [text("vendor"), text("model"), field.u64("memoryBytes")]),
  ),
  field.record("os", [
    text("platform"),
    text("distribution"),
    text("release"),
    text("kernel"),
    text("arch"),
  ]),
  /** Name of the hypervisor or container runtime; empty for bare metal or where it is not known. */
  text("virtualization"),
] as const);

export type HostFacts = ReturnType<typeof hostFacts.read>;

/**
 * Registers a machine, or tells anew what it is made of. `assetId` must be
 * Ht("asset/host", actor || fingerprint): so only the actor who registered an id can update it, and
 * nobody can take the id of another's machine first.
 */
export const hostRegistered = defineEvent({
  type: "asset.host.registered",
  version: 1,
  fields: [field.hash("assetId"), field.hash("fingerprint"), text("hostname"), hostFacts],
});
export type HostRegistered = EventValue<typeof hostRegistered>;

/** Takes a machine out, for good: its id is not used again. */
export const hostRetired = defineEvent({
  type: "asset.host.retired",
  version: 1,
  fields: [field.hash("assetId")],
});
export type HostRetired = EventValue<typeof hostRetired>;

/** Id of the machine with this fingerprint, as this actor's asset. */
export const hostAssetId = (hasher: Hasher, actor: Hash, fingerprint: Hash): Hash =>
  hasher.ht("asset/host", actor, fingerprint);
