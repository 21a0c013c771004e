/** `nexus backup` and `nexus restore`: a node's data as one file, and back. Keys and votes are not in it. */
import { existsSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { toHex } from "../../crypto/bytes.ts";
import { TetradError } from "../../errors.ts";
import type { BackupTail } from "../../node/backup/format.ts";
import { makeBackup } from "../../node/backup/make.ts";
import { restoreBackup } from "../../node/backup/restore.ts";
import { loadConfig } from "../../node/config.ts";
import { readGenesis } from "../../node/read-genesis.ts";
import { createLogger, realClock } from "../../node/real-ports.ts";
import { selectVerifier } from "../../node/signing/select-verifier.ts";
import type { CliContext } from "../context.ts";
import { configOf, type NodeOptions } from "../node-config.ts";
import { createProgress } from "../progress.ts";

const MIB = 1024 * 1024;

/** What both verbs print of the chain in a backup. */
const chainFields = (chainId: string, tail: BackupTail) => ({
  chainId,
  height: tail.height,
  executedHeight: tail.executedHeight,
  events: tail.logSize,
  logRoot: toHex(tail.logRoot),
  stateRoot: toHex(tail.stateRoot),
  rows: tail.rows,
});

/** How the fields are called in a table, where it is not as in JSON. */
const WORDS: ReadonlyMap<string, string> = new Map([
  ["chainId", "chain"],
  ["genesisHash", "genesis hash"],
  ["executedHeight", "executed height"],
  ["logRoot", "log root"],
  ["stateRoot", "state root"],
]);

const print = (context: CliContext, fields: Readonly<Record<string, string | number | boolean>>) =>
  context.print(
    fields,
    Object.entries(fields).map(([name, value]): [string, string] => [
      WORDS.get(name) ?? name,
      typeof value === "boolean" ? (value ? "yes" : "no") : String(value),
    ]),
  );

/** A folder gets a file that is named after the node and the moment. */
const fileFor = (to: string, name: string): string => {
  if (!existsSync(to) || !statSync(to).isDirectory()) return to;
  const moment = new Date(realClock.wallMs()).toISOString().replace(/[-:]|\.\d+/g, "");
  return join(to, `${name}-${moment}.tetrad`);
};

export const backup = async (
  context: CliContext,
  options: NodeOptions & { readonly to: string },
): Promise<void> => {
  const { config } = loadConfig(configOf(context, options), {}, context.env, context.cwd);
  const to = fileFor(resolve(context.cwd, options.to), config.name);
  if (existsSync(to)) throw new TetradError("cli.usage", `${to} is already there`);
  const logger = createLogger("human", "warn", config.name);
  let told = 0;
  const report = await makeBackup(
    config,
    to,
    logger,
    (bytes) => {
      // How much there will be nobody knows before the end.
      if (bytes - told < 256 * MIB) return;
      told = bytes;
      context.note(`${Math.round(bytes / MIB)} MiB written`);
    },
    context.signal,
  );
  const { chainId } = readGenesis(config.genesis).genesis;
  const { bytes, running, tail } = report;
  print(context, { backup: to, bytes, node: config.name, running, ...chainFields(chainId, tail) });
  context.note("keys and votes are not in it: see docs/operating.md");
};

type RestoreOptions = { readonly to: string; readonly genesis?: string };

export const restore = async (
  context: CliContext,
  options: RestoreOptions,
  file: string,
): Promise<void> => {
  const folder = resolve(context.cwd, options.to);
  const trusted =
    options.genesis === undefined ? undefined : readGenesis(resolve(context.cwd, options.genesis));
  const { verifier } = await selectVerifier();
  const progress = createProgress(context.terminal, "restoring", "bytes", realClock.monotonicMs);
  const { chain, head, tail } = await restoreBackup({
    file: resolve(context.cwd, file),
    folder,
    trusted,
    verify: verifier.verify,
    logger: createLogger("human", "warn", "restore"),
    onProgress: (done, total) => progress.update(done, total),
  });
  progress.end(true);
  const made = new Date(head.madeMs).toISOString();
  const genesisHash = toHex(chain.hash);
  const fields = chainFields(chain.genesis.chainId, tail);
  print(context, { restored: folder, node: head.name, made, genesisHash, ...fields });
  if (trusted === undefined) {
    context.note("compare the genesis hash with the other members, or give --genesis FILE");
  }
  context.note(
    `there are no keys in it: move the whole keys folder of ${head.name}, with keys/votes, to ` +
      `${join(folder, "keys")}; without its vote store the node follows and does not vote`,
  );
  const genesis = options.genesis ?? join(folder, "genesis.json");
  context.note(`next: nexus audit --dir ${folder} --genesis ${genesis}`);
  context.note(`then: nexus start --config ${join(folder, "node.toml")}`);
};
