/** What is done with every session in time: it is kept alive, and ended when its peer's certificate is over. */
import { fail } from "../errors.ts";
import { ExpiryWatch } from "./expiry-watch.ts";
import { type Members, upWith } from "./member.ts";
import type { TransportLimits, TransportPorts } from "./options.ts";
import type { Session } from "./session.ts";

const KEEP_ALIVES_PER_IDLE_TIMEOUT = 3;

export type UpkeepOptions = {
  readonly members: Members;
  readonly limits: Pick<TransportLimits, "idleTimeoutMs" | "sessionCheckMs">;
  readonly ports: Pick<TransportPorts, "clock" | "timers">;
  /** Called as often as sessions are kept alive. */
  publish(): void;
};

export class Upkeep {
  readonly #options: UpkeepOptions;
  readonly #expiry: ExpiryWatch<Session>;
  #cancelTick: (() => void) | undefined;

  constructor(options: UpkeepOptions) {
    this.#options = options;
    const { clock, timers } = options.ports;
    this.#expiry = new ExpiryWatch({
      ...{ clock, timers, checkMs: options.limits.sessionCheckMs },
      all: () => [...options.members.values()].flatMap(upWith),
      expired: (session) => {
        const failure = fail("transport.certificate-expired", "the peer's certificate has ended");
        session.close("identity", failure.detail, failure);
      },
    });
  }

  start(): void {
    this.#tick();
  }

  /** To be called when a session is a path, or waits beside one. Ends nothing before it returns. */
  added(): void {
    this.#expiry.added();
  }

  close(): void {
    this.#cancelTick?.();
    this.#expiry.stop();
  }

  #sessions(): readonly Session[] {
    return [...this.#options.members.values()].flatMap(({ paths }) => paths.sessions());
  }

  #tick(): void {
    const { limits, ports, publish } = this.#options;
    const interval = limits.idleTimeoutMs / KEEP_ALIVES_PER_IDLE_TIMEOUT;
    this.#cancelTick = ports.timers.set(interval, () => {
      for (const session of this.#sessions()) session.keepAlive();
      publish();
      this.#tick();
    });
  }
}
