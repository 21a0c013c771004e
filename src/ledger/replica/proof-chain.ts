/**
 * Headers with a finalization certificate of their own, and the chain of boundaries that leads to them: the
 * part of proof bundles that is about consensus. Reads the store of a node, which keeps the certificates of
 * boundaries for good and of other heights as forget.ts says.
 */
import { isZero } from "../../crypto/bytes.ts";
import { fail, ok, type Result, TetradError } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import { HEADER_BYTES } from "../block.ts";
import { certificateKey, finalizationKey } from "../keys.ts";
import type { Store } from "../ports.ts";
import { decodeCertificate, encodeCertificate, type SizedCertificate } from "../statement.ts";
import type { Header } from "../types.ts";
import type { ProofLink } from "../verify/bundle.ts";
import { encodeSet } from "../verify/links.ts";
import type { BlockStore } from "./block-store.ts";
import { storeFailure } from "./committer.ts";

/** A final header and what proves it. */
export type CertifiedHeader = {
  readonly header: Header;
  readonly bytes: Uint8Array;
  readonly certificate: SizedCertificate;
};

/**
 * A header commits to a height at most this much below its own, so among one header more that follow a
 * height and have certificates, one commits to that height or a later one.
 */
const LOOKED_AT = LIMITS.executionLagMax + 1;

/** Certificates of one epoch, from its end, among which its boundary's is. */
const EPOCH_END_ROWS = 1024;

export class ProofChain {
  readonly #store: BlockStore;
  readonly #rows: Pick<Store, "range">;
  /** By epoch; a boundary never changes. */
  readonly #boundaries = new Map<number, ProofLink>();
  #boundaryBytes = 0;
  /** What boundaries take of a bundle, by epoch, the oldest known first: enough to say that one would be too long. */
  readonly #sizes = new Map<number, number>();

  constructor(store: BlockStore, rows: Pick<Store, "range">) {
    this.#store = store;
    this.#rows = rows;
  }

  /** The header of a final height, when it has its own certificate. Throws store.*. */
  certified(height: number): CertifiedHeader | undefined {
    const at = this.#store.finalizationAt(height);
    if (at === undefined) return undefined;
    const certificate = this.#store.certificate(at.epoch, at.view, "finalize");
    return certificate === undefined ? undefined : this.#headerOf(certificate);
  }

  #headerOf(certificate: SizedCertificate): CertifiedHeader | undefined {
    const found = this.#store.header(certificate.statement.hash);
    if (found === undefined) return undefined;
    const { bytes, ...header } = found;
    return { header, bytes: bytes.slice(0, HEADER_BYTES), certificate };
  }

  /** The first certified header above `height` whose log has event `index`; undefined when none has. */
  covering(
    height: number,
    index: number,
    done: (found: Result<CertifiedHeader | undefined>) => void,
  ): void {
    const gte = finalizationKey(height + 1);
    const lt = finalizationKey(Number.MAX_SAFE_INTEGER);
    this.#rows.range({ gte, lt, limit: LOOKED_AT }, (failure, rows) => {
      if (failure !== undefined) return done(storeFailure(failure, "finalizations"));
      done(
        reading(() => {
          for (const [key] of rows) {
            const found = this.certified(heightOf(key));
            if (found !== undefined && found.header.logSize > index) return found;
          }
          return undefined;
        }),
      );
    });
  }

  /**
   * The links of a bundle about `target`, from `trustedEpoch` on. Codes: http.bad-parameter for an epoch
   * that is not there yet, proof.too-long for more than one bundle may have, store.*.
   */
  links(
    target: CertifiedHeader,
    trustedEpoch: number,
    done: (links: Result<readonly ProofLink[]>) => void,
  ): void {
    const count = target.header.epoch - trustedEpoch + 1;
    const { proofLinksMax, setStepBytesMax } = LIMITS;
    const tooLong = fail(
      "proof.too-long",
      `${count} epochs, the limit is ${proofLinksMax} and ${setStepBytesMax} bytes: ` +
        "follow the sets to a later one, and ask with its trustedEpoch",
    );
    if (count > proofLinksMax) return done(tooLong);
    // Anybody may ask for it as often as they like, and need not have what it costs to read a bundle.
    const isTooLong = reading(() => this.#isOver(target, trustedEpoch, setStepBytesMax));
    if (!isTooLong.ok) return done(isTooLong);
    if (isTooLong.value) return done(tooLong);
    this.linksWithin(target, trustedEpoch, setStepBytesMax, (links) => {
      done(links.ok && links.value.length < count ? tooLong : links);
    });
  }

  /**
   * The links towards `target`, as many as have `bytesMax` bytes and one bundle may have; at least two. The last is
   * of `target` itself, or of the boundary up to which there was room. Codes as for `links`, but proof.too-long.
   */
  linksWithin(
    target: CertifiedHeader,
    trustedEpoch: number,
    bytesMax: number,
    done: (links: Result<readonly ProofLink[]>) => void,
  ): void {
    const { epoch: newest } = target.header;
    if (trustedEpoch > newest) {
      const detail = `trustedEpoch is ${trustedEpoch}, the newest is ${newest}`;
      return done(fail("http.bad-parameter", detail, { parameter: "trustedEpoch" }));
    }
    const last = Math.min(newest, trustedEpoch + LIMITS.proofLinksMax - 1);
    const links: ProofLink[] = [];
    let bytes = 0;
    const take = (link: ProofLink): boolean => {
      bytes += linkBytes(link);
      // One alone would end in the epoch that is trusted already.
      if (links.length > 1 && bytes > bytesMax) return false;
      links.push(link);
      return true;
    };
    const goOn = (from: number): void => {
      for (let epoch = from; epoch < newest && epoch <= last; epoch++) {
        const known = this.#boundaries.get(epoch);
        if (known === undefined) {
          return this.#readBoundary(epoch, (link) => {
            if (!link.ok) return done(link);
            // One for which there is no room takes no other's place.
            if (!take(link.value)) return done(ok(links));
            this.#remember(epoch, link.value);
            goOn(epoch + 1);
          });
        }
        if (!take(known)) return done(ok(links));
      }
      if (last < newest) return done(ok(links));
      const end = reading(() => this.#linkOf(target));
      if (end.ok) take(end.value);
      done(end.ok ? ok(links) : end);
    };
    goOn(trustedEpoch);
  }

  /** Whether the links towards `target` are known to have more bytes, without reading a boundary. */
  #isOver(target: CertifiedHeader, trustedEpoch: number, bytesMax: number): boolean {
    let bytes = 0;
    for (let epoch = trustedEpoch; epoch <= target.header.epoch; epoch++) {
      const isEnd = epoch === target.header.epoch;
      const size = isEnd ? linkBytes(this.#linkOf(target)) : this.#sizes.get(epoch);
      if (size === undefined) return false;
      bytes += size;
      // Two links are a bundle whatever they have (linksWithin).
      if (bytes > bytesMax && epoch > trustedEpoch + 1) return true;
    }
    return false;
  }

  #linkOf({ header, bytes, certificate }: CertifiedHeader): ProofLink {
    const set = this.#store.validatorSet(header.epoch);
    if (set === undefined) {
      const detail = `the validator set of epoch ${header.epoch} is missing`;
      throw new TetradError("store.corrupt", detail, { epoch: header.epoch });
    }
    return {
      set: encodeSet(set),
      header: bytes,
      certificate: encodeCertificate(certificate, certificate.setSize),
    };
  }

  /** The boundary of a past epoch is where its last finalization is. */
  #readBoundary(epoch: number, done: (link: Result<ProofLink>) => void): void {
    const gte = certificateKey(epoch, 0, 0);
    const lt = certificateKey(epoch + 1, 0, 0);
    this.#rows.range({ gte, lt, limit: EPOCH_END_ROWS, reverse: true }, (failure, rows) => {
      if (failure !== undefined) return done(storeFailure(failure, "certificates"));
      const link = reading(() => {
        for (const [, value] of rows) {
          const certificate = decodeCertificate(value);
          if (!certificate.ok || certificate.value.statement.kind !== "finalize") continue;
          const found = this.#headerOf(certificate.value);
          if (found !== undefined && !isZero(found.header.nextSetHash)) return this.#linkOf(found);
        }
        const detail = `the boundary certificate of epoch ${epoch} is missing`;
        throw new TetradError("store.corrupt", detail, { epoch });
      });
      if (link.ok) this.#rememberSize(epoch, linkBytes(link.value));
      done(link);
    });
  }

  /** The oldest make room: a bundle is of epochs that follow each other, and clearing would read all of it again. */
  #remember(epoch: number, link: ProofLink): void {
    const bytes = linkBytes(link);
    for (const [oldest, kept] of this.#boundaries) {
      const isFull = this.#boundaryBytes + bytes > LIMITS.setStepBytesMax;
      if (!isFull && this.#boundaries.size < LIMITS.proofLinksMax) break;
      this.#boundaries.delete(oldest);
      this.#boundaryBytes -= linkBytes(kept);
    }
    this.#boundaries.set(epoch, link);
    this.#boundaryBytes += bytes;
  }

  #rememberSize(epoch: number, bytes: number): void {
    this.#sizes.delete(epoch);
    const oldest = this.#sizes.size >= LIMITS.proofLinksMax ? this.#sizes.keys().next() : undefined;
    if (oldest?.done === false) this.#sizes.delete(oldest.value);
    this.#sizes.set(epoch, bytes);
  }
}

/** What a link takes of the room that a bundle has. */
const linkBytes = ({ set, header, certificate }: ProofLink): number =>
  set.length + header.length + certificate.length;

/** The height in a key of `finalizationKey`. */
const heightOf = (key: Uint8Array): number => {
  const view = new DataView(key.buffer, key.byteOffset);
  return view.getUint32(2) * 0x1_0000_0000 + view.getUint32(6);
};

/** What reading the store gives, or its failure as a value. */
export const reading = <T>(step: () => T): Result<T> => {
  try {
    return ok(step());
  } catch (error) {
    if (error instanceof TetradError) return fail(error.code, error.message, error.data);
    throw error;
  }
};
