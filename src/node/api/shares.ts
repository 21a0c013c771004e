/**
 * Budgets that clients share: none may hold more than its part, so that one client alone does not take
 * what the others need. A client is its address, of IPv6 the first 64 bits, because a host may take any of
 * the addresses below them. Everybody on loopback, or behind one proxy, is one client.
 */

export class Shares {
  readonly #max: number;
  readonly #clientMax: number;
  readonly #held = new Map<string, number>();
  #total = 0;

  constructor(max: number, clientMax: number) {
    this.#max = max;
    this.#clientMax = clientMax;
  }

  /** What all clients hold. */
  get total(): number {
    return this.#total;
  }

  /** Clients that hold anything. */
  get clients(): number {
    return this.#held.size;
  }

  /** Whether so much is there for a client. */
  has(client: string, amount: number): boolean {
    const held = (this.#held.get(client) ?? 0) + amount;
    return this.#total + amount <= this.#max && held <= this.#clientMax;
  }

  /** Takes so much for a client, or nothing when it is not there. */
  take(client: string, amount: number): boolean {
    if (!this.has(client, amount)) return false;
    this.#set(client, (this.#held.get(client) ?? 0) + amount, amount);
    return true;
  }

  /** Gives back what was taken. */
  give(client: string, amount: number): void {
    this.#set(client, (this.#held.get(client) ?? 0) - amount, -amount);
  }

  #set(client: string, held: number, change: number): void {
    this.#total += change;
    if (held === 0) this.#held.delete(client);
    else this.#held.set(client, held);
  }
}

/** Whose share an address has: its first four groups. Of a socket that is closed, nobody's. */
export const clientOf = (address: string | undefined): string => {
  // Most requests come from a program, or a proxy, on this machine.
  if (address === "::1") return "0:0:0:0";
  if (address === undefined || !address.includes(":")) return address ?? "";
  const [plain = ""] = address.split("%", 1);
  const [head = "", tail] = plain.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => "0");
  return [...left, ...zeros, ...right].slice(0, 4).join(":");
};
