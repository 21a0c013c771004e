/** What the log decides about issuers, requests and certificates. */
import { X509Certificate } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  certificateDenied,
  certificateIssued,
  certificateKey,
  certificates,
  ct,
  decodeCertificate,
  decodeSettled,
  domainPrefix,
  issuerCreated,
  settledKey,
} from "../../src/ca/index.ts";
import { concatBytes, toHex } from "../../src/crypto/bytes.ts";
import { sha256 } from "../../src/crypto/hash.ts";
import { actorId } from "../../src/ledger/batch.ts";
import { rowPrefix } from "../../src/ledger/keys.ts";
import { actorRegistered } from "../../src/ledger/projections/events.ts";
import { readRow } from "../../src/ledger/row.ts";
import type { EncodedEvent } from "../../src/ledger/types.ts";
import { LIMITS } from "../../src/limits.ts";
import { codesOf, genesis, hasher, keyOf, type TestChain } from "../ledger/execution-support.ts";
import { projectionContract } from "../ledger/projection-contract.ts";
import {
  chainWithIssuer,
  created,
  csrOf,
  issuerId,
  issuerPrivateKey,
  KEYS,
  leafFor,
  openssl,
  PROJECTIONS,
  ROOT,
  requestOf,
  rootAt,
  signWith,
} from "./support.ts";

const CSR = csrOf({ names: "DNS:www.example.org,DNS:example.org,IP:2001:db8::1" });

const issue = (request: number, certificate: Uint8Array): EncodedEvent =>
  certificateIssued.encode({ issuer: issuerId, request, certificate });

/** Codes of what root writes in one block, each event in a batch of its own. */
const write = (chain: TestChain, ...events: readonly EncodedEvent[]): readonly string[] =>
  codesOf(chain.block(...events.map((event) => ({ by: "root", events: [event] }))));

/** A chain whose event 1 asks for a certificate. */
const asked = (csr = CSR): TestChain => {
  const chain = chainWithIssuer();
  expect(write(chain, requestOf(csr))).toEqual(["accepted"]);
  return chain;
};

/** Lets ledger time pass. */
const later = (chain: TestChain, seconds: number): void => {
  chain.height += seconds * 4;
  chain.roots = { ...chain.roots, height: chain.height };
};

const settled = (chain: TestChain, request: number) => {
  const row = readRow(chain.store.read, "certificates", settledKey(request));
  return row === undefined ? undefined : decodeSettled(row.value);
};

describe("issuers", () => {
  it("are registered once, by a certificate that their own key signed", () => {
    const chain = chainWithIssuer();
    expect(write(chain, created)).toEqual(["event.conflict"]);
    const other = rootAt(genesis.timeMs, KEYS.p256());
    const forged = ROOT.slice();
    forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1;
    const expired = rootAt(genesis.timeMs - 400 * 86_400_000, KEYS.p256());
    const create = (certificate: Uint8Array) => issuerCreated.encode({ name: "x", certificate });
    expect(
      write(chain, create(forged), create(expired), create(leafFor(CSR)), create(other)),
    ).toEqual([
      "ca.certificate-signature",
      "ca.certificate-untimely",
      "ca.certificate-invalid",
      "accepted",
    ]);
  });

  it("need the permission", () => {
    const chain = chainWithIssuer();
    const code = codesOf(chain.block({ by: "clerk", events: [created, requestOf(CSR)] }));
    expect(code).toEqual(["event.forbidden", "event.forbidden"]);
  });
});

describe("requests", () => {
  it("wait for an issuer that there is, on terms that are in range", () => {
    const [min, max] = LIMITS.caLifetimeS;
    const terms = (lifetimeSeconds: number) => requestOf(CSR, { lifetimeSeconds });
    const codes = write(
      chainWithIssuer(),
      requestOf(CSR, { issuer: new Uint8Array(32) }),
      requestOf(CSR, { profile: "root" }),
      terms(min - 1),
      terms(max + 1),
      terms(min),
      terms(max),
      requestOf(csrOf({ names: "IP:192.0.2.1" })),
      requestOf(CSR.subarray(1)),
    );
    expect(codes).toEqual([
      "ca.issuer-unknown",
      "ca.profile-unknown",
      "ca.lifetime",
      "ca.lifetime",
      "accepted",
      "accepted",
      "ca.name-ipv4",
      "ca.csr-malformed",
    ]);
  });

  it("are counted by actor too: one who asks for too much leaves room for others", () => {
    const chain = chainWithIssuer();
    const grant = actorRegistered.encode({
      publicKey: keyOf("rival"),
      name: "rival",
      permissions: ["ca.*"],
    });
    expect(write(chain, grant, requestOf(CSR))).toEqual(["accepted", "accepted"]);
    const actor = actorId(hasher, keyOf("root"));
    const key = concatBytes(rowPrefix("certificates"), Uint8Array.of(6), issuerId, actor);
    const stored = chain.store.read(key)?.slice() ?? new Uint8Array(0);
    new DataView(stored.buffer).setUint32(8, LIMITS.caPendingPerActorMax - 1);
    chain.store.apply([{ type: "put", key, value: stored }]);
    chain.executor.dropCaches();
    expect(write(chain, requestOf(CSR), requestOf(CSR))).toEqual(["accepted", "ca.queue-full"]);
    const other = chain.block({ by: "rival", events: [requestOf(CSR)] });
    expect(codesOf(other)).toEqual(["accepted"]);
    // What is settled makes room, whichever way.
    const code = "ca.csr-signature";
    const deny = certificateDenied.encode({ issuer: issuerId, request: 2, code });
    const answers = [issue(3, leafFor(CSR)), requestOf(CSR), deny, requestOf(CSR), requestOf(CSR)];
    expect(write(chain, ...answers)).toEqual([
      "accepted",
      "accepted",
      "accepted",
      "accepted",
      "ca.queue-full",
    ]);
  });

  it("are counted, and refused when too many wait", () => {
    const chain = chainWithIssuer();
    const key = rowPrefix("certificates");
    const countKey = concatBytes(key, Uint8Array.of(6), issuerId);
    expect(write(chain, requestOf(CSR))).toEqual(["accepted"]);
    const stored = chain.store.read(countKey)?.slice() ?? new Uint8Array(12);
    // One below the limit, as if so many waited.
    new DataView(stored.buffer).setUint32(8, LIMITS.caPendingMax - 1);
    chain.store.apply([{ type: "put", key: countKey, value: stored }]);
    chain.executor.dropCaches();
    expect(write(chain, requestOf(CSR), requestOf(CSR))).toEqual(["accepted", "ca.queue-full"]);
    expect(write(chain, issue(1, leafFor(CSR)), requestOf(CSR))).toEqual(["accepted", "accepted"]);
  });
});

describe("certificates", () => {
  it("settle a request, once, and are found by fingerprint, serial and name", () => {
    const chain = asked();
    const certificate = leafFor(CSR);
    expect(write(chain, issue(1, certificate), issue(1, leafFor(CSR, { serial: 2 })))).toEqual([
      "accepted",
      "ca.request-settled",
    ]);
    const fingerprint = sha256(certificate);
    expect(settled(chain, 1)).toMatchObject({ fingerprint, code: "" });
    const row = readRow(chain.store.read, "certificates", certificateKey(fingerprint));
    expect(decodeCertificate(row?.value ?? new Uint8Array(0))).toMatchObject({
      request: 1,
      event: 2,
      profile: "server",
    });
    const names = (domain: string): number => {
      const prefix = toHex(concatBytes(rowPrefix("certificates"), domainPrefix(domain)));
      return [...chain.store.rows.keys()].filter((key) => key.startsWith(prefix)).length;
    };
    expect([names("example.org"), names("www.example.org"), names("org")]).toEqual([2, 1, 2]);
    expect([names("2001:db8::1"), names("ample.org"), names("w.example.org")]).toEqual([1, 0, 0]);
  });

  it("are what OpenSSL and Node take for certificates of the issuer", () => {
    const certificate = leafFor(CSR, { profile: "peer" });
    const parsed = new X509Certificate(certificate);
    const root = new X509Certificate(ROOT);
    expect(parsed.verify(root.publicKey)).toBe(true);
    expect(parsed.checkIssued(root)).toBe(true);
    expect(parsed.subjectAltName).toBe(
      "DNS:www.example.org, DNS:example.org, IP Address:2001:DB8:0:0:0:0:0:1",
    );
    const at = String(genesis.timeMs / 1000);
    const files = { root: root.toString(), leaf: parsed.toString() };
    const args = ["verify", "-x509_strict", "-attime", at, "-CAfile", "root", "leaf"];
    expect(openssl(args, files).stdout).toBe("leaf: OK\n");
  });

  it("are refused when anything is not as it was asked for", () => {
    const chain = asked();
    const other = csrOf({ key: KEYS.p256(), names: "DNS:evil.example.org" });
    const late = genesis.timeMs + 60_000;
    const at = (byte: number) => (body: Uint8Array) => {
      const copy = body.slice();
      copy[byte] = (copy[byte] ?? 0) ^ 1;
      return copy;
    };
    const spoilt = leafFor(CSR);
    spoilt[spoilt.length - 1] = (spoilt.at(-1) ?? 0) ^ 1;
    const codes = write(
      chain,
      issue(1, leafFor(other)),
      issue(1, leafFor(CSR, { profile: "client" })),
      issue(1, leafFor(CSR, { lifetimeSeconds: 3601 })),
      issue(1, leafFor(CSR, { spoil: at(400) })),
      issue(1, leafFor(CSR, { by: KEYS.p256() })),
      issue(1, spoilt),
      issue(1, leafFor(CSR, { requestedMs: late })),
      issue(1, leafFor(CSR, { requestedMs: genesis.timeMs + 1000 })),
      issue(1, leafFor(CSR, { requestedMs: genesis.timeMs - 1000 })),
      issue(1, CSR),
      issue(0, leafFor(CSR)),
      issue(7, leafFor(CSR)),
      certificateIssued.encode({
        issuer: new Uint8Array(32),
        request: 1,
        certificate: leafFor(CSR),
      }),
    );
    expect(codes).toEqual([
      "ca.certificate-invalid",
      "ca.certificate-invalid",
      "ca.certificate-invalid",
      "ca.certificate-invalid",
      "ca.certificate-signature",
      "ca.certificate-signature",
      "ca.certificate-untimely",
      "ca.certificate-untimely",
      "ca.certificate-untimely",
      "ca.certificate-invalid",
      "ca.request-unknown",
      "ca.request-unknown",
      "ca.issuer-unknown",
    ]);
    expect(settled(chain, 1)).toBeUndefined();
  });

  it("are refused with a serial number that is used", () => {
    const chain = asked();
    write(chain, requestOf(CSR));
    expect(write(chain, issue(1, leafFor(CSR, { serial: 5 })))).toEqual(["accepted"]);
    expect(write(chain, issue(2, leafFor(CSR, { serial: 5 })))).toEqual(["ca.serial-used"]);
  });

  it("are right however late they come: what an issuer has signed becomes an entry", () => {
    const chain = asked();
    // Two years of ledger time, 250 ms a height: request, certificate and issuer have ended.
    later(chain, 2 * 365 * 86_400);
    const nowMs = genesis.timeMs + chain.height * 250;
    expect(write(chain, issue(1, leafFor(CSR, { requestedMs: nowMs })))).toEqual([
      "ca.certificate-untimely",
    ]);
    const certificate = leafFor(CSR);
    expect(write(chain, issue(1, certificate))).toEqual(["accepted"]);
    expect(settled(chain, 1)?.fingerprint).toEqual(sha256(certificate));
  });

  it("are not there for what was asked of an issuer that had ended", () => {
    const chain = chainWithIssuer();
    later(chain, 366 * 86_400);
    const requestedMs = genesis.timeMs + (chain.height + 1) * 250;
    expect(write(chain, requestOf(CSR))).toEqual(["accepted"]);
    expect(write(chain, issue(1, leafFor(CSR, { requestedMs })))).toEqual([
      "ca.certificate-untimely",
    ]);
  });

  it("are written by the issuer's actor, in the first places of a batch", () => {
    const chain = asked();
    const fillers = Array.from({ length: LIMITS.caSignaturePositionsMax }, () => issue(9, ROOT));
    const codes = codesOf(
      chain.block({ by: "root", events: [...fillers, issue(1, leafFor(CSR))] }),
    );
    expect(codes.at(-1)).toBe("event.invalid");
    const last = [...fillers.slice(1), issue(1, leafFor(CSR))];
    expect(codesOf(chain.block({ by: "root", events: last })).at(-1)).toBe("accepted");
  });

  it("belong to the actor who registered the issuer", () => {
    const chain = asked();
    const grant = actorRegistered.encode({
      publicKey: keyOf("rival"),
      name: "rival",
      permissions: ["ca.*"],
    });
    expect(write(chain, grant)).toEqual(["accepted"]);
    const stolen = chain.block({ by: "rival", events: [issue(1, leafFor(CSR))] });
    expect(codesOf(stolen)).toEqual(["ca.issuer-foreign"]);
  });

  it("are not there where a request was denied, and the request is settled by that", () => {
    const chain = asked();
    const deny = certificateDenied.encode({
      issuer: issuerId,
      request: 1,
      code: "ca.csr-signature",
    });
    expect(write(chain, deny, deny, issue(1, leafFor(CSR)))).toEqual([
      "accepted",
      "ca.request-settled",
      "ca.request-settled",
    ]);
    expect(settled(chain, 1)).toMatchObject({ code: "ca.csr-signature" });
  });

  it("are refused whichever byte of a good one is changed", () => {
    const good = leafFor(CSR);
    const chain = asked();
    for (let at = 0; at < good.length; at += 3) {
      const bad = good.slice();
      bad[at] = (bad[at] ?? 0) ^ 0x10;
      expect(write(chain, issue(1, bad))[0], `byte ${at}`).toMatch(/^ca\.certificate-/);
    }
    expect(write(chain, issue(1, good))).toEqual(["accepted"]);
  });

  it("take a signature with a high s, which X.509 does not forbid", () => {
    const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
    const chain = asked();
    const flip = (signature: Uint8Array): Uint8Array => {
      const s = order - BigInt(`0x${toHex(signature.subarray(32))}`);
      const bytes = Buffer.from(s.toString(16).padStart(64, "0"), "hex");
      return concatBytes(signature.subarray(0, 32), bytes);
    };
    const both = [false, true].map((high) =>
      leafFor(CSR, {
        serial: high ? 8 : 9,
        sign: (bytes) => {
          const signature = signWith(issuerPrivateKey, bytes);
          const isHigh = BigInt(`0x${toHex(signature.subarray(32))}`) > order / 2n;
          return isHigh === high ? signature : flip(signature);
        },
      }),
    );
    write(chain, requestOf(CSR));
    expect(write(chain, ...both.map((one, i) => issue(i + 1, one)))).toEqual([
      "accepted",
      "accepted",
    ]);
  });
});

const OTHER = csrOf({ names: "DNS:a.example.com" });
const EVENTS: readonly EncodedEvent[] = [
  created,
  created,
  ...[CSR, CSR, OTHER].map((csr) => requestOf(csr)),
  requestOf(CSR, { profile: "nothing" }),
  ...[1, 2, 3, 4].flatMap((request) => [
    issue(request, leafFor(CSR, { serial: request })),
    issue(request, leafFor(OTHER, { serial: request + 10 })),
    certificateDenied.encode({ issuer: issuerId, request, code: "ca.csr-signature" }),
  ]),
];

for (const projection of [certificates, ct]) {
  projectionContract({
    projection,
    projections: PROJECTIONS,
    events: fc.record({
      by: fc.constantFrom("root", "root", "root", "clerk"),
      event: fc.constantFrom(...EVENTS),
    }),
    runs: 15,
  });
}
