/**
 * I29: on a chain that asks where validators are, no honest witness states a bound below the round trips that
 * really were, and no certificate has a bound of an honest witness that it did not state. The true times are
 * those at which the network was handed a challenge and has brought its answer. A receipt is of a validator: while
 * it was signed, another process with that key may have come, or a new measurement may have begun.
 */
import { Cursor, hex, taggedHash } from "./oracle.ts";
import { payloadOf } from "./payload.ts";
import type { CheckContext, Checker, Dump, Entry, LocationTerms } from "./types.ts";

const CHALLENGE = 18;
const ANSWER = 19;
const RECEIPT = 20;
const SIGNATURE = 1280;
/** Of measurements that were given up, the newest rounds are remembered. */
const ROUNDS_MAX = 256;

type Round = { readonly challenge: Uint8Array; readonly sentUs: number; tripUs: number };
class Judge {
  readonly #context: CheckContext;
  readonly #terms: LocationTerms;
  /** By witness and prover, since those of the last receipt. */
  readonly #exchanges = new Map<string, readonly Round[]>();
  /** What honest witnesses have stated: witness, prover, epoch and bound. */
  readonly #stated = new Set<string>();

  constructor(context: CheckContext, terms: LocationTerms) {
    this.#context = context;
    this.#terms = terms;
  }

  sent(from: number, to: number, bytes: Uint8Array): void {
    if (bytes[0] === CHALLENGE) {
      const key = this.#between(from, to);
      const challenge = new Cursor(bytes, 17).take(32).slice();
      const sentUs = this.#context.nowUs();
      const round = { challenge, sentUs, tripUs: Number.POSITIVE_INFINITY };
      this.#exchanges.set(key, [...(this.#exchanges.get(key) ?? []), round].slice(-ROUNDS_MAX));
    }
    if (bytes[0] === RECEIPT && this.#context.honest(from)) this.#receipt(from, to, bytes);
  }

  delivered(from: number, to: number, bytes: Uint8Array): void {
    if (bytes[0] !== ANSWER) return;
    const challenge = hex(new Cursor(bytes, 1).take(32));
    const rounds = this.#exchanges.get(this.#between(to, from)) ?? [];
    const round = rounds.find((one) => hex(one.challenge) === challenge);
    if (round === undefined || round.tripUs !== Number.POSITIVE_INFINITY) return;
    round.tripUs = this.#context.nowUs() - round.sentUs;
  }

  #receipt(from: number, to: number, bytes: Uint8Array): void {
    const cursor = new Cursor(bytes, 1);
    const epoch = cursor.u64();
    cursor.u64();
    const rttUs = cursor.u32();
    const told = hex(cursor.take(32));
    const rounds = this.#roundsOf(this.#between(from, to), told);
    const name = `n${from}: its receipt for n${to} in epoch ${epoch}`;
    if (rounds === undefined) {
      return this.#context.report("I29", `${name} is of other challenges`);
    }
    const half = Math.ceil(this.#terms.rounds / 2);
    const least = rounds.map(({ tripUs }) => tripUs).sort((a, b) => a - b)[half - 1];
    if (least === undefined || rttUs < least) {
      return this.#context.report("I29", `${name} states ${rttUs} us where it took ${least}`);
    }
    const [witness, prover] = [this.#idOf(from), this.#idOf(to)];
    this.#stated.add(`${witness} ${prover} ${epoch} ${rttUs}`);
    this.#context.mark("place measured");
  }

  #between(witness: number, prover: number): string {
    return `${witness} ${this.#context.memberOf(prover)?.slot ?? prover}`;
  }

  /** Those that a receipt names, the newest of them; undefined where there are none. No other may name them again. */
  #roundsOf(key: string, told: string): readonly Round[] | undefined {
    const known = this.#exchanges.get(key) ?? [];
    const { rounds: count } = this.#terms;
    for (let end = known.length; end >= count; end--) {
      const rounds = known.slice(end - count, end);
      const challenges = rounds.map(({ challenge }) => challenge);
      if (hex(taggedHash(this.#context.chainId, "loc/rounds", ...challenges)) !== told) continue;
      this.#exchanges.set(key, known.slice(end));
      return rounds;
    }
    return undefined;
  }

  #idOf(slot: number): string {
    return this.#context.memberOf(slot)?.idHex ?? "";
  }

  #slotOf(id: string): number | undefined {
    return this.#context.members.find(({ idHex }) => idHex === id)?.slot;
  }

  /** Whether liars hold more than a third: then nothing is promised of certificates. */
  #areLiarsEnough(): boolean {
    const { members } = this.#context;
    const sum = (some: typeof members): bigint => some.reduce((all, one) => all + one.weight, 0n);
    const liars = members.filter(({ slot }) => !this.#context.honest(slot));
    return 3n * sum(liars) > sum(members);
  }

  /** Certificates on the log. Their authors are whoever the receipts name, so each is tried as the prover. */
  certificate(entry: Entry): void {
    const payload = payloadOf(entry);
    const epoch = payload.u64();
    payload.u64();
    const zone = Buffer.from(payload.sized()).toString("utf8");
    payload.u32();
    const bounds: { readonly witness: string; readonly rttUs: number }[] = [];
    for (let left = payload.u32(); left > 0; left--) {
      bounds.push({ witness: hex(payload.take(32)), rttUs: payload.u32() });
      payload.take(32 + SIGNATURE);
    }
    const most = this.#terms.zones.get(zone) ?? 0;
    const honest = bounds.filter(({ witness }) => {
      const slot = this.#slotOf(witness);
      return slot !== undefined && this.#context.honest(slot);
    });
    const provers = this.#context.members
      .map(({ slot }) => slot)
      .filter((slot) =>
        honest.every(({ witness, rttUs }) =>
          this.#stated.has(`${witness} ${this.#idOf(slot)} ${epoch} ${rttUs}`),
        ),
      );
    const name = `the certificate of event ${entry.index}`;
    if (honest.length === 0 && !this.#areLiarsEnough())
      this.#context.report("I29", `${name} has no honest witness`);
    if (provers.length === 0) this.#context.report("I29", `${name} has a bound that nobody stated`);
    const above = bounds.some(({ rttUs }) => rttUs > most);
    if (above) this.#context.report("I29", `${name} has a bound above that of ${zone}`);
    for (const slot of provers) this.#context.mark(`n${slot} certified ${zone}`);
    this.#context.mark(`certified in epoch ${epoch}`);
  }
}

export const boundsTrue = (context: CheckContext): Checker => {
  const base = { id: "I29", title: "nobody is certified nearer than it is to an honest witness" };
  const terms = context.location;
  if (terms === undefined) return base;
  const judge = new Judge(context, terms);
  return {
    ...base,
    sent: (from, to, _class, bytes) => judge.sent(from, to, bytes),
    delivered: (from, to, bytes) => judge.delivered(from, to, bytes),
    end: (dumps: readonly Dump[]) => {
      const [longest] = dumps.toSorted((a, b) => b.entries.length - a.entries.length);
      for (const entry of longest?.entries ?? []) {
        if (entry.eventType !== "location.zone.certified") continue;
        if (entry.refusedWith === "") judge.certificate(entry);
        else context.mark(`location.zone.certified refused ${entry.refusedWith}`);
      }
    },
  };
};
