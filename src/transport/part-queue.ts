/**
 * Bytes of a stream that have come and were not read, for a driver that cannot make their sender wait: in the order in
 * which they came, out of a budget that the streams of one session share. Pure.
 */

export type UnreadLimits = { readonly unreadBytesMax: number; readonly unreadPartsMax: number };

/** What one session has lying in all of its streams. */
export class UnreadBudget {
  #limits: UnreadLimits;
  #bytes = 0;
  #parts = 0;

  constructor(limits: UnreadLimits) {
    this.#limits = limits;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** From now on these are the limits. */
  widen(limits: UnreadLimits): void {
    this.#limits = limits;
  }

  /** False when there is more than the limits have. */
  get isKept(): boolean {
    return this.#bytes <= this.#limits.unreadBytesMax && this.#parts <= this.#limits.unreadPartsMax;
  }

  /** Called by queues: so much more is lying, or less. */
  add(bytes: number, parts: number): void {
    this.#bytes += bytes;
    this.#parts += parts;
  }
}

export class PartQueue {
  readonly #budget: UnreadBudget;
  #parts: Uint8Array[] = [];
  /** Where the next one is: what is before it is empty. */
  #at = 0;

  constructor(budget: UnreadBudget) {
    this.#budget = budget;
  }

  get isEmpty(): boolean {
    return this.#at === this.#parts.length;
  }

  /** False when the budget is exceeded now. */
  push(part: Uint8Array): boolean {
    this.#parts.push(part);
    this.#budget.add(part.length, 1);
    return this.#budget.isKept;
  }

  shift(): Uint8Array | undefined {
    const part = this.#parts[this.#at];
    if (part === undefined) return undefined;
    this.#parts[this.#at] = NOTHING;
    this.#at += 1;
    this.#budget.add(-part.length, -1);
    // Not at each of them: to move what is left costs as much as it is.
    if (this.#at * 2 > this.#parts.length) {
      this.#parts = this.#parts.slice(this.#at);
      this.#at = 0;
    }
    return part;
  }

  /** What is lying is of no use any more. */
  clear(): void {
    const left = this.#parts.slice(this.#at);
    const bytes = left.reduce((sum, part) => sum + part.length, 0);
    this.#budget.add(-bytes, -left.length);
    this.#parts = [];
    this.#at = 0;
  }
}

const NOTHING = new Uint8Array(0);
