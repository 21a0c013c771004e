/**
 * Which signatures count. A node may sign something, die before it is written, and decide otherwise when
 * it is back: nobody has seen the first signature and nobody ever will. So a signature of an honest node
 * counts from the moment when it is durable or leaves; one of an adversary counts at once.
 */
import { decodeStatement } from "./decode.ts";
import type { Put } from "./types.ts";

/** Enough of a signature to be found by: its nonce and the start of its MAC. */
export const PROBE_BYTES = 40;

type Held = {
  readonly probe: Buffer;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
};

export type Release = (slot: number, message: Uint8Array, signature: Uint8Array) => void;

const bufferOf = (bytes: Uint8Array): Buffer =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Whether the bytes hold the probe, without the Buffer that asking one would take. */
export const holds = (bytes: Uint8Array, probe: Buffer): boolean =>
  Buffer.prototype.indexOf.call(bytes, probe) >= 0;

export class ReleaseTracker {
  readonly #held = new Map<number, Held[]>();
  readonly #release: Release;
  readonly #honest: (slot: number) => boolean;

  constructor(honest: (slot: number) => boolean, release: Release) {
    this.#honest = honest;
    this.#release = release;
  }

  signed(slot: number, message: Uint8Array, signature: Uint8Array): void {
    if (decodeStatement(message) === undefined) return;
    if (!this.#honest(slot)) {
      this.#release(slot, message, signature);
      return;
    }
    const probe = bufferOf(signature.slice(0, PROBE_BYTES));
    const list = this.#held.get(slot);
    if (list === undefined) this.#held.set(slot, [{ probe, message, signature }]);
    else list.push({ probe, message, signature });
  }

  durable(slot: number, disk: string, puts: readonly Put[]): void {
    if (disk === "votes") this.#let(slot, (probe) => puts.some((put) => holds(put.value, probe)));
  }

  sent(slot: number, bytes: Uint8Array): void {
    if (this.#held.get(slot)?.length) this.#let(slot, (probe) => holds(bytes, probe));
  }

  /** A new process has read its disks: what was neither written nor sent died with the one before. */
  booted(slot: number): void {
    this.#held.delete(slot);
  }

  #let(slot: number, seen: (probe: Buffer) => boolean): void {
    const list = this.#held.get(slot);
    if (list === undefined || list.length === 0) return;
    const kept: Held[] = [];
    for (const held of list) {
      if (seen(held.probe)) this.#release(slot, held.message, held.signature);
      else kept.push(held);
    }
    this.#held.set(slot, kept);
  }
}
