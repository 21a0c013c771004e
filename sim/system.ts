/** The system under test: the replica and the rules of production, under the stub signatures. */

import type { Store, StoreOp } from "../src/ledger/ports.ts";
import { createReplica, initVoteStore } from "../src/ledger/replica/replica.ts";
// biome-ignore lint/style/noRestrictedImports: what is simulated is the composition of production itself; this module of it does no I/O.
import { productOptions } from "../src/node/product.ts";
import type { SimChain } from "./genesis.ts";
import type { NetworkOptions, System } from "./network.ts";
import { KeyRing, type SignatureScheme } from "./signer.ts";

/** What `init` writes beside a new key, caught from the code that does it. */
const votesOf = (nodeId: Uint8Array): readonly StoreOp[] => {
  const written: StoreOp[] = [];
  const catcher: Store = {
    get: () => undefined,
    write: (ops) => written.push(...ops),
    range: () => undefined,
    close: () => undefined,
  };
  initVoteStore(catcher, nodeId, () => undefined);
  return written;
};

const createSystem = (chain: SimChain, scheme: SignatureScheme): System => ({
  freshVotes: (slot) => votesOf(chain.ids[slot] ?? new Uint8Array(32)),
  // Each incarnation has an executor of its own: its caches are memory, which a crash loses.
  boot: (ports, slot) =>
    createReplica(
      productOptions({
        name: `n${slot}`,
        genesis: chain.genesis,
        hasher: chain.hasher,
        verifySignature: (message, signature, publicKey) =>
          scheme.verify({ message, signature, publicKey }),
      }),
      ports,
    ),
});

export const SYSTEM: NetworkOptions = {
  createScheme: (scenario) => new KeyRing(scenario.seed, scenario.knobs.signer.randomised),
  createSystem,
};
