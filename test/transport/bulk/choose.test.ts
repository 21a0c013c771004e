/** Which driver is tried first, and what is said of it. */
import { describe, expect, it } from "vitest";
import { checkBulk } from "../../../src/cli/doctor-bulk.ts";
import { candidates, reasonFor } from "../../../src/transport/bulk/choose.ts";
import type { DriverTrial } from "../../../src/transport/driver-trial.ts";

const here = { host: "::1", port: 0 };
const everywhere = { host: "::", port: 0 };

describe("the driver for bulk", () => {
  it("is the reactor before quiche, and what is set where something is", () => {
    expect(candidates("auto", here).drivers).toEqual(["reactor", "quiche"]);
    expect(candidates("quiche", here).drivers).toEqual(["quiche"]);
    expect(candidates("reactor", everywhere).drivers).toEqual(["reactor"]);
  });

  it("is quiche where it has to listen on all addresses, and says how to change that", () => {
    const choice = candidates("auto", everywhere);
    expect(choice.drivers).toEqual(["quiche"]);
    expect(reasonFor("quiche", choice, [], 12.4)).toBe(
      "the reactor listens on one address: set bulk_listen to one; " +
        "quiche carried bytes over [::1] in 12 ms",
    );
  });

  it("says why, with what did not work", () => {
    const failed = [{ driver: "reactor", reason: "it does not load" }] as const;
    expect(reasonFor("quiche", candidates("auto", here), failed, 3)).toBe(
      "reactor does not work: it does not load; quiche carried bytes over [::1] in 3 ms",
    );
    expect(reasonFor("quiche", candidates("quiche", here), [], 3)).toContain(
      'driver = "quiche" is set',
    );
  });
});

describe("nexus doctor", () => {
  const config = {
    driver: "auto",
    bulkListen: undefined,
    listen: { host: "::1", port: 1 },
  } as const;
  const trials =
    (reactor: DriverTrial, quiche: DriverTrial) =>
    async (driver: string): Promise<DriverTrial> =>
      driver === "reactor" ? reactor : quiche;
  const works = { works: true, ms: 5 } as const;
  const broken = { works: false, reason: "no answer" } as const;

  it("says what a start would choose, and warns where that is not the first", async () => {
    expect(await checkBulk(config, trials(works, broken))).toMatchObject({
      state: "ok",
      found: "reactor: reactor carried bytes over [::1] in 5 ms",
    });
    expect(await checkBulk(config, trials(broken, works))).toMatchObject({
      state: "warn",
      found: expect.stringContaining("quiche: reactor does not work: no answer"),
    });
    expect(await checkBulk(config, trials(broken, broken))).toMatchObject({
      state: "warn",
      found: expect.stringContaining("objects go over sessions"),
    });
    expect(await checkBulk({ ...config, driver: "reactor" }, trials(broken, works))).toMatchObject({
      state: "warn",
      found: "none, objects go over sessions: reactor: no answer",
    });
  });
});
