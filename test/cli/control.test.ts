/** Requests to a running `nexus dev`: answered once, refused where anybody else could have written them. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  askControl,
  type ControlRequest,
  parseRequest,
  serveControl,
} from "../../src/cli/dev/control.ts";
import { fail } from "../../src/errors.ts";
import { LIMITS } from "../../src/limits.ts";
import { realClock } from "../../src/node/real-ports.ts";

let dir = "";
let end: (() => void) | undefined;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "tetrad-control-"));
});
afterEach(() => {
  end?.();
  end = undefined;
  rmSync(dir, { recursive: true, force: true });
});

const { signal } = new AbortController();

describe("control", () => {
  it("hands a request over once and brings the answer back", async () => {
    const seen: ControlRequest[] = [];
    end = serveControl(dir, async (request) => {
      seen.push(request);
      return { ok: true, value: { pid: 12 } };
    });
    expect(statSync(join(dir, "control")).mode & 0o777).toBe(0o700);
    const request = { action: "kill", node: "a", holdMs: 5 } as const;
    expect(await askControl(dir, request, signal)).toEqual({ pid: 12 });
    expect(seen).toEqual([request]);
    end();
    expect(existsSync(join(dir, "control"))).toBe(false);
  });

  it("serves a request when it comes, and not when it is time to look", async () => {
    end = serveControl(dir, async () => ({ ok: true, value: { pid: 7 } }));
    await new Promise((resolve) => setImmediate(resolve));
    // From here on no timer fires: only the system's word of the new file can lead to an answer.
    vi.useFakeTimers({ toFake: ["setTimeout"] });
    try {
      for (const digit of ["1", "2", "3"]) {
        const file = join(dir, "control", `${digit.repeat(32)}.request`);
        writeFileSync(file, JSON.stringify({ action: "start", node: "a" }), { mode: 0o600 });
        const answer = join(dir, "control", `${digit.repeat(32)}.answer`);
        const until = performance.now() + 10_000;
        while (!existsSync(answer) && performance.now() < until) {
          await new Promise((resolve) => setImmediate(resolve));
        }
        expect(existsSync(answer)).toBe(true);
      }
    } finally {
      vi.useRealTimers();
    }
  });

  it("brings a refusal back under its code", async () => {
    end = serveControl(dir, async () => fail("cli.usage", 'no node "x"'));
    const asked = askControl(dir, { action: "start", node: "x" }, signal);
    await expect(asked).rejects.toMatchObject({ code: "cli.usage", message: 'no node "x"' });
  });

  it("says when nobody serves the folder", async () => {
    const asked = askControl(dir, { action: "start", node: "a" }, signal);
    await expect(asked).rejects.toMatchObject({ code: "cli.unreachable" });
  });

  it("is waited for until devAnswerMsMax, and no longer", async () => {
    let nowMs = 0;
    const clock = vi.spyOn(realClock, "monotonicMs").mockImplementation(() => nowMs);
    try {
      // Somebody serves the folder, and does not answer.
      mkdirSync(join(dir, "control"));
      let said = "waits";
      const asked = askControl(dir, { action: "start", node: "a" }, signal).catch(
        (error: { readonly code: string }) => {
          said = error.code;
        },
      );
      nowMs = LIMITS.devAnswerMsMax;
      const looked = clock.mock.calls.length;
      await expect.poll(() => clock.mock.calls.length).toBeGreaterThan(looked + 1);
      expect(said).toBe("waits");
      nowMs += 1;
      await asked;
      expect(said).toBe("cli.unreachable");
      expect(readdirSync(join(dir, "control"))).toEqual([]);
    } finally {
      clock.mockRestore();
    }
  });

  it("takes no request that others can write, no link, and none that is too large", async () => {
    const seen: ControlRequest[] = [];
    end = serveControl(dir, async (request) => {
      seen.push(request);
      return { ok: true, value: { pid: 1 } };
    });
    const good = JSON.stringify({ action: "start", node: "a" });
    const place = (digit: string): string => join(dir, "control", `${digit.repeat(32)}.request`);
    const target = join(dir, "target");
    writeFileSync(target, good, { mode: 0o600 });
    symlinkSync(target, place("1"));
    writeFileSync(place("2"), good.padEnd(LIMITS.devRequestBytesMax + 1), { mode: 0o600 });
    writeFileSync(place("3"), good, { mode: 0o644 });
    writeFileSync(place("4"), good.padEnd(LIMITS.devRequestBytesMax), { mode: 0o600 });
    const answer = join(dir, "control", `${"4".repeat(32)}.answer`);
    await expect.poll(() => existsSync(answer), { timeout: 5000 }).toBe(true);
    expect(seen).toHaveLength(1);
    expect(existsSync(target)).toBe(true);
  });

  it("reads hostile requests without a throw, and holds at most as long as the limit", () => {
    const max = LIMITS.devHoldMsMax;
    const kill = (holdMs: unknown): boolean =>
      parseRequest(JSON.stringify({ action: "kill", node: "a", holdMs })).ok;
    expect([kill(0), kill(max), kill(max + 1), kill(-1), kill(1.5), kill("1")]).toEqual([
      true,
      true,
      false,
      false,
      false,
      false,
    ]);
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        const parsed = parseRequest(text);
        if (!parsed.ok) expect(parsed.code).toBe("cli.usage");
      }),
    );
  });
});
