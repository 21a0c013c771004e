/** What `nexus doctor` looks at on the host: drivers, the speed of a sync, modes of keys, certificates. */
import { X509Certificate } from "node:crypto";
import {
  closeSync,
  existsSync,
  fsyncSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { LIMITS } from "../limits.ts";
import { randomHex, realClock, realTimers } from "../node/real-ports.ts";
import type { DriverTrial } from "../transport/driver-trial.ts";
import { tryOnce } from "./doctor-bulk.ts";
import type { Finding } from "./finding.ts";

/** The native parts that a node loads; a broken installation is told here and not by a start. */
export const checkDrivers = async (): Promise<Finding> => {
  const loads = [
    { name: "QUIC", load: () => import("../transport/quiche-binding.ts") },
    { name: "LevelDB", load: () => import("../ledger/store/level.ts") },
  ];
  for (const { name, load } of loads) {
    try {
      await load();
    } catch (error) {
      return {
        check: "drivers",
        state: "fail",
        found: `${name} does not load: ${error instanceof Error ? error.message : String(error)}`,
        todo: "install anew with `npm ci`; there are drivers for Linux x64 with glibc",
      };
    }
  }
  return { check: "drivers", state: "ok", found: loads.map(({ name }) => name).join(", ") };
};

/** What the trials of the two QUIC drivers mean: sessions between nodes run on quiche. */
export const quicFinding = (quiche: DriverTrial, reactor: DriverTrial): Finding => {
  const other = reactor.works
    ? `reactor works too (${reactor.ms.toFixed(0)} ms)`
    : `reactor does not: ${reactor.reason}`;
  if (quiche.works) {
    const found = `sessions run on quiche (trial ${quiche.ms.toFixed(0)} ms); ${other}`;
    return { check: "quic", state: "ok", found };
  }
  return {
    check: "quic",
    state: "fail",
    found: `quiche does not work: ${quiche.reason}; ${other}`,
    todo: "see that [::1] is up and that nothing filters UDP on it",
  };
};

/** Has either QUIC driver carry bytes over [::1] with certificates at both ends. */
export const checkQuic = async (): Promise<Finding> => {
  try {
    const { tryDriver } = await import("../transport/driver-trial.ts");
    const ports = { clock: realClock, timers: realTimers };
    // The reactor apart: a fault in its native threads ends the process that tries it.
    return quicFinding(await tryDriver("quiche", ports), await tryOnce("reactor"));
  } catch (error) {
    // That the library does not load is said by the check of the drivers.
    const found = error instanceof Error ? error.message : String(error);
    return { check: "quic", state: "fail", found, todo: "install anew with `npm ci`" };
  }
};

const SYNCS = 5;
const SYNC_BYTES = 16 * 1024;
/** A block waits for a few syncs on each of a quorum of nodes, one after the other. */
const SYNC_WARN_MS = 50;
const SYNC_FAIL_MS = 1_000;

/** How long the disk takes to make a small write durable: the median of a few. */
export const checkSync = (folder: string): Finding => {
  const path = join(folder, `.doctor-${randomHex(16)}`);
  const times: number[] = [];
  try {
    const file = openSync(path, "wx", 0o600);
    try {
      for (let i = 0; i < SYNCS; i += 1) {
        const startedMs = realClock.monotonicMs();
        writeSync(file, new Uint8Array(SYNC_BYTES));
        fsyncSync(file);
        times.push(realClock.monotonicMs() - startedMs);
      }
    } finally {
      closeSync(file);
      rmSync(path, { force: true });
    }
  } catch (error) {
    const found = error instanceof Error ? error.message : String(error);
    const todo = "make the folder writable for the node's user, and make room";
    return { check: "sync", state: "fail", found, todo };
  }
  times.sort((a, b) => a - b);
  const median = times[SYNCS >> 1] ?? 0;
  const found = `${median.toFixed(1)} ms for ${SYNC_BYTES / 1024} KiB`;
  if (median < SYNC_WARN_MS) return { check: "sync", state: "ok", found };
  const todo = "every block waits for syncs: use a faster disk, or take load off this one";
  return { check: "sync", state: median < SYNC_FAIL_MS ? "warn" : "fail", found, todo };
};

/** Every file in the keys folder is its owner's alone, also those that a start does not read. */
export const checkModes = (keys: string): Finding => {
  const open = (existsSync(keys) ? readdirSync(keys) : []).filter((name) => {
    const stat = lstatSync(join(keys, name), { throwIfNoEntry: false });
    return stat?.isFile() === true && (stat.mode & 0o077) !== 0;
  });
  if (open.length === 0)
    return { check: "modes", state: "ok", found: "keys are their owner's alone" };
  return {
    check: "modes",
    state: "fail",
    found: `key.modes: others may read ${open.join(", ")}`,
    todo: `chmod 600 the files in ${keys}, and treat them as read if others use this host`,
    code: "key.modes",
  };
};

const DAY_MS = 86_400_000;
const LIFE_WARN_DAYS = 30;

/** How long a certificate still holds at a time. */
export const checkLifetime = (check: string, pem: string, nowMs: number): Finding => {
  const { validFromDate, validToDate } = new X509Certificate(pem);
  const days = Math.floor((validToDate.getTime() - nowMs) / DAY_MS);
  const until = validToDate.toISOString().slice(0, 10);
  const todo = "make a new one and have it in force before then; peers refuse one that is over";
  if (validFromDate.getTime() > nowMs) {
    return { check, state: "fail", found: "not valid yet", todo: "check this clock (NTP)" };
  }
  if (days < 0) return { check, state: "fail", found: `over since ${until}`, todo };
  const found = `until ${until}, ${days} days`;
  return days < LIFE_WARN_DAYS
    ? { check, state: "warn", found, todo }
    : { check, state: "ok", found };
};

/** The same for a file; nothing where there is none, which other checks tell. */
export const checkCertificateFile = (check: string, path: string, nowMs: number): Finding[] => {
  try {
    const stat = lstatSync(path);
    if (stat.size > LIMITS.pemBytesMax) return [];
    return [checkLifetime(check, readFileSync(path, "utf8"), nowMs)];
  } catch {
    return [];
  }
};
