import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LIMITS } from "../../src/limits.ts";
import {
  formatAddress,
  isMappedIpv4,
  parseAddress,
  resolveAddress,
} from "../../src/transport/address.ts";

const codeOf = (text: string): string => {
  const parsed = parseAddress(text);
  return parsed.ok ? "ok" : parsed.code;
};

describe("parseAddress", () => {
  it("reads IPv6 literals in one spelling", () => {
    const parsed = parseAddress("[0:0:0:0:0:0:0:1]:4440");
    expect(parsed).toEqual({ ok: true, value: { kind: "literal", host: "::1", port: 4440 } });
    expect(parseAddress("[FD00:0::A]:0")).toMatchObject({ value: { host: "fd00::a", port: 0 } });
    expect(parseAddress("[::]:65535")).toMatchObject({ value: { host: "::", port: 65_535 } });
  });

  it("reads names, in lower case", () => {
    expect(parseAddress("Node-1.Example.org:4440")).toEqual({
      ok: true,
      value: { kind: "name", host: "node-1.example.org", port: 4440 },
    });
    expect(codeOf("localhost:1")).toBe("ok");
  });

  it("refuses IPv4 in every form with its own code", () => {
    for (const text of [
      "127.0.0.1:4440",
      "[127.0.0.1]:4440",
      "[::ffff:127.0.0.1]:4440",
      "[::ffff:7f00:1]:4440",
      "[0:0:0:0:0:FFFF:1.2.3.4]:4440",
    ]) {
      expect(codeOf(text)).toBe("transport.ipv4");
    }
  });

  it("refuses what is no address", () => {
    for (const text of [
      "",
      ":",
      "::1",
      "::1:4440",
      "[::1]",
      "[::1]:",
      "[::1]:65536",
      "[::1]:-1",
      "[::1]:04440",
      "[::1]:1e3",
      "[::1] :4440",
      "[fe80::1%eth0]:4440",
      "[::1]:4440 ",
      "[::g]:1",
      "[[::1]]:1",
      "a..b:1",
      "-a:1",
      "a-:1",
      "a_b:1",
      "1.2.3:1",
      "999.1.1.1:1",
      "http://a:1",
      `${"a".repeat(LIMITS.addressBytesMax)}:1`,
    ]) {
      expect(codeOf(text)).toBe("transport.address");
    }
  });

  it("is total on any text, and what it reads it reads again the same", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.ipV6().map((ip) => `[${ip}]:1`),
        ),
        (text) => {
          const parsed = parseAddress(text);
          if (!parsed.ok || parsed.value.kind !== "literal") return;
          expect(isMappedIpv4(parsed.value.host)).toBe(false);
          expect(parseAddress(formatAddress(parsed.value))).toEqual(parsed);
        },
      ),
    );
  });
});

describe("resolveAddress", () => {
  const name = { kind: "name", host: "node.example", port: 7 } as const;

  it("takes a literal as it is and asks nobody", async () => {
    const resolved = await resolveAddress({ kind: "literal", host: "::1", port: 7 }, () =>
      Promise.reject(new Error("asked")),
    );
    expect(resolved).toEqual({ ok: true, value: { host: "::1", port: 7 } });
  });

  it("takes the first usable AAAA record", async () => {
    const resolved = await resolveAddress(name, async (_host, family) =>
      family === 6 ? ["fe80::1%eth0", "::ffff:10.0.0.1", "fd00:0::7"] : ["10.0.0.1"],
    );
    expect(resolved).toEqual({ ok: true, value: { host: "fd00::7", port: 7 } });
  });

  it("tells a name with only A records from one with none", async () => {
    const only4 = await resolveAddress(name, async (_host, family) =>
      family === 4 ? ["10.0.0.1"] : [],
    );
    expect(only4).toMatchObject({ ok: false, code: "transport.address" });
    expect(only4.ok ? "" : only4.detail).toContain("only IPv4");
    const none = await resolveAddress(name, async () => []);
    expect(none).toMatchObject({ ok: false, code: "transport.address" });
    expect(none.ok ? "" : none.detail).toContain("no AAAA");
  });
});
