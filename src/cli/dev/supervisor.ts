/**
 * Keeps the child processes of a development network running: starts them, reports each that ends, starts
 * it again after a pause that doubles up to 30 s. A node that has stopped itself for a reason that no
 * restart can cure (a foreign signature, a wrong root, corruption) is left as it is and named.
 */
import { join } from "node:path";
import { ERRORS, fail, isErrorCode, type Result, TetradError } from "../../errors.ts";
import { sleep } from "../../node/real-ports.ts";
import { type Child, type ChildEnd, lastLines, startChild } from "./child.ts";
import type { ControlDone, ControlRequest } from "./control.ts";
import { pathsOf } from "./create.ts";
import type { DevRecord } from "./record.ts";

export type SupervisorEvents = {
  /** For people: what happened to which node and what will be done. */
  readonly report: (text: string) => void;
  /** A node that never came up: the network cannot start. */
  readonly failed: (error: TetradError) => void;
};

const PAUSE_MS_MIN = 1_000;
const PAUSE_MS_MAX = 30_000;
const STOP_MS_MAX = 20_000;

const howItEnded = (end: ChildEnd): string => {
  if (end.reason !== undefined) return `${end.reason.code}: ${end.reason.detail}`;
  if (end.signal !== null) return `it was killed by ${end.signal}`;
  return `it exited with code ${end.code}`;
};

/** Whether starting it again can help. */
const curable = (end: ChildEnd): boolean => {
  if (end.reason === undefined) return true;
  return isErrorCode(end.reason.code) && ERRORS[end.reason.code].retryable;
};

export class Supervisor {
  readonly #dir: string;
  readonly #record: DevRecord;
  readonly #events: SupervisorEvents;
  readonly #children = new Map<string, Child>();
  readonly #pauses = new Map<string, number>();
  /** Nodes that were killed on purpose, and how to end their time. */
  readonly #held = new Map<string, () => void>();
  #stopping = false;

  constructor(dir: string, record: DevRecord, events: SupervisorEvents) {
    this.#dir = dir;
    this.#record = record;
    this.#events = events;
  }

  start(): void {
    for (const node of this.#record.nodes) this.#start(node.name);
  }

  pidOf(name: string): number | undefined {
    return this.#children.get(name)?.pid;
  }

  /** What another command asks for: a crash of one node, for a time, or its end. */
  async control(request: ControlRequest): Promise<Result<ControlDone>> {
    const { node } = request;
    const names = this.#record.nodes.map(({ name }) => name);
    if (!names.includes(node)) {
      return fail("cli.usage", `no node "${node}"; there are ${names.join(", ")}`);
    }
    if (this.#stopping) return fail("node.stopping", "the network is stopping");
    if (request.action === "start") {
      const running = this.pidOf(node);
      if (running !== undefined) {
        return fail("cli.usage", `node ${node} runs already, as process ${running}`);
      }
      this.#release(node);
      return { ok: true, value: { pid: this.pidOf(node) } };
    }
    const child = this.#children.get(node);
    if (child === undefined) return fail("cli.usage", `node ${node} is down already`);
    const timer = setTimeout(() => this.#release(node), request.holdMs);
    this.#held.get(node)?.();
    this.#held.set(node, () => clearTimeout(timer));
    const { pid } = child;
    await child.kill();
    return { ok: true, value: { pid } };
  }

  /** Starts a node that was held down; nothing for one that runs. */
  #release(name: string): void {
    this.#held.get(name)?.();
    this.#held.delete(name);
    this.#start(name);
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    for (const cancel of this.#held.values()) cancel();
    await Promise.all([...this.#children.values()].map((child) => child.stop(STOP_MS_MAX)));
  }

  #logOf(name: string): string {
    return join(this.#dir, name, "node.log");
  }

  #start(name: string): void {
    const node = this.#record.nodes.find((known) => known.name === name);
    if (node === undefined || this.#stopping) return;
    if (this.#children.has(name) || this.#held.has(name)) return;
    const child = startChild(
      name,
      pathsOf(this.#dir, node).config,
      this.#logOf(name),
      () => {},
      (end) => this.#onEnd(end),
    );
    this.#children.set(name, child);
  }

  #onEnd(end: ChildEnd): void {
    const { name } = end;
    this.#children.delete(name);
    if (this.#stopping) return;
    if (this.#held.has(name)) {
      this.#events.report(
        `node ${name} was killed on request; \`nexus dev start ${name}\` starts it`,
      );
      return;
    }
    const first = !this.#pauses.has(name);
    if (!end.wasUp && first && !curable(end) && end.reason !== undefined) {
      const code = isErrorCode(end.reason.code) ? end.reason.code : "internal";
      this.#events.failed(new TetradError(code, `node ${name}: ${end.reason.detail}`));
      return;
    }
    if (!curable(end)) {
      this.#events.report(`node ${name} has stopped and stays down: ${howItEnded(end)}`);
      return;
    }
    const pauseMs = end.wasUp ? PAUSE_MS_MIN : (this.#pauses.get(name) ?? PAUSE_MS_MIN);
    this.#pauses.set(name, Math.min(PAUSE_MS_MAX, pauseMs * 2));
    this.#events.report(
      `node ${name} ended: ${howItEnded(end)}; starting it again in ${pauseMs / 1000} s`,
    );
    if (!end.wasUp) {
      for (const line of lastLines(this.#logOf(name), 5)) this.#events.report(`  ${name}: ${line}`);
    }
    void sleep(pauseMs).then(() => this.#start(name));
  }
}
