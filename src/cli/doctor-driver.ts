/** What `nexus doctor` says of the QUIC driver that the sessions of a running node are on. */
import type { DriverJson } from "../client/api.ts";
import type { Finding } from "./finding.ts";

const CHECK = "session driver";

/** None where the node does not tell, or where the problem itself is among what it tells. */
export const checkSessionDriver = (driver: DriverJson | null | undefined): readonly Finding[] => {
  if (driver === undefined || driver === null || driver.state === "down") return [];
  const { restarts, lastFault } = driver;
  if (restarts === 0 || lastFault === null) {
    return [{ check: CHECK, state: "ok", found: driver.driver }];
  }
  const times = restarts === 1 ? "once" : `${restarts} times`;
  const ago = `${Math.round(lastFault.agoMs / 1000)} s ago`;
  return [
    {
      check: CHECK,
      state: "warn",
      found: `${driver.driver}, opened anew ${times}, last ${ago}: ${lastFault.cause}: ${lastFault.detail}`,
      todo: "nothing for once; if it repeats, see transport.driver-failed in docs/operating.md",
    },
  ];
};
