/**
 * Connections that came in from hosts that are no member's and whose peers are not known yet: how many there are, and
 * how many of each network. Whoever has a host has the 2^64 addresses of its network, so an address counts for nothing.
 * Pure.
 */
import { networkOf } from "./address.ts";

export class Strangers<T> {
  readonly #networks = new Map<T, string>();
  readonly #counts = new Map<string, number>();

  get size(): number {
    return this.#networks.size;
  }

  /** Those of the network that the host is in. */
  ofNetwork(host: string): number {
    return this.#counts.get(networkOf(host)) ?? 0;
  }

  add(connection: T, host: string): void {
    this.remove(connection);
    const network = networkOf(host);
    this.#networks.set(connection, network);
    this.#counts.set(network, (this.#counts.get(network) ?? 0) + 1);
  }

  /** It has ended, or its peer is known; of one that is none of them nothing is changed. */
  remove(connection: T): void {
    const network = this.#networks.get(connection);
    if (network === undefined) return;
    this.#networks.delete(connection);
    const left = (this.#counts.get(network) ?? 1) - 1;
    if (left > 0) this.#counts.set(network, left);
    else this.#counts.delete(network);
  }
}
