/** What a dialler takes of a grant, before TLS sees any of it. */
import { describe, expect, it } from "vitest";
import {
  type Authority,
  createAuthority,
  createLeafKey,
} from "../../../src/transport/authority.ts";
import { openGrant, serverNameOf } from "../../../src/transport/bulk/certificates.ts";
import { pemOf } from "../../../src/transport/x509.ts";

const DAY_MS = 86_400_000;
const now = Date.now();
const key = createLeafKey();

const certified = (authority: Authority, publicKey: Uint8Array = key.publicKey): Uint8Array => {
  const certificate = authority.certify(publicKey, { subject: "dialler" });
  if (!certificate.ok) throw new Error(certificate.detail);
  return certificate.value;
};

/** Node reads it like the DER. */
const pemBytes = (der: Uint8Array): Uint8Array => Buffer.from(pemOf("CERTIFICATE", der));

const withMore = (der: Uint8Array): Uint8Array => Buffer.concat([der, Buffer.of(0)]);

const grantOf = (authority: Uint8Array, certificate: Uint8Array) => ({
  host: "",
  ports: [1],
  authority,
  certificate,
});

describe("a grant", () => {
  const own = createAuthority("own", now, DAY_MS);

  it("opens connections with the key that it is for", () => {
    const opened = openGrant(grantOf(own.certificate, certified(own)), key, now);
    expect(opened).toMatchObject({
      ok: true,
      value: { authorityPem: own.certPem, identity: { keyPem: key.keyPem } },
    });
  });

  it.each([
    ["a certificate over another key", own.certificate, certified(own, createLeafKey().publicKey)],
    ["one of another authority", own.certificate, certified(createAuthority("own", now))],
    ["an authority that is none", certified(own), certified(own)],
    ["bytes that are no certificate", own.certificate, new Uint8Array(100)],
    ["bytes that are no authority", new Uint8Array(100), certified(own)],
    ["an authority in PEM", pemBytes(own.certificate), certified(own)],
    ["a certificate in PEM", own.certificate, pemBytes(certified(own))],
    ["an authority with bytes behind it", withMore(own.certificate), certified(own)],
    ["a certificate with bytes behind it", own.certificate, withMore(certified(own))],
  ])("is not taken with %s", (_what, authority, certificate) => {
    expect(openGrant(grantOf(authority, certificate), key, now)).toMatchObject({
      ok: false,
      code: "bulk.certificate",
    });
  });

  it("is not taken before and after its time", () => {
    const grant = grantOf(own.certificate, certified(own));
    expect(openGrant(grant, key, now + DAY_MS - 2_000).ok).toBe(true);
    expect(openGrant(grant, key, now + DAY_MS + 2_000)).toMatchObject({ code: "bulk.certificate" });
    expect(openGrant(grant, key, now - 2 * DAY_MS)).toMatchObject({ code: "bulk.certificate" });
  });

  it("names its listener by a label that DNS could have", () => {
    const [label = ""] = serverNameOf("ab".repeat(32)).split(".");
    expect(label.length).toBeLessThanOrEqual(63);
  });
});
