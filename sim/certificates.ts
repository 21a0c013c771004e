/**
 * Certificates in the workload: one client registers an issuer, asks it for certificates, and issues them. So
 * that replicas check real signatures while they crash, catch up and start anew.
 *
 * Everything is a function of what the node shows and of fixed keys; ECDSA is deterministic (RFC 6979), so one
 * seed gives one trace. The only user of @noble/curves besides src/ca.
 */
import { p256 } from "@noble/curves/nist.js";
import {
  CERTIFICATES,
  certificateIssued,
  certificateRequested,
  decodePending,
  developmentName,
  issuerCreated,
  issuerKey,
  leafBody,
  type PendingRow,
  parseCertificate,
  parseCsr,
  pendingKey,
  readSubjectKey,
  rootBody,
  sealCertificate,
  secondsOf,
  signP256,
  validityOf,
} from "../src/ca/index.ts";
import { concatBytes, fromHex } from "../src/crypto/bytes.ts";
import { sha256 } from "../src/crypto/hash.ts";
import type { LedgerHandle } from "../src/ledger/handle.ts";
import type { EncodedEvent, Hash } from "../src/ledger/types.ts";
import { LIMITS } from "../src/limits.ts";

const SECRET = new Uint8Array(32).fill(0x5a);
const SPKI = concatBytes(
  fromHex("3059301306072a8648ce3d020106082a8648ce3d030107034200"),
  p256.getPublicKey(SECRET, false),
);
export const ISSUER: Hash = sha256(SPKI);
const LIFETIME_S = 3600;

/** A request of the issuer's own key for "sim.example.org": replicas do not check its signature. */
const CSR = fromHex(
  "3081e830818f02010030003059301306072a8648ce3d020106082a8648ce3d03010703420004f68b1de0f5ce" +
    "686192f4bd0fd34163863f2e89d385f8bcfb85979533a57ac9b04f022ab6b096c8bf42804d8e67d38b3f8886" +
    "6980cc903f68fde9d2e143d93267a02d302b06092a864886f70d01090e311e301c301a0603551d1104133011" +
    "820f73696d2e6578616d706c652e6f7267300a06082a8648ce3d0403020348003045022100c894ca3843657f" +
    "0fe405175952cf323700f920adfc1db4473bb130654078293e0220234faf41da6d2119c4d3b7bfa417bc93e7" +
    "9e97745a30eb8278a2cb7657472729",
);

const signed = (body: Uint8Array): Uint8Array => sealCertificate(body, signP256(body, SECRET));

const serialOf = (number: number): Uint8Array => {
  const serial = new Uint8Array(17).fill(1);
  new DataView(serial.buffer).setUint32(13, number);
  return serial;
};

export type CertificateWriter = {
  /** What the client writes next, given what this node shows; undefined before the first block. */
  next(handle: LedgerHandle): EncodedEvent | undefined;
  /** The id of the batch in which the last event of `next` stands, as its event 0. */
  sent(batchId: Hash): void;
};

/** `issuing` is told of each request that is about to be settled, and of the event that does. */
export const createCertificateWriter = (
  issuing?: (request: number, event: EncodedEvent) => void,
): CertificateWriter => {
  let asked: Hash | undefined;
  let asks = false;
  let serial = 0;
  return {
    next(handle) {
      const { executedHeight } = handle.status();
      const timeMs = executedHeight === 0 ? undefined : handle.timeOf(executedHeight);
      if (timeMs === undefined) return undefined;
      const row = handle.row(CERTIFICATES, issuerKey(ISSUER));
      asks = row !== undefined;
      if (row === undefined) return registered(timeMs);
      const index = asked === undefined ? undefined : handle.receipt(asked)?.firstIndex;
      const waiting =
        index === undefined ? undefined : handle.row(CERTIFICATES, pendingKey(ISSUER, index));
      if (index === undefined || waiting === undefined) {
        const terms = { profile: "server", lifetimeSeconds: LIFETIME_S, csr: CSR };
        return certificateRequested.encode({ issuer: ISSUER, ...terms });
      }
      asks = false;
      serial += 1;
      const event = issued(index, decodePending(waiting), serial, timeMs);
      issuing?.(index, event);
      return event;
    },
    sent(batchId) {
      if (asks) asked = batchId;
    },
  };
};

const rootFields = (timeMs: number) => {
  const notBeforeS = secondsOf(timeMs) - LIMITS.caBackdateS;
  const notAfterS = notBeforeS + 365 * 86_400;
  const subject = developmentName("sim");
  return { serial: serialOf(0), subject, subjectKey: readSubjectKey(SPKI), notBeforeS, notAfterS };
};

const registered = (timeMs: number): EncodedEvent =>
  issuerCreated.encode({ name: "sim", certificate: signed(rootBody(rootFields(timeMs))) });

const issued = (
  request: number,
  { csr: csrBytes, requestedMs }: PendingRow,
  serial: number,
  timeMs: number,
): EncodedEvent => {
  // Only name, key and end of the issuer count, and these do not depend on when it was registered by years.
  const issuer = parseCertificate(signed(rootBody(rootFields(timeMs))));
  const csr = parseCsr(csrBytes);
  if (!issuer.ok || !csr.ok) throw new RangeError("the fixtures of the simulator do not parse");
  const body = leafBody({
    issuer: issuer.value,
    subjectKey: csr.value.subjectKey,
    names: csr.value.names,
    profile: "server",
    serial: serialOf(serial),
    ...validityOf(secondsOf(requestedMs), LIFETIME_S, issuer.value.notAfterS),
  });
  return certificateIssued.encode({ issuer: ISSUER, request, certificate: signed(body) });
};
