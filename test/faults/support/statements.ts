/**
 * Signed statements as they lie on disk, read by docs/protocol.md alone ("Statements, votes, certificates"
 * and "Validator set"), and the rule of which of them contradict each other. No code of the product.
 */

export const NOTARIZE = 1;
export const NULLIFY = 2;
export const FINALIZE = 3;

const SIGNATURE_BYTES = 1280;

/** One statement by one signer. Hash and signature are hex. */
export type Signed = {
  readonly signer: number;
  readonly epoch: number;
  readonly view: number;
  readonly kind: number;
  readonly hash: string;
  readonly signature: string;
};

const readU64 = (bytes: Buffer, at: number): number => {
  const value = bytes.readBigUInt64BE(at);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new RangeError("a u64 is too large");
  return Number(value);
};

const HEAD_BYTES = 8 + 8 + 1 + 32;

const readHead = (bytes: Buffer): Pick<Signed, "epoch" | "view" | "kind" | "hash"> => ({
  epoch: readU64(bytes, 0),
  view: readU64(bytes, 8),
  kind: bytes.readUInt8(16),
  hash: bytes.toString("hex", 17, HEAD_BYTES),
});

/** vote: u64 epoch, u64 view, u8 kind, hash(32), u16 signer, signature(1280); what follows is left. */
export const readVote = (bytes: Buffer): Signed => {
  const from = HEAD_BYTES + 2;
  if (bytes.length < from + SIGNATURE_BYTES) throw new RangeError("a vote is cut off");
  return {
    ...readHead(bytes),
    signer: bytes.readUInt16BE(HEAD_BYTES),
    signature: bytes.toString("hex", from, from + SIGNATURE_BYTES),
  };
};

/** certificate: head as in a vote, u16 n, bitmap(ceil(n / 8)), then a signature for each set bit. */
export const readCertificate = (bytes: Buffer): Signed[] => {
  const head = readHead(bytes);
  const n = bytes.readUInt16BE(HEAD_BYTES);
  const bitmapAt = HEAD_BYTES + 2;
  let at = bitmapAt + Math.ceil(n / 8);
  const signed: Signed[] = [];
  for (let signer = 0; signer < n; signer++) {
    if ((bytes.readUInt8(bitmapAt + (signer >> 3)) & (1 << (signer & 7))) === 0) continue;
    if (at + SIGNATURE_BYTES > bytes.length) throw new RangeError("a certificate is cut off");
    const signature = bytes.toString("hex", at, at + SIGNATURE_BYTES);
    signed.push({ ...head, signer, signature });
    at += SIGNATURE_BYTES;
  }
  return signed;
};

export const viewOf = (one: Signed): string => `${one.signer}/${one.epoch}/${one.view}`;
export const statementOf = (one: Signed): string => `${viewOf(one)}/${one.kind}/${one.hash}`;

/** {N, N'}, {F, F'}, {S, F} and {N h, F h'} of one signer in one view contradict each other. */
const contradicts = (a: Signed, b: Signed): boolean => {
  const kinds = [a.kind, b.kind].sort().join();
  if (kinds === `${NULLIFY},${FINALIZE}`) return true;
  if (a.kind === NULLIFY || b.kind === NULLIFY) return false;
  return a.hash !== b.hash;
};

export type Finding = { readonly why: string; readonly first: string; readonly second: string };

/**
 * Contradictions, and statements that were signed twice: a signature is randomised, so two of them under
 * one statement show that it was signed anew instead of sent again.
 */
export const findContradictions = (all: readonly Signed[]): Finding[] => {
  const findings: Finding[] = [];
  const views = new Map<string, Map<string, Signed>>();
  for (const one of all) {
    const view = views.get(viewOf(one)) ?? new Map<string, Signed>();
    views.set(viewOf(one), view);
    const name = statementOf(one);
    const known = view.get(name);
    if (known !== undefined) {
      if (known.signature !== one.signature) {
        findings.push({ why: "signed twice", first: name, second: name });
      }
      continue;
    }
    for (const other of view.values()) {
      if (contradicts(one, other)) {
        findings.push({ why: "contradicts", first: statementOf(other), second: name });
      }
    }
    view.set(name, one);
  }
  return findings;
};
