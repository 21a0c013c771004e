/** Sizes of keys, serial numbers, names and certificates: at the limit, and past it. */
import { describe, expect, it } from "vitest";
import { developmentName, leafBody, parseCertificate, rootBody } from "../../src/ca/certificate.ts";
import { CaRefusal, der, derBitString, derInteger, TAG } from "../../src/ca/der.ts";
import { parseCsr, sealCertificate } from "../../src/ca/index.ts";
import { OID } from "../../src/ca/oids.ts";
import { checkIssued, checkRoot, secondsOf, validityOf } from "../../src/ca/rules.ts";
import { readSubjectKey } from "../../src/ca/subject-key.ts";
import { LIMITS } from "../../src/limits.ts";
import { genesis } from "../ledger/execution-support.ts";
import { csrOf, issuerPrivateKey, issuerSpki, ROOT, signWith } from "./support.ts";

/** A SubjectPublicKeyInfo with an odd modulus of so many bits. */
const rsa = (bits: number, exponent = [1, 0, 1], last = 1): Uint8Array => {
  const modulus = new Uint8Array(Math.ceil(bits / 8));
  modulus[0] = 1 << ((bits - 1) % 8);
  modulus[modulus.length - 1] = (modulus.at(-1) ?? 0) | last;
  const key = der(TAG.sequence, derInteger(modulus), derInteger(Uint8Array.from(exponent)));
  const algorithm = der(TAG.sequence, OID.rsaEncryption, der(TAG.null));
  return der(TAG.sequence, algorithm, derBitString(key));
};

describe("keys", () => {
  it("of RSA have 2048 to 4096 bits, whatever the byte they begin in", () => {
    const [min, max] = LIMITS.caRsaBits;
    for (const bits of [min, min + 1, 3000, 3071, 3072, max]) {
      expect(readSubjectKey(rsa(bits)).bits).toBe(bits);
    }
    for (const bits of [1024, min - 1, max + 1, max + 8]) {
      expect(() => readSubjectKey(rsa(bits))).toThrow(CaRefusal);
    }
  });

  it("of RSA are odd and have the exponent 65537", () => {
    expect(() => readSubjectKey(rsa(2048, [1, 0, 1], 0))).toThrow(CaRefusal);
    expect(() => readSubjectKey(rsa(2048, [3]))).toThrow(CaRefusal);
    expect(() => readSubjectKey(rsa(2048, [1, 0, 0, 0, 1]))).toThrow(CaRefusal);
  });
});

const CSR = csrOf({ names: "DNS:a.example.org" });

const issued = (serial: Uint8Array): string => {
  const issuer = parseCertificate(ROOT);
  const csr = parseCsr(CSR);
  if (!issuer.ok || !csr.ok) throw new Error("the fixtures do not parse");
  const { subjectKey, names } = csr.value;
  const timeMs = genesis.timeMs;
  const terms = { profile: "server", lifetimeSeconds: 60, csr: CSR };
  const validity = validityOf(secondsOf(timeMs), 60, issuer.value.notAfterS);
  const leaf = { issuer: issuer.value, subjectKey, names, profile: "server" as const, serial };
  const body = leafBody({ ...leaf, ...validity });
  const certificate = sealCertificate(body, signWith(issuerPrivateKey, body));
  const found = checkIssued(certificate, { issuer: issuer.value, terms, requestedMs: timeMs });
  return found.ok ? "ok" : found.code;
};

describe("serial numbers", () => {
  it("have 8 to 20 bytes and are not zero", () => {
    const { caSerialBytesMin: min, caSerialBytesMax: max } = LIMITS;
    const ones = (length: number) => new Uint8Array(length).fill(1);
    expect([min, 17, max].map((length) => issued(ones(length)))).toEqual(["ok", "ok", "ok"]);
    for (const serial of [ones(min - 1), ones(max + 1), new Uint8Array(20)]) {
      expect(issued(serial)).toBe("ca.certificate-invalid");
    }
  });
});

const rootCode = (unit: string): string => {
  const notBeforeS = secondsOf(genesis.timeMs);
  const body = rootBody({
    serial: new Uint8Array(9).fill(1),
    subject: developmentName(unit),
    subjectKey: readSubjectKey(issuerSpki),
    notBeforeS,
    notAfterS: notBeforeS + 1000,
  });
  const found = checkRoot(sealCertificate(body, signWith(issuerPrivateKey, body)), genesis.timeMs);
  return found.ok ? "ok" : found.code;
};

describe("issuers", () => {
  it("have a name of at most so many bytes, as DER", () => {
    const length = (unit: string): number => developmentName(unit).length;
    let unit = "x".repeat(LIMITS.caIssuerNameBytesMax);
    while (length(unit) > LIMITS.caIssuerNameBytesMax) unit = unit.slice(1);
    expect(length(unit)).toBe(LIMITS.caIssuerNameBytesMax);
    expect(rootCode(unit)).toBe("ok");
    expect(rootCode(`${unit}x`)).toBe("ca.certificate-invalid");
  });
});

describe("certificates", () => {
  it("over the limit are not read", () => {
    const large = new Uint8Array(LIMITS.caCertificateBytesMax + 1);
    expect(parseCertificate(large)).toMatchObject({ code: "ca.certificate-invalid" });
  });

  it("fit their limit for every request that fits its own", () => {
    // The fullest request: 32 names that fill it. What a certificate adds is far less than the difference.
    const label = "a".repeat(60);
    const names = Array.from(
      { length: LIMITS.caNamesMax },
      (_, i) => `DNS:${i}${label}.${label}.${label}.${"b".repeat(30)}`,
    );
    const csr = csrOf({ names: names.join(",") });
    expect(csr.length).toBeGreaterThan(LIMITS.caCsrBytesMax - 1500);
    expect(parseCsr(csr).ok).toBe(true);
    const spare = LIMITS.caCertificateBytesMax - LIMITS.caCsrBytesMax;
    expect(ROOT.length + LIMITS.caIssuerNameBytesMax).toBeLessThan(spare);
  });
});
