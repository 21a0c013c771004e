/**
 * What waits before the far end of a link that is blocked or clogged. Frames of one class stay in order, as in a
 * stream, and wait for no other class. Each is due at a moment of its own, and waits there if the link is shut then.
 */
import type { TrafficClass } from "../src/ledger/ports.ts";

type Classed = { readonly trafficClass: TrafficClass };
/**
 * `stopped`: by a block, and not by a clog alone, nor only by those before it. `told`: whoever looks on knows of it; of a
 * frame that a clog holds while its link is blocked only when the clog ends, as the block may end before.
 */
type Waiting<Frame> = Again<Frame> & { dueUs: number; stopped: boolean; told: boolean };

/** A frame, and when its flight was over, or is to be: the newest, where it has flown more than once. */
export type Again<Frame> = { readonly frame: Frame; readonly flownUs: number };

/** Whether a frame that is let go has waited longer than it flew. */
export type Taken<Frame> = { readonly frame: Frame; readonly hasWaited: boolean };

export class HeldFrames<Frame extends Classed> {
  /** Of each class: due in the order in which they wait. */
  readonly #queues = new Map<TrafficClass, Waiting<Frame>[]>();

  has(trafficClass: TrafficClass): boolean {
    return (this.#queues.get(trafficClass)?.length ?? 0) > 0;
  }

  /** It has come as far as this, or is behind those that have not. */
  push(frame: Frame, nowUs: number, stopped: boolean, told: boolean): void {
    const queue = this.#queues.get(frame.trafficClass) ?? [];
    const dueUs = Math.max(nowUs, queue.at(-1)?.dueUs ?? 0);
    queue.push({ frame, flownUs: nowUs, dueUs, stopped, told });
    this.#queues.set(frame.trafficClass, queue);
  }

  /** What is due has met a block; gives those of which nobody has been told so far. */
  stop(nowUs: number): Frame[] {
    const untold: Frame[] = [];
    for (const queue of this.#queues.values()) {
      for (const waiting of queue) {
        if (waiting.dueUs > nowUs) continue;
        if (!waiting.told) untold.push(waiting.frame);
        waiting.stopped = true;
        waiting.told = true;
      }
    }
    return untold;
  }

  /** Those that were stopped are sent again, and so are due when each has flown, behind those before it. */
  resend(nowUs: number, fly: (frame: Frame) => Again<Frame>): void {
    for (const queue of this.#queues.values()) {
      let lastUs = 0;
      for (const waiting of queue) {
        if (waiting.stopped && waiting.dueUs <= nowUs) {
          Object.assign(waiting, fly(waiting.frame));
          waiting.dueUs = waiting.flownUs;
        }
        waiting.stopped = false;
        waiting.told = false;
        waiting.dueUs = Math.max(waiting.dueUs, lastUs);
        lastUs = waiting.dueUs;
      }
    }
  }

  /** Those that were stopped are taken away: nobody is left to send them again. */
  takeStopped(): Frame[] {
    const lost: Frame[] = [];
    for (const [trafficClass, queue] of this.#queues) {
      for (const { frame, stopped } of queue) if (stopped) lost.push(frame);
      this.#queues.set(
        trafficClass,
        queue.filter(({ stopped }) => !stopped),
      );
    }
    return lost;
  }

  /** When the next one is due of those that no block has stopped yet; undefined when none waits. */
  get nextUs(): number | undefined {
    let nextUs: number | undefined;
    for (const queue of this.#queues.values()) {
      const dueUs = queue.find(({ told }) => !told)?.dueUs;
      if (dueUs !== undefined) nextUs = Math.min(nextUs ?? dueUs, dueUs);
    }
    return nextUs;
  }

  /** Takes the next one; undefined when none is due. */
  takeDue(nowUs: number): Taken<Frame> | undefined {
    const queue = this.#first();
    if ((queue?.[0]?.dueUs ?? Number.POSITIVE_INFINITY) > nowUs) return undefined;
    const taken = queue?.shift();
    if (taken === undefined) return undefined;
    // The world has whole microseconds only: then what has flown is there.
    return { frame: taken.frame, hasWaited: nowUs > Math.ceil(taken.flownUs) };
  }

  /** The queue of what is due first. */
  #first(): Waiting<Frame>[] | undefined {
    let first: Waiting<Frame>[] | undefined;
    for (const queue of this.#queues.values()) {
      const dueUs = queue[0]?.dueUs;
      if (dueUs !== undefined && dueUs < (first?.[0]?.dueUs ?? Number.POSITIVE_INFINITY)) {
        first = queue;
      }
    }
    return first;
  }
}
