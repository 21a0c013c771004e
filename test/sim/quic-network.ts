/**
 * Real QUIC packets over the simulator's links: two state machines of the quiche driver, no socket, and what
 * `Links` does to a frame done to each datagram. The seed decides the fate of the n-th packet; quiche keeps
 * its own clock, so time here is real time and the number of packets differs from run to run.
 */

import { Links, type NetKnobs } from "../../sim/links.ts";
import { Prng } from "../../sim/prng.ts";
import { createAuthority } from "../../src/transport/authority.ts";
import type { HostPort, QuicSession } from "../../src/transport/quic-endpoint.ts";
import { createQuicheConfig } from "../../src/transport/quiche-binding.ts";
import { QuicheMachine } from "../../src/transport/quiche-machine.ts";
import { Talker, WINDOWS } from "../transport/quic-support.ts";
import { sleep } from "../transport/support.ts";

const DATAGRAM_BYTES = 1_350;
const NAME = "machine.test.invalid";

type Flight = { readonly atUs: number; readonly to: number; readonly bytes: Uint8Array };

const nowMs = (): number => performance.now();

export class QuicNetwork {
  readonly links: Links;
  readonly machines: readonly QuicheMachine[];
  readonly accepted: QuicSession[] = [];
  readonly hits = new Map<string, number>();
  packets = 0;
  readonly #addresses: readonly HostPort[] = [
    { host: "fd00::1", port: 4_440 },
    { host: "fd00::2", port: 4_440 },
  ];
  #flights: Flight[] = [];

  constructor(seed: number, knobs: NetKnobs, idleTimeoutMs = 5_000) {
    this.links = new Links(new Prng(seed, "quic packets"), 2, knobs);
    const authority = createAuthority("simulated", Date.now());
    const trust = { authorityPem: authority.certPem };
    const identities = [0, 1].map((slot) =>
      authority.identity({ subject: `slot ${slot}`, serverName: NAME }),
    );
    const limits = {
      connectionsMax: 16,
      connectionsPerAddressMax: 16,
      handshakesPerSecond: 1_000,
      idleTimeoutMs,
    };
    const configs = identities.map((identity) =>
      createQuicheConfig({
        alpn: ["sim/1"],
        identity,
        trust,
        idleTimeoutMs,
        sendDatagramBytesMax: DATAGRAM_BYTES,
        windows: WINDOWS,
        datagrams: true,
      }),
    );
    this.machines = [0, 1].map(
      (slot) =>
        new QuicheMachine({
          local: this.#address(slot),
          nowMs: nowMs(),
          limits,
          sink: {
            take: () => new Uint8Array(DATAGRAM_BYTES),
            put: (buffer, length) => {
              if (length > 0) this.#send(slot, buffer.subarray(0, length));
            },
          },
          configFor: () => configs[slot] as never,
          isMemberHost: () => true,
          accepted: (session) => this.accepted.push(session),
          refused: () => {},
          faulted: (detail) => {
            throw new Error(detail);
          },
          worked: () => {},
          wanted: () => {},
        }),
    );
    for (const machine of this.machines) machine.startAccepting();
    this.#dial = () => this.machines[0]?.dial(this.#address(1), configs[0] as never, NAME);
  }

  readonly #dial: () => QuicSession | undefined;

  dial(): Talker {
    const session = this.#dial();
    if (session === undefined) throw new Error("not dialled");
    return new Talker(session);
  }

  /** Lets packets and deadlines happen until the condition holds, or real time is up. */
  async until(condition: () => boolean, what: string, limitMs = 20_000): Promise<void> {
    const endMs = nowMs() + limitMs;
    while (!condition()) {
      if (nowMs() > endMs) throw new Error(`gave up waiting for: ${what}`);
      this.#step();
      await sleep(1);
    }
  }

  #step(): void {
    const atMs = nowMs();
    const due = this.#flights.filter(({ atUs }) => atUs <= atMs * 1_000);
    this.#flights = this.#flights.filter(({ atUs }) => atUs > atMs * 1_000);
    due.sort((a, b) => a.atUs - b.atUs);
    for (const { to, bytes } of due) {
      const { host, port } = this.#address(1 - to);
      this.machines[to]?.receive(bytes, host, port, atMs);
    }
    for (const machine of this.machines) {
      machine.advance(atMs);
      machine.collectLater();
      machine.turn(atMs);
    }
  }

  #address(slot: number): HostPort {
    return this.#addresses[slot] ?? { host: "::", port: 0 };
  }

  #hit(what: string): void {
    this.hits.set(what, (this.hits.get(what) ?? 0) + 1);
  }

  #send(from: number, packet: Uint8Array): void {
    this.packets += 1;
    const to = 1 - from;
    const nowUs = nowMs() * 1_000;
    const fate = this.links.fate(from, to, packet);
    if (fate.lost !== undefined) return this.#hit(fate.lost.mark);
    if (this.links.blocked(from, to)) return;
    for (const hit of [fate.duplicated, fate.corrupted]) if (hit !== undefined) this.#hit(hit.mark);
    if (fate.reordered) this.#hit("packet held back");
    const copies = fate.duplicated === undefined ? 1 : 2;
    for (let copy = 0; copy < copies; copy++) {
      const latencyUs = (): number => this.links.latencyUs() + this.links.extraUs(from, to);
      const late = fate.reordered ? 4 * latencyUs() : 0;
      const atUs = Math.max(nowUs + latencyUs() + late, this.links.clogUntilUs(from, to));
      // A copy of its own in every case: decryption overwrites what it is given.
      const bytes = fate.corrupted === undefined ? packet.slice() : this.links.corrupt(packet);
      this.#flights.push({ atUs, to, bytes });
    }
  }
}
