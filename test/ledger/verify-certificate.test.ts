import { describe, expect, it } from "vitest";
import type { ErrorCode } from "../../src/errors.ts";
import {
  decodeCertificate,
  encodeCertificate,
  notarize,
  nullify,
  statementBytes,
} from "../../src/ledger/statement.ts";
import type { Certificate } from "../../src/ledger/types.ts";
import { certificateJobs, checkCertificateShape } from "../../src/ledger/verify/certificate.ts";
import { certificateOf, hasher, hashOf, setOf, signatureOf } from "../golden/fixtures.ts";

const set = setOf([1n, 1n, 1n, 1n], 3);
const statement = notarize(3, 7, hashOf(1));
const good = certificateOf(statement, [0, 1, 3]);

const codeOf = (certificate: Certificate & { readonly setSize?: number }) =>
  checkCertificateShape(set, certificate)?.code;

describe("certificate shape", () => {
  it("passes a quorum, decoded or not", () => {
    expect(codeOf(good)).toBeUndefined();
    const decoded = decodeCertificate(encodeCertificate(good, 4));
    expect(decoded.ok ? codeOf(decoded.value) : decoded.code).toBeUndefined();
  });

  it.each<[ErrorCode, string, Certificate & { readonly setSize?: number }]>([
    ["certificate.wrong-epoch", "another epoch", certificateOf(nullify(2, 7), [0, 1, 3])],
    ["certificate.sub-quorum", "two of four", certificateOf(statement, [0, 1])],
    ["certificate.sub-quorum", "nobody", certificateOf(statement, [])],
    ["certificate.duplicate-signer", "a signer twice", certificateOf(statement, [0, 1, 1])],
    ["certificate.duplicate-signer", "one three times", certificateOf(statement, [2, 2, 2])],
    ["consensus.unknown-signer", "a stranger", certificateOf(statement, [0, 1, 4])],
    ["encoding.malformed", "descending signers", certificateOf(statement, [3, 1, 0])],
    ["encoding.malformed", "a missing signature", { ...good, signatures: [signatureOf(1)] }],
    ["encoding.malformed", "a bitmap over another size", { ...good, setSize: 8 }],
  ])("%s: %s", (code, _what, certificate) => {
    expect(codeOf(certificate)).toBe(code);
  });

  it("counts weight, not heads", () => {
    const uneven = setOf([1n, 1n, 1n, 10n], 3);
    const heavy = uneven.validators.findIndex((one) => one.weight === 10n);
    const light = [0, 1, 2, 3].filter((i) => i !== heavy);
    expect(checkCertificateShape(uneven, certificateOf(statement, light))?.code).toBe(
      "certificate.sub-quorum",
    );
    expect(checkCertificateShape(uneven, certificateOf(statement, [heavy]))).toBeUndefined();
  });
});

describe("certificate jobs", () => {
  it("are one a signer, over the statement, under the signer's key", () => {
    const jobs = certificateJobs(hasher, set, good);
    expect(jobs).toEqual(
      [0, 1, 3].map((signer) => ({
        message: statementBytes(hasher, statement),
        signature: signatureOf(signer + 1),
        publicKey: set.validators[signer]?.publicKey,
      })),
    );
  });

  it("cannot pass for what has no key", () => {
    const jobs = certificateJobs(hasher, set, certificateOf(statement, [9]));
    expect(jobs).toEqual([
      {
        message: statementBytes(hasher, statement),
        signature: new Uint8Array(0),
        publicKey: new Uint8Array(0),
      },
    ]);
  });
});
