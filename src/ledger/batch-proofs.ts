/**
 * The proofs that an envelope carries behind its signature (docs/protocol.md, "Batch"):
 *
 *     u8 count   count × (u8 kind   u16 version   u32 length || bytes)      kinds ascend, each once
 *
 * Kind 1 is the author's work, kind 2 what the host has opened of its space. This module knows their form;
 * which of them a chain asks for is the business of batch-work.ts. They stand under the digest and not under
 * the id: whoever changes one has another envelope of the same batch, which stands or falls by itself.
 */
import type { Reader, Writer } from "../crypto/codec.ts";
import { type Failure, fail, ok, type Result } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { ProofSlot } from "./types.ts";

/** Version 1: effort, nonce and solution (src/proofs/work/proof.ts). */
export const WORK_SLOT = 1;

/** Version 1: an opening of a sector of the host. */
export const SPACE_SLOT = 2;

export const SLOT_VERSION = 1;

/** What each slot takes beside its bytes. */
const SLOT_HEAD_BYTES = 1 + 2 + 4;

/** Bytes of the list, the count included. */
export const slotBytes = (slots: readonly ProofSlot[]): number =>
  slots.reduce((sum, { bytes }) => sum + SLOT_HEAD_BYTES + bytes.length, 1);

const orderFault = (kind: number, before: number): Failure | undefined =>
  kind > before
    ? undefined
    : fail("encoding.malformed", `a proof of kind ${kind} behind one of kind ${before}`);

/** Throws RangeError for slots that no reader would take. */
export const writeSlots = (writer: Writer, slots: readonly ProofSlot[]): Writer => {
  if (slots.length > LIMITS.batchProofsMax) throw new RangeError(`${slots.length} proofs`);
  writer.u8(slots.length);
  let before = 0;
  for (const { kind, version, bytes } of slots) {
    if (orderFault(kind, before) !== undefined) throw new RangeError(`kind ${kind} out of order`);
    if (bytes.length > LIMITS.batchProofBytesMax) throw new RangeError(`${bytes.length} bytes`);
    writer.u8(kind).u16(version).bytes(bytes);
    before = kind;
  }
  return writer;
};

/**
 * Reads the list; what is over a limit is refused before it is read. Bytes are views of what is read. Code:
 * encoding.malformed. Throws DecodeError as the reader does.
 */
export const readSlots = (reader: Reader): Result<readonly ProofSlot[]> => {
  const count = reader.u8();
  if (count > LIMITS.batchProofsMax) {
    return fail("encoding.malformed", `${count} proofs, limit ${LIMITS.batchProofsMax}`);
  }
  const slots: ProofSlot[] = [];
  let before = 0;
  for (let i = 0; i < count; i++) {
    const kind = reader.u8();
    const wrong = orderFault(kind, before);
    if (wrong !== undefined) return wrong;
    const version = reader.u16();
    const length = reader.u32();
    if (length > LIMITS.batchProofBytesMax) {
      const detail = `a proof of ${length} bytes, limit ${LIMITS.batchProofBytesMax}`;
      return fail("encoding.malformed", detail);
    }
    slots.push({ kind, version, bytes: reader.fixed(length) });
    before = kind;
  }
  return ok(slots);
};

export const slotOf = (slots: readonly ProofSlot[], kind: number): ProofSlot | undefined =>
  slots.find((slot) => slot.kind === kind);
