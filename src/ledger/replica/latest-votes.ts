/**
 * The latest verified statement of each validator: what a watermark question is answered with. It outlives
 * engines, and each append writes it, so that peers that restart together still know what a validator had
 * signed. What came after the last append and is in no certificate is forgotten in a restart.
 */
import { toHex } from "../../crypto/bytes.ts";
import { DecodeError, Reader, Writer } from "../../crypto/codec.ts";
import { type Failure, fail, ok, type Result } from "../../errors.ts";
import { metaKey } from "../keys.ts";
import type { PeerId, StoreOp } from "../ports.ts";
import { readVote, sameStatement, writeVote } from "../statement.ts";
import type { Certificate, Hash, ValidatorSet, Vote } from "../types.ts";
import type { BlockStore } from "./block-store.ts";
import type { ReadStore } from "./context.ts";
import { peerIds } from "./peer-ids.ts";

export const LATEST_KEY: Uint8Array = metaKey("latest");
const VOTE_BYTES = 1400;

export type Latest = { readonly id: Hash; readonly vote: Vote };

/** Of one view the notarize vote is signed first, in whatever order votes and certificates arrive. */
const isLater = (a: Vote["statement"], b: Vote["statement"]): boolean => {
  if (a.epoch !== b.epoch) return a.epoch > b.epoch;
  if (a.view !== b.view) return a.view > b.view;
  return a.kind !== "notarize" || b.kind === "notarize";
};

export class LatestVotes {
  readonly #latest = new Map<string, Latest>();

  of(validator: Hash): Vote | undefined {
    return this.#latest.get(toHex(validator))?.vote;
  }

  note(set: ValidatorSet, vote: Vote): void {
    const id = set.validators[vote.signer]?.id;
    const key = peerIds(set).ids[vote.signer];
    if (id !== undefined && key !== undefined) this.#note(key, { id, vote });
  }

  noteCertificate(set: ValidatorSet, certificate: Certificate): void {
    const { statement } = certificate;
    certificate.signers.forEach((signer, i) => {
      const signature = certificate.signatures[i];
      if (signature !== undefined) this.note(set, { statement, signer, signature });
    });
  }

  #note(key: PeerId, latest: Latest): void {
    const known = this.#latest.get(key);
    if (known === undefined || isLater(latest.vote.statement, known.vote.statement)) {
      this.#latest.set(key, latest);
    }
  }

  /** Part of the append that this finalization certifies; what the certificate itself says is left out. */
  ops(store: BlockStore, certificate: Certificate): StoreOp[] {
    const set = store.validatorSet(certificate.statement.epoch);
    if (set !== undefined) this.noteCertificate(set, certificate);
    const signers = new Set(certificate.signers);
    const rest = [...this.#latest.values()].filter(
      ({ vote }) =>
        !signers.has(vote.signer) || !sameStatement(vote.statement, certificate.statement),
    );
    const writer = new Writer(2 + VOTE_BYTES * rest.length).u16(rest.length);
    for (const { id, vote } of rest) writeVote(writer.hash(id), vote);
    return [{ type: "put", key: LATEST_KEY, value: writer.finish() }];
  }

  /** What an earlier life knew when it appended last. */
  load(read: ReadStore, store: BlockStore): Failure | undefined {
    const tip = store.tip();
    const certificate =
      tip === undefined ? undefined : store.certificate(tip.epoch, tip.view, "finalize");
    const set = tip === undefined ? undefined : store.validatorSet(tip.epoch);
    if (certificate !== undefined && set !== undefined) this.noteCertificate(set, certificate);
    const bytes = read(LATEST_KEY);
    if (bytes === undefined) return undefined;
    const latest = decodeLatest(bytes.slice());
    if (!latest.ok) return fail("store.corrupt", `the latest votes: ${latest.detail}`);
    for (const one of latest.value) this.#note(toHex(one.id), one);
    return undefined;
  }
}

/** The row that `ops` writes. Code: encoding.malformed. Signatures are views into `bytes`. */
export const decodeLatest = (bytes: Uint8Array): Result<readonly Latest[]> => {
  try {
    const reader = new Reader(bytes);
    const latest: Latest[] = [];
    for (let left = reader.u16(); left > 0; left--) {
      latest.push({ id: reader.hash(), vote: readVote(reader) });
    }
    reader.end();
    return ok(latest);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    return fail("encoding.malformed", error.message);
  }
};
