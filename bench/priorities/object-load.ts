/**
 * An object that one validator keeps and another fetches, dropped there and fetched again for as long as the load is
 * wanted: by `nexus object`, as an operator does it. Who reads it from the fetcher stands for another machine and
 * is as nice as a bulk worker, since on this one it takes processors that the validators want.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomFillSync } from "node:crypto";
import { once } from "node:events";
import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { binPath } from "../../src/cli/dev/child.ts";
import { makeNice } from "../../src/node/bulk/step-back.ts";
import { sleep } from "../../src/node/real-ports.ts";
import type { BenchNetwork, BenchNode } from "../ledger/network.ts";

const MIB = 2 ** 20;
const PIECE_MIB = 16;
const AGAIN_MS = 100;
const BEGIN_MS_MAX = 60_000;

const randomFile = (path: string, mib: number): void => {
  const piece = new Uint8Array(PIECE_MIB * MIB);
  const file = openSync(path, "w");
  try {
    for (let left = mib; left > 0; left -= PIECE_MIB) {
      randomFillSync(piece);
      writeSync(file, piece, 0, Math.min(left, PIECE_MIB) * MIB);
    }
  } finally {
    closeSync(file);
  }
};

export class ObjectLoad {
  readonly #network: BenchNetwork;
  readonly #target: BenchNode;
  #root = "";
  #running = false;
  #reader: ChildProcess | undefined;
  #loop: Promise<void> = Promise.resolve();
  /** What the last reader had to say. */
  #words = "";
  /** Bytes of the fetches that have come to their end. */
  #whole = 0;

  private constructor(network: BenchNetwork, target: BenchNode) {
    this.#network = network;
    this.#target = target;
  }

  /** Has the source keep an object of so many MiB. Rejects where it does not take it. */
  static async open(
    network: BenchNetwork,
    source: BenchNode,
    target: BenchNode,
    mib: number,
  ): Promise<ObjectLoad> {
    const load = new ObjectLoad(network, target);
    const path = join(network.dir, "object");
    randomFile(path, mib);
    const said = await load.#nexus(source, "put", path, "-o", "json");
    rmSync(path);
    load.#root = (JSON.parse(said) as { readonly root: string }).root;
    return load;
  }

  /** Resolves when bytes come: a load that is only started is none. Rejects where none do. */
  async begin(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    this.#loop = this.#fetchAgainAndAgain();
    const before = await this.bytes();
    for (let waitedMs = 0; (await this.bytes()) <= before; waitedMs += AGAIN_MS) {
      if (waitedMs > BEGIN_MS_MAX) throw new Error(`nothing of the object comes: ${this.#words}`);
      await sleep(AGAIN_MS);
    }
  }

  /** Bytes that the target has got since the start of all. */
  async bytes(): Promise<number> {
    const answer = await fetch(`${this.#target.api.base}/v1/objects/${this.#root}`);
    if (!answer.ok) return this.#whole;
    const { held } = (await answer.json()) as { readonly held: number };
    return this.#whole + held * MIB;
  }

  /** Resolves when nothing is fetched any more. */
  async end(): Promise<void> {
    this.#running = false;
    this.#reader?.kill("SIGTERM");
    await this.#loop;
  }

  async #fetchAgainAndAgain(): Promise<void> {
    while (this.#running) {
      const reader = this.#start(this.#target, "ignore", "get", this.#root);
      this.#reader = reader;
      reader.stderr?.on("data", (bytes: Buffer) => {
        this.#words = bytes.toString().trim();
      });
      const [code] = (await once(reader, "exit")) as [number | null];
      this.#reader = undefined;
      // What came stays counted when it is dropped.
      this.#whole = await this.bytes();
      await this.#nexus(this.#target, "drop", this.#root);
      if (code !== 0) await sleep(AGAIN_MS);
    }
  }

  #start(node: BenchNode, stdout: "ignore" | "pipe", ...args: readonly string[]): ChildProcess {
    const { dir } = this.#network;
    const all = [binPath(), "--dir", dir, "--api", node.api.base, "object", ...args];
    const env = { PATH: process.env["PATH"], HOME: process.env["HOME"] };
    const child = spawn(process.execPath, all, { env, stdio: ["ignore", stdout, "pipe"] });
    if (child.pid !== undefined) makeNice(child.pid);
    return child;
  }

  async #nexus(node: BenchNode, ...args: readonly string[]): Promise<string> {
    const child = this.#start(node, "pipe", ...args);
    let [said, words] = ["", ""];
    child.stdout?.on("data", (bytes: Buffer) => {
      said += bytes;
    });
    child.stderr?.on("data", (bytes: Buffer) => {
      words += bytes;
    });
    const [code] = (await once(child, "close")) as [number | null];
    if (code !== 0) throw new Error(`nexus object ${args[0]}: ${words.trim()}`);
    return said;
  }
}
