/** The system under test: the replica and the rules of production, under the stub signatures. */

import type { Store, StoreOp } from "../src/ledger/ports.ts";
import type { Projection } from "../src/ledger/projection.ts";
import {
  createReplica,
  initVoteStore,
  type ReplicaOptions,
} from "../src/ledger/replica/replica.ts";
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
    snapshot: () => ({
      get: () => undefined,
      range: () => undefined,
      isGone: () => false,
      release: () => undefined,
    }),
    close: () => undefined,
  };
  initVoteStore(catcher, nodeId, () => undefined);
  return written;
};

const createSystem = (
  chain: SimChain,
  scheme: SignatureScheme,
  further: readonly Projection[],
): System => {
  const { genesis, hasher, hash } = chain;
  const optionsOf = (name: string): ReplicaOptions =>
    productOptions({
      name,
      genesis,
      hasher,
      verifySignature: (signature, message, publicKey) =>
        scheme.verify({ message, signature, publicKey }),
      further,
    });
  return {
    freshVotes: (slot) => votesOf(chain.ids[slot] ?? new Uint8Array(32)),
    boot: (ports, slot) => createReplica(optionsOf(`n${slot}`), ports),
    rules: () => {
      const { registry, executor, nextSet } = optionsOf("replay");
      return { genesis, genesisHash: hash, hasher, registry, executor, nextSet };
    },
  };
};

/** The product, with further projections of one's own. */
export const systemWith = (further: readonly Projection[]): NetworkOptions => ({
  createScheme: (scenario, shares) =>
    new KeyRing(scenario.seed, scenario.knobs.signer.randomised, shares),
  createSystem: (chain, scheme) => createSystem(chain, scheme, further),
});

export const SYSTEM: NetworkOptions = systemWith([]);
