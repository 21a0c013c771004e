/**
 * What the oracle's account of stake needs of the proofs of an epoch: units of shares and proven time, by whoever has
 * them proven in it; and who has opened shares of its own that are none. A simulated claim is answered in one part.
 */
import { scryptSync } from "node:crypto";
import type { FinalEvent } from "./final-log.ts";
import { Cursor, hex, taggedHash } from "./oracle.ts";
import type { ClaimTerms } from "./types.ts";

type Shares = { readonly count: number; readonly root: string };
type Opened = { readonly nonce: Uint8Array; readonly path: readonly Uint8Array[] };

const u64 = (value: number): Uint8Array => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
};

/** u64 nonce, u8 length, siblings from the leaf upwards; undefined for bytes that are no list of these. */
const readOpened = (bytes: Uint8Array): readonly Opened[] | undefined => {
  const cursor = new Cursor(bytes);
  const found: Opened[] = [];
  while (cursor.left > 0 && cursor.ok) {
    const nonce = cursor.take(8);
    const path = Array.from({ length: cursor.u8() }, () => cursor.take(32));
    found.push({ nonce, path });
  }
  return cursor.ok ? found : undefined;
};

export class StakeClaims {
  readonly #chainId: string;
  readonly #terms: ClaimTerms;
  readonly #seedOf: (epoch: number) => Uint8Array | undefined;
  /** Shares that were committed to, by author and epoch. */
  readonly #shares = new Map<string, Shares>();
  /** By author and the epoch in which it was proven. */
  readonly #units = new Map<string, bigint>();
  readonly #timed = new Set<string>();

  constructor(
    chainId: string,
    terms: ClaimTerms,
    seedOf: (epoch: number) => Uint8Array | undefined,
  ) {
    this.#chainId = chainId;
    this.#terms = terms;
    this.#seedOf = seedOf;
  }

  /** An accepted event of a block of this epoch. */
  note({ type, payload, actor }: FinalEvent, now: number): void {
    const cursor = new Cursor(payload);
    const epoch = cursor.u64();
    if (type === "work.shares.committed") {
      const count = cursor.u32();
      this.#shares.set(`${actor}/${epoch}`, { count, root: hex(cursor.take(32)) });
    } else if (type === "time.run.proven") this.#timed.add(`${actor}/${now}`);
    else if (type === "work.shares.proven") {
      const units = this.#unitsOf(this.#shares.get(`${actor}/${epoch}`)?.count ?? 0);
      const before = this.#units.get(`${actor}/${now}`) ?? 0n;
      this.#units.set(`${actor}/${now}`, units > before ? units : before);
    }
  }

  #unitsOf(count: number): bigint {
    const { shares } = this.#terms;
    if (shares === undefined) return 0n;
    return (BigInt(count) * BigInt(shares.difficulty)) / BigInt(shares.triesPerUnit);
  }

  /** The most power that stake can have: what the proofs of that epoch carry. */
  carried(id: string, epoch: number, stake: bigint, perUnit: bigint): bigint {
    if (this.#terms.time !== undefined && !this.#timed.has(`${id}/${epoch}`)) return 0n;
    if (this.#terms.shares === undefined) return stake;
    const carried = (this.#units.get(`${id}/${epoch}`) ?? 0n) * perUnit;
    return carried < stake ? carried : stake;
  }

  /** Whether a refused answer leads to what its author has committed to, and shows a slot without a share. */
  isForged({ type, payload, actor, refusedWith }: FinalEvent): boolean {
    if (type !== "work.shares.proven" || refusedWith !== "work.shares") return false;
    const cursor = new Cursor(payload);
    const epoch = cursor.u64();
    cursor.u8();
    const opened = readOpened(cursor.sized());
    const shares = this.#shares.get(`${actor}/${epoch}`);
    const seed = this.#seedOf(epoch);
    if (opened === undefined || shares === undefined || seed === undefined) return false;
    const chi = taggedHash(this.#chainId, "work/epoch", seed, Buffer.from(actor, "hex"));
    let isFalse = false;
    for (const one of opened) {
      const slot = this.#slotOf(one, shares);
      if (slot === undefined) return false;
      if (!this.#isShare(chi, slot, one.nonce)) isFalse = true;
    }
    return isFalse;
  }

  /** The slot from which a path leads to the root. */
  #slotOf({ nonce, path }: Opened, { count, root }: Shares): number | undefined {
    for (let slot = 0; slot < count; slot++) {
      let hash = taggedHash(this.#chainId, "work/share-leaf", u64(slot), nonce);
      let used = 0;
      for (let at = slot, width = count; width > 1; ) {
        const isLeft = at % 2 === 0;
        // The last one of an odd level has no sibling, and stands one level higher.
        if (!isLeft || at + 1 < width) {
          const sibling = path[used++] ?? new Uint8Array(0);
          const pair = isLeft ? [hash, sibling] : [sibling, hash];
          hash = taggedHash(this.#chainId, "work/share-node", ...pair);
        }
        at = Math.floor(at / 2);
        width = Math.ceil(width / 2);
      }
      if (used === path.length && hex(hash) === root) return slot;
    }
    return undefined;
  }

  #isShare(chi: Uint8Array, slot: number, nonce: Uint8Array): boolean {
    const { shares } = this.#terms;
    if (shares === undefined) return true;
    const password = Buffer.concat([chi, u64(slot), nonce]);
    const tried = scryptSync(password, chi, 32, { N: shares.scryptN, r: 1, p: 1 });
    const word = new Cursor(taggedHash(this.#chainId, "work/share", tried)).u32();
    return word * shares.difficulty < 2 ** 32;
  }
}
