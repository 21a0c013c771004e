/**
 * A member that lies: it has the keys of a node of the network and speaks the protocol of sessions and of bulk as a
 * node does, but it runs no ledger, and in every chunk that it serves one byte is another. Arguments: the node's
 * configuration, and the file that is the object. Says "lying" when it serves.
 */
import { readFileSync } from "node:fs";
import { toHex } from "../../src/crypto/bytes.ts";
import { ChunkSet } from "../../src/crypto/objects/chunk-set.ts";
import { encodeManifest } from "../../src/crypto/objects/manifest.ts";
import { manifestStatement } from "../../src/crypto/objects/statements.ts";
import { CHUNK_BYTES, chunkCount, chunkHash, objectRoot } from "../../src/crypto/objects/tree.ts";
import { formatAddress } from "../../src/node/address.ts";
import { openBulk } from "../../src/node/bulk/open.ts";
import { loadConfig } from "../../src/node/config.ts";
import { nodePaths } from "../../src/node/folder.ts";
import { createMetrics } from "../../src/node/metrics.ts";
import { openVerifier, readGenesis } from "../../src/node/node.ts";
import { createLogger, realClock, realRandom, realTimers } from "../../src/node/real-ports.ts";
import { createInlineSigner } from "../../src/node/signing/signer.ts";
import { findSelf, readTlsIdentity, unlockKey } from "../../src/node/unlock.ts";
import { createQuicTransport } from "../../src/transport/mesh.ts";
import {
  decodeRequest,
  encodeHolding,
  encodeServedManifest,
  type ObjectRequest,
} from "../../src/transport/objects/messages.ts";

const [, , configPath = "", objectPath = ""] = process.argv;
const { config } = loadConfig(configPath, {}, process.env, process.cwd());
const chain = readGenesis(config.genesis);
const keys = await unlockKey(config, process.env, chain);
const tls = await readTlsIdentity(
  nodePaths(config.folder),
  findSelf(config, chain, keys.publicKey),
);
const logger = createLogger("human", "warn", "liar");
const { verifier } = await openVerifier(logger);
const signer = createInlineSigner(keys.secretKey);
const id = chain.hasher.ht("id", keys.publicKey);
const ports = {
  ...{ clock: realClock, timers: realTimers, random: realRandom },
  ...{ logger, metrics: createMetrics() },
};
const transport = await createQuicTransport({
  ...ports,
  listen: formatAddress(config.listen),
  identity: tls,
  self: toHex(id),
  security: {
    chainId: chain.genesis.chainId,
    genesisHash: chain.hash,
    idOf: (falconKey) => toHex(chain.hasher.ht("id", falconKey)),
    ...{ signer, verifier, version: "0" },
  },
  peers: chain.genesis.validators.map((one) => ({ ...one, id: toHex(one.id) })),
});

const bytes = new Uint8Array(readFileSync(objectPath));
const { length } = bytes;
const chunkAt = (index: number): Uint8Array =>
  bytes.subarray(index * CHUNK_BYTES, (index + 1) * CHUNK_BYTES);
const hashes = Array.from({ length: chunkCount(length) }, (_, i) => chunkHash(chunkAt(i)));
const root = objectRoot(length, hashes);
const manifest = encodeManifest({ length, hashes });

const answerTo = async (request: ObjectRequest): Promise<Uint8Array | undefined> => {
  if (toHex(request.root) !== toHex(root)) return undefined;
  if (request.kind === "have") {
    return encodeHolding({ length, chunks: ChunkSet.full(hashes.length) });
  }
  if (request.kind === "manifest") {
    const message = manifestStatement(chain.hasher, id, root, manifest);
    const signature = await new Promise<Uint8Array>((resolve) => signer.sign(message, resolve));
    return encodeServedManifest({ manifest, publicKey: keys.publicKey, signature });
  }
  const answer = new Uint8Array([0, ...chunkAt(request.index)]);
  answer[777] = (answer[777] ?? 0) ^ 1;
  return answer;
};

const bulk = openBulk({ config, self: toHex(id), transport, ...ports });
bulk.serve(async (_peer, name) => {
  const request = decodeRequest(name);
  const head = request.ok ? await answerTo(request.value) : undefined;
  return head === undefined ? undefined : { head, file: undefined };
});
// Of the ledger it says nothing and hears nothing.
transport.start({ peerUp: () => {}, peerDown: () => {}, frame: () => {} });
process.stdout.write("lying\n");
