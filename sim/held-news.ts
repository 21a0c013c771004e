/**
 * News that waits before a blocked link: that the process at its other end has died, or has closed a session. It goes
 * on when the link opens, or ends in the silence of which a session dies.
 */
import type { Task } from "./heap.ts";
import { World } from "./world.ts";

/** Told once: that the link is open, or that there was silence for too long. */
type GoesOn = (isOpen: boolean) => void;

export class HeldNews {
  readonly #world: World;
  readonly #slots: number;
  /** By link: what waits for it, in the order in which it came. */
  readonly #held = new Map<number, Map<GoesOn, Task>>();

  constructor(world: World, slots: number) {
    this.#world = world;
    this.#slots = slots;
  }

  /** Waits until a link is open, until `silentUs` at most. */
  hold(from: number, to: number, silentUs: number, goesOn: GoesOn): void {
    const link = from * this.#slots + to;
    const held = this.#held.get(link) ?? new Map<GoesOn, Task>();
    this.#held.set(link, held);
    const silent = this.#world.at(Math.ceil(silentUs), () => {
      held.delete(goesOn);
      goesOn(false);
    });
    held.set(goesOn, silent);
  }

  /** A link that was blocked is open. */
  opened(from: number, to: number): void {
    const link = from * this.#slots + to;
    const held = this.#held.get(link);
    if (held === undefined) return;
    this.#held.delete(link);
    for (const [goesOn, silent] of held) {
      World.cancel(silent);
      goesOn(true);
    }
  }
}
