/**
 * I23: every FALCON signature in a checkpoint that an honest node serves is one of a member on what the note
 * says, and those who signed are a quorum. The layout is read from docs/protocol.md, "Checkpoints".
 */
import { SIGNATURE_BYTES } from "./decode.ts";
import { Cursor, isQuorum } from "./oracle.ts";
import { setsOf } from "./sets.ts";
import type { CheckContext, Checker, Member } from "./types.ts";

const LABEL = Buffer.from("tetrad/falcon-1024/v1\n\0", "latin1");
/** Key id, time, signature. */
const LINE_BYTES = 4 + 8 + SIGNATURE_BYTES;
/** Lines that a signer has, where there is room for all. */
const ALGORITHMS = 3;
const LINE = /^\u2014 (\S+) (\S+)$/u;

/** Label, u8 length || cosigner, u64 time, u8 length || origin, u64 start, u64 end, hash(32). */
const messageOf = (cosigner: string, timeS: number, text: readonly string[]): Uint8Array => {
  const [origin = "", size = "0", root = ""] = text;
  const [name, log] = [Buffer.from(cosigner, "utf8"), Buffer.from(origin, "utf8")];
  const number = (value: bigint): Buffer => {
    const out = Buffer.alloc(8);
    out.writeBigUInt64BE(value);
    return out;
  };
  return Buffer.concat([
    LABEL,
    Uint8Array.of(name.length),
    name,
    number(BigInt(timeS)),
    Uint8Array.of(log.length),
    log,
    number(0n),
    number(BigInt(size)),
    Buffer.from(root, "base64"),
  ]);
};

export const servedSigned = (context: CheckContext): Checker => {
  const sets = setsOf(context);
  const epochs = new Map<number, number>();
  /**
   * What is wrong with the weight of those, in the set of the node's epoch, of the next one, and of all before:
   * a node that is back serves the checkpoint of its last life until there is a newer one.
   */
  const lightOf = (slot: number, signers: ReadonlySet<number>): string | undefined => {
    const newest = epochs.get(slot) ?? 0;
    let fault: string | undefined;
    for (let epoch = newest + 1; epoch >= 0; epoch--) {
      const set = sets.isDecided(epoch) ? sets.at(epoch) : undefined;
      if (set === undefined) continue;
      let weight = 0n;
      for (const signer of signers) weight += set.weightOf(signer);
      if (isQuorum(weight, set.total)) return undefined;
      if (epoch <= newest) fault ??= `signatures of weight ${weight} of ${set.total}`;
    }
    return fault ?? "signatures of an unknown set";
  };
  /** With keys of epochs a note may be of any of them: which one counts is for its readers. */
  const keysOf = ({ idHex, publicKey, epochKey }: Member): readonly Uint8Array[] => {
    const first = epochKey === undefined ? [publicKey] : [publicKey, epochKey];
    return [...first, ...(sets.fold?.keysOf(idHex) ?? [])];
  };
  /** Whose signatures came under a name before: then nobody else's are tried. */
  const known = new Map<string, Member>();

  /** What is wrong with a note, or undefined. */
  const faultOf = (slot: number, note: string): string | undefined => {
    const [head = "", lines = ""] = note.split("\n\n");
    const text = head.split("\n");
    const all = lines.split("\n").filter((line) => line !== "");
    let count = 0;
    const signers = new Set<number>();
    for (const line of all) {
      const [, cosigner = "", base64 = ""] = LINE.exec(line) ?? [];
      const blob = Buffer.from(base64, "base64");
      if (blob.length !== LINE_BYTES) continue;
      const cursor = new Cursor(blob, 4);
      const message = messageOf(cosigner, cursor.u64(), text);
      const signature = cursor.take(SIGNATURE_BYTES);
      const before = known.get(cosigner);
      const signer = (before === undefined ? context.members : [before]).find((member) =>
        keysOf(member).some((publicKey) => context.verify(publicKey, message, signature)),
      );
      if (signer === undefined) return `a signature as ${cosigner} that nobody made`;
      known.set(cosigner, signer);
      count += 1;
      signers.add(signer.slot);
    }
    // The note of a large network leaves lines out, those of FALCON first: then the others are the quorum.
    if (ALGORITHMS * count < all.length) return undefined;
    return lightOf(slot, signers);
  };

  return {
    id: "I23",
    title: "checkpoints that honest nodes serve carry a quorum of signatures, and no false one",
    status: (slot, { epoch }) => {
      epochs.set(slot, epoch);
    },
    served: (slot, note) => {
      if (!context.honest(slot)) return;
      context.mark("checkpoint served");
      const fault = faultOf(slot, note);
      if (fault !== undefined) context.report("I23", `n${slot} serves a checkpoint with ${fault}`);
    },
  };
};
