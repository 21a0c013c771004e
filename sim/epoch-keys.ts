/** A simulated validator's keys of epochs: what is on its disk, and the port of each process that opens it. */
import type { EpochKeyring } from "../src/ledger/ports.ts";
import type { Host } from "./host.ts";
import {
  createSimSigner,
  type KeyPair,
  type SignatureScheme,
  type SignerKnobs,
  type SignTap,
} from "./signer.ts";

/** What making a key takes with WebAssembly, and keeping or removing its file. */
const MAKE_US = 60_000;
const FILE_US = 3_000;

type Held = { readonly key: KeyPair; readonly sign: EpochKeyring["sign"] };

export class SimEpochKeys {
  readonly #scheme: SignatureScheme;
  readonly #name: string;
  /** By first epoch. */
  #disk: Map<number, KeyPair>;
  /** By the name of the copy. */
  readonly #stale = new Map<string, ReadonlyMap<number, KeyPair>>();
  #newest: KeyPair | undefined;
  #made = 0;

  /** `slot` names the machine: two with one validator's key make different keys of epochs. */
  constructor(scheme: SignatureScheme, slot: number, first: KeyPair | undefined) {
    this.#scheme = scheme;
    this.#name = `epoch key ${slot}`;
    this.#disk = new Map(first === undefined ? [] : [[0, first]]);
  }

  /** The first epochs of the keys that are on the disk. */
  get held(): readonly number[] {
    return [...this.#disk.keys()];
  }

  /** The key that has signed last; the first one before any has. */
  get inUse(): KeyPair | undefined {
    return this.#newest ?? this.#disk.get(0);
  }

  snapshot(name: string): void {
    this.#stale.set(name, new Map(this.#disk));
  }

  /**
   * An old copy of the folder comes back: what was erased since is there, and what was made since is not. False where
   * there is none, or nothing is another for it.
   */
  restore(name: string): boolean {
    const stale = this.#stale.get(name);
    if (stale === undefined || !this.differsFrom(name)) return false;
    this.#disk = new Map(stale);
    return true;
  }

  /** Whether a copy is remembered under this name that is not what is on the disk. */
  differsFrom(name: string): boolean {
    const stale = this.#stale.get(name);
    if (stale === undefined) return false;
    if (stale.size !== this.#disk.size) return true;
    return [...stale].some(([epoch, key]) => this.#disk.get(epoch) !== key);
  }

  /** The port of one process. `erased`: a key is gone from the disk. */
  port(
    host: Host,
    incarnation: number,
    knobs: SignerKnobs,
    taps: { readonly signed: SignTap; erased(): void },
  ): EpochKeyring {
    const open = (key: KeyPair): Held => {
      const signer = createSimSigner(host, incarnation, this.#scheme, key, knobs, taps.signed);
      return { key, sign: (_, message, done) => signer.sign(message, done) };
    };
    const held = new Map([...this.#disk].map(([epoch, key]) => [epoch, open(key)]));
    const disk = (): Map<number, KeyPair> => this.#disk;
    return {
      held: () =>
        [...held]
          .map(([epoch, { key }]) => ({ epoch, publicKey: key.publicKey }))
          .sort((a, b) => a.epoch - b.epoch),
      make: (epoch, done) => {
        const there = held.get(epoch);
        if (there !== undefined) {
          host.defer(incarnation, 0, () => done(there.key.publicKey));
          return;
        }
        host.defer(incarnation, host.workUs(MAKE_US) + FILE_US, () => {
          const key = held.get(epoch)?.key ?? this.#scheme.createKey(this.#next(epoch));
          if (!held.has(epoch)) {
            disk().set(epoch, key);
            held.set(epoch, open(key));
          }
          done(key.publicKey);
        });
      },
      sign: (publicKey, message, done) => {
        const found = [...held.values()].find(
          ({ key }) => Buffer.compare(key.publicKey, publicKey) === 0,
        );
        if (found !== undefined) this.#newest = found.key;
        found?.sign(publicKey, message, done);
      },
      erase: (epoch) => {
        if (!held.delete(epoch)) return;
        // A crash in between leaves the file, which the next process finds again.
        host.defer(incarnation, FILE_US, () => {
          disk().delete(epoch);
          taps.erased();
        });
      },
    };
  }

  #next(epoch: number): string {
    this.#made += 1;
    return `${this.#name}/${epoch}/${this.#made}`;
  }
}
