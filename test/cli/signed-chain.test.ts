/** What a command signs is for the chain of the folder's genesis, whatever the node calls itself. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { append } from "../../src/cli/verbs/append.ts";
import { toHex } from "../../src/crypto/bytes.ts";
import { formatGenesis, parseGenesis } from "../../src/ledger/genesis.ts";
import { createKeyFile } from "../../src/node/keys/key-file.ts";
import { passphrasePath } from "../../src/node/keys/passphrase.ts";
import { serve, type TestServer } from "../client/support.ts";
import { keptKeys } from "../crypto/kept-keys.ts";
import { genesisInput } from "../golden/fixtures.ts";
import { fakeContext } from "./fake-context.ts";

const text = formatGenesis(genesisInput);
const parsed = parseGenesis(text);
if (!parsed.ok) throw new Error(parsed.detail);
const { genesis, hash } = parsed.value;

let folder: string;
let server: TestServer;
let chainId: string;
let posts: number;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "tetrad-signed-chain-"));
  const key = join(folder, "signer.key");
  const random = (length: number): Uint8Array => new Uint8Array(length).fill(7);
  await createKeyFile(key, "a passphrase of the test", random, { keygen: () => keptKeys(7) });
  writeFileSync(passphrasePath(folder), "a passphrase of the test\n", { mode: 0o600 });
  posts = 0;
  const zero = "00".repeat(32);
  server = await serve((request, response) => {
    const path = new URL(request.url ?? "/", "http://[::1]").pathname;
    const status = { chainId, genesisHash: toHex(hash), executedHeight: 1, logSize: 0 };
    const lane = { laneSeq: 0, batchId: zero, pendingSeq: 0, pendingId: zero };
    const receipt = { batchId: zero, level: "accepted" };
    if (request.method === "POST") posts += 1;
    const body =
      path === "/v1/status"
        ? { ...status, refHeight: 0, refHash: zero }
        : path.startsWith("/v1/lanes/")
          ? lane
          : receipt;
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify(body));
  });
});
afterEach(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

const write = (dir: string): Promise<void> => {
  const { context } = fakeContext({ dir, api: server.base, quiet: true });
  const key = join(folder, "signer.key");
  return append(context, { wait: "accepted", key, timeout: 2 }, "notes/first", "pay 5");
};

it("is that of the genesis in --dir", async () => {
  writeFileSync(join(folder, "genesis.json"), text);
  chainId = "other-chain";
  await expect(write(folder)).rejects.toMatchObject({ code: "folder.foreign" });
  expect(posts).toBe(0);
  expect(readdirSync(join(folder, "signer.key.outbox"))).not.toContain("0000000000000001.batch");
  chainId = genesis.chainId;
  await write(folder);
  expect(posts).toBe(1);
});

it("is the node's where no genesis is given", async () => {
  chainId = "other-chain";
  await write(join(folder, "none"));
  expect(posts).toBe(1);
});
