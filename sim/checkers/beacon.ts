/**
 * I25: the beacon of every final height is what its blocks give, on every honest node; and every final block
 * reveals exactly what is due: the one value of the newest key of its proposer that is usable and covers the
 * height, or nothing where there is none.
 */
import { type BeaconHeight, type Beacons, beaconsOf, longestOf, rootOfReveal } from "./beacons.ts";
import { Cursor, hex } from "./oracle.ts";
import { payloadOf } from "./payload.ts";
import { setsOf } from "./sets.ts";
import type { BeaconFacts, CheckContext, Checker, Dump, Entry, Put } from "./types.ts";

const REGISTERED = "beacon.key.registered";
const LEAD_EPOCHS = 2;
/** Where an envelope has its author. */
const ACTOR_AT = 2 + 32;
const POINT_BYTES = 32 + 3 * 8 + 32;

type Key = { readonly root: string; readonly firstHeight: number; readonly fromEpoch: number };

const pointOf = ({ beacon, next }: BeaconHeight): string => {
  const numbers = Buffer.alloc(24);
  for (const [i, value] of [next.number, next.firstHeight, next.startMs].entries()) {
    numbers.writeBigUInt64BE(BigInt(value), 8 * i);
  }
  return hex(Buffer.concat([beacon, numbers, next.seed]));
};

/** The keys that validators had, from the genesis and from what the log has accepted. */
const keysOf = (
  context: CheckContext,
  facts: BeaconFacts,
  beacons: Beacons,
  entries: readonly Entry[],
  authorOf: (entry: Entry) => string | undefined,
): Map<string, Key[]> => {
  const keys = new Map<string, Key[]>();
  for (const { index, idHex } of context.members) {
    if (index < 0) continue;
    const root = hex(facts.roots[index] ?? new Uint8Array(0));
    keys.set(idHex, [{ root, firstHeight: 1, fromEpoch: 0 }]);
  }
  for (const entry of entries) {
    if (entry.eventType !== REGISTERED || entry.refusedWith !== "") continue;
    const author = authorOf(entry);
    const epoch = beacons.at(entry.height)?.epoch;
    if (author === undefined || epoch === undefined) continue;
    const payload = payloadOf(entry);
    const root = hex(payload.take(32));
    const one = { root, firstHeight: payload.u64(), fromEpoch: epoch + LEAD_EPOCHS };
    keys.set(author, [...(keys.get(author) ?? []), one]);
    context.mark("iVRF key registered");
  }
  return keys;
};

/** Why a final block reveals what it must not, or undefined. */
const faultOf = (
  context: CheckContext,
  { depth }: BeaconFacts,
  keys: readonly Key[],
  { height, epoch, reveal }: BeaconHeight,
): string | undefined => {
  const due = keys.findLast(
    ({ firstHeight, fromEpoch }) =>
      epoch >= fromEpoch && height >= firstHeight && height < firstHeight + 2 ** depth,
  );
  if (due === undefined) {
    context.mark("height without a key");
    return reveal.length === 0 ? undefined : "reveals a value, and no key covers it";
  }
  if (due.firstHeight !== 1) context.mark("revealed by a later key");
  if (reveal.length !== 32 + 32 * depth) return `reveals ${reveal.length} bytes`;
  const root = hex(rootOfReveal(context.chainId, reveal, height - due.firstHeight));
  return root === due.root ? undefined : "reveals what is not the value of its proposer's key";
};

export const beaconFollows = (context: CheckContext): Checker => {
  const facts = context.beacon;
  const beacons = beaconsOf(context);
  const base = {
    id: "I25",
    title: "the beacon is what final blocks reveal, and they reveal what is due",
  };
  if (facts === undefined || beacons === undefined) return base;
  /** Envelopes that register keys: by the event's bytes, who wrote it. */
  const authors = new Map<string, string>();
  /** Points that are durable and whose height is not followed to yet. */
  const waiting: { readonly slot: number; readonly height: number; readonly value: string }[] = [];

  const notePoints = (slot: number, puts: readonly Put[]): void => {
    for (const { key, value } of puts) {
      if (key.length !== 10 || key[0] !== 0x76 || key[1] !== 0x2f) continue;
      waiting.push({ slot, height: new Cursor(key, 2).u64(), value: hex(value) });
    }
    for (let left = waiting.length; left > 0; left--) {
      const point = waiting.shift();
      if (point === undefined) return;
      const known = beacons.at(point.height);
      if (known === undefined) waiting.push(point);
      else if (point.value.length !== 2 * POINT_BYTES || point.value !== pointOf(known)) {
        context.report("I25", `n${point.slot} has another beacon of height ${point.height}`);
      }
    }
  };

  const noteEnvelopes = (puts: readonly Put[]): void => {
    for (const { key, value } of puts) {
      if (key[0] !== 0x64 || key[1] !== 0x2f) continue;
      const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
      const at = bytes.indexOf(REGISTERED, 0, "latin1");
      // The payload behind type and version: u32 length, root, first height.
      if (at < 0) continue;
      const payload = bytes.subarray(at + REGISTERED.length + 2 + 4).subarray(0, 40);
      authors.set(hex(payload), hex(bytes.subarray(ACTOR_AT, ACTOR_AT + 32)));
    }
  };

  const check = ({ entries, status }: Dump): void => {
    const authorOf = (entry: Entry): string | undefined =>
      authors.get(hex(payloadOf(entry).take(40)));
    const keys = keysOf(context, facts, beacons, entries, authorOf);
    const sets = setsOf(context);
    for (let height = 1; height <= Math.min(status.executedHeight, beacons.height); height++) {
      const known = beacons.at(height);
      if (known === undefined) return;
      const own = keys.get(sets.at(known.epoch)?.ofIndex(known.proposer)?.idHex ?? "") ?? [];
      const fault = faultOf(context, facts, own, known);
      if (fault !== undefined) context.report("I25", `final block ${height} ${fault}`);
    }
    if (beacons.height > 0) context.mark("beacon followed");
  };

  return {
    ...base,
    durable: (slot, _disk, puts) => {
      noteEnvelopes(puts);
      if (!context.honest(slot)) return;
      beacons.note(puts);
      notePoints(slot, puts);
    },
    end: (dumps) => {
      const longest = longestOf(dumps);
      if (longest !== undefined) check(longest);
    },
  };
};
