/** Asking nodes how they are: in bounded time, because a node that hangs takes connections as ever. */
import { ApiClient, type JsonObject, type StatusJson } from "../client/api.ts";
import type { SseMessage } from "../client/sse.ts";
import { TetradError } from "../errors.ts";
import type { WaitLevel } from "../ledger/handle.ts";
import { LIMITS } from "../limits.ts";

/** "down": nobody listens there. "no answer": somebody does, and says nothing. */
export type Asked = StatusJson | "down" | "no answer";

/**
 * Runs `ask` with a signal that aborts with `signal` and after `limitMs`; then `late` is what comes of it.
 * Not AbortSignal.any: a garbage collection made the combined signal miss the abort of its sources.
 */
export const within = async <T>(
  signal: AbortSignal,
  limitMs: number,
  ask: (signal: AbortSignal) => Promise<T>,
  late: () => T,
): Promise<T> => {
  signal.throwIfAborted();
  const asking = new AbortController();
  const abort = (): void => asking.abort(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    asking.abort();
  }, limitMs);
  try {
    return await ask(asking.signal);
  } catch (error) {
    signal.throwIfAborted();
    // A refusal by the node that came in time is one, whatever the timer did meanwhile.
    const told = error instanceof TetradError && error.code !== "cli.unreachable";
    if (isLate && !told) return late();
    throw error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
  }
};

/** Throws what is no matter of reachability, and the signal's reason. */
export const askStatus = async (api: string, signal: AbortSignal): Promise<Asked> => {
  try {
    const ask = (asking: AbortSignal): Promise<Asked> => new ApiClient(api).status(asking);
    return await within(signal, LIMITS.cliStatusMsMax, ask, () => "no answer");
  } catch (error) {
    if (error instanceof TetradError && error.code === "cli.unreachable") return "down";
    throw error;
  }
};

/** Throws folder.foreign: what answers at an address of the folder's network is another network. */
export const requireChain = (api: string, expected: string, found: unknown): void => {
  if (found === expected) return;
  throw new TetradError(
    "folder.foreign",
    `a node of chain ${String(found)} answers at ${api}, where the folder's network is ${expected}`,
  );
};

/**
 * A client whose address comes from a folder, not from the user: ports are taken over by other networks,
 * so before the first request it asks whether the node is of the folder's network.
 */
export class FolderClient extends ApiClient {
  readonly #chainId: string;
  #known = false;

  constructor(base: string, chainId: string) {
    super(base);
    this.#chainId = chainId;
  }

  async #check(signal: AbortSignal | undefined): Promise<void> {
    if (this.#known) return;
    const { chainId } = await super.get("/v1/status", {}, signal);
    requireChain(this.base, this.#chainId, chainId);
    this.#known = true;
  }

  override async get(...args: Parameters<ApiClient["get"]>): Promise<JsonObject> {
    await this.#check(args[2]);
    return super.get(...args);
  }

  override async submit(bytes: Uint8Array, wait: WaitLevel, signal?: AbortSignal) {
    await this.#check(signal);
    return super.submit(bytes, wait, signal);
  }

  override async *stream(...args: Parameters<ApiClient["stream"]>): AsyncGenerator<SseMessage> {
    // Where a stream has ended, the node may be another one by now.
    this.#known = false;
    await this.#check(args[2]);
    yield* super.stream(...args);
  }
}
