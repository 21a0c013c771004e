/**
 * What a path between two slots does to a frame: latency, jitter, loss, duplication, reordering, corruption,
 * caps, clogs, blocks, and drops by message type. State only; net.ts schedules what follows.
 */
import type { Caps } from "./bandwidth.ts";
import type { Prng } from "./prng.ts";
import { type FrameStatement, statementOfFrame } from "./statements.ts";

export type NetKnobs = {
  /** Floor of the one-way latency, microseconds. */
  latencyMinUs: number;
  /** Mean of the exponential part above the floor, microseconds. */
  latencyMeanUs: number;
  lossPpm: number;
  duplicatePpm: number;
  reorderPpm: number;
  corruptPpm: number;
  /** Bytes a millisecond of one link, of all that a node sends and receives; 0 is without bound. */
  linkBytesPerMs: number;
  uplinkBytesPerMs: number;
  downlinkBytesPerMs: number;
  /** Frames that meet a blocked link are lost instead of held back. */
  blockedDrops: boolean;
  idleTimeoutMs: number;
  redialMs: number;
};

export const CALM_NET: NetKnobs = {
  latencyMinUs: 500,
  latencyMeanUs: 500,
  lossPpm: 0,
  duplicatePpm: 0,
  reorderPpm: 0,
  corruptPpm: 0,
  linkBytesPerMs: 0,
  uplinkBytesPerMs: 0,
  downlinkBytesPerMs: 0,
  blockedDrops: false,
  idleTimeoutMs: 15_000,
  redialMs: 250,
};

/** Knobs that a fault may turn for a while. */
export type KnobName = "lossPpm" | "duplicatePpm" | "reorderPpm" | "corruptPpm" | "linkBytesPerMs";

type NodeCap = {
  readonly way: "uplink" | "downlink";
  readonly slot: number;
  readonly bytesPerMs: number;
};

/** Told when a frame has felt what a fault does. */
export type Felt = () => void;

type Override = { readonly knob: KnobName; readonly value: number; readonly felt: Felt };

/** What is told of a frame that something has hit. */
export type Hit = { readonly mark: string; readonly felt: Felt | undefined };

/** Of a frame: whatever of it shows only when the frame has arrived is told then (net.ts). */
export type Fate = {
  readonly lost: Hit | undefined;
  readonly duplicated: Hit | undefined;
  readonly corrupted: Hit | undefined;
  /** Whether it may overtake; whether it does, shows when it has left. */
  readonly reordered: boolean;
};

/** Drops frames whose first byte is `type` (any type when undefined) on matching links. */
export type DropRule = {
  readonly type: number | undefined;
  /** Only frames whose statement fits. */
  readonly statement?: (statement: FrameStatement) => boolean;
  readonly from: number | undefined;
  readonly to: number | undefined;
  readonly ppm: number;
  readonly felt?: Felt;
};

/** What each frame of matching links may take longer. */
export type JitterRule = {
  readonly from: number | undefined;
  readonly to: number | undefined;
  readonly upToUs: number;
  readonly felt?: Felt;
};

/** What one frame takes longer, and who is to be told when it has come later for it. */
export type Jitter = { readonly addedUs: number; readonly felt: Felt };

const NO_JITTER: Jitter = { addedUs: 0, felt: () => undefined };

const UNTOUCHED: Fate = {
  lost: undefined,
  duplicated: undefined,
  corrupted: undefined,
  reordered: false,
};
/** The rule has told of it. */
const RULED_OUT: Hit = { mark: "frame dropped by kind", felt: undefined };

export class Links {
  readonly random: Prng;
  readonly knobs: NetKnobs;
  readonly #slots: number;
  readonly #blocks: number[];
  readonly #clogUntilUs: number[];
  readonly #extraUs: number[];
  /** Caps of single nodes, the newest last. */
  readonly #nodeCaps: NodeCap[] = [];
  readonly #rules: DropRule[] = [];
  readonly #jitters: JitterRule[] = [];
  /** A stream of its own: what is drawn for each frame shifts nothing else. */
  readonly #jitter: Prng;
  readonly #base: NetKnobs;
  /** Turned knobs, the newest last: that one holds, and what is below it when it ends. */
  readonly #overrides: Override[] = [];

  constructor(random: Prng, slots: number, knobs: NetKnobs, jitter: Prng = random) {
    this.random = random;
    this.#jitter = jitter;
    this.knobs = { ...knobs };
    this.#base = { ...knobs };
    this.#slots = slots;
    this.#blocks = new Array<number>(slots * slots).fill(0);
    this.#clogUntilUs = new Array<number>(slots * slots).fill(0);
    this.#extraUs = new Array<number>(slots * slots).fill(0);
  }

  #at(from: number, to: number): number {
    return from * this.#slots + to;
  }

  /** True when the link was open before. */
  block(from: number, to: number): boolean {
    const at = this.#at(from, to);
    const count = this.#blocks[at] ?? 0;
    this.#blocks[at] = count + 1;
    return count === 0;
  }

  /** True when the link is open now and was not before. */
  unblock(from: number, to: number): boolean {
    const at = this.#at(from, to);
    const count = this.#blocks[at] ?? 0;
    if (count === 0) return false;
    this.#blocks[at] = count - 1;
    return count === 1;
  }

  blocked(from: number, to: number): boolean {
    return (this.#blocks[this.#at(from, to)] ?? 0) > 0;
  }

  /** Nothing of this link arrives before that time, a handshake neither; then all of it, in order. */
  clog(from: number, to: number, untilUs: number): void {
    const at = this.#at(from, to);
    this.#clogUntilUs[at] = Math.max(this.#clogUntilUs[at] ?? 0, untilUs);
  }

  /** Until when nothing of a link arrives. */
  clogUntilUs(from: number, to: number): number {
    return this.#clogUntilUs[this.#at(from, to)] ?? 0;
  }

  /** Adds to the latency of a link; a negative amount takes it back. */
  addDelay(from: number, to: number, extraUs: number): void {
    const at = this.#at(from, to);
    this.#extraUs[at] = Math.max(0, (this.#extraUs[at] ?? 0) + extraUs);
  }

  /** What comes on top of the latency of a link. */
  extraUs(from: number, to: number): number {
    return this.#extraUs[this.#at(from, to)] ?? 0;
  }

  /** From now on frames of matching links are late by an amount of their own; what is returned ends that. */
  addJitter(rule: JitterRule): () => void {
    this.#jitters.push(rule);
    return () => {
      const at = this.#jitters.indexOf(rule);
      if (at >= 0) this.#jitters.splice(at, 1);
    };
  }

  /** Drawn for one frame. */
  jitter(from: number, to: number): Jitter {
    if (this.#jitters.length === 0) return NO_JITTER;
    let addedUs = 0;
    const told: Felt[] = [];
    for (const rule of this.#jitters) {
      if ((rule.from ?? from) !== from || (rule.to ?? to) !== to) continue;
      const drawnUs = this.#jitter.between(0, rule.upToUs);
      if (drawnUs > 0 && rule.felt !== undefined) told.push(rule.felt);
      addedUs += drawnUs;
    }
    const felt = (): void => {
      for (const tell of told) tell();
    };
    return { addedUs, felt };
  }

  addRule(rule: DropRule): void {
    this.#rules.push(rule);
  }

  removeRule(rule: DropRule): void {
    const at = this.#rules.indexOf(rule);
    if (at >= 0) this.#rules.splice(at, 1);
  }

  /** Turns a knob; the returned function turns it back, in whatever order faults end. */
  override(knob: KnobName, value: number, felt: Felt = () => undefined): () => void {
    const entry = { knob, value, felt };
    this.#overrides.push(entry);
    this.knobs[knob] = value;
    return () => {
      const at = this.#overrides.indexOf(entry);
      if (at < 0) return;
      this.#overrides.splice(at, 1);
      this.#restore(knob);
    };
  }

  #restore(knob: KnobName): void {
    this.knobs[knob] = this.#turnedBy(knob)?.value ?? this.#base[knob];
  }

  #turnedBy(knob: KnobName): Override | undefined {
    return this.#overrides.findLast((entry) => entry.knob === knob);
  }

  /** Who is to be told when a frame feels a knob as it is now. */
  feltOf(knob: KnobName): Felt | undefined {
    return this.#turnedBy(knob)?.felt;
  }

  latencyUs(): number {
    return this.knobs.latencyMinUs + this.random.exponential(this.knobs.latencyMeanUs);
  }

  /** Caps what one node sends or receives; the returned function lifts it. */
  capNode(way: "uplink" | "downlink", slot: number, bytesPerMs: number): () => void {
    const cap = { way, slot, bytesPerMs };
    this.#nodeCaps.push(cap);
    return () => {
      const at = this.#nodeCaps.indexOf(cap);
      if (at >= 0) this.#nodeCaps.splice(at, 1);
    };
  }

  /** Bytes a millisecond that hold now, 0 without bound: of several caps the narrowest. */
  readonly caps: Caps = {
    link: () => this.knobs.linkBytesPerMs,
    uplink: (slot) => this.#capOf("uplink", slot, this.knobs.uplinkBytesPerMs),
    downlink: (slot) => this.#capOf("downlink", slot, this.knobs.downlinkBytesPerMs),
  };

  #capOf(way: "uplink" | "downlink", slot: number, knob: number): number {
    let narrowest = knob;
    for (const cap of this.#nodeCaps) {
      if (cap.way !== way || cap.slot !== slot) continue;
      if (narrowest === 0 || cap.bytesPerMs < narrowest) narrowest = cap.bytesPerMs;
    }
    return narrowest;
  }

  fate(from: number, to: number, bytes: Uint8Array): Fate {
    const knobs = this.knobs;
    const quiet =
      knobs.lossPpm + knobs.duplicatePpm + knobs.reorderPpm + knobs.corruptPpm === 0 &&
      this.#rules.length === 0;
    if (quiet) return UNTOUCHED;
    const ruledOut = this.#ruledOut(from, to, bytes);
    return {
      lost: ruledOut ? RULED_OUT : this.#hit("lossPpm", "frame lost"),
      duplicated: this.#hit("duplicatePpm", "frame duplicated"),
      reordered: this.random.ppm(knobs.reorderPpm),
      corrupted: this.#hit("corruptPpm", "frame corrupted"),
    };
  }

  #hit(knob: "lossPpm" | "duplicatePpm" | "corruptPpm", mark: string): Hit | undefined {
    return this.random.ppm(this.knobs[knob]) ? { mark, felt: this.feltOf(knob) } : undefined;
  }

  #ruledOut(from: number, to: number, bytes: Uint8Array): boolean {
    for (const rule of this.#rules) {
      if (rule.type !== undefined && rule.type !== bytes[0]) continue;
      if (rule.from !== undefined && rule.from !== from) continue;
      if (rule.to !== undefined && rule.to !== to) continue;
      if (rule.statement !== undefined) {
        const statement = statementOfFrame(bytes);
        if (statement === undefined || !rule.statement(statement)) continue;
      }
      if (!this.random.ppm(rule.ppm)) continue;
      rule.felt?.();
      return true;
    }
    return false;
  }

  /** A copy with one random bit flipped. */
  corrupt(bytes: Uint8Array): Uint8Array {
    const out = bytes.slice();
    if (out.length === 0) return out;
    const at = this.random.below(out.length);
    out[at] = (out[at] ?? 0) ^ (1 << this.random.below(8));
    return out;
  }

  /** Ends every lasting fault: what `heal` does. Blocks are lifted by those who set them. */
  calm(): void {
    this.#rules.length = 0;
    this.#jitters.length = 0;
    this.#clogUntilUs.fill(0);
    this.#extraUs.fill(0);
    this.#overrides.length = 0;
    this.knobs.linkBytesPerMs = this.#base.linkBytesPerMs;
    this.#nodeCaps.length = 0;
    this.knobs.lossPpm = 0;
    this.knobs.duplicatePpm = 0;
    this.knobs.reorderPpm = 0;
    this.knobs.corruptPpm = 0;
  }
}
