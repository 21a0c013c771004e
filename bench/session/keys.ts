/** FALCON keys of nodes in one process, for benchmarks that need sessions and no ledger. */
import { toHex } from "../../src/crypto/bytes.ts";
import { falconKeygen, nobleVerifier } from "../../src/crypto/falcon.ts";
import { createHasher, sha256 } from "../../src/crypto/hash.ts";
import type { PeerId } from "../../src/ledger/ports.ts";
import { createInlineVerifier } from "../../src/node/signing/inline-verifier.ts";
import { createInlineSigner } from "../../src/node/signing/signer.ts";
import type { NodeSecurity } from "../../src/transport/secure-channel.ts";

const CHAIN_ID = "bench-1";
const hasher = createHasher(CHAIN_ID);

export type BenchNode = { readonly id: PeerId; readonly security: NodeSecurity };

/** Node number n: its id is that of its key, as on every chain. */
export const benchNode = (n: number): BenchNode => {
  const keys = falconKeygen(new Uint8Array(48).fill(n + 1));
  const idOf = (falconKey: Uint8Array): PeerId => toHex(hasher.ht("id", falconKey));
  return {
    id: idOf(keys.publicKey),
    security: {
      chainId: CHAIN_ID,
      genesisHash: sha256(new Uint8Array(0)),
      signer: createInlineSigner(keys.secretKey),
      verifier: createInlineVerifier(nobleVerifier),
      idOf,
      version: "bench",
    },
  };
};
