/**
 * Makes bulk workers (worker.ts) and looks after them: a worker that stops answering is killed. Each has a
 * temporary folder of its own, mode 0700, where a driver may put keys for a moment; the folder goes when the
 * process has ended, however it did.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Clock, Timers } from "../../ledger/ports.ts";
import { LIMITS } from "../../limits.ts";
import type { FromWorker, ToWorker } from "../../transport/bulk/worker-messages.ts";
import type { BulkWorker, WorkerEvents } from "../../transport/bulk/worker-port.ts";
import type { DriverTrial } from "../../transport/driver-trial.ts";
import type { QuicDriverName } from "../../transport/quic-endpoint.ts";
import { systemTemporary } from "../../transport/reactor-binding.ts";
import { realClock, realTimers } from "../real-ports.ts";
import { workerUrl } from "../signing/worker.ts";

/** Of what a worker says on stderr, kept for the reason of its end. */
const LAST_WORDS_BYTES = 512;

/** From a word that it is over to the end by force. */
const STOP_MS = 1_000;

/** Answers wait as buffers, outside of the heap. */
const HEAP_FLAG = "--max-old-space-size=128";

const spawnWorker = (temporary: string): ChildProcess =>
  spawn(process.execPath, [HEAP_FLAG, fileURLToPath(workerUrl("worker", import.meta.url))], {
    stdio: ["ignore", "ignore", "pipe", "ipc"],
    serialization: "advanced",
    cwd: temporary,
    // Nothing of our environment: a passphrase in it is none of the worker's business.
    env: { TMPDIR: temporary },
  });

const spawnOrClean = (temporary: string): ChildProcess => {
  try {
    return spawnWorker(temporary);
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    throw error;
  }
};

const endOf = (code: number | null, signal: NodeJS.Signals | null, words: string): string => {
  const how = signal === null ? `ended with code ${code}` : `was ended by ${signal}`;
  const last = words.trim().split("\n").at(-1) ?? "";
  return last === "" ? `the worker ${how}` : `the worker ${how}: ${last}`;
};

class WorkerProcess implements BulkWorker {
  readonly #child: ChildProcess;
  readonly #timers: Timers;
  readonly #events: WorkerEvents;
  readonly #temporary: string;
  #words = "";
  #reason: string | undefined;
  #pings = 0;
  /** The number of the last ping that was answered; undefined until the worker has said anything. */
  #answered: number | undefined;
  #ended = false;
  #cancelPing: (() => void) | undefined;
  #cancelStop: (() => void) | undefined;

  constructor(events: WorkerEvents, timers: Timers) {
    this.#events = events;
    this.#timers = timers;
    this.#temporary = mkdtempSync(join(systemTemporary(), "nexus-bulk-"));
    const child = spawnOrClean(this.#temporary);
    this.#child = child;
    child.stderr?.on("data", (bytes: Buffer) => {
      this.#words = (this.#words + bytes.toString("latin1")).slice(-LAST_WORDS_BYTES);
    });
    child.on("message", (message) => this.#take(message as FromWorker));
    child.on("error", (error) => this.#over(`the worker does not run: ${error.message}`));
    child.on("exit", (code, signal) => this.#over(endOf(code, signal, this.#words)));
    this.#ping();
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  send(message: ToWorker): void {
    if (this.#ended || !this.#child.connected) return;
    // An error is that of a process that has just ended, and its end is told too.
    this.#child.send(message, () => {});
  }

  end(how: "kill" | "stop", reason: string): void {
    if (this.#ended) return;
    this.#reason ??= reason;
    if (how === "kill") {
      this.#child.kill("SIGKILL");
      return;
    }
    this.send({ kind: "stop" });
    this.#cancelStop ??= this.#timers.set(STOP_MS, () => this.#child.kill("SIGKILL"));
  }

  #take(message: FromWorker): void {
    if (this.#ended) return;
    if (message.kind === "pong") this.#answered = message.number;
    else this.#answered ??= this.#pings;
    if (message.kind === "failed") this.#reason ??= message.reason;
    this.#events.message(message);
  }

  /** Pings are counted and not timed, so that a pause of this process is not taken for one of the worker's. */
  #ping(): void {
    this.#cancelPing = this.#timers.set(LIMITS.bulkHeartbeatMs, () => {
      // While it loads its code it says nothing; its start has a limit of its own.
      const missed = this.#pings - (this.#answered ?? this.#pings);
      if (missed >= LIMITS.bulkHeartbeatsMissedMax) {
        this.end("kill", `the worker has not answered ${LIMITS.bulkHeartbeatsMissedMax} times`);
      }
      this.#pings += 1;
      this.send({ kind: "ping", number: this.#pings });
      this.#ping();
    });
  }

  #over(reason: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#cancelPing?.();
    this.#cancelStop?.();
    rmSync(this.#temporary, { recursive: true, force: true });
    this.#events.ended(this.#reason ?? reason);
  }
}

/** Starts a worker. What hinders it comes as its end: no room for a temporary folder, or for a process. */
export const startBulkWorker = (events: WorkerEvents, timers: Timers = realTimers): BulkWorker => {
  try {
    return new WorkerProcess(events, timers);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    queueMicrotask(() => events.ended(`the worker cannot be started: ${reason}`));
    return { pid: undefined, send: () => {}, end: () => {} };
  }
};

/** Tries a driver in a process of its own, so that whatever it does to it is only told. Never rejects. */
export const tryDriverApart = (
  driver: QuicDriverName,
  ports: { readonly clock: Clock; readonly timers: Timers } = {
    clock: realClock,
    timers: realTimers,
  },
): Promise<DriverTrial> =>
  new Promise((resolve) => {
    let trial: DriverTrial | undefined;
    const cancel = ports.timers.set(LIMITS.bulkStartTimeoutMs, () => {
      worker.end("kill", `no answer in ${LIMITS.bulkStartTimeoutMs} ms`);
    });
    const worker = startBulkWorker(
      {
        message: (message) => {
          if (message.kind !== "tried") return;
          trial = message.trial;
          worker.end("stop", "tried");
        },
        ended: (reason) => {
          cancel();
          resolve(trial ?? { works: false, reason });
        },
      },
      ports.timers,
    );
    worker.send({ kind: "try", driver });
  });
