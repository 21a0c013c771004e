/**
 * L8 in every run: with less than a quorum in reach, nothing new becomes final. Who is up and who is cut off is not
 * asked of the faults, but read from what arrives. Of each member the oracle keeps how late a signature of it a node
 * can know of: a frame brings all that its sender could know, and all liars know what one of them does. The node has
 * had a quorum in reach up to the last moment at which such signatures weigh one, where a liar's always count. Every
 * certificate that it knows has an honest signer who had signed by then. So nothing is final there that lies above
 * all for which honest members had signed F by then.
 *
 * This errs on the side of believing: a frame counts as sent when it arrives, whatever it says.
 */
import { decodeStatement, FINALIZE } from "./decode.ts";
import { headersOf } from "./headers.ts";
import { isQuorum } from "./oracle.ts";
import { type EpochSet, setsOf } from "./sets.ts";
import type { CheckContext, Checker } from "./types.ts";

/** A newest view of an F, and since when it is one. */
type Step = { readonly atUs: number; readonly epoch: number; readonly view: number };

/** Of a time that lies further back than so many, the view of the oldest of them counts. */
const STEPS_MAX = 8_192;
const NEVER = -1;
/** Several times what a frame and its answer take: who hears of no quorum for so long is without one. */
const HALTED_US = 3_000_000;

/** The newest view for which honest members had signed F, by time. */
class Front {
  readonly #steps: Step[] = [];
  #forgotten: Step | undefined;

  note(atUs: number, epoch: number, view: number): void {
    const top = this.newest;
    if (top !== undefined && (epoch < top.epoch || (epoch === top.epoch && view <= top.view)))
      return;
    this.#steps.push({ atUs, epoch, view });
    if (this.#steps.length > STEPS_MAX)
      this.#forgotten = this.#steps.splice(0, STEPS_MAX / 2).at(-1);
  }

  get newest(): Step | undefined {
    return this.#steps.at(-1) ?? this.#forgotten;
  }

  at(timeUs: number): Step | undefined {
    return this.#steps.findLast(({ atUs }) => atUs <= timeUs) ?? this.#forgotten;
  }
}

/** By node, and one for all liars: up to when it may know what each member has signed. */
class Knowledge {
  readonly #context: CheckContext;
  readonly #rows: Float64Array[] = [];
  readonly #liars: Float64Array;

  constructor(context: CheckContext) {
    this.#context = context;
    this.#liars = this.#fresh();
  }

  #fresh(): Float64Array {
    return new Float64Array(this.#context.members.length).fill(NEVER);
  }

  #rowOf(slot: number): Float64Array {
    if (!this.#context.honest(slot)) return this.#liars;
    this.#rows[slot] ??= this.#fresh();
    return this.#rows[slot];
  }

  delivered(from: number, to: number): void {
    const [source, target] = [this.#rowOf(from), this.#rowOf(to)];
    if (source !== this.#liars) source[from] = this.#context.nowUs();
    if (source === target) return;
    for (let slot = 0; slot < target.length; slot++) {
      const atUs = source[slot] ?? NEVER;
      if (atUs > (target[slot] ?? NEVER)) target[slot] = atUs;
    }
  }

  /** The last moment of which a node can know what a quorum of the set has signed up to it. */
  quorumUs(slot: number, { members, total }: EpochSet): number {
    const row = this.#rowOf(slot);
    const known = members.map((member) => {
      const isOwn = member.slot === slot;
      if (!this.#context.honest(member.slot)) return { atUs: Infinity, weight: member.weight };
      return { atUs: isOwn ? Infinity : (row[member.slot] ?? NEVER), weight: member.weight };
    });
    known.sort((a, b) => (a.atUs === b.atUs ? 0 : b.atUs - a.atUs));
    let sum = 0n;
    for (const { atUs, weight } of known) {
      sum += weight;
      if (isQuorum(sum, total)) return atUs;
    }
    return NEVER;
  }
}

export const finalInReach = (context: CheckContext): Checker => {
  const headers = headersOf(context);
  const sets = setsOf(context);
  const knowledge = new Knowledge(context);
  const front = new Front();
  /** By slot: the final block that was looked at last. What a node may know only grows. */
  const judged = new Map<number, string>();
  /** Who was up since everybody was looked at. */
  const up = new Set<number>();
  /** When an honest node had signed something last, at each look; of what is `HALTED_US` old the newest. */
  const signedUs: number[] = [];
  let newestUs = NEVER;
  let wasHalted = false;

  /** In all epochs from this one on: a block may be final by what stands on it. */
  const reachUs = (slot: number, epoch: number): number | undefined => {
    let latestUs = NEVER;
    const last = context.stake === undefined ? epoch : (front.newest?.epoch ?? epoch);
    for (let at = epoch; at <= Math.max(epoch, last); at++) {
      const set = sets.isDecided(at) ? sets.at(at) : undefined;
      if (set === undefined) return undefined;
      latestUs = Math.max(latestUs, knowledge.quorumUs(slot, set));
    }
    return latestUs;
  };

  /**
   * A node that is cut off, and what it or another signed since then went nowhere for as long: it is not that all were
   * idle, and somebody has just begun.
   */
  const isCutOff = (slot: number): boolean => {
    const sinceUs = reachUs(slot, front.newest?.epoch ?? 0);
    if (sinceUs === undefined) return false;
    const [firstUs = NEVER] = signedUs;
    return firstUs > sinceUs && context.nowUs() - firstUs > HALTED_US;
  };

  return {
    id: "L8",
    title: "with less than a quorum in reach nothing becomes final",
    sent: (_from, _to, _class, bytes) => headers.note(bytes),
    delivered: (from, to) => knowledge.delivered(from, to),
    signed: (slot, message) => {
      const statement = context.honest(slot) ? decodeStatement(message) : undefined;
      if (statement === undefined) return;
      newestUs = context.nowUs();
      const { epoch, view, kind } = statement;
      if (kind === FINALIZE) front.note(context.nowUs(), epoch, view);
    },
    status: (slot, { finalHash }) => {
      if (!context.honest(slot)) return;
      up.add(slot);
      if (judged.get(slot) === finalHash) return;
      const header = headers.get(finalHash);
      const sinceUs = header === undefined ? undefined : reachUs(slot, header.epoch);
      if (header === undefined || sinceUs === undefined) return;
      judged.set(slot, finalHash);
      if (sinceUs === Infinity) return;
      const { epoch, view } = header;
      const top = front.at(sinceUs);
      if (top !== undefined && (top.epoch > epoch || (top.epoch === epoch && top.view >= view)))
        return;
      const shown = `n${slot} shows view ${view} of epoch ${epoch} as final`;
      const heard = `could hear of a quorum up to ${(Math.max(0, sinceUs) / 1_000_000).toFixed(3)} s only`;
      const given = `F was given up to view ${top?.view ?? 0} then`;
      context.report("L8", `${shown}, and ${heard}: ${given}`);
    },
    looked: () => {
      if (newestUs > (signedUs.at(-1) ?? NEVER)) signedUs.push(newestUs);
      while (context.nowUs() - (signedUs[1] ?? Infinity) > HALTED_US) signedUs.shift();
      if (!wasHalted && up.size > 0 && [...up].every(isCutOff)) {
        wasHalted = true;
        context.mark("halted without a quorum");
      }
      up.clear();
    },
  };
};
