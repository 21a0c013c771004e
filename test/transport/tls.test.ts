import { X509Certificate } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toHex } from "../../src/crypto/bytes.ts";
import { createIdentityCertificate } from "../../src/transport/identity-certificate.ts";
import { identifyPeer, pinOfCertificate, readCertificate } from "../../src/transport/tls.ts";
import { idOf, makeIdentity } from "./support.ts";

const der = (pem: string): Uint8Array => new Uint8Array(new X509Certificate(pem).raw);
const START = Date.UTC(2026, 0, 1);
const END = Date.UTC(2027, 0, 1);

describe("createIdentityCertificate", () => {
  it("makes a self-signed certificate that OpenSSL reads, with the id, dates and pin", () => {
    const id = idOf(3);
    const made = createIdentityCertificate({ nodeId: id, notBeforeMs: START, notAfterMs: END });
    const read = new X509Certificate(made.certPem);
    expect(read.verify(read.publicKey)).toBe(true);
    expect(read.issuer).toBe(read.subject);
    expect(read.subject).toBe(`CN=${id}`);
    expect(read.validFromDate.getTime()).toBe(START);
    expect(read.validToDate.getTime()).toBe(END);
    expect(read.ca).toBe(false);
    expect(read.publicKey.asymmetricKeyDetails?.namedCurve).toBe("prime256v1");
    expect(toHex(pinOfCertificate(made.certPem))).toBe(toHex(made.spkiPin));
    expect(toHex(pinOfCertificate(der(made.certPem)))).toBe(toHex(made.spkiPin));
    expect(made.spkiPin.length).toBe(32);
  });

  it("makes another key each time", () => {
    const [a, b] = [makeIdentity(idOf(1)), makeIdentity(idOf(1))];
    expect(toHex(a.spkiPin)).not.toBe(toHex(b.spkiPin));
  });

  it("writes dates on both sides of 2050", () => {
    const late = createIdentityCertificate({
      nodeId: idOf(0),
      notBeforeMs: Date.UTC(2049, 11, 31, 23, 59, 59),
      notAfterMs: Date.UTC(2050, 0, 1),
    });
    const read = new X509Certificate(late.certPem);
    expect(read.validFromDate.toISOString()).toBe("2049-12-31T23:59:59.000Z");
    expect(read.validToDate.toISOString()).toBe("2050-01-01T00:00:00.000Z");
  });

  it("refuses a bad id and dates out of order", () => {
    const dates = { notBeforeMs: START, notAfterMs: END };
    expect(() => createIdentityCertificate({ nodeId: "ab", ...dates })).toThrow(/64 lower-case/);
    expect(() =>
      createIdentityCertificate({ nodeId: idOf(0), notBeforeMs: END, notAfterMs: START }),
    ).toThrow(/end before/);
  });
});

describe("identifyPeer", () => {
  const member = makeIdentity(idOf(0), START, END);
  const other = makeIdentity(idOf(1), START, END);
  const stranger = makeIdentity(idOf(0), START, END);
  const pins = new Map([
    [toHex(member.spkiPin), member.id],
    [toHex(other.spkiPin), other.id],
  ]);
  const codeOf = (chain: readonly Uint8Array[] | null, nowMs: number, expected?: string) => {
    const result = identifyPeer(chain, pins, expected, nowMs);
    return result.ok ? result.value.id : result.code;
  };

  it("knows members by their pin", () => {
    expect(codeOf([der(member.certPem)], START)).toBe(member.id);
    expect(codeOf([der(other.certPem)], END, other.id)).toBe(other.id);
  });

  it("refuses no certificate, an empty chain and a foreign one", () => {
    expect(codeOf(null, START)).toBe("transport.no-certificate");
    expect(codeOf([], START)).toBe("transport.no-certificate");
    // The same name as a member, by another key: names prove nothing.
    expect(codeOf([der(stranger.certPem)], START)).toBe("transport.peer-unknown");
    // A member's certificate behind the leaf proves nothing either.
    expect(codeOf([der(stranger.certPem), der(member.certPem)], START)).toBe(
      "transport.peer-unknown",
    );
  });

  it("refuses another member than the one dialled", () => {
    expect(codeOf([der(member.certPem)], START, other.id)).toBe("transport.peer-unknown");
  });

  it("refuses one millisecond before and after the dates", () => {
    expect(codeOf([der(member.certPem)], START - 1)).toBe("transport.certificate-expired");
    expect(codeOf([der(member.certPem)], END + 1)).toBe("transport.certificate-expired");
    expect(codeOf([der(member.certPem)], END)).toBe(member.id);
  });

  it("never throws on hostile certificates", () => {
    const good = der(member.certPem);
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 600 }),
          fc
            .tuple(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }))
            .map(([at, flip]) => good.map((byte, i) => (i === at ? byte ^ flip : byte))),
          fc.nat(good.length - 1).map((length) => good.slice(0, length)),
        ),
        (bytes) => {
          readCertificate(bytes);
          const result = identifyPeer([bytes], pins, undefined, START);
          if (result.ok) expect(result.value.id).toBe(member.id);
        },
      ),
    );
  });
});
