/**
 * One simulated validator: a computer with two disks, on which a replica is started, killed and started
 * again. The replica gets the same ports as in production; all of them are simulated.
 */
import { TetradError } from "../src/errors.ts";
import type { LedgerHandle } from "../src/ledger/handle.ts";
import type {
  LogFields,
  LogLevel,
  Ports,
  Timers,
  Transport,
  Verifier,
} from "../src/ledger/ports.ts";
import { watchQuarantine } from "../src/node/quarantine-watch.ts";
import type { Waiting } from "./checkers/types.ts";
import { type DiskKnobs, type DiskTap, SimDisk } from "./disk.ts";
import type { SimEpochKeys } from "./epoch-keys.ts";
import { type Happened, Host } from "./host.ts";
import type { SimNet } from "./net.ts";
import { Overrides } from "./overrides.ts";
import { Peak } from "./peak.ts";
import type { RowMemory } from "./row-memory.ts";
import { OWN_ROWS, type RowKeeper } from "./shared-rows.ts";
import {
  createSimCheckpointSigner,
  createSimSigner,
  createSimVerifier,
  type KeyPair,
  type SignatureScheme,
  type SignerKnobs,
  type SignTap,
  type VerifyTap,
} from "./signer.ts";
import type { World } from "./world.ts";

/** Starts the code under test on these ports. */
export type Boot = (ports: Ports, slot: number, incarnation: number) => LedgerHandle;

export type NodeWiring = {
  readonly world: World;
  readonly net: SimNet;
  readonly scheme: SignatureScheme;
  readonly diskKnobs: DiskKnobs;
  /** Keeps what nodes have written alike. */
  readonly rows: RowKeeper;
  /** What the rows of all disks may take of it. */
  readonly memory: RowMemory;
  readonly signerKnobs: SignerKnobs;
  readonly boot: Boot;
  readonly diskTap: DiskTap & { lost(slot: number, disk: string): void };
  readonly signTap: SignTap;
  readonly verifyTap: VerifyTap;
  timerSet(slot: number, delayMs: number): void;
  /** Ports of a chain that asks for proofs. */
  proving(slot: number, timers: Timers): Pick<Ports, "revealer" | "sectors">;
  /** Of a chain with keys of epochs: those of the machine. */
  epochKeys(slot: number): SimEpochKeys | undefined;
  /** Lets an adversary stand between a replica and the network. */
  wrapTransport(slot: number, transport: Transport): Transport;
  /** Whether the process in a slot heeds the log's evidence against others. */
  heedsQuarantine(slot: number): boolean;
  booted(slot: number, incarnation: number, lost: boolean, handle: LedgerHandle): void;
  failed(slot: number, error: unknown): void;
  log(slot: number, level: LogLevel, message: string, fields: LogFields | undefined): void;
  counted(slot: number, name: string): void;
  /** Something of a node's own happened that is worth having seen. */
  happened(what: string): void;
};

/** Bytes that its disks hold at most. */
type Room = { readonly data: number; readonly votes: number };

/** A node whose disk failed tries again after this long, as a service manager would. */
const RESTART_MS = 1_000;

export class SimNode {
  readonly host: Host;
  readonly slot: number;
  readonly key: KeyPair;
  readonly data: SimDisk;
  readonly votes: SimDisk;
  readonly epochKeys: SimEpochKeys | undefined;
  readonly #wiring: NodeWiring;
  #handle: LedgerHandle | undefined;
  /** The newest checkpoint that an earlier life has served: production keeps it in a file of its folder. */
  #kept: Ports["keptCheckpoint"];
  #lost = false;
  /** What has been done to its disks since the last start, to be told when it starts on them. */
  #startsOn: "an empty disk" | "a restored disk" | undefined;
  /** What the disks hold at most where they are full. */
  readonly #room = new Overrides<Room | undefined>(undefined);
  /** Held down until healed: wiped nodes and halted ones are not restarted for ever. */
  #restarts = 0;
  /** It never starts again, whatever was to start it. */
  #gone = false;
  /** Of the running process. */
  readonly #checks = new Peak();
  readonly #timers = new Peak();

  constructor(slot: number, host: Host, key: KeyPair, wiring: NodeWiring) {
    this.slot = slot;
    this.host = host;
    this.key = key;
    this.#wiring = wiring;
    const { diskKnobs, diskTap, rows, memory } = wiring;
    this.data = new SimDisk("data", host, diskKnobs, diskTap, rows, memory);
    this.epochKeys = wiring.epochKeys(slot);
    // What a key has signed is like nobody else's.
    this.votes = new SimDisk("votes", host, diskKnobs, diskTap, OWN_ROWS, memory);
  }

  /** The running replica; undefined while the process is down. */
  get handle(): LedgerHandle | undefined {
    return this.host.alive ? this.#handle : undefined;
  }

  get restarts(): number {
    return this.#restarts;
  }

  /** The most that has waited since the last call of this, be the process up or not. */
  takeWaiting(): Waiting {
    return {
      checks: this.#checks.take(),
      timers: this.#timers.take(),
      writeBytes: this.data.waiting.take(),
      voteBytes: this.votes.waiting.take(),
      queueBytes: this.#wiring.net.takeQueued(this.slot),
    };
  }

  #countedTimers(timers: Timers): Timers {
    return {
      set: (delayMs, callback) => {
        this.#wiring.timerSet(this.slot, delayMs);
        const { incarnation } = this.host;
        let armed = true;
        this.#timers.add(1);
        const disarm = (): void => {
          if (armed && this.host.incarnation === incarnation) this.#timers.add(-1);
          armed = false;
        };
        const cancel = timers.set(delayMs, () => {
          disarm();
          callback();
        });
        return () => {
          disarm();
          cancel();
        };
      },
    };
  }

  #countedVerifier(verifier: Verifier): Verifier {
    return {
      verify: (jobs, priority, done) => {
        if (priority !== "consensus") return verifier.verify(jobs, priority, done);
        this.#checks.add(jobs.length);
        verifier.verify(jobs, priority, (valid) => {
          this.#checks.add(-jobs.length);
          done(valid);
        });
      },
    };
  }

  get lacksRoom(): boolean {
    return this.#room.isTurned;
  }

  start(): void {
    if (this.host.alive || this.#gone) return;
    if (this.#replaceDamaged()) return;
    const wiring = this.#wiring;
    const incarnation = this.host.boot();
    const { scheme, signerKnobs, signTap } = wiring;
    const { host } = this;
    // What waited in the process before died with it, callbacks and all.
    for (const one of [this.#checks, this.#timers]) one.clear();
    const transport = wiring.net.transport(this.slot, incarnation);
    const ports: Ports = {
      clock: this.host.clock(),
      timers: this.#countedTimers(host.timers(incarnation)),
      random: this.host.random(),
      store: this.data.open(incarnation),
      voteStore: this.votes.open(incarnation),
      transport: wiring.wrapTransport(this.slot, transport),
      signer: createSimSigner(this.host, incarnation, scheme, this.key, signerKnobs, signTap),
      ...wiring.proving(this.slot, host.timers(incarnation)),
      ...this.#keyring(incarnation),
      verifier: this.#countedVerifier(
        createSimVerifier(host, incarnation, scheme, signerKnobs, wiring.verifyTap),
      ),
      ...(signerKnobs.checkpoints
        ? {
            checkpointSigner: createSimCheckpointSigner(
              this.host,
              incarnation,
              this.key,
              signerKnobs,
            ),
          }
        : {}),
      ...(this.#kept === undefined ? {} : { keptCheckpoint: this.#kept }),
      logger: {
        log: (level, message, fields) => wiring.log(this.slot, level, message, fields),
      },
      metrics: {
        count: (name) => wiring.counted(this.slot, name),
        gauge: () => undefined,
        observe: () => undefined,
      },
    };
    try {
      this.#handle = wiring.boot(ports, this.slot, incarnation);
    } catch (error) {
      if (!this.#triesAgain(error)) wiring.failed(this.slot, error);
      return;
    }
    wiring.booted(this.slot, incarnation, this.#lost, this.#handle);
    this.#lost = false;
    if (this.#startsOn !== undefined) wiring.happened(`started on ${this.#startsOn}`);
    this.#startsOn = undefined;
    if (wiring.heedsQuarantine(this.slot)) this.#watchQuarantine(incarnation, this.#handle);
  }

  /** As production does beside its replica. The watch ends with the process, as its timers do. */
  #watchQuarantine(incarnation: number, handle: LedgerHandle): void {
    const { net, log } = this.#wiring;
    watchQuarantine({
      handle,
      timers: this.host.timers(incarnation),
      logger: { log: (level, message, fields) => log(this.slot, level, message, fields) },
      shutOut: (ids) => net.shutOut(this.slot, incarnation, ids),
    });
  }

  #keyring(incarnation: number): Pick<Ports, "epochKeys"> {
    const { signerKnobs, signTap, happened } = this.#wiring;
    const erased = (): void => happened("key of an epoch erased");
    const taps = { signed: signTap, erased };
    const epochKeys = this.epochKeys?.port(this.host, incarnation, signerKnobs, taps);
    return epochKeys === undefined ? {} : { epochKeys };
  }

  /** A process that cannot read its disk ends with the code, and its service manager starts it again. */
  #triesAgain(error: unknown): boolean {
    if (!(error instanceof TetradError) || !error.code.startsWith("store.")) return false;
    this.#wiring.happened(`did not start: ${error.code}`);
    if (error.code !== "store.corrupt" || !this.replaceDamaged()) this.restartAfterFailure();
    return true;
  }

  /**
   * Ends the process now, starts it again after `downMs`. A power cut also loses what is not synced, of a process
   * that was down already too: then it is false.
   */
  crash(power: boolean, note: string, downMs: number): boolean {
    if (!this.host.alive) {
      if (power) this.#crashDisks(power);
      return false;
    }
    this.#kept = this.#handle?.checkpoint() ?? this.#kept;
    this.host.kill(note);
    this.#restarts += 1;
    this.#crashDisks(power);
    this.#wiring.net.crashed(this.slot);
    this.#wiring.world.after(downMs * 1000, () => this.start());
    return true;
  }

  /** Down for good, also where it was down already and was to come back. */
  leave(note: string): void {
    this.#gone = true;
    if (!this.host.alive) return;
    this.host.kill(note);
    this.#crashDisks(true);
    this.#wiring.net.crashed(this.slot);
  }

  #crashDisks(power: boolean): void {
    for (const disk of [this.data, this.votes]) if (disk.crash(power)) this.#forget(disk);
  }

  /** What a service manager does with a process that has stopped itself because of its disk. */
  restartAfterFailure(): void {
    this.crash(false, "restart after a failure", RESTART_MS);
  }

  /** A store that is damaged does not open: its folder is emptied, and filled again by the peers. */
  #replaceDamaged(): boolean {
    const damaged = [this.data, this.votes].filter((disk) => disk.failsToOpen());
    if (damaged.length === 0) return false;
    for (const disk of damaged) {
      this.#wiring.happened(`damaged ${disk.name} replaced`);
      disk.wipe();
      this.#forget(disk);
    }
    this.#wiring.world.after(RESTART_MS * 1000, () => this.start());
    return true;
  }

  /**
   * What an operator does with a node whose store fails its checks: a new disk, and a start (docs/operating.md).
   * False when there is nothing to replace.
   */
  replaceDamaged(): boolean {
    if (!this.data.isDamaged && !this.votes.isDamaged) return false;
    if (this.host.alive) this.crash(false, "damaged disk replaced", RESTART_MS);
    else this.#wiring.world.after(RESTART_MS * 1000, () => this.start());
    for (const disk of [this.data, this.votes]) {
      if (!disk.isDamaged) continue;
      this.#wiring.happened(`damaged ${disk.name} replaced`);
      disk.wipe();
      this.#forget(disk);
    }
    return true;
  }

  /** The disk holds less than was told of it. What it holds, it holds. */
  #forget(disk: SimDisk): void {
    const { diskTap } = this.#wiring;
    this.#lost = true;
    diskTap.lost(this.slot, disk.name);
    const puts = disk.dump().map(([key, value]) => ({ key, value }));
    diskTap.durable(this.slot, disk.name, puts);
  }

  /** Whether `wipe` would take anything from what lies on the disks now. */
  isBlank(votes: boolean): boolean {
    if (this.#kept !== undefined) return false;
    return this.data.isBlank && (!votes || this.votes.isBlank);
  }

  /** Empties its disks; false where they were empty. */
  wipe(votes: boolean): boolean {
    if (this.isBlank(votes)) return false;
    this.#startsOn = "an empty disk";
    this.#kept = undefined;
    for (const disk of votes ? [this.data, this.votes] : [this.data]) {
      if (disk.isBlank) continue;
      disk.wipe();
      this.#forget(disk);
    }
    return true;
  }

  /** Copies what the machine holds, under a name. */
  snapshot(name: string): void {
    this.data.snapshot(name);
    this.votes.snapshot(name);
    this.epochKeys?.snapshot(name);
  }

  /** Whether `restore` would change what lies on the disks now. */
  differsFrom(name: string, votes: boolean): boolean {
    if (this.data.differsFrom(name)) return true;
    return votes && (this.votes.differsFrom(name) || this.epochKeys?.differsFrom(name) === true);
  }

  /** Puts back what `snapshot` has kept under that name; false when nothing is another for it. */
  restore(name: string, votes: boolean): boolean {
    const disks = votes ? [this.data, this.votes] : [this.data];
    const restored = disks.filter((disk) => this.#restoreDisk(disk, name));
    // Both lie in the folder of keys.
    const areKeysOthers = votes && this.epochKeys?.restore(name) === true;
    if (restored.length === 0 && !areKeysOthers) return false;
    this.#startsOn = "a restored disk";
    return true;
  }

  #restoreDisk(disk: SimDisk, name: string): boolean {
    if (!disk.restore(name)) return false;
    this.#forget(disk);
    return true;
  }

  /** From now on nothing that needs room is written; what is returned ends that. */
  fill(): () => void {
    const settle = (): void => {
      const room = this.#room.value;
      this.data.capacityBytes = room?.data ?? Number.MAX_SAFE_INTEGER;
      this.votes.capacityBytes = room?.votes ?? Number.MAX_SAFE_INTEGER;
    };
    const empty = this.#room.turn({ data: this.data.bytes, votes: this.votes.bytes });
    settle();
    return () => {
      empty();
      settle();
    };
  }

  /** From now on both disks are so many times as slow; what is returned ends that. */
  slowDisks(factor: number): () => void {
    const ends = [this.data, this.votes].map((disk) => disk.slowDown(factor));
    return () => {
      for (const end of ends) end();
    };
  }
}

export const createHosts = (world: World, slots: number, happened?: Happened): Host[] =>
  Array.from({ length: slots }, (_, slot) => new Host(world, slot, happened));
