/**
 * The node's keys of epochs, behind the replica's port: made and used in a thread of their own, kept in sealed
 * files, one a key. Signing of votes waits for no generator: a key is made when nothing else waits, and takes
 * under 0.1 s with WebAssembly (a second without it, once an epoch).
 */
import { toHex } from "../../crypto/bytes.ts";
import { type Failure, fail, TetradError } from "../../errors.ts";
import type { EpochKeyring, HeldEpochKey, Logger } from "../../ledger/ports.ts";
import type { EpochKeyRequest, EpochKeyResponse } from "../signing/epoch-key-protocol.ts";
import { startWorker } from "../signing/worker.ts";
import { eraseEpochKeyFile, readEpochKeyFiles, writeEpochKeyFile } from "./folder.ts";

export type NodeEpochKeyring = EpochKeyring & {
  /** Resolves when what was erased is erased and what was made is kept; the thread has overwritten its keys. */
  close(): Promise<void>;
};

type Answer = Exclude<EpochKeyResponse, { readonly type: "stopped" }>;

/** A key that could not be kept is made again after so long. */
const AGAIN_MS = 10_000;

export type KeyringOptions = {
  readonly folder: string;
  /** 32 bytes (key-file.ts). Transferred to the thread. */
  readonly sealingKey: Uint8Array;
  readonly logger: Logger;
  /** The thread has died or cannot sign: the node must stop. */
  readonly onFailure: (failure: Failure) => void;
};

/** Opens the keys that are there. Throws key.invalid for a file that is another node's or damaged, and key.modes. */
export const openKeyring = async (options: KeyringOptions): Promise<NodeEpochKeyring> => {
  const keyring = new Keyring(options);
  try {
    await keyring.open();
    return keyring;
  } catch (error) {
    await keyring.close();
    throw error;
  }
};

class Keyring implements NodeEpochKeyring {
  readonly #options: KeyringOptions;
  readonly #held = new Map<number, Uint8Array>();
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  readonly #thread: ReturnType<typeof startWorker>;
  /** Keys whose files could not be erased: tried again with the next. */
  readonly #unerased = new Set<number>();
  readonly #making = new Map<number, Promise<Uint8Array>>();
  /** Writes and removals, one after the other. */
  #disk: Promise<void> = Promise.resolve();
  #next = 1;
  #closed = false;
  #stopped = (): void => {};

  constructor(options: KeyringOptions) {
    this.#options = options;
    this.#thread = startWorker(
      "epoch-key-worker",
      "tetrad-epoch-keys",
      (message) => this.#onAnswer(message as EpochKeyResponse),
      (reason) => {
        this.#stopped();
        if (reason !== undefined) this.#fail(`the thread of the keys of epochs: ${reason}`);
      },
    );
    this.#thread.worker.unref();
    this.#post({ type: "start", sealingKey: options.sealingKey });
  }

  #post(request: EpochKeyRequest): void {
    this.#thread.worker.postMessage(request);
  }

  #fail(detail: string): void {
    if (!this.#closed) this.#options.onFailure(fail("internal", detail));
  }

  #onAnswer(answer: EpochKeyResponse): void {
    if (answer.type === "stopped") return this.#stopped();
    const done = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (this.#waiting.size === 0) this.#thread.worker.unref();
    done?.(answer);
  }

  #ask(make: (id: number) => EpochKeyRequest): Promise<Answer> {
    const id = this.#next++;
    if (this.#waiting.size === 0) this.#thread.worker.ref();
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#post(make(id));
    });
  }

  async open(): Promise<void> {
    for (const { epoch, path, bytes } of await readEpochKeyFiles(this.#options.folder)) {
      const answer = await this.#ask((id) => ({ type: "open", id, file: bytes }));
      if (answer.type !== "opened" || answer.epoch !== epoch) {
        const detail = answer.type === "refused" ? answer.detail : "it is of another epoch";
        throw new TetradError("key.invalid", `${path}: ${detail}`, {
          path,
          next: "a key that does not open signs nothing: move the file away, and start again",
        });
      }
      this.#held.set(epoch, answer.publicKey);
    }
  }

  held(): readonly HeldEpochKey[] {
    return [...this.#held]
      .map(([epoch, publicKey]) => ({ epoch, publicKey }))
      .sort((a, b) => a.epoch - b.epoch);
  }

  make(epoch: number, done: (publicKey: Uint8Array) => void): void {
    const there = this.#held.get(epoch);
    const key =
      there === undefined
        ? (this.#making.get(epoch) ?? this.#makeNew(epoch))
        : Promise.resolve(there);
    key.then(
      (publicKey) => this.#closed || done(publicKey),
      (error: unknown) => {
        const detail = error instanceof Error ? error.message : String(error);
        this.#options.logger.log("error", "a key of an epoch was not made", { epoch, detail });
        setTimeout(() => this.#closed || this.make(epoch, done), AGAIN_MS).unref();
      },
    );
  }

  #makeNew(epoch: number): Promise<Uint8Array> {
    const made = this.#makeOne(epoch).finally(() => this.#making.delete(epoch));
    this.#making.set(epoch, made);
    return made;
  }

  async #makeOne(epoch: number): Promise<Uint8Array> {
    const answer = await this.#ask((id) => ({ type: "make", id, epoch }));
    if (answer.type !== "made") {
      throw new Error(answer.type === "refused" ? answer.detail : "another answer");
    }
    const { publicKey, file } = answer;
    try {
      await this.#onDisk(() => writeEpochKeyFile(this.#options.folder, epoch, file));
    } catch (error) {
      this.#post({ type: "wipe", publicKey });
      throw error;
    }
    this.#held.set(epoch, publicKey);
    return publicKey;
  }

  sign(publicKey: Uint8Array, message: Uint8Array, done: (signature: Uint8Array) => void): void {
    const name = toHex(publicKey);
    if (this.#closed || ![...this.#held.values()].some((one) => toHex(one) === name)) return;
    void this.#ask((id) => ({ type: "sign", id, publicKey, message })).then((answer) => {
      if (this.#closed) return;
      if (answer.type === "signed") done(answer.signature);
      // Erased in between is no fault; a node that cannot sign otherwise must stop.
      else if ([...this.#held.values()].some((one) => toHex(one) === name)) {
        this.#fail(`signing: ${answer.type === "refused" ? answer.detail : "another answer"}`);
      }
    });
  }

  erase(epoch: number): void {
    const publicKey = this.#held.get(epoch);
    if (publicKey === undefined) return;
    this.#held.delete(epoch);
    this.#post({ type: "wipe", publicKey });
    this.#unerased.add(epoch);
    void this.#onDisk(() => this.#eraseAll());
  }

  async #eraseAll(): Promise<void> {
    const { folder, logger } = this.#options;
    for (const epoch of [...this.#unerased]) {
      try {
        await eraseEpochKeyFile(folder, epoch);
        this.#unerased.delete(epoch);
        logger.log("info", "erased a key of an epoch that is over", { epoch });
      } catch (error) {
        const detail = error instanceof Error ? error.message : String(error);
        logger.log("error", "a key of an epoch that is over is still there", { epoch, detail });
      }
    }
  }

  #onDisk(run: () => Promise<void>): Promise<void> {
    const done = this.#disk.then(run);
    this.#disk = done.catch(() => {});
    return done;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#disk;
    this.#thread.worker.ref();
    await new Promise<void>((resolve) => {
      this.#stopped = resolve;
      this.#post({ type: "stop" });
    });
    await this.#thread.stop();
  }
}
