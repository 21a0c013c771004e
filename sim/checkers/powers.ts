/**
 * I26: the set of every epoch is the one that follows from the log. The oracle folds the events of stake itself,
 * works out who has which power by the rules of docs/proofs.md, and compares the hash of that with the one that
 * the boundary block states, and with the rows of `stake`. For chains on which only stake bounds power.
 */
import { type Header, headersOf } from "./headers.ts";
import { Cursor, hex, taggedHash } from "./oracle.ts";
import { payloadOf } from "./payload.ts";
import type { CheckContext, Checker, Dump, Entry } from "./types.ts";

const KEY_BYTES = 1793;
/** Rows of the sets of epochs. */
const EPOCH_TAG = 7;

type Candidate = { publicKey: Uint8Array; stake: bigint; away: Set<string> };
type Power = { readonly id: string; readonly power: bigint };
type Decided = { readonly powers: readonly Power[]; readonly degraded: boolean };

const u64 = (value: bigint): Uint8Array => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(value);
  return bytes;
};

const u64At = (cursor: Cursor): bigint => BigInt(`0x${hex(cursor.take(8))}`);

const totalOf = (powers: readonly Power[]): bigint =>
  powers.reduce((sum, { power }) => sum + power, 0n);

const sorted = (powers: readonly Power[]): Power[] =>
  powers.filter(({ power }) => power > 0n).sort((a, b) => (a.id < b.id ? -1 : 1));

class Fold {
  readonly #context: CheckContext;
  readonly #candidates = new Map<string, Candidate>();
  readonly sets = new Map<number, Decided>();

  constructor(context: CheckContext) {
    this.#context = context;
    for (const { index, idHex, publicKey, weight } of context.members) {
      if (index < 0) continue;
      this.#candidates.set(idHex, { publicKey, stake: weight, away: new Set() });
    }
    const powers = sorted([...this.#candidates].map(([id, { stake }]) => ({ id, power: stake })));
    for (const epoch of [0, 1]) this.sets.set(epoch, { powers, degraded: false });
  }

  /** What the end of an epoch decides for the one after the next. */
  decide(epoch: number): void {
    const last = this.sets.get(epoch + 1)?.powers ?? [];
    const able = [...this.#candidates].filter(([, { away }]) => away.size === 0);
    const earned = sorted(able.map(([id, { stake }]) => ({ id, power: stake })));
    const degraded = totalOf(earned) * 3n < totalOf(last) * 2n;
    const stakes = new Map(able.map(([id, { stake }]) => [id, stake]));
    const kept = sorted(
      last.map(({ id, power }) => {
        const stake = stakes.get(id) ?? 0n;
        return { id, power: stake < power ? stake : power };
      }),
    );
    const powers = degraded ? (kept.length === 0 ? last : kept) : earned;
    this.sets.set(epoch + 2, { powers, degraded });
    this.#mark(last, powers, degraded);
  }

  #mark(last: readonly Power[], powers: readonly Power[], degraded: boolean): void {
    const before = new Set(last.map(({ id }) => id));
    const after = new Set(powers.map(({ id }) => id));
    if (powers.some(({ id }) => !before.has(id))) this.#context.mark("validator joined the set");
    if (last.some(({ id }) => !after.has(id))) this.#context.mark("validator left the set");
    if (degraded) this.#context.mark("epoch degraded");
  }

  /** docs/protocol.md, "Validator set and leaders". */
  hashOf(epoch: number): string | undefined {
    const powers = this.sets.get(epoch)?.powers;
    if (powers === undefined) return undefined;
    const head = Buffer.alloc(10);
    head.writeBigUInt64BE(BigInt(epoch));
    head.writeUInt16BE(powers.length, 8);
    const parts = powers.flatMap(({ id, power }) => {
      const key = this.#candidates.get(id)?.publicKey ?? new Uint8Array(0);
      const length = Buffer.alloc(4);
      length.writeUInt32BE(key.length);
      return [Buffer.from(id, "hex"), length, key, u64(power)];
    });
    return hex(taggedHash(this.#context.chainId, "set", Buffer.concat([head, ...parts])));
  }

  apply(entry: Entry): void {
    if (entry.refusedWith !== "") return;
    const { eventType } = entry;
    const cursor = payloadOf(entry);
    if (eventType === "validator.registered") {
      cursor.sized();
      const publicKey = cursor.take(KEY_BYTES);
      const id = hex(taggedHash(this.#context.chainId, "id", publicKey));
      this.#candidates.set(id, { publicKey, stake: 0n, away: new Set() });
      return;
    }
    const candidate = this.#candidates.get(hex(cursor.take(32)));
    if (candidate === undefined) return;
    const { away } = candidate;
    if (eventType === "stake.bonded" || eventType === "stake.delegated") {
      candidate.stake += u64At(cursor);
    } else if (eventType === "stake.unbonded") candidate.stake -= u64At(cursor);
    else if (eventType === "validator.left") away.add("left");
    else if (eventType === "validator.jailed") away.add("jailed");
    else if (eventType === "validator.rejoined") {
      away.delete("left");
      away.delete("jailed");
    } else if (eventType === "detect.evidence.committed") {
      away.add("ended");
      this.#context.mark("validator slashed");
    }
  }
}

/** The final chain from block 1 on, as far down as its headers were seen; undefined where one is missing. */
const chainOf = (
  context: CheckContext,
  { status }: Dump,
  get: (hash: string) => Header | undefined,
): readonly Header[] | undefined => {
  const chain: Header[] = [];
  const genesis = hex(context.genesisHash);
  for (let at = status.finalHash; at !== genesis; ) {
    const header = get(at);
    if (header === undefined) return undefined;
    chain.push(header);
    at = header.parentHash;
  }
  return chain.reverse();
};

/** What is wrong with the row of an epoch: u64 decided, u8 degraded, u64 stake, u64 total, list of id and power. */
const rowFault = (fold: Fold, key: Uint8Array, value: Uint8Array): string | undefined => {
  const epoch = new Cursor(key, 1).u64();
  const wanted = fold.sets.get(epoch);
  if (wanted === undefined) return `the row of epoch ${epoch} is of no epoch that was decided`;
  const cursor = new Cursor(value, 8);
  const degraded = cursor.u8() === 1;
  cursor.take(16);
  const powers: Power[] = [];
  for (let left = cursor.u32(); left > 0 && cursor.ok; left--) {
    powers.push({ id: hex(cursor.take(32)), power: u64At(cursor) });
  }
  const same =
    degraded === wanted.degraded &&
    powers.length === wanted.powers.length &&
    powers.every(({ id, power }, i) => {
      const other = wanted.powers[i];
      return other?.id === id && other.power === power;
    });
  return same ? undefined : `the row of epoch ${epoch} has other powers than the log gives`;
};

const faultOf = (
  context: CheckContext,
  dump: Dump,
  chain: readonly Header[],
): string | undefined => {
  const fold = new Fold(context);
  let next = 0;
  for (const header of chain) {
    if (header.nextSet !== undefined) {
      if (header.nextSet !== fold.hashOf(header.epoch + 1)) {
        return `epoch ${header.epoch} hands over to another set than its log gives`;
      }
      fold.decide(header.epoch);
    }
    for (; dump.entries[next]?.height === header.height; next++) {
      const entry = dump.entries[next];
      if (entry !== undefined) fold.apply(entry);
    }
  }
  for (const { key, value } of dump.rows.get("stake") ?? []) {
    const fault = key[0] === EPOCH_TAG ? rowFault(fold, key, value) : undefined;
    if (fault !== undefined) return fault;
  }
  return undefined;
};

export const powersFollow = (context: CheckContext): Checker => {
  const headers = headersOf(context);
  return {
    id: "I26",
    title: "the set of an epoch is the one that follows from the log",
    sent: (_from, _to, _class, bytes) => headers.note(bytes),
    end: (dumps) => {
      for (const dump of dumps) {
        if (!context.honest(dump.slot)) continue;
        const chain = chainOf(context, dump, (hash) => headers.get(hash));
        if (chain === undefined) continue;
        context.mark("powers compared");
        const fault = faultOf(context, dump, chain);
        if (fault !== undefined) return context.report("I26", `n${dump.slot}: ${fault}`);
      }
    },
  };
};
