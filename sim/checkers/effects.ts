/**
 * I10 for the hashes of effects, where the rules say in a word what an event writes: a put of a record one row, and
 * what is refused nothing. Of one node: that all have the same entries is for roots.ts.
 */
import { hex, taggedHash } from "./oracle.ts";
import { authorsOf } from "./payload.ts";
import { RECORD_PUT, recordOf } from "./records.ts";
import type { CheckContext, Checker, Dump, Entry } from "./types.ts";

/** Events of the product whose owners keep nothing of a refusal: all but four that carry proofs. */
const FORGOTTEN = new Set([
  ...["record.put", "actor.registered", "actor.revoked", "detect.evidence.committed"],
  ...["asset.host.registered", "asset.host.retired", "beacon.key.registered"],
  ...["ca.issuer.created", "ca.certificate.requested", "ca.certificate.issued"],
  ...["ca.certificate.denied", "capability.granted", "capability.revoked"],
  ...["stake.granted", "stake.bonded", "stake.delegated", "stake.unbonded", "stake.withdrawn"],
  ...["validator.registered", "validator.left", "validator.jailed", "validator.rejoined"],
  ...["validator.keys.registered", "space.sector.committed", "space.sector.dropped"],
  ...["space.window.proven", "time.run.committed", "time.run.shared", "work.shares.committed"],
]);

const u64 = (value: number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
};

const sized = (bytes: Uint8Array): Buffer => {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(bytes.length);
  return Buffer.concat([head, bytes]);
};

/** The one write of a record: its projection, key, that it is a put, and the row. */
const writeOf = (entry: Entry, actorHex: string, timeMs: number): Uint8Array | undefined => {
  const record = recordOf(entry.eventBytes);
  if (record === undefined) return undefined;
  const actor = Buffer.from(actorHex, "hex");
  const body = sized(Buffer.from(record.body, "hex"));
  const row = Buffer.concat([actor, u64(entry.height), u64(timeMs), body]);
  const key = Buffer.from(record.key, "hex");
  return Buffer.concat([sized(Buffer.from("records")), sized(key), Buffer.of(1), sized(row)]);
};

export const effectsFollow = (context: CheckContext): Checker => {
  const authors = authorsOf(context);

  /** Undefined for an event whose writes the oracle does not know. */
  const effectsOf = (entry: Entry, dump: Dump): Uint8Array | undefined => {
    if (entry.refusedWith !== "") {
      return FORGOTTEN.has(entry.eventType) ? taggedHash(context.chainId, "effects") : undefined;
    }
    if (entry.eventType !== RECORD_PUT) return undefined;
    const actor = authors.authorOf(entry);
    const timeMs = dump.timesMs[entry.height];
    if (actor === undefined || timeMs === undefined) return undefined;
    const write = writeOf(entry, actor, timeMs);
    return write && taggedHash(context.chainId, "effects", write);
  };

  return {
    id: "I10",
    title: "the hash of effects is that of the row that a record writes, or of nothing",
    submitted: (_slot, submission) => authors.submitted(submission),
    end: (dumps) => {
      const honest = dumps.filter(({ slot }) => context.honest(slot));
      const [longest] = honest.sort((a, b) => b.entries.length - a.entries.length);
      for (const entry of longest?.entries ?? []) {
        const wanted = longest && effectsOf(entry, longest);
        if (wanted === undefined || hex(wanted) === hex(entry.effectsHash)) continue;
        const what = `event ${entry.index}, ${entry.eventType} ${entry.refusedWith}`.trimEnd();
        return context.report("I10", `n${longest?.slot}: ${what}, has other effects than written`);
      }
    },
  };
};
