/**
 * The proof section of a block's body: what a proposer shows beside its batches. It is empty on a chain that
 * asks for neither a beacon nor space; on every other chain it is
 *
 *     u16 length || reveal      the proposer's iVRF value and its path (src/proofs/beacon/ivrf.ts)
 *     u32 length || openings    of the proposer's sectors (src/proofs/space)
 *
 * with each part empty where nothing is due. The header commits to the whole section by `proofsHash`. Whether
 * a part must be there, and whether it is right, is the validity predicate's business.
 */
import { DecodeError, Reader, Writer } from "../crypto/codec.ts";
import { fail, ok, type Result } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { GenesisProofs } from "./genesis-proofs.ts";
import type { BlockProofs } from "./types.ts";

const NOTHING = new Uint8Array(0);

/** The section of a chain that asks for nothing. */
export const NO_BLOCK_PROOFS: BlockProofs = { reveal: NOTHING, openings: NOTHING, bytes: NOTHING };

/** Whether blocks of this chain have a proof section that is not empty. */
export const hasSection = ({ beacon, space }: GenesisProofs): boolean =>
  beacon !== null || space !== null;

/** The section of a block of a chain. Throws RangeError for parts over the limits, or that it never has. */
export const encodeBlockProofs = (
  proofs: GenesisProofs,
  parts: Pick<BlockProofs, "reveal" | "openings">,
): BlockProofs => {
  const { reveal, openings } = parts;
  if (!hasSection(proofs)) {
    if (reveal.length + openings.length > 0) throw new RangeError("no proofs on this chain");
    return NO_BLOCK_PROOFS;
  }
  if (reveal.length > LIMITS.revealBytesMax || openings.length > LIMITS.blockOpeningsBytesMax) {
    throw new RangeError("a proof section over the limits");
  }
  const bytes = new Writer(6 + reveal.length + openings.length)
    .u16(reveal.length)
    .raw(reveal)
    .bytes(openings)
    .finish();
  return { reveal, openings, bytes };
};

/** Reads a section; the empty one is of a chain without. Code: encoding.malformed. */
export const decodeBlockProofs = (bytes: Uint8Array): Result<BlockProofs> => {
  if (bytes.length === 0) return ok(NO_BLOCK_PROOFS);
  try {
    const reader = new Reader(bytes);
    const revealBytes = reader.u16();
    if (revealBytes > LIMITS.revealBytesMax) {
      return fail("encoding.malformed", `a reveal of ${revealBytes} bytes`);
    }
    const reveal = reader.fixed(revealBytes);
    const openings = reader.bytes(LIMITS.blockOpeningsBytesMax);
    reader.end();
    return ok({ reveal, openings, bytes });
  } catch (error) {
    if (error instanceof DecodeError) return fail("encoding.malformed", error.message);
    throw error;
  }
};
