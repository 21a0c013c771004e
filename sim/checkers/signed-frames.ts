/** Signed statements in a frame: the vote of a proposal or vote, those of a certificate, also of one that is served. */
import { certificateOfFrame } from "./certificates.ts";
import { SIGNATURE_BYTES, type Statement } from "./decode.ts";
import { Cursor, hex } from "./oracle.ts";

const PROPOSAL = 1;
const VOTE = 2;

export type SignedStatement = {
  readonly statement: Statement;
  /** Index in the set of the epoch, by the frame's own word. */
  readonly signer: number;
  readonly signature: Uint8Array;
};

/** Signatures are not looked at; a frame that cannot be read has none. */
export const signedInFrame = (bytes: Uint8Array): readonly SignedStatement[] => {
  if (bytes[0] === PROPOSAL || bytes[0] === VOTE) {
    // Of a proposal the vote is a field, so its length comes first.
    const cursor = new Cursor(bytes, bytes[0] === PROPOSAL ? 5 : 1);
    const [epoch, view, kind] = [cursor.u64(), cursor.u64(), cursor.u8()];
    const hash = hex(cursor.take(32));
    const signer = cursor.u16();
    const signature = cursor.take(SIGNATURE_BYTES);
    return cursor.ok ? [{ statement: { epoch, view, kind, hash }, signer, signature }] : [];
  }
  const certificate = certificateOfFrame(bytes);
  if (certificate === undefined) return [];
  const { statement, signers, signatures } = certificate;
  return signers.flatMap((signer, i) => {
    const signature = signatures[i];
    return signature === undefined ? [] : [{ statement, signer, signature }];
  });
};
