/**
 * Orders that this node has followed, so that one that somebody else has seen moves nothing when it is given again.
 * An order may be repeated, as after an answer that was lost, until another one for its object has been followed;
 * one to drop an object is followed once. Each is remembered until its time is over, on the disk too: a start in
 * between changes nothing.
 *
 *     <folder>/orders    of each, in the order in which they came: u64 notAfterMs   root(32)   statement(32)
 */
import { open } from "node:fs/promises";
import { join } from "node:path";
import { fromHex, toHex } from "../../crypto/bytes.ts";
import { DecodeError, Reader, Writer } from "../../crypto/codec.ts";
import { TetradError } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import { readWhole, removeDrafts, syncFolder, writeFailure, writeWhole } from "./files.ts";

const FILE = "orders";
const RECORD_BYTES = 8 + 32 + 32;
/** Of what is remembered at most: the file is made anew past it, without what is over. */
const RECORDS_TIMES_MAX = 2;

export type FollowedOrder = {
  readonly action: "keep" | "drop";
  readonly root: Uint8Array;
  readonly notAfterMs: number;
  /** What its actor signed: two signatures of one order are one order. */
  readonly statement: Uint8Array;
};

export type FollowedOptions = {
  readonly folder: string;
  readonly wallMs: () => number;
  readonly ordersMax?: number;
};

type Known = { readonly root: string; readonly notAfterMs: number };

export class FollowedOrders {
  readonly #folder: string;
  readonly #wallMs: () => number;
  readonly #ordersMax: number;
  /** By statement, hex, in the order in which they came. */
  readonly #known = new Map<string, Known>();
  /** Of an object, hex: the order for it that was followed last. */
  readonly #last = new Map<string, string>();
  /** Records in the file, those too that are over. */
  #written = 0;
  #writing: Promise<void> = Promise.resolve();

  private constructor({ folder, wallMs, ordersMax }: FollowedOptions) {
    this.#folder = folder;
    this.#wallMs = wallMs;
    this.#ordersMax = ordersMax ?? LIMITS.objectOrdersMax;
  }

  /**
   * Reads what is there. Half a record at the end, as a crash leaves one, is of an order that was not followed.
   * Throws store.full, store.io.
   */
  static async open(options: FollowedOptions): Promise<FollowedOrders> {
    const followed = new FollowedOrders(options);
    const { folder } = options;
    await removeDrafts(folder);
    followed.#read((await readWhole(join(folder, FILE), followed.#bytesMax)) ?? new Uint8Array(0));
    followed.#forget();
    await followed.#writeAll();
    return followed;
  }

  get #bytesMax(): number {
    return (RECORDS_TIMES_MAX * this.#ordersMax + 1) * RECORD_BYTES;
  }

  #read(bytes: Uint8Array): void {
    const reader = new Reader(bytes);
    try {
      for (let left = bytes.length; left >= RECORD_BYTES; left -= RECORD_BYTES) {
        const notAfterMs = reader.u64();
        const root = toHex(reader.hash());
        this.#add(toHex(reader.hash()), { root, notAfterMs });
      }
    } catch (error) {
      // Somebody has changed the file; what is before it counts.
      if (!(error instanceof DecodeError)) throw error;
    }
  }

  /**
   * Remembers an order that is about to be followed. Throws object.order where it was before and may not be again,
   * node.overloaded, store.full, store.io.
   */
  async follow(order: FollowedOrder): Promise<void> {
    this.#forget();
    const statement = toHex(order.statement);
    const root = toHex(order.root);
    if (this.#known.has(statement)) {
      if (order.action === "drop" || this.#last.get(root) !== statement) {
        throw new TetradError("object.order", "the order was followed before", { root });
      }
      return;
    }
    if (this.#known.size >= this.#ordersMax) {
      throw new TetradError("node.overloaded", "Too many orders about objects within an hour");
    }
    this.#add(statement, { root, notAfterMs: order.notAfterMs });
    // One after the other: they are in the file as they came.
    const written = this.#writing.then(() => this.#append(statement));
    this.#writing = written.catch(() => {});
    await written;
  }

  #add(statement: string, known: Known): void {
    this.#known.set(statement, known);
    this.#last.set(known.root, statement);
  }

  /** Those whose time is over are refused for that. */
  #forget(): void {
    const nowMs = this.#wallMs();
    for (const [statement, { root, notAfterMs }] of this.#known) {
      if (notAfterMs >= nowMs) continue;
      this.#known.delete(statement);
      if (this.#last.get(root) === statement) this.#last.delete(root);
    }
  }

  async #append(statement: string): Promise<void> {
    const known = this.#known.get(statement);
    if (known === undefined) return;
    if (this.#written >= RECORDS_TIMES_MAX * this.#ordersMax) {
      await this.#writeAll();
      return;
    }
    const path = join(this.#folder, FILE);
    try {
      const file = await open(path, "a", 0o600);
      try {
        await file.appendFile(recordsOf([[statement, known]]));
        await file.sync();
      } finally {
        await file.close();
      }
      this.#written += 1;
    } catch (error) {
      // It may have half of the record: the next one makes it anew.
      this.#written = Number.POSITIVE_INFINITY;
      throw writeFailure(path, error);
    }
  }

  async #writeAll(): Promise<void> {
    const path = join(this.#folder, FILE);
    const known = [...this.#known];
    await writeWhole(path, recordsOf(known));
    await syncFolder(this.#folder).catch((error: unknown) => {
      throw writeFailure(path, error);
    });
    this.#written = known.length;
  }
}

const recordsOf = (known: readonly (readonly [statement: string, known: Known])[]): Uint8Array => {
  const writer = new Writer(known.length * RECORD_BYTES);
  for (const [statement, { root, notAfterMs }] of known) {
    writer.u64(notAfterMs).hash(fromHex(root)).hash(fromHex(statement));
  }
  return writer.finish();
};
