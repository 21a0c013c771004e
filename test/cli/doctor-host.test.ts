/** Checks of the host: each says what to do when something is wrong, and leaves nothing behind. */
import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  checkDrivers,
  checkLifetime,
  checkModes,
  checkQuic,
  checkSync,
  quicFinding,
} from "../../src/cli/doctor-host.ts";
import { createIdentityCertificate } from "../../src/transport/identity-certificate.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tetrad-doctor-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe("doctor, on the host", () => {
  it("measures a sync and leaves no file", () => {
    expect(checkSync(folder).found).toMatch(/ms for 16 KiB$/);
    expect(readdirSync(folder)).toEqual([]);
    const none = checkSync(join(folder, "none"));
    expect(none.state).toBe("fail");
    expect(none.todo).toContain("writable");
  });

  it("finds any key file that others may read", () => {
    writeFileSync(join(folder, "a.key"), "x", { mode: 0o600 });
    expect(checkModes(folder).state).toBe("ok");
    chmodSync(join(folder, "a.key"), 0o640);
    const found = checkModes(folder);
    expect(found).toMatchObject({ state: "fail", code: "key.modes" });
    expect(found.found).toContain("a.key");
    expect(found.todo).toContain("chmod 600");
  });

  it("warns 30 days before a certificate is over, and fails where it is not valid", () => {
    const [beginMs, days] = [Date.UTC(2026, 0, 1), 100];
    const endMs = beginMs + days * 86_400_000;
    const { certPem } = createIdentityCertificate({
      nodeId: "ab".repeat(32),
      notBeforeMs: beginMs,
      notAfterMs: endMs,
    });
    const at = (day: number) => checkLifetime("certificate", certPem, beginMs + day * 86_400_000);
    expect([at(-1), at(0), at(70), at(71), at(100), at(101)].map(({ state }) => state)).toEqual([
      "fail",
      "ok",
      "ok",
      "warn",
      "warn",
      "fail",
    ]);
    expect(at(90).found).toBe("until 2026-04-11, 10 days");
    expect(at(90).todo).toContain("before then");
  });

  it("loads the drivers", async () => {
    expect((await checkDrivers()).state).toBe("ok");
  });

  it("tries the QUIC drivers, and says which one sessions run on and why the other does not", async () => {
    const { check, state, found } = await checkQuic();
    expect([check, state]).toEqual(["quic", "ok"]);
    expect(found).toMatch(/^sessions run on quiche \(trial \d+ ms\); reactor /);
    const broken = { works: false, reason: "no such file" } as const;
    const works = { works: true, ms: 12.4 } as const;
    expect(quicFinding(works, broken).found).toContain("reactor does not: no such file");
    expect(quicFinding(works, works).found).toContain("reactor works too (12 ms)");
    expect(quicFinding(broken, works).state).toBe("fail");
  });
});
