import { afterEach, expect, it } from "vitest";
import { type AppendOptions, base64 } from "../../src/client/append.ts";
import { type Client, createClient } from "../../src/client/client.ts";
import { toHex } from "../../src/crypto/bytes.ts";
import { createHasher } from "../../src/crypto/hash.ts";
import { decodeBatch } from "../../src/ledger/batch.ts";
import { LIMITS } from "../../src/limits.ts";
import { checkpointOf, verifierOf, worldOf } from "./fake-node.ts";
import { serve, type TestServer } from "./support.ts";

const world = worldOf(6);
const genesisHash = toHex(world.genesisHash);

type LyingNode = TestServer & { readonly batches: Uint8Array[] };

const nodes: TestServer[] = [];
afterEach(async () => {
  await Promise.all(nodes.splice(0).map((node) => node.close()));
});

/** A node of the trusted genesis that names a chain, takes each batch, and answers with a code. */
const startLying = async (chainId: string, code?: string): Promise<LyingNode> => {
  const batches: Uint8Array[] = [];
  const server = await serve(async (request, response) => {
    const url = new URL(request.url ?? "/", "http://[::1]");
    const json = (body: unknown, status = 200): void => {
      const headers = { "content-type": "application/json", "ledger-genesis": genesisHash };
      response.writeHead(status, headers);
      response.end(JSON.stringify(body));
    };
    const zero = "00".repeat(32);
    if (url.pathname === "/v1/status") {
      const reference = { refHeight: 0, refHash: zero };
      return json({ chainId, genesisHash, executedHeight: 1, logSize: 6, ...reference });
    }
    if (url.pathname.startsWith("/v1/lanes/")) {
      const seq = code === undefined ? 0 : batches.length;
      return json({ laneSeq: 0, batchId: zero, pendingSeq: Math.max(0, seq - 1), pendingId: zero });
    }
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    batches.push(new Uint8Array(Buffer.concat(parts)));
    if (code !== undefined) return json({ code, detail: "so says the node" }, 409);
    json({ batchId: zero, level: "projected", height: 2, firstIndex: 6 });
  });
  nodes.push(server);
  return { ...server, batches };
};

const signerOf = () => {
  const signer = {
    publicKey: new Uint8Array(LIMITS.falconPublicKeyBytes).fill(9),
    signed: 0,
    async sign() {
      signer.signed += 1;
      return new Uint8Array(LIMITS.falconSignatureBytes);
    },
  };
  return signer;
};

const clientOf = (...servers: TestServer[]): Client =>
  createClient({
    baseUrl: servers.map(({ base }) => base),
    trust: { checkpoint: checkpointOf(world) },
    verifier: verifierOf(world),
  });

const append = (client: Client, options: AppendOptions) =>
  client.append(
    [{ type: "record.put", data: { topic: "notes", key: "first", body: base64("pay 5") } }],
    { patienceMs: 1_000, ...options },
  );

it("signs for no other chain than the trusted one, whatever a node calls itself", async () => {
  const node = await startLying("other-chain");
  const signer = signerOf();
  await expect(append(clientOf(node), { signer })).rejects.toMatchObject({
    code: "folder.foreign",
  });
  expect(signer.signed).toBe(0);
  expect(node.batches).toEqual([]);
});

it("goes on at a node that is of the trusted chain", async () => {
  const [other, node] = [await startLying("other-chain"), await startLying(world.chainId)];
  const signer = signerOf();
  const [appended] = await append(clientOf(other, node), { signer });
  expect(appended).toMatchObject({ index: 6, height: 2 });
  expect(other.batches).toEqual([]);
  const [batch] = node.batches;
  const hasher = createHasher(world.chainId);
  expect(decodeBatch(hasher, batch ?? new Uint8Array(0))).toMatchObject({ ok: true });
});

it.each(["batch.expired", "batch.ref-mismatch"])(
  "signs no more than twice for a node that answers %s for ever",
  async (code) => {
    const node = await startLying(world.chainId, code);
    const signer = signerOf();
    await expect(append(clientOf(node), { signer })).rejects.toMatchObject({ code });
    expect(signer.signed).toBe(2);
    expect(node.batches).toHaveLength(2);
  },
);
