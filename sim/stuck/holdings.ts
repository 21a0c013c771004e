/**
 * Who holds which blocks and batches: what a node has made, been given or written. A process that ends loses what its
 * disk does not have.
 */
import { Recent } from "../checkers/recent.ts";

/** Names times nodes that are remembered; of few nodes no more names than would be looked at. */
const PAIRS_MAX = 1_000_000;
const NAMES_MAX = 8_192;

type Holder = { readonly sinceUs: number; durable: boolean };

export class Holdings {
  readonly #held: Recent<string, Map<number, Holder>>;

  constructor(slots: number) {
    this.#held = new Recent(Math.min(NAMES_MAX, Math.ceil(PAIRS_MAX / Math.max(1, slots))));
  }

  gain(slot: number, name: string, atUs: number, durable = false): void {
    const holders = this.#held.get(name) ?? new Map<number, Holder>();
    if (holders.size === 0) this.#held.set(name, holders);
    const before = holders.get(slot);
    if (before === undefined) holders.set(slot, { sinceUs: atUs, durable });
    else before.durable ||= durable;
  }

  /** A node has not taken it after all. */
  lose(slot: number, name: string): void {
    this.#held.get(name)?.delete(slot);
  }

  has(slot: number, name: string): boolean {
    return this.#held.get(name)?.has(slot) === true;
  }

  /** All who hold it. */
  all(name: string): number[] {
    return [...(this.#held.get(name)?.keys() ?? [])].sort((a, b) => a - b);
  }

  /** Of these slots those that hold it. */
  holders(name: string, of: Iterable<number>): number[] {
    return [...of].filter((slot) => this.has(slot, name));
  }

  /** A new process has what is on its disk. */
  booted(slot: number): void {
    for (const holders of this.#held.values()) {
      if (holders.get(slot)?.durable === false) holders.delete(slot);
    }
  }

  diskLost(slot: number): void {
    for (const holders of this.#held.values()) holders.delete(slot);
  }
}
