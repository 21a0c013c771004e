/** `nexus start`: runs one node until it is told to stop or stops itself. */
import { type Failure, TetradError } from "../../errors.ts";
import type { LogLevel } from "../../ledger/ports.ts";
import { formatAddress } from "../../node/address.ts";
import { loadConfig, type NodeConfig } from "../../node/config.ts";
import { type RunningNode, startNode } from "../../node/node.ts";
import { createLogger } from "../../node/real-ports.ts";
import { VERSION } from "../../node/version.ts";
import type { CliContext } from "../context.ts";
import { flagsOf, type NodeFlags } from "../node-flags.ts";

type StartOptions = NodeFlags & { readonly config?: string };

export const start = async (context: CliContext, options: StartOptions): Promise<void> => {
  // Before anything else: a parent that dies while the node comes up must take the node with it as well.
  const end = endOf(context.signal);
  try {
    if (!end.aborted) await runNode(context, options, end);
  } catch (error) {
    // The parent, if there is one, shows people why; the log has it too.
    if (error instanceof TetradError) {
      tellParent({ kind: "halted", code: error.code, detail: error.message });
    }
    throw error;
  } finally {
    // An open channel would keep the process alive.
    if (process.connected === true) process.disconnect();
  }
};

/**
 * Aborts on a signal and when the parent that started this node (`nexus dev`) dies. Not AbortSignal.any:
 * a collection that comes while the node starts made it miss the abort of its source.
 */
const endOf = (signal: AbortSignal): AbortSignal => {
  const end = new AbortController();
  const abort = (): void => end.abort();
  signal.addEventListener("abort", abort, { once: true });
  process.once("disconnect", abort);
  // Undefined where there never was a channel to a parent, false where it has closed since.
  if (signal.aborted || process.connected === false) abort();
  return end.signal;
};

const runNode = async (
  context: CliContext,
  options: StartOptions,
  end: AbortSignal,
): Promise<void> => {
  const { config } = loadConfig(options.config, flagsOf(options), context.env, context.cwd);
  const human = process.stdout.isTTY === true;
  const logger = createLogger(human ? "human" : "json", config.logLevel as LogLevel, config.name);
  const node = await startNode(config, { logger, version: VERSION, env: context.env });
  logger.log("info", "node started", {
    version: VERSION,
    listen: formatAddress(config.listen),
    api: formatAddress(node.api),
    node: node.handle.status().nodeId,
    chain: node.handle.status().chainId,
  });
  if (config.apiInsecureBind && config.apiTlsKey === undefined) {
    logger.log(
      "warn",
      "the API may listen off loopback without TLS: a proxy before it must have it",
    );
  }
  tellParent({ kind: "started", api: formatAddress(node.api) });
  const failure = await untilEnd(node, end);
  logger.log("info", "stopping");
  await stopWithin(node, STOP_MS_MAX);
  logger.log("info", "stopped");
  if (failure !== undefined) throw haltError(config, failure);
};

/** After this long the process ends anyway: what is durable is durable, and a hanging stop helps nobody. */
const STOP_MS_MAX = 15_000;

const stopWithin = async (node: RunningNode, limitMs: number): Promise<void> => {
  const timer = setTimeout(() => process.exit(process.exitCode ?? 70), limitMs);
  timer.unref();
  await node.stop();
  clearTimeout(timer);
};

/** A signal or the death of the parent, also when it came while the node was starting; or a halt. */
const untilEnd = (node: RunningNode, end: AbortSignal): Promise<Failure | undefined> =>
  new Promise((resolve) => {
    if (end.aborted) resolve(undefined);
    end.addEventListener("abort", () => resolve(undefined), { once: true });
    void node.halted.then(resolve);
  });

const haltError = (config: NodeConfig, failure: Failure): TetradError => {
  const detail = `the node ${config.name} has stopped itself: ${failure.detail}`;
  return new TetradError(failure.code, detail, failure.data);
};

/** What a child of `nexus dev` tells it over IPC. */
export type ChildMessage =
  | { readonly kind: "started"; readonly api: string }
  | { readonly kind: "halted"; readonly code: string; readonly detail: string };

const tellParent = (message: ChildMessage): void => {
  // A parent that dies right now is no failure of this process; `disconnect` says so anyway.
  if (process.connected === true) process.send?.(message, undefined, undefined, () => {});
};
