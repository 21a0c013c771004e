/** What `nexus doctor` says of the connections that objects go over: which driver a start would choose, and why. */
import { bulkListenOf } from "../node/bulk/open.ts";
import { tryDriverApart } from "../node/bulk/process.ts";
import type { NodeConfig } from "../node/config.ts";
import { candidates, reasonFor, type Tried } from "../transport/bulk/choose.ts";
import type { DriverTrial } from "../transport/driver-trial.ts";
import type { QuicDriverName } from "../transport/quic-endpoint.ts";
import type { Finding } from "./finding.ts";

const trials = new Map<QuicDriverName, Promise<DriverTrial>>();

/** Tries a driver in a process of its own, once for all checks of this run. */
export const tryOnce = (driver: QuicDriverName): Promise<DriverTrial> => {
  const trial = trials.get(driver) ?? tryDriverApart(driver);
  trials.set(driver, trial);
  return trial;
};

type BulkConfig = Pick<NodeConfig, "driver" | "bulkListen" | "listen">;

/** Never rejects. */
export const checkBulk = async (
  config: BulkConfig,
  tryDriver: (driver: QuicDriverName) => Promise<DriverTrial> = tryOnce,
): Promise<Finding> => {
  const check = "bulk driver";
  const choice = candidates(config.driver, bulkListenOf(config));
  const failed: Tried[] = [];
  for (const driver of choice.drivers) {
    const trial = await tryDriver(driver);
    if (!trial.works) {
      failed.push({ driver, reason: trial.reason });
      continue;
    }
    const found = `${driver}: ${reasonFor(driver, choice, failed, trial.ms)}`;
    if (failed.length === 0) return { check, state: "ok", found };
    const todo = "objects go slower; install anew with `npm ci`, on Linux x64 with glibc";
    return { check, state: "warn", found, todo };
  }
  const reasons = failed.map(({ driver, reason }) => `${driver}: ${reason}`).join("; ");
  return {
    check,
    state: "warn",
    found: `none, objects go over sessions: ${reasons}`,
    todo: 'set driver = "auto", and see that [::1] is up',
  };
};
