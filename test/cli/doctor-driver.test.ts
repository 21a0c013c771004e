import { describe, expect, it } from "vitest";
import { checkSessionDriver } from "../../src/cli/doctor-driver.ts";
import type { DriverJson } from "../../src/client/api.ts";
import { driverProblems } from "../../src/node/api/json.ts";

const UP: DriverJson = { driver: "quiche", state: "up", restarts: 0, lastFault: null };
const FAULT = { cause: "socket", detail: "send EBADF", agoMs: 61_400 };

describe("what doctor says of the driver of sessions", () => {
  it("is its name while nothing has happened", () => {
    expect(checkSessionDriver(UP)).toEqual([
      { check: "session driver", state: "ok", found: "quiche" },
    ]);
  });

  it("is how often it was opened anew, and why last", () => {
    const [once] = checkSessionDriver({ ...UP, restarts: 1, lastFault: FAULT });
    expect(once).toMatchObject({
      state: "warn",
      found: "quiche, opened anew once, last 61 s ago: socket: send EBADF",
    });
    const [often] = checkSessionDriver({ ...UP, restarts: 3, lastFault: FAULT });
    expect(often?.found).toContain("opened anew 3 times");
  });

  it("is left to the problem that the node tells while it is down, and to nobody where it tells nothing", () => {
    expect(checkSessionDriver({ ...UP, state: "down", lastFault: FAULT })).toEqual([]);
    expect(checkSessionDriver(undefined)).toEqual([]);
    expect(checkSessionDriver(null)).toEqual([]);
    const lastFault = { cause: "stall", detail: "nothing is done", agoMs: 1 } as const;
    const down = { driver: "quiche", state: "down", restarts: 0, lastFault } as const;
    expect(driverProblems(down)).toMatchObject([
      { code: "transport.driver-failed", detail: "nothing is done" },
    ]);
    expect(driverProblems(undefined)).toEqual([]);
  });
});
