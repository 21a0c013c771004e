/**
 * Driver: reads the hardware of the machine it runs on. The only importer of systeminformation.
 * Inventory only: it takes up to a second and is asked for by a person, never in a loop.
 */
import {
  blockDevices,
  cpu,
  diskLayout,
  graphics,
  mem,
  networkInterfaces,
  osInfo,
  system,
  uuid,
} from "systeminformation";
import type { Hasher } from "../crypto/hash.ts";
import { TetradError } from "../errors.ts";
import type { Hash } from "../ledger/types.ts";
import type { HostRegistered } from "./events.ts";
import { type HostReport, hostEventValue } from "./normalise.ts";

const readHost = async (): Promise<HostReport> => {
  const [processor, memory, disks, devices, interfaces, gpu, os, machine, ids] = await Promise.all([
    cpu(),
    mem(),
    diskLayout(),
    blockDevices(),
    networkInterfaces(),
    graphics(),
    osInfo(),
    system(),
    uuid(),
  ]);
  return {
    cpu: { ...processor },
    memory: { ...memory },
    disks: disks.map((one) => ({ ...one })),
    blockDevices: devices.map((one) => ({ ...one })),
    interfaces: (Array.isArray(interfaces) ? interfaces : [interfaces]).map((one) => ({ ...one })),
    graphics: gpu.controllers.map((one) => ({ ...one })),
    os: { ...os },
    system: { ...machine },
    uuid: { ...ids },
  };
};

/**
 * What this machine is, as the value of an asset.host.registered event by this actor. Throws
 * TetradError "config.invalid" when the machine has nothing to be recognised by.
 */
export const probeHost = async (hasher: Hasher, actor: Hash): Promise<HostRegistered> => {
  const value = hostEventValue(await readHost(), hasher, actor);
  if (!value.ok) throw TetradError.from(value);
  return value.value;
};
