/**
 * Keeps everything that a node ever writes into its vote store: LevelDB deletes its write-ahead logs when
 * they are no longer needed, so each of them gets a second name, a hard link, as soon as it is there. A log
 * lives for as long as the process does or until 8 MiB are written, so looking ten times a second sees all.
 */
import { existsSync, linkSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readLogBatches } from "./leveldb-log.ts";
import type { Network } from "./network.ts";
import { readVote, type Signed } from "./statements.ts";

const EVERY_MS = 100;

export class VoteRecorder {
  readonly #network: Network;
  readonly #folder: string;
  readonly #timer: NodeJS.Timeout;

  constructor(network: Network, folder: string) {
    this.#network = network;
    this.#folder = folder;
    for (const { name } of network.nodes) mkdirSync(join(folder, name), { recursive: true });
    this.#timer = setInterval(() => this.#look(), EVERY_MS);
    this.#look();
  }

  #look(): void {
    for (const node of this.#network.nodes) {
      const votes = join(node.folder, "keys", "votes");
      if (!existsSync(votes)) continue;
      for (const file of readdirSync(votes)) {
        if (!file.endsWith(".log")) continue;
        const kept = join(this.#folder, node.name, file);
        if (existsSync(kept)) continue;
        try {
          linkSync(join(votes, file), kept);
        } catch (error) {
          // Deleted in between: it was looked at before, or it never held a vote.
          if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
        }
      }
    }
  }

  /** Ends the recording. What each node wrote down before it sent it, by the node's name. */
  finish(): Map<string, Signed[]> {
    this.#look();
    clearInterval(this.#timer);
    const all = new Map<string, Signed[]>();
    for (const { name } of this.#network.nodes) {
      const folder = join(this.#folder, name);
      const logs = readdirSync(folder).sort();
      this.#requireAll(name, logs);
      all.set(
        name,
        logs.flatMap((file) => votesIn(readFileSync(join(folder, file)))),
      );
    }
    return all;
  }

  /** A process that votes has a log, so a recording without one would prove nothing. */
  #requireAll(name: string, logs: readonly string[]): void {
    if (logs.length === 0) throw new Error(`no vote log of node ${name} was recorded`);
  }
}

/** Votes are under "v/"; a value has four bytes of checksum behind it. */
export const votesIn = (log: Buffer): Signed[] =>
  readLogBatches(log).flatMap(({ changes }) =>
    changes.flatMap((change) =>
      change.kind === "put" && change.key.toString("latin1", 0, 2) === "v/"
        ? [readVote(change.value)]
        : [],
    ),
  );
