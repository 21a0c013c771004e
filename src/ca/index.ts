/** Certificates and their log: what may be imported from outside of this folder. */
export {
  developmentName,
  leafBody,
  PROFILES,
  type Profile,
  parseCertificate,
  readSignature,
  rootBody,
  sealCertificate,
} from "./certificate.ts";
export { type Csr, parseCsr, type SignatureAlgorithm } from "./csr.ts";
export {
  CT,
  ct,
  ctEntriesPrefix,
  ctEntryKey,
  ctIndexKey,
  ctTreeKey,
  decodeCtIndex,
} from "./ct.ts";
export { fromPem, pemOf } from "./der.ts";
export {
  certificateDenied,
  certificateIssued,
  certificateRequested,
  issuerCreated,
} from "./events.ts";
export { matchesDomain, plainName } from "./names.ts";
export { signP256 } from "./p256.ts";
export {
  CERTIFICATES,
  certificateJson,
  certificateKey,
  certificates,
  certificatesPrefix,
  decodeCertificate,
  decodeIssuer,
  decodePending,
  decodeSettled,
  domainPrefix,
  issuerKey,
  issuersPrefix,
  nameKey,
  type PendingRow,
  pendingKey,
  pendingPrefix,
  requestOfKey,
  serialKey,
  settledKey,
} from "./projection.ts";
export {
  checkIssued,
  checkRequest,
  checkRoot,
  issuerIdOf,
  secondsOf,
  serialText,
  validityOf,
} from "./rules.ts";
export { readSubjectKey, type SubjectKey } from "./subject-key.ts";
