/**
 * One simulated computer: its process's incarnation, pauses, clock and crash points. Every completion
 * that a port gives to the replica goes through `defer`, which drops it when the process that asked is
 * dead and holds it back while the process is paused.
 *
 * A crash in the middle of a turn (inside `send`, say) cannot unwind the replica's stack honestly:
 * instead the incarnation is dead from that moment, and its ports swallow whatever the rest of the turn
 * asks for. To the outside this is a crash at exactly that point.
 */
import type { Clock, Random, Timers } from "../src/ledger/ports.ts";
import { ArmedVotes } from "./armed-votes.ts";
import type { Task } from "./heap.ts";
import { Overrides } from "./overrides.ts";
import type { Prng } from "./prng.ts";
import { WALL_START_MS, World } from "./world.ts";

/** What a turn of the process takes on a slowed processor, for each time that it is slower. */
const TURN_US = 20;

/** Where a process may be made to crash: before the n-th action of that kind. */
export type CrashPoint = "sign" | "signed" | "write" | "synced" | "send" | "deliver";

export type ArmedCrash = { readonly point: CrashPoint; nth: number; readonly crash: () => void };

/** Dies while a write is under way, when so many parts per million of its time are over. */
type ArmedWrite = { readonly ppm: number; readonly crash: (isSync: boolean) => void };

/** Told what of a fault a process has felt. */
export type Happened = (what: string) => void;

/** How a wall clock swings about its time. */
export type Swing = { readonly amplitudeMs: number; readonly periodMs: number };

const HOUR_MS = 3_600_000;

export class Host {
  readonly world: World;
  readonly slot: number;
  readonly #happened: Happened;
  #incarnation = 0;
  #bootedUs = 0;
  #alive = false;
  /** The end of each pause of the running process. */
  readonly #pauses: { readonly untilUs: number }[] = [];
  #pausedUntilUs = 0;
  readonly #offsetMs = new Overrides(0);
  #driftPpm = 0;
  #driftSinceUs = 0;
  #driftBaseMs = 0;
  readonly #swing = new Overrides<Swing | undefined>(undefined);
  /** How many times as slow the processor is. */
  readonly #slowness = new Overrides(1);
  /** Turns that wait for a slow processor, in the order in which they were due. */
  readonly #turns: (() => void)[] = [];
  #turning = false;
  readonly #armed: ArmedCrash[] = [];
  readonly #armedWrites: ArmedWrite[] = [];
  /** Crashes in writes that are under way. */
  readonly #writeCrashes = new Set<Task>();
  /** Votes of which the process dies when they have been sent. */
  readonly votes = new ArmedVotes();
  readonly #random: Prng;

  constructor(world: World, slot: number, happened: Happened = () => undefined) {
    this.world = world;
    this.slot = slot;
    this.#happened = happened;
    this.#random = world.stream(`node/${slot}`);
  }

  get incarnation(): number {
    return this.#incarnation;
  }

  /** When its newest process began. */
  get bootedUs(): number {
    return this.#bootedUs;
  }

  get alive(): boolean {
    return this.#alive;
  }

  get pausedUntilUs(): number {
    return this.#pausedUntilUs;
  }

  /** Begins a new incarnation; callbacks of earlier ones never run again. */
  boot(): number {
    this.#incarnation += 1;
    this.#bootedUs = this.world.nowUs;
    this.#alive = true;
    this.#turns.length = 0;
    this.#turning = false;
    this.resume();
    this.world.trace.add(this.world.nowUs, "boot", this.slot, -1, undefined, "");
    return this.#incarnation;
  }

  kill(note: string): void {
    this.#alive = false;
    this.#forgetArmed();
    this.votes.restart();
    this.#turns.length = 0;
    this.world.trace.add(this.world.nowUs, "crash", this.slot, -1, undefined, note);
  }

  isLive(incarnation: number): boolean {
    return this.#alive && this.#incarnation === incarnation;
  }

  /**
   * Nothing of this process runs until then (SIGSTOP); what is returned ends this pause, and no other. What the pause
   * has held back waits for `untilUs` all the same.
   */
  pause(untilUs: number): () => void {
    const pause = { untilUs };
    this.#pauses.push(pause);
    this.#pausedUntilUs = Math.max(this.#pausedUntilUs, untilUs);
    this.world.trace.add(this.world.nowUs, "pause", this.slot, -1);
    return () => {
      const at = this.#pauses.indexOf(pause);
      if (at >= 0) this.#pauses.splice(at, 1);
      this.#pausedUntilUs = Math.max(0, ...this.#pauses.map((left) => left.untilUs));
    };
  }

  /** Ends all pauses. */
  resume(): void {
    this.#pauses.length = 0;
    this.#pausedUntilUs = 0;
  }

  arm(point: CrashPoint, nth: number, crash: () => void): void {
    this.#armed.push({ point, nth, crash });
  }

  /** Crashes while its next write or sync is under way, when so much of it is over. */
  armWrite(ppm: number, crash: (isSync: boolean) => void): void {
    this.#armedWrites.push({ ppm, crash });
  }

  /** Called by disks when they begin with what takes them so long. */
  writing(takesUs: number, isSync: boolean): void {
    const armed = this.#armedWrites.shift();
    if (armed === undefined) return;
    const incarnation = this.#incarnation;
    const crash = this.world.after(Math.floor((takesUs * armed.ppm) / 1_000_000), () => {
      this.#writeCrashes.delete(crash);
      if (this.isLive(incarnation)) armed.crash(isSync);
    });
    this.#writeCrashes.add(crash);
  }

  /** Of no armed crash it dies any more, nor of one in a write that is under way. */
  disarm(): void {
    this.#forgetArmed();
    this.votes.disarm();
  }

  #forgetArmed(): void {
    this.#armed.length = 0;
    this.#armedWrites.length = 0;
    for (const crash of this.#writeCrashes) World.cancel(crash);
    this.#writeCrashes.clear();
  }

  /** Called by ports just before the action: true when the process has just died of it. */
  reached(point: CrashPoint): boolean {
    for (const armed of this.#armed) {
      if (armed.point !== point) continue;
      armed.nth -= 1;
      if (armed.nth > 0) continue;
      armed.crash();
      return true;
    }
    return false;
  }

  /** Runs `callback` after the delay in this incarnation, later if the process is paused then. */
  defer(incarnation: number, delayUs: number, callback: () => void): void {
    this.world.after(delayUs, () => this.#fire(incarnation, callback));
  }

  #fire(incarnation: number, callback: () => void): void {
    if (!this.isLive(incarnation)) return;
    if (this.#pausedUntilUs > this.world.nowUs) {
      this.#happened("turn held by a pause");
      // A new sequence number in order of firing: what was due first still runs first.
      this.world.at(this.#pausedUntilUs, () => this.#fire(incarnation, callback));
    } else if (this.slowness === 1 && this.#turns.length === 0) callback();
    else this.#waitForTurn(incarnation, callback);
  }

  /** The same; what is returned cancels it. */
  deferCancellable(incarnation: number, delayUs: number, callback: () => void): () => void {
    let task = this.world.after(delayUs, () => fire());
    let cancelled = false;
    const fire = (): void => {
      if (cancelled || !this.isLive(incarnation)) return;
      if (this.#pausedUntilUs > this.world.nowUs) task = this.world.at(this.#pausedUntilUs, fire);
      else if (this.slowness === 1 && this.#turns.length === 0) callback();
      else {
        this.#waitForTurn(incarnation, () => {
          if (!cancelled) callback();
        });
      }
    };
    return () => {
      cancelled = true;
      World.cancel(task);
    };
  }

  #waitForTurn(incarnation: number, turn: () => void): void {
    if (this.slowness > 1) this.#happened("turn slowed");
    this.#turns.push(turn);
    if (this.#turning) return;
    this.#turning = true;
    this.#nextTurn(incarnation);
  }

  /** One turn after the other; each takes its time, as all turns of a process do. */
  #nextTurn(incarnation: number): void {
    const addedUs = this.slowness > 1 ? TURN_US * this.slowness : 0;
    const takenUs = this.world.endOf(this.world.nowUs, 0, addedUs);
    this.world.at(Math.max(this.#pausedUntilUs, takenUs), () => {
      if (!this.isLive(incarnation)) return;
      if (this.#pausedUntilUs > this.world.nowUs) return this.#nextTurn(incarnation);
      this.#turns.shift()?.();
      if (this.#turns.length > 0 && this.isLive(incarnation)) this.#nextTurn(incarnation);
      else this.#turning = false;
    });
  }

  get slowness(): number {
    return this.#slowness.value;
  }

  /** How long the processor works, as slow as it is now, at what begins then and takes it so long when it is not. */
  workUs(takesUs: number, fromUs: number = this.world.nowUs): number {
    return this.world.endOf(fromUs, takesUs, takesUs * (this.slowness - 1)) - fromUs;
  }

  /** From now on the processor is so many times as slow; what is returned ends that. */
  slowDown(factor: number): () => void {
    return this.#slowness.turn(factor);
  }

  #localMs(): number {
    const sinceUs = this.world.nowUs - this.#driftSinceUs;
    return this.#driftBaseMs + (sinceUs / 1000) * (1 + this.#driftPpm / 1_000_000);
  }

  /** Steps the wall clock, as its owner does: a fault hides it. The monotonic clock does not move. */
  stepClock(offsetMs: number): void {
    this.#offsetMs.setOwn(offsetMs);
  }

  /** Whether a fault holds now instead of what the owner has done to the wall clock. */
  get hasForeignClock(): boolean {
    return this.#offsetMs.isTurned;
  }

  /** The wall clock is off by so much, whatever its owner has done; what is returned ends that. */
  putClockOff(offsetMs: number): () => void {
    return this.#offsetMs.turn(offsetMs);
  }

  /** The wall clock swings about its time; what is returned ends that. */
  swingClock(swing: Swing): () => void {
    return this.#swing.turn(swing);
  }

  /** A triangle from -amplitude to amplitude and back: no function whose last bit depends on the machine. */
  #swingMs(): number {
    const swing = this.#swing.value;
    if (swing === undefined) return 0;
    const { amplitudeMs, periodMs } = swing;
    const phase = (this.world.nowMs % periodMs) / periodMs;
    return Math.floor(amplitudeMs * (4 * Math.abs(phase - 0.5) - 1));
  }

  /** From now on local time runs faster by this many parts per million. */
  setDrift(ppm: number): void {
    this.#driftBaseMs = this.#localMs();
    this.#driftSinceUs = this.world.nowUs;
    this.#driftPpm = ppm;
  }

  #wallRead(): void {
    const offsetMs = this.#offsetMs.value;
    if (offsetMs !== 0) this.#happened("clock off");
    if (Math.abs(offsetMs) >= HOUR_MS) this.#happened("clock hours off");
    if (this.#swing.value !== undefined) this.#happened("clock swung");
  }

  clock(): Clock {
    return {
      monotonicMs: () => Math.floor(this.#localMs()),
      monotonicUs: () => this.#localMs() * 1_000,
      wallMs: () => {
        this.#wallRead();
        return WALL_START_MS + Math.floor(this.#localMs()) + this.#offsetMs.value + this.#swingMs();
      },
    };
  }

  timers(incarnation: number): Timers {
    return {
      set: (delayMs, callback) => {
        if (this.#driftPpm !== 0) this.#happened("clock drifted");
        const localUs = Math.max(0, delayMs) * 1000;
        const delayUs = Math.ceil(localUs / (1 + this.#driftPpm / 1_000_000));
        return this.deferCancellable(incarnation, delayUs, () => {
          this.world.trace.add(this.world.nowUs, "timer", this.slot, -1);
          callback();
        });
      },
    };
  }

  random(): Random {
    return { u32: () => this.#random.u32() };
  }
}
