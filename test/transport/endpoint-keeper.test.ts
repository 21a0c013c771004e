/** What takes the place of an endpoint that has failed, and when: with endpoints and a time that are the test's. */
import { describe, expect, it } from "vitest";
import { type Failure, fail as failure, TetradError } from "../../src/errors.ts";
import type { DriverFault } from "../../src/ledger/ports.ts";
import { DRIVER_LIMITS } from "../../src/limits-driver.ts";
import { driverProblems } from "../../src/node/api/json.ts";
import { realClock } from "../../src/node/real-ports.ts";
import { EndpointKeeper } from "../../src/transport/endpoint-keeper.ts";
import type { QuicEndpointOptions, SessionEndpoint } from "../../src/transport/quic-endpoint.ts";
import { silentMetrics, sleep } from "./support.ts";

describe("the keeper of an endpoint", () => {
  /** "taken": the system does not give the address. "broken": the library throws. */
  type Binding = "ok" | "taken" | "broken";

  const bindAs = (binding: Binding | undefined): void => {
    const taken = { errno: "EADDRINUSE" };
    if (binding === "taken") throw new TetradError("config.invalid", "taken", taken);
    if (binding === "broken") throw new TetradError("key.invalid", "out of order");
  };

  let reaches = true;
  let onIdentity = (): void => {};
  /** Each binding of the first driver waits for it. */
  let held: Promise<void> | undefined;
  let refusal: Failure | undefined;
  let atMs = 0;

  const make = async (bindings: readonly Binding[], reserves?: readonly Binding[]) => {
    reaches = true;
    onIdentity = () => {};
    held = undefined;
    refusal = undefined;
    atMs = 0;
    const failed: NonNullable<QuicEndpointOptions["failed"]>[] = [];
    const delays: number[] = [];
    const due: (() => void)[] = [];
    const counted: string[] = [];
    const happened: string[] = [];
    let bound = 0;
    let reserved = 0;
    const open = new Set<SessionEndpoint["driver"]>();
    const endpoint = (driver: SessionEndpoint["driver"] = "quiche"): SessionEndpoint => ({
      driver,
      get refusal() {
        return refusal;
      },
      features: {
        ...{ seesServerCertificate: true, opensUni: true, urgencies: true },
        readBackPressure: true,
      },
      local: { host: "::1", port: 4440 },
      get stats() {
        if (open.has(driver)) happened.push(`asked ${driver}`);
        return {
          ...{ datagramsIn: 1, datagramsOut: 2, bytesIn: 3, bytesOut: 4, dropped: 5, retries: 6 },
          ...{ sendErrors: 7, faults: 8 },
        };
      },
      connectionCount: 1,
      startAccepting: () => happened.push("accepting"),
      dial: () => undefined,
      useIdentity: ({ certPem }) => {
        happened.push(`certificate ${certPem}`);
        onIdentity();
        if (certPem === "bad") throw new Error("no certificate");
      },
      close: (_code, _reason, done) => {
        happened.push("closed");
        open.delete(driver);
        done();
      },
    });
    const keeper = await EndpointKeeper.open({
      listen: { host: "::1", port: 0 },
      limits: DRIVER_LIMITS,
      ports: {
        clock: { ...realClock, monotonicMs: () => atMs },
        timers: {
          set: (delayMs, callback) => {
            delays.push(delayMs);
            due.push(callback);
            return () => {
              if (due.includes(callback)) due.splice(due.indexOf(callback), 1);
            };
          },
        },
        logger: { log: () => {} },
        metrics: {
          ...silentMetrics,
          count: (_name, _by, labels) => counted.push(labels?.["cause"] ?? ""),
        },
      },
      bind: async ({ port }, tell) => {
        happened.push(`bind ${port}`);
        failed.push(tell);
        const binding = bindings[bound++];
        await held;
        bindAs(binding);
        return endpoint();
      },
      ...(reserves === undefined
        ? {}
        : {
            reserve: async (_listen, tell) => {
              happened.push("reserve");
              failed.push(tell);
              bindAs(reserves[reserved++]);
              return endpoint("reactor");
            },
          }),
      leaving: () => happened.push("leaving"),
      reserveReaches: () => reaches,
      reopened: () => happened.push("reopened"),
    });
    const fire = async (): Promise<void> => {
      for (const callback of due.splice(0)) callback();
      await sleep(0);
    };
    const fail = async (cause: DriverFault["cause"] = "socket"): Promise<void> => {
      failed.at(-1)?.("gone", cause);
      await sleep(0);
    };
    return { keeper, fail, fire, delays, due, failed, happened, counted, open };
  };

  it("tries the same port until it is free, waits longer each time, and never counts backwards", async () => {
    const { keeper, fail, fire, delays, happened, counted } = await make([
      ...(["ok", "taken", "taken", "ok"] as const),
    ]);
    keeper.startAccepting();
    keeper.useIdentity({ certPem: "two", keyPem: "" });
    expect(driverProblems(keeper.figures())).toEqual([]);
    await fail();
    expect(keeper.figures()).toMatchObject({ state: "down", restarts: 0 });
    expect(driverProblems(keeper.figures())).toMatchObject([{ code: "transport.driver-failed" }]);
    expect(keeper.refusal.code).toBe("transport.driver-failed");
    expect(keeper.connectionCount).toBe(0);
    expect(keeper.stats.bytesIn).toBe(3);
    for (let i = 0; i < 3; i++) await fire();
    expect(delays).toEqual([200, 400, 800]);
    expect(keeper.figures()).toMatchObject({
      ...{ state: "up", restarts: 1 },
      lastFault: { cause: "socket", detail: "gone" },
    });
    expect(keeper.stats.bytesIn).toBe(6);
    expect(keeper.refusal.code).toBe("node.overloaded");
    expect(counted).toEqual(["socket"]);
    expect(happened).toEqual([
      ...["bind 0", "accepting", "certificate two", "bind 4440", "bind 4440", "bind 4440"],
      ...["certificate two", "accepting", "reopened"],
    ]);
  });

  it("closes one that cannot take the identity, and tries again", async () => {
    const { keeper, fail, fire, delays, happened } = await make(["ok", "ok", "ok"]);
    await fail();
    keeper.useIdentity({ certPem: "bad", keyPem: "" });
    await fire();
    expect(happened).toEqual(["bind 0", "bind 4440", "certificate bad", "closed"]);
    expect(keeper.figures().state).toBe("down");
    keeper.useIdentity({ certPem: "two", keyPem: "" });
    await fire();
    expect(delays).toEqual([200, 400]);
    expect(happened.slice(4)).toEqual(["bind 4440", "certificate two", "reopened"]);
    expect(keeper.figures()).toMatchObject({ state: "up", restarts: 1 });
  });

  /** What there is before the reserve: one more of the first driver, which fails as well. */
  const FIRST = ["bind 0", "bind 4440", "reopened"];

  const failTwice = async (
    { fail, fire }: Awaited<ReturnType<typeof make>>,
    cause: DriverFault["cause"] = "library",
  ): Promise<void> => {
    for (let i = 0; i < 2; i++) {
      await fail(cause);
      await fire();
    }
  };

  it.each(["library", "stall"] as const)(
    "has the reserve for a second fault of %s, and looks after it",
    async (cause) => {
      const made = await make(["ok", "ok", "ok"], ["ok"]);
      const { keeper, fire, delays, happened } = made;
      await failTwice(made, cause);
      expect(happened).toEqual([...FIRST, "reserve", "reopened"]);
      expect(keeper.figures()).toMatchObject({ driver: "reactor", state: "up", restarts: 2 });
      expect(keeper.stats.bytesIn).toBe(9);
      expect(delays).toEqual([200, 200, 10_000]);
      for (let i = 0; i < 59; i++) await fire();
      expect(delays.slice(3)).toEqual(Array.from({ length: 59 }, () => 10_000));
      expect(happened).toHaveLength(5);
      await fire();
      expect(happened.slice(5)).toEqual(["bind 4440", "leaving", "closed", "reopened"]);
      expect(keeper.figures()).toMatchObject({ driver: "quiche", state: "up", restarts: 3 });
      expect(keeper.stats.bytesIn).toBe(12);
      expect(delays).toHaveLength(62);
    },
  );

  const many = <T>(value: T, count = 12): T[] => Array.from({ length: count }, () => value);

  it("carries for twice as long after a return that fails soon, eight times as long at most", async () => {
    const made = await make(many("ok"), many("ok"));
    const { fail, fire, delays, happened } = made;
    await failTwice(made);
    const carried: number[] = [];
    for (let round = 0; round < 5; round++) {
      const before = delays.length - 1;
      while (happened.at(-2) !== "closed") await fire();
      carried.push(delays.slice(before).reduce((sum, ms) => sum + ms, 0));
      await fail("library");
      await fire();
      expect(happened.slice(-2)).toEqual(["reserve", "reopened"]);
    }
    expect(carried).toEqual([600_000, 1_200_000, 2_400_000, 4_800_000, 4_800_000]);
  });

  it("looks as much rarer whether the reserve reaches enough, and is on it again without a longer pause", async () => {
    const made = await make(many("ok"), many("ok"));
    await failTwice(made);
    reaches = false;
    made.delays.length = 0;
    for (let round = 0; round < 5; round++) {
      await made.fire();
      expect(made.happened.slice(-3)).toEqual(["leaving", "closed", "reopened"]);
      await made.fail("library");
      await made.fire();
      expect(made.happened.slice(-2)).toEqual(["reserve", "reopened"]);
    }
    expect(made.delays).toEqual([
      ...[200, 20_000, 200, 40_000, 200, 80_000, 200, 80_000, 200, 80_000],
    ]);
  });

  it("waits longer each time before a reserve that fails before anybody has looked after it", async () => {
    const made = await make(many("ok"), many("ok"));
    await failTwice(made);
    made.delays.length = 0;
    for (let i = 0; i < 3; i++) {
      await made.fail("library");
      await made.fire();
      expect(made.happened.slice(-2)).toEqual(["bind 4440", "reopened"]);
      await made.fail("library");
      await made.fire();
      expect(made.happened.slice(-2)).toEqual(["reserve", "reopened"]);
    }
    expect(made.delays.filter((ms) => ms < 10_000)).toEqual([200, 800, 200, 1_600, 200, 3_200]);
  });

  /** For how long the reserve carries, and how often it is looked at. */
  const carries = async ({ fire, delays, happened }: Awaited<ReturnType<typeof make>>) => {
    const before = delays.length - 1;
    while (happened.at(-2) !== "closed") await fire();
    const looks = delays.slice(before);
    return { first: looks[0], all: looks.reduce((sum, ms) => sum + ms, 0) };
  };

  it("carries no longer, looked at no less often, for endpoints that did not open", async () => {
    const made = await make(
      ["ok", "broken", "broken", "broken", "broken", "ok"],
      ["broken", "broken", "broken", "ok"],
    );
    await made.fail("library");
    while (made.keeper.figures().driver === "quiche") await made.fire();
    expect(made.happened.filter((what) => what === "reserve")).toHaveLength(4);
    expect(await carries(made)).toEqual({ first: 10_000, all: 600_000 });
  });

  it("nor for those that were no return from it, failed by the socket, or lasted", async () => {
    const made = await make(many("ok", 20), many("ok"));
    const failAll = async (...causes: readonly DriverFault["cause"][]): Promise<void> => {
      for (const cause of causes) {
        await made.fail(cause);
        await made.fire();
      }
    };
    const usual = { first: 10_000, all: 600_000 };
    await failTwice(made);
    // The reserve, and two that took its place when it had failed.
    await failAll("library", "socket", "library");
    expect(await carries(made)).toEqual(usual);
    // The return, and what took its place.
    await failAll("socket", "library");
    expect(await carries(made)).toEqual(usual);
    await failAll("library");
    expect(await carries(made)).toEqual({ first: 20_000, all: 1_200_000 });
    atMs += DRIVER_LIMITS.retryMsMax;
    await failAll("library", "library");
    expect(await carries(made)).toEqual(usual);
  });

  it.each([
    ["is of use at once", 10_000, 200],
    ["is not", 9_999, 3_200],
  ])("a reserve that carried for long enough %s, however rarely it is looked at", async (...of) => {
    const [, carriedMs, pauseMs] = of;
    const made = await make(many("ok"), many("ok"));
    await failTwice(made);
    reaches = false;
    for (let round = 0; round < 2; round++) {
      await made.fire();
      await made.fail("library");
      await made.fire();
    }
    expect(made.delays.at(-1)).toBe(40_000);
    atMs += carriedMs;
    await made.fail("library");
    await made.fire();
    expect(made.happened.slice(-2)).toEqual(["bind 4440", "reopened"]);
    await made.fail("library");
    expect(made.delays.at(-1)).toBe(pauseMs);
    await made.fire();
    expect(made.happened.slice(-2)).toEqual(["reserve", "reopened"]);
  });

  it("has the reserve where the library cannot open another endpoint", async () => {
    const made = await make(["ok", "broken", "ok"], ["ok"]);
    await made.fail("library");
    await made.fire();
    expect(made.keeper.figures().state).toBe("down");
    await made.fire();
    expect(made.happened.slice(-3)).toEqual(["bind 4440", "reserve", "reopened"]);
    expect(made.delays).toEqual([200, 200, 10_000]);
  });

  it("and again where it cannot after the reserve has failed, or did not load", async () => {
    const made = await make(["ok", "ok", ...many<Binding>("broken")], ["ok", "broken", "ok"]);
    await failTwice(made);
    await made.fail("library");
    await made.fire();
    await made.fire();
    expect(made.happened.slice(-3)).toEqual(["bind 4440", "reserve", "bind 4440"]);
    await made.fire();
    expect(made.happened.slice(-2)).toEqual(["reserve", "reopened"]);
    expect(made.keeper.figures()).toMatchObject({ driver: "reactor", state: "up" });
  });

  it("has it where an identity cannot be used by the first driver twice", async () => {
    const made = await make(many("ok"), ["ok"]);
    await made.fail("socket");
    made.keeper.useIdentity({ certPem: "bad", keyPem: "" });
    for (let i = 0; i < 3; i++) await made.fire();
    expect(made.happened).toContain("reserve");
  });

  it("has it for a minute where the address is taken twice in a row", async () => {
    const made = await make(["ok", "taken", "ok", "taken", "taken", "ok"], ["ok"]);
    await made.fail("socket");
    for (let i = 0; i < 2; i++) await made.fire();
    await made.fail("socket");
    for (let i = 0; i < 2; i++) await made.fire();
    expect(made.happened).not.toContain("reserve");
    await made.fire();
    expect(made.happened.slice(-2)).toEqual(["reserve", "reopened"]);
    for (let i = 0; i < 5; i++) await made.fire();
    expect(made.keeper.figures().driver).toBe("reactor");
    await made.fire();
    expect(made.keeper.figures().driver).toBe("quiche");
  });

  it("hears of no fault of an endpoint that it has left, and of each once", async () => {
    const made = await make(many("ok"), many("ok"));
    await failTwice(made);
    const ofReserve = made.failed.at(-1);
    made.failed[1]?.("late", "library");
    reaches = false;
    await made.fire();
    ofReserve?.("late", "library");
    await sleep(0);
    expect(made.keeper.figures()).toMatchObject({
      ...{ driver: "quiche", state: "up", restarts: 3 },
      lastFault: { detail: "gone" },
    });
    expect(made.due).toEqual([]);
    await made.fail();
    await made.fail();
    expect(made.counted).toEqual(["library", "library", "socket"]);
    expect(made.due).toHaveLength(1);
  });

  it("looks after nothing and opens nothing once the node is stopping, and closes what is open then", async () => {
    const made = await make(many("ok"), many("ok"));
    await failTwice(made);
    reaches = false;
    const before = [...made.happened];
    made.keeper.stopWatching();
    expect(made.due).toEqual([]);
    expect(made.happened).toEqual(before);
    made.keeper.close(0, "", () => made.happened.push("done"));
    expect(made.happened.slice(before.length)).toEqual(["closed", "done"]);
  });

  it("once the node is stopping lets one that fails be, and a return that is on its way", async () => {
    const made = await make(many("ok"), many("ok"));
    await failTwice(made);
    reaches = false;
    const returning = made.fire();
    made.keeper.stopWatching();
    await returning;
    expect(made.happened.slice(-2)).toEqual(["bind 4440", "closed"]);
    expect(made.happened).not.toContain("leaving");
    made.failed[2]?.("gone", "library");
    await sleep(0);
    expect(made.due).toEqual([]);
    made.keeper.close(0, "", () => made.happened.push("done"));
    expect(made.happened.at(-1)).toBe("done");
  });

  it("has no use of the reserve for faults of the socket", async () => {
    const made = await make(["ok", "ok", "ok"], ["ok"]);
    await failTwice(made, "socket");
    expect(made.happened).toEqual([...FIRST, "bind 4440", "reopened"]);
    expect(made.keeper.figures().driver).toBe("quiche");
  });

  it("leaves no session of the reserve for one that opens as the node stops", async () => {
    const made = await make(many("ok"), many("ok"));
    made.keeper.useIdentity({ certPem: "two", keyPem: "" });
    await failTwice(made);
    reaches = false;
    onIdentity = () => made.keeper.stopWatching();
    await made.fire();
    expect(made.happened.slice(-3)).toEqual(["bind 4440", "certificate two", "closed"]);
    expect(made.keeper.figures().driver).toBe("reactor");
  });

  it("opens the first driver anew where the reserve does not load, and waits longer each time", async () => {
    const made = await make(many("ok"), many("broken"));
    await failTwice(made);
    expect(made.happened).toEqual([...FIRST, "reserve", "bind 4440", "reopened"]);
    expect(made.keeper.figures()).toMatchObject({ driver: "quiche", state: "up", restarts: 2 });
    await failTwice(made);
    expect(made.delays).toEqual([200, 200, 800, 1_600]);
  });

  it("counts faults of the driver for it alone, and none from before one that lasted", async () => {
    const made = await make(["ok", "taken", "ok", "ok", "ok"], ["ok"]);
    await made.fail("socket");
    for (let i = 0; i < 2; i++) await made.fire();
    await made.fail("library");
    await made.fire();
    expect(made.happened).not.toContain("reserve");
    atMs += DRIVER_LIMITS.retryMsMax;
    await made.fail("library");
    await made.fire();
    expect(made.happened).not.toContain("reserve");
    await made.fail("library");
    await made.fire();
    expect(made.happened.slice(-2)).toEqual(["reserve", "reopened"]);
  });

  it("goes back at the next look where the reserve reaches too few", async () => {
    const made = await make(["ok", "ok", "ok"], ["ok"]);
    await failTwice(made);
    reaches = false;
    await made.fire();
    expect(made.happened.slice(5)).toEqual(["bind 4440", "leaving", "closed", "reopened"]);
  });

  it("goes on with the reserve while the first driver does not open", async () => {
    const made = await make(["ok", "ok", "taken", "ok"], ["ok"]);
    const { keeper, fire, delays, happened } = made;
    await failTwice(made);
    reaches = false;
    await fire();
    expect(keeper.figures()).toMatchObject({ driver: "reactor", state: "up", restarts: 2 });
    expect(delays).toEqual([200, 200, 10_000, 60_000]);
    await fire();
    expect(happened.slice(5)).toEqual([
      ...["bind 4440", "bind 4440", "leaving", "closed", "reopened"],
    ]);
    expect(keeper.figures().driver).toBe("quiche");
  });

  it("opens the first driver when the reserve fails too", async () => {
    const made = await make(["ok", "ok", "ok"], ["ok"]);
    const { keeper, fail, fire, delays, happened } = made;
    await failTwice(made);
    await fail("library");
    expect(keeper.figures()).toMatchObject({ driver: "reactor", state: "down" });
    await fire();
    expect(happened.slice(5)).toEqual(["bind 4440", "reopened"]);
    expect(keeper.figures().driver).toBe("quiche");
    expect(delays).toEqual([200, 200, 10_000, 200]);
  });

  /** The reserve has failed while the first driver's return was under way; what lets that go on. */
  const failDuringReturn = async (returning: Binding) => {
    const made = await make(["ok", "ok", returning, "ok"], ["ok", "broken"]);
    made.keeper.startAccepting();
    await failTwice(made);
    reaches = false;
    const gate = Promise.withResolvers<void>();
    held = gate.promise;
    await made.fire();
    expect(made.happened.at(-1)).toBe("bind 4440");
    // The endpoints were two of the first driver, the reserve, and the return.
    made.failed[2]?.("gone", "library");
    await sleep(0);
    expect(made.keeper.figures()).toMatchObject({ driver: "reactor", state: "down" });
    const goOn = async (): Promise<void> => {
      held = undefined;
      gate.resolve();
      await sleep(0);
    };
    return { ...made, goOn, before: made.happened.length };
  };

  it.each([false, true])(
    "takes a return that opens when the reserve has failed meanwhile, its retry due: %s",
    async (isDue) => {
      const { keeper, fire, due, happened, goOn, before } = await failDuringReturn("ok");
      if (isDue) await fire();
      await goOn();
      expect(happened.slice(before)).toEqual(["accepting", "reopened"]);
      expect(keeper.figures()).toMatchObject({ driver: "quiche", state: "up", restarts: 3 });
      expect(due).toEqual([]);
    },
  );

  it.each([false, true])(
    "goes on as after any that does not open where that return does not, the retry due meanwhile: %s",
    async (isDue) => {
      const { keeper, fire, due, happened, goOn, before } = await failDuringReturn("taken");
      if (isDue) await fire();
      await goOn();
      expect(happened).toHaveLength(before);
      expect(due).toHaveLength(1);
      await fire();
      expect(happened.slice(before)).toEqual(["reserve", "bind 4440", "accepting", "reopened"]);
      expect(keeper.figures()).toMatchObject({ driver: "quiche", state: "up", restarts: 3 });
    },
  );

  it("closes that return where the node has stopped meanwhile", async () => {
    const { keeper, due, happened, goOn, before } = await failDuringReturn("ok");
    keeper.close(0, "", () => {});
    await goOn();
    expect(happened.slice(before)).toEqual(["closed"]);
    expect([due, keeper.figures().state]).toEqual([[], "down"]);
  });

  it("counts on after it is closed, and waits for no native thread to do so", async () => {
    const made = await make(["ok", "ok"], ["ok"]);
    await failTwice(made);
    made.open.add("reactor");
    made.happened.length = 0;
    let inDone = 0;
    made.keeper.close(0, "", () => {
      inDone = made.keeper.stats.bytesIn;
    });
    expect([inDone, made.keeper.stats.bytesIn]).toEqual([9, 9]);
    expect(made.happened).toEqual(["closed"]);
  });

  it("has the endpoint's own reason for a dial that gave nobody, and else the cap's", async () => {
    const { keeper, fail } = await make(["ok"]);
    refusal = failure("transport.driver-failed", "no folder");
    expect(keeper.refusal).toEqual(refusal);
    refusal = undefined;
    expect(keeper.refusal.code).toBe("node.overloaded");
    await fail();
    expect(keeper.refusal).toMatchObject({ code: "transport.driver-failed", detail: "gone" });
  });

  it("closed on the reserve, it goes back to nothing", async () => {
    const made = await make(["ok", "ok", "ok"], ["ok"]);
    await failTwice(made);
    made.keeper.close(0, "", () => {});
    await made.fire();
    expect(made.happened.slice(5)).toEqual(["closed"]);
  });

  it("opens none once it is closed", async () => {
    const { keeper, fail, fire, happened } = await make(["ok", "ok"]);
    await fail();
    let isDone = false;
    keeper.close(0, "", () => {
      isDone = true;
    });
    await fire();
    expect(isDone).toBe(true);
    expect(happened).toEqual(["bind 0"]);
  });
});
