import { describe, expect, it } from "vitest";
import { realClock, realTimers } from "../../src/node/real-ports.ts";
import { tryDriver } from "../../src/transport/driver-trial.ts";
import { needsReactor } from "./reactor-here.ts";

const ports = { clock: realClock, timers: realTimers };

describe("tryDriver", () => {
  it("carries bytes over quiche", async () => {
    expect(await tryDriver("quiche", ports)).toMatchObject({ works: true });
  });

  it("carries bytes over the reactor", async (context) => {
    needsReactor(context);
    expect(await tryDriver("reactor", ports)).toMatchObject({ works: true });
  });

  it("gives the reason, and does not throw, when nothing comes back in time", async (context) => {
    needsReactor(context);
    // The first timer to be set is the trial's own limit, or a packet's; all of them fire at once.
    const hurried = {
      ...ports,
      timers: { set: (_ms: number, run: () => void) => realTimers.set(0, run) },
    };
    const trial = await tryDriver("reactor", hurried);
    expect(trial).toEqual({ works: false, reason: expect.stringContaining("no answer") });
  });
});
