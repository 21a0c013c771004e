import { describe, expect, it } from "vitest";
import { LIMITS } from "../../../src/limits.ts";
import { type PathSession, Paths } from "../../../src/transport/relay/paths.ts";

const limits = LIMITS.paths;

type Fake = { -readonly [key in keyof PathSession]: PathSession[key] } & {
  rttMs: number;
  sent: number;
  lost: number;
  received: number;
  asked: number;
};

/** A session whose figures a test sets. */
const session = (via: string | undefined, rttMs = 10): Fake => ({
  ...{ via, isSecured: true, queuedBytes: 0, classBytes: 0 },
  ...{ rttMs, sent: 0, lost: 0, received: 0, asked: 0 },
  pathFigures() {
    return {
      rttMs: this.rttMs,
      packetsSent: this.sent,
      packetsLost: this.lost,
      packetsReceived: this.received,
      congestionWindowBytes: undefined,
    };
  },
  keepAlive() {
    this.asked += 1;
  },
});

const open = (...sessions: readonly Fake[]): Paths<Fake> => {
  const paths = new Paths<Fake>(limits);
  for (const one of sessions) paths.add(one, 0);
  return paths;
};

/** Looks once a second from `fromMs` to `toMs`; each path has heard something meanwhile. */
const look = (paths: Paths<Fake>, fromMs: number, toMs: number): Fake | undefined => {
  let chosen: Fake | undefined;
  for (let nowMs = fromMs; nowMs <= toMs; nowMs += limits.checkMs) {
    for (const one of paths.sessions()) one.received += 1;
    paths.measure(nowMs);
    chosen = paths.choose(nowMs).session;
  }
  return chosen;
};

describe("paths to a member", () => {
  it("are given up when nothing went over them for idleMs, not sooner, and never the one that carries", () => {
    const [direct, relayed] = [session(undefined), session("r")];
    const paths = open(direct, relayed);
    expect(paths.choose(0).session).toBe(direct);
    expect(paths.idleRelayed(limits.idleMs - 1)).toEqual([]);
    expect(paths.idleRelayed(limits.idleMs)).toEqual([relayed]);
    // What waits in it is not lost.
    relayed.queuedBytes = 1;
    expect(paths.idleRelayed(limits.idleMs)).toEqual([]);
    relayed.queuedBytes = 0;
    relayed.classBytes = 1;
    paths.measure(5_000);
    expect(paths.idleRelayed(5_000 + limits.idleMs - 1)).toEqual([]);
    expect(paths.idleRelayed(5_000 + limits.idleMs)).toEqual([relayed]);
    paths.remove(direct);
    expect(paths.choose(6_000).session).toBe(relayed);
    expect(paths.idleRelayed(6_000 + limits.idleMs)).toEqual([]);
  });

  it("may lose what they carried until they answered for drainMs after it, without a loss", () => {
    const { drainMs } = limits;
    /** A relayed path that carried, used last at 10 s, and left then; `after` is seen at each look after it. */
    const left = (untilMs: number, after: (relayed: Fake, nowMs: number) => void) => {
      const [direct, relayed] = [session(undefined), session("r")];
      const paths = open(relayed);
      expect(paths.choose(0).session).toBe(relayed);
      paths.add(direct, 0);
      relayed.classBytes = 1;
      look(paths, 10_000, 10_000);
      for (let nowMs = 11_000; nowMs <= untilMs; nowMs += 1_000) {
        relayed.received += 1;
        after(relayed, nowMs);
        paths.measure(nowMs);
      }
      return paths.remove(relayed);
    };
    const quiet = (): void => undefined;
    expect(left(10_000 + drainMs - 1_000, quiet)).toEqual({ mayLose: true });
    expect(left(10_000 + drainMs, quiet)).toEqual({ mayLose: false });
    const lossy = (one: Fake): void => {
      one.lost += 1;
    };
    expect(left(10_000 + 10 * drainMs, lossy)).toEqual({ mayLose: true });
    const full = (one: Fake): void => {
      one.queuedBytes = 1;
    };
    expect(left(10_000 + 10 * drainMs, full)).toEqual({ mayLose: true });
    const silent = (one: Fake): void => {
      one.received -= 1;
    };
    expect(left(10_000 + 10 * drainMs, silent)).toEqual({ mayLose: true });
    const once = (one: Fake, nowMs: number): void => {
      if (nowMs === 12_000) one.lost += 1;
    };
    expect(left(12_000 + drainMs - 1_000, once)).toEqual({ mayLose: true });
    expect(left(12_000 + drainMs, once)).toEqual({ mayLose: false });
    const never = open(session("s"), session(undefined));
    const idle = never.of("s");
    expect(idle === undefined ? undefined : never.remove(idle)).toEqual({ mayLose: false });
  });

  it("are chosen by round trip, after holdMs and dwellMs and not before", () => {
    const [near, far] = [session("r", 10), session("s", 100)];
    const paths = open(far);
    expect(paths.choose(0).session).toBe(far);
    paths.add(near, 0);
    expect(look(paths, 0, limits.dwellMs - limits.checkMs)).toBe(far);
    expect(look(paths, limits.dwellMs, limits.dwellMs)).toBe(near);
  });

  it("are left for their loss, which is forgotten when it is over", () => {
    const [direct, relayed] = [session(undefined), session("r")];
    const paths = open(direct, relayed);
    look(paths, 0, 1_000);
    for (let nowMs = 2_000; nowMs <= 60_000; nowMs += limits.checkMs) {
      direct.sent += 100;
      direct.lost += 20;
      look(paths, nowMs, nowMs);
    }
    expect(paths.directLoss).toBeCloseTo(0.2);
    expect(paths.choose(60_000).session).toBe(relayed);
    for (let nowMs = 61_000; nowMs <= 140_000; nowMs += limits.checkMs) {
      direct.sent += 100;
      look(paths, nowMs, nowMs);
    }
    expect(paths.directLoss).toBeLessThan(0.01);
    expect(paths.choose(140_000).session).toBe(direct);
  });

  it("are asked for a sign of life where there is a choice, and left when silent for silentMs", () => {
    const [direct, relayed] = [session(undefined), session("r")];
    const alone = open(direct);
    alone.measure(1_000);
    expect(direct.asked).toBe(0);
    alone.choose(1_000);
    alone.add(relayed, 1_000);
    const silentFrom = 1_000;
    for (let nowMs = silentFrom; nowMs < silentFrom + limits.silentMs; nowMs += limits.checkMs) {
      relayed.received += 1;
      alone.measure(nowMs);
      expect(alone.choose(nowMs).session).toBe(direct);
    }
    expect(direct.asked).toBeGreaterThan(0);
    relayed.received += 1;
    alone.measure(silentFrom + limits.silentMs);
    expect(alone.choose(silentFrom + limits.silentMs)).toEqual({
      ...{ session: relayed, change: "silent" },
    });
  });

  it("count a direct one only when its peer has shown its key", () => {
    const direct = session(undefined);
    direct.isSecured = false;
    const paths = open(direct);
    expect(paths.hasDirect).toBe(false);
    direct.isSecured = true;
    expect(paths.hasDirect).toBe(true);
  });
});
