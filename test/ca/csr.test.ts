/** Certification requests by OpenSSL: which are taken, and with which code each other is refused. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseCsr } from "../../src/ca/index.ts";
import { equalBytes } from "../../src/crypto/bytes.ts";
import { ERRORS } from "../../src/errors.ts";
import { LIMITS } from "../../src/limits.ts";
import { provesPossession } from "../../src/node/ca/possession.ts";
import { csrOf, csrWithChallenge, KEYS } from "./support.ts";

const codeOf = (bytes: Uint8Array): string => {
  const parsed = parseCsr(bytes);
  return parsed.ok ? "ok" : parsed.code;
};

const dns = (name: string): Uint8Array => csrOf({ names: `DNS:${name}` });

describe("parseCsr", () => {
  it.each([
    ["p256", "ecdsa-sha256", []],
    ["p384", "ecdsa-sha384", ["-sha384"]],
    ["p256", "ecdsa-sha512", ["-sha512"]],
    ["rsa2048", "rsa-sha256", []],
    ["rsa2048", "rsa-sha512", ["-sha512"]],
    ["ed25519", "ed25519", []],
  ] as const)("takes %s with %s, and sees that the key signed it", (kind, algorithm, more) => {
    const csr = csrOf({ key: KEYS[kind](), names: "DNS:WWW.example.org,IP:2001:db8::1", more });
    const parsed = parseCsr(csr);
    expect(parsed).toMatchObject({ ok: true, value: { algorithm } });
    if (!parsed.ok) return;
    expect(parsed.value.names.map(({ text }) => text)).toEqual(["www.example.org", "2001:db8::1"]);
    expect(provesPossession(parsed.value)).toBe(true);
    const spoilt = parsed.value.signature.slice();
    spoilt[10] = (spoilt[10] ?? 0) ^ 1;
    expect(provesPossession({ ...parsed.value, signature: spoilt })).toBe(false);
  });

  it.each([
    ["a weak RSA key", () => csrOf({ key: KEYS.rsa1024(), names: "DNS:a.b" }), "ca.key-refused"],
    ["another curve", () => csrOf({ key: KEYS.p521(), names: "DNS:a.b" }), "ca.key-refused"],
    ["SHA-1", () => csrOf({ names: "DNS:a.b", more: ["-sha1"] }), "ca.csr-algorithm"],
    ["no names", () => csrOf(), "ca.name-missing"],
    ["an IPv4 address", () => csrOf({ names: "IP:192.0.2.1" }), "ca.name-ipv4"],
    ["a mapped address", () => csrOf({ names: "IP:::ffff:192.0.2.1" }), "ca.name-ipv4"],
    ["a compatible address", () => csrOf({ names: "IP:::192.0.2.1" }), "ca.name-ipv4"],
    ["a translated one", () => csrOf({ names: "IP:::ffff:0:c000:201" }), "ca.name-ipv4"],
    ["a NAT64 address", () => csrOf({ names: "IP:64:ff9b::c000:201" }), "ca.name-ipv4"],
    ["a local NAT64 one", () => csrOf({ names: "IP:64:ff9b:1:7::c000:201" }), "ca.name-ipv4"],
    ["a 6to4 address", () => csrOf({ names: "IP:2002:c000:201::1" }), "ca.name-ipv4"],
    ["a Teredo address", () => csrOf({ names: "IP:2001:0:1::1" }), "ca.name-ipv4"],
    ["an ISATAP address", () => csrOf({ names: "IP:fe80::200:5efe:c000:201" }), "ca.name-ipv4"],
    ["an IPv4 address as a name", () => dns("192.0.2.1"), "ca.name-ipv4"],
    ["hex that reads as IPv4", () => dns("a.0x7f"), "ca.name-ipv4"],
    ["the unspecified address", () => csrOf({ names: "IP:::" }), "ca.name-refused"],
    ["a multicast address", () => csrOf({ names: "IP:ff02::1" }), "ca.name-refused"],
    ["a wildcard", () => dns("*.example.org"), "ca.name-wildcard"],
    ["an underscore", () => dns("a_b.example.org"), "ca.name-refused"],
    ["a final dot", () => dns("example.org."), "ca.name-refused"],
    ["an A-label", () => dns("xn--bcher-kva.example"), "ca.name-refused"],
    ["a single label", () => dns("intranet"), "ca.name-refused"],
    ["a label of 64", () => dns(`${"a".repeat(64)}.org`), "ca.name-refused"],
    ["an e-mail address", () => csrOf({ names: "email:a@b.c" }), "ca.name-refused"],
    ["a URI", () => csrOf({ names: "URI:https://a.b" }), "ca.name-refused"],
    [
      "a CA",
      () => csrOf({ names: "DNS:a.b", more: ["-addext", "basicConstraints=critical,CA:TRUE"] }),
      "ca.csr-extension",
    ],
    [
      "a policy",
      () => csrOf({ names: "DNS:a.b", more: ["-addext", "certificatePolicies=1.2.3.4"] }),
      "ca.csr-extension",
    ],
    ["a challenge password", csrWithChallenge, "ca.csr-extension"],
  ] as const)("refuses %s", (_what, make, code) => {
    expect(codeOf(make())).toBe(code);
  });

  it("takes what the profile decides about, and one localhost", () => {
    const more = ["-addext", "keyUsage=keyCertSign", "-addext", "basicConstraints=CA:FALSE"];
    expect(codeOf(csrOf({ names: "DNS:localhost", more }))).toBe("ok");
  });

  it("takes as many names as a certificate may have, each once, and no more", () => {
    const names = (count: number): string =>
      Array.from({ length: count }, (_, i) => `DNS:n${i}.org`).join(",");
    expect(codeOf(csrOf({ names: names(LIMITS.caNamesMax) }))).toBe("ok");
    expect(codeOf(csrOf({ names: names(LIMITS.caNamesMax + 1) }))).toBe("ca.names-too-many");
    const twice = parseCsr(csrOf({ names: "DNS:a.org,DNS:A.ORG" }));
    expect(twice.ok && twice.value.names.length).toBe(1);
  });

  it("takes a name of 253 bytes and not of 254", () => {
    const long = (last: number): string =>
      [...Array.from({ length: 3 }, () => "a".repeat(63)), "b".repeat(last)].join(".");
    expect(codeOf(dns(long(61)))).toBe("ok");
    expect(codeOf(dns(long(62)))).toBe("ca.name-refused");
  });

  it("refuses what is over the size limit before it reads it", () => {
    expect(codeOf(new Uint8Array(LIMITS.caCsrBytesMax + 1))).toBe("ca.csr-too-large");
    expect(codeOf(new Uint8Array(LIMITS.caCsrBytesMax))).toBe("ca.csr-malformed");
  });

  it("refuses bytes behind the request, and every request that is cut short", () => {
    const csr = dns("a.example.org");
    expect(codeOf(Uint8Array.of(...csr, 0))).toBe("ca.csr-malformed");
    for (let length = 0; length < csr.length; length++) {
      expect(codeOf(csr.subarray(0, length))).toBe("ca.csr-malformed");
    }
  });
});

describe("parseCsr and hostile bytes", () => {
  const real = [
    csrOf({ names: "DNS:a.example.org,IP:2001:db8::1" }),
    csrOf({ key: KEYS.rsa2048(), names: "DNS:b.example.org" }),
    csrOf({ key: KEYS.ed25519(), names: "DNS:c.example.org" }),
  ];

  const infos = real.flatMap((csr) => {
    const parsed = parseCsr(csr);
    return parsed.ok ? [parsed.value.info] : [];
  });

  it("gives a code of the table for any mutation of a real request, and never another possession", () => {
    const change = fc.record({
      at: fc.nat(),
      kind: fc.constantFrom("set", "insert", "delete", "double"),
      byte: fc.nat(255),
    });
    fc.assert(
      fc.property(
        fc.constantFrom(...real),
        fc.array(change, { minLength: 1, maxLength: 4 }),
        (csr, changes) => {
          const bytes = [...csr];
          for (const { at, kind, byte } of changes) {
            const place = at % bytes.length;
            if (kind === "set") bytes[place] = byte;
            else if (kind === "insert") bytes.splice(place, 0, byte);
            else if (kind === "delete") bytes.splice(place, 1);
            else bytes.splice(place, 0, ...bytes.slice(place, place + 16));
          }
          const mutant = Uint8Array.from(bytes);
          const parsed = parseCsr(mutant);
          if (!parsed.ok) {
            expect(Object.hasOwn(ERRORS, parsed.code)).toBe(true);
            return;
          }
          // What is signed is what OpenSSL signed, whatever was done to the bytes around it.
          const known = infos.some((info) => equalBytes(info, parsed.value.info));
          expect(provesPossession(parsed.value) && !known).toBe(false);
        },
      ),
      { numRuns: 3000 },
    );
  });

  it("gives a code for any bytes at all", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(codeOf(bytes)).toMatch(/^ca\./);
      }),
      { numRuns: 2000 },
    );
  });
});
