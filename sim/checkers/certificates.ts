/**
 * I9: every certificate that an honest node sends is valid by the oracle's own reading: canonical bitmap,
 * distinct members, more than two thirds of the weight, every signature good.
 */
import {
  type CertificateView,
  decodeCertificate,
  type Statement,
  statementBytes,
} from "./decode.ts";
import { Cursor, isQuorum } from "./oracle.ts";
import { setsOf } from "./sets.ts";
import type { CheckContext, Checker } from "./types.ts";

const CERTIFICATE = 3;
const SYNC_RESPONSE = 12;

/** The certificate that a frame is, or is served with; undefined for every other frame. */
export const certificateOfFrame = (bytes: Uint8Array): CertificateView | undefined => {
  if (bytes[0] === CERTIFICATE) return decodeCertificate(new Cursor(bytes, 1));
  if (bytes[0] !== SYNC_RESPONSE) return undefined;
  const cursor = new Cursor(bytes, 9);
  return decodeCertificate(new Cursor(cursor.sized()));
};

/** What is wrong with a certificate, or undefined. */
export const faultOf = (
  context: CheckContext,
  certificate: CertificateView,
): string | undefined => {
  const { statement, signers, signatures, setSize } = certificate;
  if (!certificate.canonical) return "bits beyond the set";
  const set = setsOf(context).at(statement.epoch);
  if (set === undefined) return undefined;
  const { total } = set;
  if (setSize !== set.members.length) return `made for a set of ${setSize}`;
  let weight = 0n;
  for (const index of new Set(signers)) weight += set.ofIndex(index)?.weight ?? 0n;
  if (!isQuorum(weight, total)) return `weight ${weight} of ${total}`;
  const message = statementBytes(context.chainId, statement);
  for (const [i, signer] of signers.entries()) {
    const member = set.ofIndex(signer);
    const signature = signatures[i];
    if (member === undefined || signature === undefined) return `unknown signer ${signer}`;
    if (!context.verify(member.publicKey, message, signature)) {
      return `bad signature by ${signer}`;
    }
  }
  return undefined;
};

/** Of a frame that was looked at: its statement, undefined where it cannot be read, and what is wrong with it. */
type Look = { readonly statement: Statement | undefined; readonly fault: string | undefined };

const UNREADABLE: Look = { statement: undefined, fault: "the oracle cannot read it" };

const looks = new WeakMap<CheckContext, WeakMap<Uint8Array, Look>>();

/**
 * The certificate that a frame is, or is served with. What goes to many is one frame, with a signature of each of a
 * quorum, into which nobody writes: each is looked at once, when it leaves somebody honest or when it arrives.
 */
export const lookAt = (context: CheckContext, bytes: Uint8Array): Look => {
  const known = looks.get(context) ?? new WeakMap<Uint8Array, Look>();
  looks.set(context, known);
  const before = known.get(bytes);
  if (before !== undefined) return before;
  const certificate = certificateOfFrame(bytes);
  if (certificate === undefined) return UNREADABLE;
  const { statement } = certificate;
  const look = { statement, fault: faultOf(context, certificate) };
  // By a set that is not known yet, nothing was found.
  if (setsOf(context).isDecided(statement.epoch)) known.set(bytes, look);
  return look;
};

export const certificatesValid = (context: CheckContext): Checker => {
  return {
    id: "I9",
    title: "certificates sent by honest nodes are valid by the oracle's arithmetic",
    sent: (from, _to, _class, bytes) => {
      if (!context.honest(from)) return;
      if (bytes[0] !== CERTIFICATE && bytes[0] !== SYNC_RESPONSE) return;
      const { statement, fault } = lookAt(context, bytes);
      if (statement === undefined) {
        context.report("I9", `n${from} sent a certificate that the oracle cannot read`);
        return;
      }
      context.mark(bytes[0] === CERTIFICATE ? "certificate sent" : "sync served");
      if (fault === undefined) return;
      const { epoch, view, kind } = statement;
      context.report("I9", `n${from} sent certificate ${epoch}/${view}/${kind}: ${fault}`);
    },
  };
};
