/** Nodes in one process with the keys, signer and verifier that a node has, for benchmarks without a ledger. */
import { toHex } from "../../src/crypto/bytes.ts";
import { type FalconVerifier, falconKeygen } from "../../src/crypto/falcon.ts";
import { createHasher, sha256 } from "../../src/crypto/hash.ts";
import type { PeerId } from "../../src/ledger/ports.ts";
import { createCheckedSigner } from "../../src/node/signing/checked-signer.ts";
import { createInlineVerifier } from "../../src/node/signing/inline-verifier.ts";
import { selectVerifier } from "../../src/node/signing/select-verifier.ts";
import { createWorkerSigner } from "../../src/node/signing/signer.ts";
import type { NodeSecurity } from "../../src/transport/secure-channel.ts";

const CHAIN_ID = "bench-1";
const hasher = createHasher(CHAIN_ID);

export type BenchNode = {
  readonly id: PeerId;
  readonly security: NodeSecurity;
  /** The same on the calling thread, for what is measured there. */
  readonly falcon: {
    readonly sign: (message: Uint8Array) => Uint8Array;
    readonly verifier: FalconVerifier;
  };
  close(): Promise<void>;
};

/** Node number n: its id is that of its key, as on every chain. */
export const benchNode = async (n: number): Promise<BenchNode> => {
  const keys = falconKeygen(new Uint8Array(48).fill(n + 1));
  const { verifier } = await selectVerifier();
  const onFault = (detail: string): never => {
    throw new Error(detail);
  };
  const checked = createCheckedSigner({ ...keys, verifier, onFault });
  const signer = await createWorkerSigner({ keys, onFailure: (error) => onFault(error.message) });
  const queue = createInlineVerifier(verifier);
  const idOf = (falconKey: Uint8Array): PeerId => toHex(hasher.ht("id", falconKey));
  return {
    id: idOf(keys.publicKey),
    security: {
      chainId: CHAIN_ID,
      genesisHash: sha256(new Uint8Array(0)),
      signer,
      verifier: queue,
      idOf,
      version: "bench",
    },
    falcon: { sign: (message) => checked.sign(message), verifier },
    close: async () => {
      await Promise.all([signer.close(), queue.close()]);
    },
  };
};
