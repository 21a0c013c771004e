/**
 * The oracle's own account of stake: who is a candidate with how much behind it, who is away, who has missed its
 * turns, and which set follows for each epoch. Written from docs/protocol.md, "Stake". What the other
 * proofs leave of a stake is in stake-claims.ts and stake-space.ts.
 */
import { faultOfEvidence } from "./evidence-payload.ts";
import type { FinalBlock, FinalEvent } from "./final-log.ts";
import { Cursor, hex, taggedHash } from "./oracle.ts";
import { StakeClaims } from "./stake-claims.ts";
import { StakeSpace, type StakeSpaceContext } from "./stake-space.ts";
import type { CheckContext, Member, StakeTerms } from "./types.ts";

const KEY_BYTES = 1793;
const SIGNATURE_BYTES = 1280;

type Candidate = {
  readonly publicKey: Uint8Array;
  /** Those of epochs, by the first that each is for. */
  readonly keys: Map<number, Uint8Array>;
  stake: bigint;
  readonly away: Set<"left" | "jailed" | "ended">;
  turns: number;
  missed: number;
};
export type Power = { readonly id: string; readonly power: bigint };
export type Decided = {
  readonly powers: readonly Power[];
  readonly degraded: boolean;
  /** Of all who might have held power. */
  readonly stake: bigint;
};

/** Whose turn it is in the views of an epoch, by place in its set. */
export type Turns = (epoch: number, powers: readonly Power[]) => readonly number[] | undefined;

const u64 = (value: bigint): Uint8Array => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(value);
  return bytes;
};

export const u64At = (cursor: Cursor): bigint => BigInt(`0x${hex(cursor.take(8))}`);

export const totalOf = (powers: readonly Power[]): bigint =>
  powers.reduce((sum, { power }) => sum + power, 0n);

const sorted = (powers: readonly Power[]): Power[] =>
  powers.filter(({ power }) => power > 0n).sort((a, b) => (a.id < b.id ? -1 : 1));

const isAble = ({ away }: Candidate): boolean => away.size === 0;

type FoldContext = StakeSpaceContext & Pick<CheckContext, "mark" | "report" | "verify">;

export class StakeFold {
  readonly #context: FoldContext;
  readonly #terms: StakeTerms;
  readonly #turns: Turns;
  readonly #slots: ReadonlyMap<string, number>;
  readonly #candidates = new Map<string, Candidate>();
  /** Who is in jail because it was down. */
  readonly down = new Set<string>();
  readonly sets = new Map<number, Decided>();
  readonly #claims: StakeClaims;
  readonly #space: StakeSpace;
  /** Who has opened a commitment of its own that is false, and is not ended for it yet. */
  readonly #forgers = new Set<string>();

  constructor(
    context: FoldContext,
    terms: StakeTerms,
    members: readonly Member[],
    turns: Turns,
    seedOf: (epoch: number) => Uint8Array | undefined = () => undefined,
  ) {
    this.#context = context;
    this.#terms = terms;
    this.#turns = turns;
    this.#slots = new Map(members.map(({ idHex, slot }) => [idHex, slot]));
    this.#space = new StakeSpace(context);
    this.#claims = new StakeClaims(context.chainId, terms.claims ?? {}, seedOf);
    for (const { index, idHex, publicKey, epochKey, weight } of members) {
      if (index < 0) continue;
      this.#add(idHex, publicKey, weight);
      if (epochKey !== undefined) this.#candidates.get(idHex)?.keys.set(0, epochKey);
    }
    const powers = sorted([...this.#candidates].map(([id, { stake }]) => ({ id, power: stake })));
    for (const epoch of [0, 1]) {
      this.sets.set(epoch, { powers, degraded: false, stake: totalOf(powers) });
    }
  }

  #add(id: string, publicKey: Uint8Array, stake: bigint): void {
    const begun = { keys: new Map(), away: new Set<"left">(), turns: 0, missed: 0 };
    this.#candidates.set(id, { publicKey, stake, ...begun });
  }

  /** Whether the log has a registration of it, or the genesis. */
  isCandidate(id: string): boolean {
    return this.#candidates.has(id);
  }

  /** docs/protocol.md, "Keys of epochs": that of the greatest epoch up to this one, else the long-lived one. */
  keyOf(id: string, epoch: number): Uint8Array {
    const candidate = this.#candidates.get(id);
    const first = [...(candidate?.keys.keys() ?? [])].filter((one) => one <= epoch);
    const key = candidate?.keys.get(Math.max(...first));
    if (key !== undefined && Math.max(...first) > 0) this.#context.mark("signs with a later key");
    return key ?? candidate?.publicKey ?? new Uint8Array(0);
  }

  /** All keys of epochs that it has registered, the newest first. */
  keysOf(id: string): readonly Uint8Array[] {
    return [...(this.#candidates.get(id)?.keys.values() ?? [])].reverse();
  }

  block(block: FinalBlock): void {
    const isLast = block.nextSet !== undefined;
    if (isLast) {
      this.#decide(block.epoch);
      for (const id of this.#forgers) {
        const away = this.#candidates.get(id)?.away;
        if (away === undefined || away.has("ended")) continue;
        away.add("ended");
        this.#context.mark("validator slashed for a false commitment");
      }
      this.#forgers.clear();
    }
    if (this.#terms.votedBpsMin > 0) this.#count(block, isLast);
    for (const event of block.events) {
      if (event.refusedWith === "") {
        this.#claims.note(event, block.epoch);
        this.#space.note(event, block.epoch);
        this.#apply(event);
      } else if (this.#claims.isForged(event)) this.#forgers.add(event.actor);
      else if (this.#space.isForged(event)) {
        this.#context.mark("false label shown");
        this.#forgers.add(event.actor);
      }
    }
  }

  /** What the end of an epoch decides for the one after the next. */
  #decide(epoch: number): void {
    const before = this.sets.get(epoch + 1);
    const last = before?.powers ?? [];
    // Whoever has shown before this block that its commitment was false is out, as who is caught with evidence.
    const able = [...this.#candidates].filter(
      ([id, candidate]) => isAble(candidate) && !this.#forgers.has(id),
    );
    const { stakePerUnit } = this.#terms;
    const lacked = new Map<string, "claims" | "space">();
    const earned = sorted(
      able.map(([id, { stake }]) => {
        const claimed = this.#claims.carried(id, epoch, stake, stakePerUnit);
        const power = this.#space.carried(id, epoch, claimed, stakePerUnit);
        if (stake > 0n && power === 0n) lacked.set(id, claimed === 0n ? "claims" : "space");
        return { id, power };
      }),
    );
    // What members could keep, and how much of it they lack. Who may not go on could keep nothing.
    const stakes = new Map(able.map(([id, { stake }]) => [id, stake]));
    const merits = new Map(earned.map(({ id, power }) => [id, power]));
    const topped = new Map(merits);
    let [claims, lacking] = [0n, 0n];
    for (const { id, power } of last) {
      const stake = stakes.get(id) ?? 0n;
      const claim = stake < power ? stake : power;
      const lack = claim - (merits.get(id) ?? 0n);
      claims += claim;
      if (lack <= 0n) continue;
      lacking += lack;
      topped.set(id, claim);
    }
    // More than a third of it is lacking: nobody goes without what it could keep.
    const isShort = lacking * 3n > claims;
    const degraded = isShort || topped.size === 0;
    const filled = isShort ? sorted([...topped].map(([id, power]) => ({ id, power }))) : earned;
    const powers = topped.size === 0 ? last : filled;
    const stake = able.reduce((sum, [, candidate]) => sum + candidate.stake, 0n);
    this.sets.set(epoch + 2, { powers, degraded, stake });
    this.#mark(last, powers, degraded);
    const isIn = (id: string): boolean => powers.some((one) => one.id === id);
    for (const { id } of last) {
      if (isIn(id)) continue;
      const why = lacked.get(id) ?? this.#awayFor(id);
      this.#context.mark(`n${this.#slots.get(id)} lost its power: ${why}`);
      if (lacked.has(id)) this.#context.mark("power lost for want of proofs");
    }
    if (before?.degraded === true && !degraded) this.#context.mark("powers earned again");
  }

  /** Why somebody is out who has shown what it has to. */
  #awayFor(id: string): string {
    if (this.#forgers.has(id)) return "forged";
    const [first = "unbonded"] = this.#candidates.get(id)?.away ?? [];
    return first;
  }

  #mark(last: readonly Power[], powers: readonly Power[], degraded: boolean): void {
    const before = new Set(last.map(({ id }) => id));
    const after = new Set(powers.map(({ id }) => id));
    if (powers.some(({ id }) => !before.has(id))) this.#context.mark("validator joined the set");
    if (last.some(({ id }) => !after.has(id))) this.#context.mark("validator left the set");
    if (degraded) this.#context.mark("epoch degraded");
  }

  /** Turns of the running set's members; who is not in it has no account. */
  #count({ epoch, view, parentView }: FinalBlock, isLast: boolean): void {
    const powers = this.sets.get(epoch)?.powers ?? [];
    const turns = this.#turns(epoch, powers);
    if (turns === undefined || (view <= parentView + 1 && !isLast)) return;
    const members = powers.map(({ id }) => this.#candidates.get(id));
    const leaderOf = (at: number): Candidate | undefined =>
      members[turns[(at - 1) % turns.length] ?? -1];
    const inSet = new Set(members);
    for (const candidate of this.#candidates.values()) {
      if (!inSet.has(candidate)) Object.assign(candidate, { turns: 0, missed: 0 });
    }
    for (let at = parentView + 1; at < view; at++) {
      const leader = leaderOf(at);
      if (leader !== undefined) leader.missed += 1;
      this.#context.mark("turn missed");
    }
    if (!isLast) return;
    for (let at = 1; at <= view; at++) {
      const leader = leaderOf(at);
      if (leader !== undefined) leader.turns += 1;
    }
    this.#judge(epoch, powers);
  }

  #judge(epoch: number, powers: readonly Power[]): void {
    const { windowTurns, votedBpsMin } = this.#terms;
    const found: string[] = [];
    for (const { id } of powers) {
      const candidate = this.#candidates.get(id);
      if (candidate === undefined) continue;
      const { turns, missed } = candidate;
      if (isAble(candidate) && turns < windowTurns) continue;
      const did = Math.max(0, turns - missed);
      if (isAble(candidate) && did * 10_000 < votedBpsMin * turns) found.push(id);
      Object.assign(candidate, { turns: 0, missed: 0 });
    }
    for (const id of this.down) {
      const away = this.#candidates.get(id)?.away;
      if (away?.has("jailed") !== true || away.size > 1) this.down.delete(id);
    }
    if (found.length === 0) return;
    this.#context.mark("validator down");
    if (!this.#isFew(found, this.sets.get(epoch + 2)?.powers ?? [])) {
      return this.#context.mark("too many validators down");
    }
    this.#context.mark("validator jailed for downtime");
    for (const id of found) {
      this.down.add(id);
      this.#candidates.get(id)?.away.add("jailed");
    }
  }

  /** At most a quarter of what is decided next, and with those in jail for it of all stake that would be there. */
  #isFew(found: readonly string[], next: readonly Power[]): boolean {
    const power = totalOf(next.filter(({ id }) => found.includes(id)));
    if (power * 4n > totalOf(next)) return false;
    let [stake, all] = [0n, 0n];
    for (const [id, candidate] of this.#candidates) {
      const isDown = this.down.has(id) || found.includes(id);
      if (isDown) stake += candidate.stake;
      if (isDown || isAble(candidate)) all += candidate.stake;
    }
    return stake * 4n <= all;
  }

  /** docs/protocol.md, "Validator set and leaders". */
  hashOf(epoch: number): string | undefined {
    const powers = this.sets.get(epoch)?.powers;
    if (powers === undefined) return undefined;
    const head = Buffer.alloc(10);
    head.writeBigUInt64BE(BigInt(epoch));
    head.writeUInt16BE(powers.length, 8);
    const parts = powers.flatMap(({ id, power }) => {
      const key = this.keyOf(id, epoch);
      const length = Buffer.alloc(4);
      length.writeUInt32BE(key.length);
      return [Buffer.from(id, "hex"), length, key, u64(power)];
    });
    return hex(taggedHash(this.#context.chainId, "set", Buffer.concat([head, ...parts])));
  }

  #apply({ type, payload, actor }: FinalEvent): void {
    const cursor = new Cursor(payload);
    if (type === "validator.keys.registered") {
      for (let left = cursor.u32(); left > 0 && cursor.ok; left--) {
        this.#candidates.get(actor)?.keys.set(cursor.u64(), cursor.take(KEY_BYTES));
        cursor.take(SIGNATURE_BYTES);
      }
      return;
    }
    if (type === "validator.registered") {
      cursor.sized();
      const publicKey = cursor.take(KEY_BYTES);
      this.#add(hex(taggedHash(this.#context.chainId, "id", publicKey)), publicKey, 0n);
      return;
    }
    const id = hex(cursor.take(32));
    const candidate = this.#candidates.get(id);
    if (candidate === undefined) return;
    const { away } = candidate;
    if (type === "stake.bonded" || type === "stake.delegated") candidate.stake += u64At(cursor);
    else if (type === "stake.unbonded") candidate.stake -= u64At(cursor);
    else if (type === "validator.left") away.add("left");
    else if (type === "validator.jailed") away.add("jailed");
    else if (type === "validator.rejoined") {
      if (this.down.delete(id)) this.#context.mark("validator back from downtime");
      away.delete("left");
      away.delete("jailed");
      Object.assign(candidate, { turns: 0, missed: 0 });
    } else if (type === "detect.evidence.committed") {
      away.add("ended");
      this.#context.mark("validator slashed");
      const fault = faultOfEvidence(this.#context, payload, (epoch) => this.keyOf(id, epoch));
      if (fault !== undefined) this.#context.report("I12", `the log accuses ${id}: ${fault}`);
    }
  }
}
