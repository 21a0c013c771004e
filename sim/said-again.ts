/**
 * The fault of a member that says again what it has heard and said, whatever it was and whoever sent it first, to
 * everybody who begins a new session with it: after a restart, a reset or a partition. A stranger on the network
 * cannot do so, as what a session has carried is of no use in another one; a member can.
 */
import type { TrafficClass, Transport } from "../src/ledger/ports.ts";
import { messageTypeOf } from "../src/ledger/wire.ts";
import type { SimNet } from "./net.ts";
import type { SimNode } from "./node.ts";
import type { World } from "./world.ts";

/** Of each type of message the first ones are kept, and the newest. */
const FIRST_KEPT = 8;
const NEWEST_KEPT = 8;
/** So many frames at once, and then a pause: a queue takes no more at a time. */
const BURST = 8;
const BURST_MS = 20;

type Kept = {
  readonly atUs: number;
  readonly trafficClass: TrafficClass;
  readonly bytes: Uint8Array;
};

export type ReplayWiring = {
  readonly world: World;
  readonly net: SimNet;
  readonly nodes: readonly Pick<SimNode, "host">[];
  /** The slot of who says it again. */
  readonly slot: number;
  mark(name: string): void;
  /** What it has kept has arrived in a session that began later. */
  felt(): void;
};

class Replayer {
  readonly #wiring: ReplayWiring;
  readonly #kept = new Map<number, Kept[]>();
  /** Sessions that have begun, by the other end: a new one ends what is said in the one before. */
  readonly #sessions = new Map<number, number>();
  /** What is said again, by the copy of it that the network takes along. */
  readonly #underWay = new WeakMap<Uint8Array, Kept>();
  #isOver = false;
  /** What it says again just now. */
  #saying: Kept | undefined;

  constructor(wiring: ReplayWiring) {
    this.#wiring = wiring;
  }

  /** Of what it says again itself nothing is kept once more. */
  sent(trafficClass: TrafficClass, bytes: Uint8Array): void {
    if (this.#saying === undefined) this.keep(trafficClass, bytes);
    else this.#underWay.set(bytes, this.#saying);
  }

  keep(trafficClass: TrafficClass, bytes: Uint8Array): void {
    const type = bytes[0] ?? 0;
    const kept = this.#kept.get(type) ?? [];
    this.#kept.set(type, kept);
    if (kept.length === FIRST_KEPT + NEWEST_KEPT) kept.splice(FIRST_KEPT, 1);
    kept.push({ atUs: this.#wiring.world.nowUs, trafficClass, bytes });
  }

  /** Says all of it again, in its order. */
  raised(other: number): void {
    const serial = (this.#sessions.get(other) ?? 0) + 1;
    this.#sessions.set(other, serial);
    const frames = [...this.#kept.values()].flat().sort((a, b) => a.atUs - b.atUs);
    this.#say(other, serial, frames);
  }

  #say(other: number, serial: number, frames: readonly Kept[]): void {
    const { world, net, nodes, slot } = this.#wiring;
    const own = nodes[slot];
    const peer = net.idOf(other);
    if (own === undefined || this.#isOver || this.#sessions.get(other) !== serial) return;
    const transport = net.transport(slot, own.host.incarnation);
    for (const frame of frames.slice(0, BURST)) this.#sayOne(transport, peer, frame);
    const left = frames.slice(BURST);
    if (left.length > 0) world.after(BURST_MS * 1000, () => this.#say(other, serial, left));
  }

  #sayOne(transport: Transport, peer: string, frame: Kept): void {
    this.#saying = frame;
    transport.send(peer, frame.trafficClass, frame.bytes);
    this.#saying = undefined;
  }

  /** Something of it has arrived: it was replayed only where it is what was said again. */
  arrived(other: number, bytes: Uint8Array): void {
    const { nodes, mark, felt } = this.#wiring;
    const frame = this.#underWay.get(bytes);
    if (frame === undefined) return;
    felt();
    const { bootedUs = 0 } = nodes[other]?.host ?? {};
    if (frame.atUs >= bootedUs) return;
    mark(`${messageTypeOf(frame.bytes[0] ?? 0) ?? "unknown"} replayed after a restart`);
  }

  end(): void {
    this.#isOver = true;
    this.#kept.clear();
  }
}

/** Begins it; what is returned ends it. */
export const startReplay = (wiring: ReplayWiring): (() => void) => {
  const { net, slot } = wiring;
  const replayer = new Replayer(wiring);
  const unwatch = net.watch({
    sent: (from, _to, trafficClass, bytes) => {
      if (from === slot) replayer.sent(trafficClass, bytes);
    },
    delivered: (from, to, trafficClass, bytes) => {
      if (to === slot) replayer.keep(trafficClass, bytes);
      if (from === slot) replayer.arrived(to, bytes);
    },
    raised: (from, other) => {
      if (from === slot) replayer.raised(other);
    },
  });
  return () => {
    unwatch();
    replayer.end();
  };
};
