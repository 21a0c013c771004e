import { SocketAddress } from "node:net";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LIMITS } from "../../src/limits.ts";
import {
  formatAddress,
  isMappedIpv4,
  networkOf,
  parseAddress,
  resolveAddress,
  scopeOf,
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

describe("networkOf", () => {
  it("is the first 64 bits, however the address is spelled", () => {
    for (const [host, network] of [
      ["::", "0:0:0:0"],
      ["::1", "0:0:0:0"],
      ["::1:2:3:4:5", "0:0:0:1"],
      ["fd00::", "fd00:0:0:0"],
      ["fd00::1", "fd00:0:0:0"],
      ["2001:db8:1:2::", "2001:db8:1:2"],
      ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
      ["2001:db8:0:2::6", "2001:db8:0:2"],
      ["2001:0DB8::2:0:0:0:6", "2001:db8:0:2"],
      ["fe80::1%eth0", "fe80:0:0:0"],
      ["::1.2.3.4", "0:0:0:0"],
      ["64:ff9b::1.2.3.4", "64:ff9b:0:0"],
    ] as const) {
      expect([host, networkOf(host)]).toEqual([host, network]);
    }
  });

  it("is one for addresses whose first 64 bits are, and only for those", () => {
    // Small groups, so that zeros are left out in every place.
    const groups = fc.array(fc.oneof(fc.constant(0), fc.nat(0xffff)), {
      minLength: 8,
      maxLength: 8,
    });
    const spell = (all: readonly number[]): string => all.map((one) => one.toString(16)).join(":");
    fc.assert(
      fc.property(groups, groups, fc.boolean(), (one, other, isSame) => {
        const second = isSame ? [...one.slice(0, 4), ...other.slice(4)] : other;
        const [a, b] = [one, second].map(
          (all) => new SocketAddress({ address: spell(all), family: "ipv6" }).address,
        );
        const isOne = spell(one.slice(0, 4)) === spell(second.slice(0, 4));
        expect(networkOf(a ?? "") === networkOf(b ?? "")).toBe(isOne);
        expect(networkOf(a ?? "")).toBe(spell(one.slice(0, 4)));
      }),
    );
  });
});

describe("scopeOf", () => {
  it("tells this machine, this link and many hosts from the rest, at the ends of their ranges", () => {
    for (const [scope, hosts] of [
      ["loopback", ["::1"]],
      ["link", ["fe80::1", "febf:ffff::1"]],
      ["multicast", ["ff00::1", "ff02::1", "ffff::1"]],
      ["wide", ["::2", "fe7f::1", "fec0::1", "feff::1", "fd00::1", "2001:db8::1"]],
    ] as const) {
      for (const host of hosts) expect([host, scopeOf(host)]).toEqual([host, scope]);
    }
  });
});
