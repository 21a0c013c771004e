/** Asking nodes how they are: in bounded time, because a node that hangs takes connections as ever. */
import { ApiClient, type JsonObject, type StatusJson } from "../client/api.ts";
import type { SseMessage } from "../client/sse.ts";
import { within } from "../client/within.ts";
import { TetradError } from "../errors.ts";
import type { WaitLevel } from "../ledger/handle.ts";
import { LIMITS } from "../limits.ts";

/** "down": nobody listens there. "no answer": somebody does, and says nothing. */
export type Asked = StatusJson | "down" | "no answer";

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

  override async bytes(...args: Parameters<ApiClient["bytes"]>): Promise<Uint8Array> {
    await this.#check(args[3]);
    return super.bytes(...args);
  }

  override async send(...args: Parameters<ApiClient["send"]>): Promise<JsonObject> {
    await this.#check(args[3]);
    return super.send(...args);
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
