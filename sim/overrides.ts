/**
 * A property that faults turn for a while. Of several that overlap, the one that began last holds; when it ends, the
 * newest of those that are left; when none is, what the property is by itself.
 */
export class Overrides<T> {
  readonly #entries: { readonly value: T }[] = [];
  #own: T;
  /** What holds now. */
  #value: T;

  constructor(own: T) {
    this.#own = own;
    this.#value = own;
  }

  get value(): T {
    return this.#value;
  }

  get isTurned(): boolean {
    return this.#entries.length > 0;
  }

  /** Turns the property; the returned function undoes exactly that, once, in whatever order. */
  turn(value: T): () => void {
    const entry = { value };
    this.#entries.push(entry);
    this.#settle();
    return () => {
      const at = this.#entries.indexOf(entry);
      if (at < 0) return;
      this.#entries.splice(at, 1);
      this.#settle();
    };
  }

  /** What it is where nothing turns it. */
  setOwn(own: T): void {
    this.#own = own;
    this.#settle();
  }

  #settle(): void {
    const newest = this.#entries.at(-1);
    this.#value = newest === undefined ? this.#own : newest.value;
  }
}
