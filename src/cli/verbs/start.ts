/** `nexus start`: runs one node until it is told to stop or stops itself. */
import { type Failure, TetradError } from "../../errors.ts";
import type { LogLevel } from "../../ledger/ports.ts";
import { formatAddress } from "../../node/address.ts";
import { loadConfig, type NodeConfig } from "../../node/config.ts";
import { type RunningNode, startNode } from "../../node/node.ts";
import { createLogger } from "../../node/real-ports.ts";
import { VERSION } from "../../node/version.ts";
import type { CliContext } from "../context.ts";

type StartOptions = {
  readonly config?: string;
  readonly listen?: string;
  readonly apiListen?: string;
  readonly apiInsecureBind?: boolean;
  readonly logLevel?: string;
  readonly passphraseFile?: string;
};

const flagsOf = (options: StartOptions): Record<string, unknown> => {
  const { listen, apiListen: api, apiInsecureBind, logLevel, passphraseFile } = options;
  return { listen, api, apiInsecureBind, logLevel, passphraseFile };
};

export const start = async (context: CliContext, options: StartOptions): Promise<void> => {
  // From the first moment: a parent that dies while the node comes up must not leave it behind.
  const orphaned = parentGone();
  try {
    await runNode(context, options, orphaned);
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

/** Resolves when the channel to the process that started this one closes; never where there was none. */
const parentGone = (): Promise<void> =>
  new Promise((resolve) => {
    if (process.send === undefined) return;
    if (process.connected !== true) resolve();
    process.once("disconnect", () => resolve());
  });

const runNode = async (
  context: CliContext,
  options: StartOptions,
  orphaned: Promise<void>,
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
  if (config.apiInsecureBind) {
    logger.log(
      "warn",
      "the API listens off loopback without TLS or login: anybody may write to it",
    );
  }
  tellParent({ kind: "started", api: formatAddress(node.api) });
  const failure = await untilEnd(context, node, orphaned);
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

/** A signal, the death of the parent that started this node (`nexus dev`), or a halt. */
const untilEnd = (
  context: CliContext,
  node: RunningNode,
  orphaned: Promise<void>,
): Promise<Failure | undefined> =>
  new Promise((resolve) => {
    const end = (): void => resolve(undefined);
    if (context.signal.aborted) end();
    context.signal.addEventListener("abort", end, { once: true });
    void orphaned.then(end);
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
  if (process.connected === true) process.send?.(message);
};
