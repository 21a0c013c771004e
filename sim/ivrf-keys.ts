/** The iVRF keys of simulated validators: small trees, made in a moment, and the same for every start of a node. */
import { utf8 } from "../src/crypto/codec.ts";
import type { Hasher } from "../src/crypto/hash.ts";
import type { Revealer, Timers } from "../src/ledger/ports.ts";
import { createIvrfKey, type IvrfKey, ivrfKeySecret } from "../src/proofs/beacon/ivrf.ts";

/** 128 heights a key: keys run out in a run of some minutes, and are followed by others. */
export const SIM_BEACON_DEPTH = 7;

const MAKE_MS = 3;

/** All keys of one run, by slot and first height. */
export class SimIvrfKeys {
  readonly #hasher: Hasher;
  readonly #made = new Map<string, IvrfKey>();

  constructor(hasher: Hasher) {
    this.#hasher = hasher;
  }

  of(slot: number, firstHeight: number): IvrfKey {
    const name = `${slot}/${firstHeight}`;
    let key = this.#made.get(name);
    if (key === undefined) {
      const master = this.#hasher.ht("sim/ivrf", utf8(`${slot}`));
      const secret = ivrfKeySecret(this.#hasher, master, firstHeight);
      key = createIvrfKey(this.#hasher, secret, SIM_BEACON_DEPTH);
      this.#made.set(name, key);
    }
    return key;
  }

  /** The port of one process. */
  revealer(slot: number, timers: Timers): Revealer {
    const held = new Map<number, IvrfKey>();
    return {
      make: (firstHeight, done) => {
        timers.set(MAKE_MS, () => {
          const key = this.of(slot, firstHeight);
          held.set(firstHeight, key);
          done(key.root);
        });
      },
      reveal: (root, index) =>
        [...held.values()].find((key) => Buffer.compare(key.root, root) === 0)?.reveal(index),
      forget: (firstHeight) => {
        held.delete(firstHeight);
      },
    };
  }
}
