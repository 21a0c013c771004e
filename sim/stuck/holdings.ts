/**
 * Who holds which blocks and batches: what a node has made, been given or written. A process that ends loses what its
 * disk does not have. Of a name that was forgotten nothing is known any more: not that nobody holds it either.
 */
import { Recent } from "../checkers/recent.ts";

/** Names times nodes that are remembered; of few nodes no more names than would be looked at. */
const PAIRS_MAX = 1_000_000;
const NAMES_MAX = 8_192;
/** Names of which it is remembered that they were forgotten. After so many nothing new is learnt. */
const FORGOTTEN_MAX = 65_536;

type Holder = { readonly sinceUs: number; durable: boolean };

type Held = { readonly name: string; readonly holders: Map<number, Holder> };

export class Holdings {
  readonly #held: Recent<string, Held>;
  readonly #forgotten = new Set<string>();

  constructor(slots: number) {
    const max = Math.min(NAMES_MAX, Math.ceil(PAIRS_MAX / Math.max(1, slots)));
    this.#held = new Recent(max, (held) => {
      if (held !== undefined) this.#forgotten.add(held.name);
    });
  }

  /** Whether nothing can be said of a name. */
  #isForgotten(name: string): boolean {
    if (this.#held.has(name)) return false;
    return this.#forgotten.has(name) || this.#forgotten.size >= FORGOTTEN_MAX;
  }

  gain(slot: number, name: string, atUs: number, durable = false): void {
    if (this.#isForgotten(name)) return;
    const known = this.#held.get(name);
    const holders = known?.holders ?? new Map<number, Holder>();
    if (known === undefined) this.#held.set(name, { name, holders });
    const before = holders.get(slot);
    if (before === undefined) holders.set(slot, { sinceUs: atUs, durable });
    else before.durable ||= durable;
  }

  /** A node has not taken it after all. */
  lose(slot: number, name: string): void {
    this.#held.get(name)?.holders.delete(slot);
  }

  /** Undefined where it was forgotten, as in the answers below. */
  has(slot: number, name: string): boolean | undefined {
    if (this.#isForgotten(name)) return undefined;
    return this.#held.get(name)?.holders.has(slot) === true;
  }

  /** All who hold it. */
  all(name: string): readonly number[] | undefined {
    if (this.#isForgotten(name)) return undefined;
    return [...(this.#held.get(name)?.holders.keys() ?? [])].sort((a, b) => a - b);
  }

  /** Of these slots those that hold it. */
  holders(name: string, of: Iterable<number>): readonly number[] | undefined {
    if (this.#isForgotten(name)) return undefined;
    return [...of].filter((slot) => this.has(slot, name));
  }

  /** A new process has what is on its disk. */
  booted(slot: number): void {
    for (const { holders } of this.#held.values()) {
      if (holders.get(slot)?.durable === false) holders.delete(slot);
    }
  }

  diskLost(slot: number): void {
    for (const { holders } of this.#held.values()) holders.delete(slot);
  }
}
