import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DRIVER_LIMITS } from "../../src/limits-driver.ts";
import { DriverWatch, type LoopFacts, RetryPlan } from "../../src/transport/driver-watch.ts";

const { faultsMax, faultsMs, socketErrorsMax, socketErrorsMs, stalledChecksMax } = DRIVER_LIMITS;
const { retryMsMin, retryMsMax } = DRIVER_LIMITS;

const watch = (): DriverWatch => new DriverWatch(DRIVER_LIMITS);

/** What the calls say, in order: the cause, or a dash. */
const said = (count: number, call: () => { readonly cause: string } | undefined): string[] =>
  Array.from({ length: count }, () => call()?.cause ?? "-");

const dashes = (count: number): string[] => Array.from({ length: count }, () => "-");

describe("exceptions of the library", () => {
  it("are too many at faultsMax in a row over faultsMs, and neither alone", () => {
    const many = watch();
    expect(said(10 * faultsMax, () => many.exception("x", 7))).toEqual(dashes(10 * faultsMax));
    expect(many.exception("x", 7 + faultsMs - 1)).toBeUndefined();
    expect(many.exception("x", 7 + faultsMs)?.cause).toBe("library");
    const long = watch();
    let nowMs = 0;
    const next = () => {
      nowMs += faultsMs;
      return long.exception("x", nowMs);
    };
    expect(said(faultsMax, next)).toEqual([...dashes(faultsMax - 1), "library"]);
  });

  it("never are while sessions work, however many there are", () => {
    const one = watch();
    for (let round = 0; round < 100; round++) {
      const next = () => one.exception("x", round * faultsMs);
      expect(said(10 * faultsMax, next)).toEqual(dashes(10 * faultsMax));
      one.worked();
    }
  });
});

describe("errors of the socket", () => {
  it("are final at once where there is no socket any more", () => {
    for (const code of ["EBADF", "ENOTSOCK", "ERR_SOCKET_DGRAM_NOT_RUNNING"]) {
      expect(watch().socketError(code, "x", 0)?.cause).toBe("socket");
    }
  });

  it("say nothing of it where one destination may be what is wrong", () => {
    const codes = ["ENETUNREACH", "EHOSTUNREACH", "ENETDOWN", "EHOSTDOWN", "EADDRNOTAVAIL"];
    for (const code of [...codes, "EINVAL", "EACCES", "EPERM", "EMSGSIZE"]) {
      const one = watch();
      const many = 10 * socketErrorsMax;
      expect(said(many, () => one.socketError(code, "x", 0))).toEqual(dashes(many));
      expect(one.socketError(code, "x", socketErrorsMs)).toBeUndefined();
    }
  });

  it("count on where such come between them", () => {
    const one = watch();
    said(socketErrorsMax - 1, () => one.socketError("ENOBUFS", "x", 0));
    expect(one.socketError("ENETUNREACH", "x", socketErrorsMs)).toBeUndefined();
    expect(one.socketError("ENOBUFS", "x", socketErrorsMs)?.cause).toBe("socket");
  });

  it("are too many at socketErrorsMax in a row over socketErrorsMs, and neither alone", () => {
    const many = watch();
    expect(said(10 * socketErrorsMax, () => many.socketError("ENOBUFS", "x", 0))).toEqual(
      dashes(10 * socketErrorsMax),
    );
    expect(many.socketError("ENOBUFS", "x", socketErrorsMs - 1)).toBeUndefined();
    expect(many.socketError("ENOBUFS", "x", socketErrorsMs)?.cause).toBe("socket");
    const long = watch();
    let nowMs = 0;
    const next = () => {
      nowMs += socketErrorsMs;
      return long.socketError("ENOBUFS", "x", nowMs);
    };
    expect(said(socketErrorsMax, next)).toEqual([...dashes(socketErrorsMax - 1), "socket"]);
  });

  it("begin anew when a datagram went out", () => {
    const one = watch();
    said(socketErrorsMax, () => one.socketError("ENOBUFS", "x", 0));
    one.sent();
    expect(one.socketError("ENOBUFS", "x", socketErrorsMs)).toBeUndefined();
  });
});

describe("a loop", () => {
  const busy: LoopFacts = {
    ...{ isWaiting: true, rounds: 5, isOverdue: false, isStarved: false, returned: 9 },
  };

  it("has stalled when at stalledChecksMax looks nothing was done of what was due", () => {
    const kinds: readonly LoopFacts[] = [
      busy,
      { ...busy, isWaiting: false, isOverdue: true },
      { ...busy, isWaiting: false, isStarved: true },
    ];
    for (const facts of kinds) {
      const one = watch();
      one.look({ ...facts, rounds: 4, returned: 8, isOverdue: false });
      one.look({ ...facts, isOverdue: false });
      expect(said(stalledChecksMax, () => one.look(facts))).toEqual([
        ...dashes(stalledChecksMax - 1),
        "stall",
      ]);
    }
  });

  it("that goes round, or has nothing to do, never has", () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 100 }), (waits) => {
        const one = watch();
        for (const [rounds, isWaiting] of waits.entries()) {
          const facts = { ...busy, isWaiting, rounds, isStarved: !isWaiting, returned: rounds };
          expect(one.look(facts)).toBeUndefined();
        }
      }),
    );
  });
});

describe("the pauses before another endpoint", () => {
  it("double from the first to the last", () => {
    const plan = new RetryPlan(DRIVER_LIMITS, 0);
    const pauses = Array.from({ length: 12 }, () => plan.failed(1));
    expect(pauses.slice(0, 3)).toEqual([retryMsMin, 2 * retryMsMin, 4 * retryMsMin]);
    expect(pauses.at(-1)).toBe(retryMsMax);
  });

  it("start over after an endpoint that lasted, not after one that did not, nor while there is none", () => {
    const plan = new RetryPlan(DRIVER_LIMITS, 0);
    expect(plan.failed(0)).toBe(retryMsMin);
    expect(plan.failed(10 * retryMsMax)).toBe(2 * retryMsMin);
    plan.opened(0);
    expect(plan.failed(retryMsMax - 1)).toBe(4 * retryMsMin);
    plan.opened(0);
    expect(plan.failed(retryMsMax)).toBe(retryMsMin);
  });
});
