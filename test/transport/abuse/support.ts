/**
 * What every test of abuse has: the flooded node in a process of its own, an honest member that asks it something
 * all the time, and an account of both while the flood runs.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { expect } from "vitest";
import { loadFalconWasm } from "../../../src/crypto/falcon-wasm.ts";
import { createInlineSigner } from "../../../src/node/signing/signer.ts";
import type { TransportLimits, TransportPeer } from "../../../src/transport/options.ts";
import type { QuicTransport, TransportFigures } from "../../../src/transport/quic-transport.ts";
import { RawClient, type RawClientOptions } from "../raw-client.ts";
import {
  closed,
  freePorts,
  idOf,
  introduce,
  makeIdentity,
  makeTransport,
  securityBy,
  sleep,
  type TestIdentity,
  until,
} from "../support.ts";

export type VictimOrder = {
  readonly identity: TestIdentity;
  readonly peers: readonly TransportPeer[];
  readonly limits: Partial<TransportLimits>;
  readonly secretKey: Uint8Array;
  /** Of the other two. */
  readonly keys: readonly { readonly id: string; readonly publicKey: Uint8Array }[];
  readonly bulk: BulkOfVictim;
};

/** What the victim does with frames of bulk, serves by them or only counts them, and its part of the loop for them. */
export type BulkOfVictim = { readonly serves: boolean; readonly bulkLoopShare?: number };

/** What the victim tells of itself: bytes that a collection did not free, and counts by peer. */
export type Look = {
  readonly heldBytes: number;
  readonly figures: TransportFigures;
  readonly received: Readonly<Record<string, number>>;
  readonly downs: Readonly<Record<string, readonly string[]>>;
  readonly bulkFrames: number;
};

const MIB = 1024 * 1024;

/**
 * What the resident memory of the victim may grow by while it is flooded: garbage that has not been collected yet.
 * V8 keeps up to 48 MiB of young objects (three semi-spaces of 16), and lets as much external memory gather before
 * it collects, which here is a receive buffer for each datagram. Every flood brings several times as much.
 */
const RESIDENT_BYTES = 96 * MIB;

/** What it may hold more after a full collection: counters, closed streams, code that has been compiled meanwhile. */
const HELD_BYTES = 6 * MIB;

/** How long floods run: a quarter is long enough for an honest answer on a busy machine. */
const FLOOD_MS = 4_000;

/** A bound for a test that fails; it is no claim about speed. */
const PATIENCE_MS = 40_000;

/** For each test of a flood: seconds on a machine that is quiet, minutes on one that is not. */
export const FLOOD_TIMEOUT_MS = 180_000;

export class Victim {
  readonly port: number;
  readonly id = idOf(0);
  /** Of the member that attacks. */
  readonly attacker: TestIdentity;
  readonly honest: Honest;
  /** The member that attacks as a node with both of its keys. */
  readonly whole: () => Promise<QuicTransport>;
  readonly #child: ChildProcess;
  readonly #clients: RawClient[] = [];

  private constructor(
    child: ChildProcess,
    port: number,
    attacker: TestIdentity,
    honest: Honest,
    whole: () => Promise<QuicTransport>,
  ) {
    this.whole = whole;
    this.#child = child;
    this.port = port;
    this.attacker = attacker;
    this.honest = honest;
  }

  /** `elsewhere`: members are not dialled at this host, so that who comes from here is a stranger at first. */
  static async start(
    limits: Partial<TransportLimits> = {},
    elsewhere = false,
    bulk: BulkOfVictim = { serves: true },
  ): Promise<Victim> {
    const [own, friend, attacker] = [0, 1, 2].map((index) => makeIdentity(idOf(index)));
    if (own === undefined || friend === undefined || attacker === undefined) throw new RangeError();
    const [nobody = 0] = await freePorts(1);
    // The victim reaches neither: what it knows of them is whom to let in.
    const peers = [friend, attacker].map(({ id, spkiPin }) => ({
      ...{ id, tlsPin: spkiPin },
      address: `${elsewhere ? "elsewhere.invalid" : "[::1]"}:${nobody}`,
    }));
    const child = fork(new URL("./victim.ts", import.meta.url), {
      execArgv: ["--expose-gc"],
      serialization: "advanced",
    });
    // WebAssembly makes a pair in milliseconds, where the pairs of other tests take a second each.
    const wasm = await loadFalconWasm();
    const [ownKeys, friendKeys, attackerKeys] = [wasm.keygen(), wasm.keygen(), wasm.keygen()];
    introduce(own.id, ownKeys.publicKey);
    const order: VictimOrder = {
      ...{ identity: own, peers, secretKey: ownKeys.secretKey, bulk },
      // Most attackers have a TLS key of a member and not its FALCON key: they may have their time.
      limits: { sessionHandshakeTimeoutMs: 120_000, ...limits },
      keys: [
        { id: friend.id, publicKey: friendKeys.publicKey },
        { id: attacker.id, publicKey: attackerKeys.publicKey },
      ],
    };
    child.send(order);
    const [address] = await once(child, "message");
    const port = Number(/:(\d+)$/.exec(String(address))?.[1]);
    const dialler = (
      identity: TestIdentity,
      secretKey: Uint8Array,
      over: Partial<TransportLimits> = {},
    ): Promise<QuicTransport> =>
      makeTransport({
        ...{ identity, limits: over },
        security: securityBy(createInlineSigner(secretKey)),
        peers: [{ id: own.id, address: `[::1]:${port}`, tlsPin: own.spkiPin }],
      });
    const honest = new Honest(await dialler(friend, friendKeys.secretKey), own.id);
    // Dials again at once, whatever it was told.
    const impatient = { redialMsMin: 10, redialMsMax: 20 };
    const member = () => dialler(attacker, attackerKeys.secretKey, impatient);
    return new Victim(child, port, attacker, honest, member);
  }

  async look(): Promise<Look> {
    this.#child.send("look");
    const [look] = await once(this.#child, "message");
    return look as Look;
  }

  /** Resident memory, as the kernel has it. */
  residentBytes(): number {
    const status = readFileSync(`/proc/${this.#child.pid}/status`, "utf8");
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
  }

  async attack(options: Omit<RawClientOptions, "port"> = {}): Promise<RawClient> {
    const client = await RawClient.connect({ ...options, port: this.port });
    this.#clients.push(client);
    return client;
  }

  /** The member that attacks, with a session that is up: it has said hello and heard one. */
  async attackAsMember(
    options: Omit<RawClientOptions, "port"> = {},
    limitMs?: number,
  ): Promise<RawClient> {
    const client = await this.attack({ identity: this.attacker, ...options });
    await until(() => client.quic.isEstablished(), "the handshake", limitMs);
    client.hello();
    const isThere = (): boolean => client.quic.streamReadable(CONTROL_OF_VICTIM);
    await until(isThere, "the hello of the victim", limitMs);
    return client;
  }

  /** Takes clients that are over out of the way. */
  forgetClients(): void {
    for (const client of this.#clients.splice(0)) client.dispose();
  }

  async stop(): Promise<void> {
    this.forgetClients();
    await this.honest.stop();
    this.#child.kill("SIGKILL");
  }

  /**
   * Runs the flood, and holds the victim to what it owes meanwhile: an honest session that stays and gets answers in
   * every quarter of the time, and memory that does not grow with what comes. `isEnough`: so much has come by then that
   * a node that kept it would show it; the last quarter goes on until that is so.
   */
  async endure(
    flood: (round: number) => void | Promise<void>,
    isEnough: () => boolean = () => true,
  ): Promise<Look> {
    await until(() => this.honest.answers > 20, "an honest session");
    const before = await this.look();
    const residentBefore = this.residentBytes();
    let residentMost = 0;
    for (let quarter = 0, round = 0; quarter < 4; quarter++) {
      const answers = this.honest.answers;
      const beganMs = performance.now();
      // On a machine that gives a process no time for a second the flood goes on until there is an answer.
      const isOver = (): boolean => {
        const isDone = this.honest.answers > answers && (quarter < 3 || isEnough());
        return performance.now() - beganMs > (isDone ? FLOOD_MS / 4 : PATIENCE_MS);
      };
      while (!isOver()) {
        await flood(round);
        round += 1;
        residentMost = Math.max(residentMost, this.residentBytes());
        await sleep(1);
      }
      expect(this.honest.answers - answers, `answers in quarter ${quarter}`).toBeGreaterThan(0);
    }
    expect(this.honest.downs).toEqual([]);
    expect(residentMost - residentBefore).toBeLessThan(RESIDENT_BYTES);
    this.forgetClients();
    const after = await this.look();
    expect(after.heldBytes - before.heldBytes).toBeLessThan(HELD_BYTES);
    return after;
  }
}

/** The control stream of who accepted. */
const CONTROL_OF_VICTIM = 15;

/** Asks every 10 ms, and counts the answers. */
export class Honest {
  answers = 0;
  readonly downs: string[] = [];
  readonly #transport: QuicTransport;
  readonly #timer: NodeJS.Timeout;

  constructor(transport: QuicTransport, victim: string) {
    this.#transport = transport;
    transport.start({
      peerUp: () => {},
      peerDown: (_peer, { code }) => this.downs.push(code),
      frame: () => {
        this.answers += 1;
      },
    });
    this.#timer = setInterval(() => transport.send(victim, "control", new Uint8Array(100)), 10);
  }

  stop(): Promise<void> {
    clearInterval(this.#timer);
    return closed(this.#transport);
  }
}
