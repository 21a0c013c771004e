import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Dialler } from "../../src/transport/dialler.ts";
import { Refusals } from "../../src/transport/refusals.ts";
import { newConnectionId, RetryTokens } from "../../src/transport/secrets.ts";
import { SendBuffers } from "../../src/transport/send-buffers.ts";
import { TokenBucket } from "../../src/transport/token-bucket.ts";

describe("TokenBucket", () => {
  it("gives at most burst + rate × time, whatever the pattern", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(500), { maxLength: 300 }), (gaps) => {
        const bucket = new TokenBucket(10, 5, 0);
        let now = 0;
        let taken = 0;
        for (const gap of gaps) {
          now += gap;
          if (bucket.take(now)) taken += 1;
        }
        expect(taken).toBeLessThanOrEqual(5 + (now * 10) / 1000);
      }),
    );
  });

  it("fills up again, no further than the burst, and not when time goes back", () => {
    const bucket = new TokenBucket(1, 2, 1000);
    expect([bucket.take(1000), bucket.take(1000), bucket.take(1000)]).toEqual([true, true, false]);
    expect(bucket.take(500)).toBe(false);
    expect(bucket.take(1999)).toBe(false);
    expect(bucket.take(2000)).toBe(true);
    expect([bucket.take(99_000), bucket.take(99_000), bucket.take(99_000)]).toEqual([
      true,
      true,
      false,
    ]);
  });

  it("is full when nothing is missing of the burst", () => {
    const bucket = new TokenBucket(1, 2, 0);
    expect(bucket.isFull(0)).toBe(true);
    bucket.take(0, 2);
    expect([bucket.isFull(1999), bucket.isFull(2000)]).toEqual([false, true]);
  });
});

describe("RetryTokens", () => {
  const remote = { host: "fd00::1", port: 4440 };
  const originalId = Uint8Array.from({ length: 18 }, (_, i) => i);

  it("opens what it minted, for the same client, until it expires", () => {
    const tokens = new RetryTokens(10_000);
    const newId = newConnectionId();
    const token = tokens.mint(remote, originalId, newId, 1000.5);
    expect(tokens.open(token, remote, newId, 11_001)).toEqual(originalId);
    expect(tokens.open(token, remote, newId, 11_002)).toBeUndefined();
    expect(tokens.open(token, { host: "fd00::2", port: 4440 }, newId, 1001)).toBeUndefined();
    expect(tokens.open(token, { host: "fd00::1", port: 4441 }, newId, 1001)).toBeUndefined();
    expect(tokens.open(token, remote, newConnectionId(), 1001)).toBeUndefined();
    expect(new RetryTokens(10_000).open(token, remote, newId, 1001)).toBeUndefined();
  });

  it("refuses every changed, cut or invented token", () => {
    const tokens = new RetryTokens(10_000);
    const newId = newConnectionId();
    const token = tokens.mint(remote, originalId, newId, 0);
    for (let at = 0; at < token.length; at++) {
      const changed = token.map((byte, i) => (i === at ? byte ^ 1 : byte));
      expect(tokens.open(changed, remote, newId, 0)).toBeUndefined();
      expect(tokens.open(token.subarray(0, at), remote, newId, 0)).toBeUndefined();
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        expect(tokens.open(bytes, remote, newId, 0)).toBeUndefined();
      }),
    );
  });
});

describe("SendBuffers", () => {
  it("makes no more than its number and says when one is free again", () => {
    let freed = 0;
    const buffers = new SendBuffers(10, 2, () => {
      freed += 1;
    });
    const [a, b] = [buffers.take(), buffers.take()];
    if (a === undefined || b === undefined) throw new Error("two buffers are there");
    expect(buffers.outstanding).toBe(2);
    buffers.give(a);
    expect(freed).toBe(0);
    expect(buffers.take()).toBe(a);
    expect(buffers.take()).toBeUndefined();
    buffers.give(b);
    buffers.give(a);
    expect(freed).toBe(1);
    expect(buffers.outstanding).toBe(0);
  });
});

describe("Dialler", () => {
  const make = (first: boolean, word = 0xffff_ffff) => {
    const delays: number[] = [];
    const pending: (() => void)[] = [];
    let now = 0;
    let dials = 0;
    const dialler = new Dialler({
      clock: { monotonicMs: () => now, wallMs: () => now },
      timers: {
        set: (delay, callback) => {
          delays.push(delay);
          pending.push(callback);
          return () => {
            pending.length = 0;
          };
        },
      },
      random: { u32: () => word },
      redialMsMin: 200,
      redialMsMax: 5000,
      doubtMs: 10_000,
      first,
      dial: () => {
        dials += 1;
      },
    });
    const fire = () => {
      for (const callback of pending.splice(0)) callback();
    };
    const setNow = (ms: number) => {
      now = ms;
    };
    return { dialler, delays, fire, setNow, dials: () => dials };
  };

  it("doubles the pause up to its end, half of it by chance", () => {
    const longest = make(true);
    const shortest = make(true, 0);
    for (let i = 0; i < 8; i++) {
      for (const side of [longest, shortest]) {
        side.dialler.retry();
        side.fire();
      }
    }
    const full = [200, 400, 800, 1600, 3200, 5000, 5000, 5000];
    expect(longest.delays.map(Math.round)).toEqual(full);
    expect(shortest.delays).toEqual(full.map((ms) => ms / 2));
    expect(longest.dials()).toBe(8);
  });

  it("starts over after a session that lasted, not after one that did not", () => {
    const { dialler, delays, fire } = make(true, 0);
    for (const lastedMs of [0, 9_999, 10_000]) {
      dialler.lasted(lastedMs);
      dialler.retry();
      fire();
    }
    expect(delays).toEqual([100, 200, 100]);
  });

  it("plans one attempt at a time, and none when stopped", () => {
    const { dialler, delays, fire, dials } = make(false, 0);
    dialler.begin();
    dialler.retry();
    expect(delays).toEqual([100]);
    dialler.stop();
    fire();
    expect(dials()).toBe(0);
  });

  it("dials beside a session that is not proved in time, unless it is by then", () => {
    const { dialler, delays, fire, dials } = make(true, 0);
    dialler.retry();
    dialler.doubt();
    // What was planned for a peer without any session is not waited for.
    expect(delays).toEqual([100, 10_000]);
    fire();
    expect(dials()).toBe(1);
    // The session that was doubted has ended: the pause is that of any other.
    dialler.doubt();
    dialler.retry();
    dialler.retry();
    expect(delays).toEqual([100, 10_000, 10_000, 200]);
    fire();
    expect(dials()).toBe(2);
    dialler.doubt();
    dialler.proved();
    fire();
    expect(dials()).toBe(2);
  });

  it("dials however many sessions that are not proved follow each other", () => {
    const { dialler, delays, fire, setNow, dials } = make(true, 0);
    for (const ms of [0, 4_900, 9_800]) {
      setNow(ms);
      dialler.doubt();
      // It ends, and the next one is up before the pause is over.
      if (ms < 9_800) dialler.retry();
    }
    expect(delays).toEqual([10_000, 100, 5_100, 200, 200]);
    setNow(10_000);
    fire();
    expect(dials()).toBe(1);
    // From then on none of them puts off what is planned.
    dialler.retry();
    dialler.doubt();
    dialler.doubt();
    expect(delays.slice(5)).toEqual([400]);
    fire();
    dialler.doubt();
    expect(delays.slice(6)).toEqual([800]);
    dialler.proved();
    dialler.doubt();
    expect(delays.slice(7)).toEqual([10_000]);
  });

  it("refuses a penalised peer for the pause", () => {
    const { dialler, setNow } = make(true, 0);
    expect(dialler.isRefusing).toBe(false);
    dialler.penalise();
    setNow(99);
    expect(dialler.isRefusing).toBe(true);
    setNow(100);
    expect(dialler.isRefusing).toBe(false);
    // A second offence doubles the pause although an attempt is planned.
    dialler.penalise();
    setNow(299);
    expect(dialler.isRefusing).toBe(true);
    setNow(300);
    expect(dialler.isRefusing).toBe(false);
  });
});

describe("Refusals", () => {
  it("counts every one and logs a bounded number", () => {
    let logged = 0;
    let counted = 0;
    let now = 0;
    const refusals = new Refusals({
      clock: { monotonicMs: () => now, wallMs: () => now },
      logger: {
        log: () => {
          logged += 1;
        },
      },
      metrics: {
        count: (_name, by = 1) => {
          counted += by;
        },
        gauge: () => {},
        observe: () => {},
      },
    });
    for (let i = 0; i < 1000; i++) refusals.note("transport.peer-unknown", "x");
    expect(refusals.counts()).toEqual({ "transport.peer-unknown": 1000 });
    expect(counted).toBe(1000);
    expect(logged).toBe(20);
    now = 3000;
    for (let i = 0; i < 10; i++) refusals.note("transport.peer-unknown", "x");
    expect(logged).toBe(23);
  });
});
