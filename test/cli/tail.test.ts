import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, it, vi } from "vitest";
import { tail } from "../../src/cli/verbs/tail.ts";
import { toHex } from "../../src/crypto/bytes.ts";
import { formatGenesis, parseGenesis } from "../../src/ledger/genesis.ts";
import { serve, type TestServer } from "../client/support.ts";
import { genesisInput } from "../golden/fixtures.ts";
import { fakeContext } from "./fake-context.ts";

let folder: string | undefined;
let server: TestServer | undefined;
afterEach(async () => {
  vi.restoreAllMocks();
  await server?.close();
  if (folder !== undefined) rmSync(folder, { recursive: true });
});

it("--verify waits for no end of the log that a node makes up", async () => {
  const text = formatGenesis(genesisInput);
  const parsed = parseGenesis(text);
  if (!parsed.ok) throw new Error(parsed.detail);
  const { genesis, hash } = parsed.value;
  folder = mkdtempSync(join(tmpdir(), "tetrad-tail-"));
  writeFileSync(join(folder, "genesis.json"), text);
  server = await serve((request, response) => {
    const isStatus = (request.url ?? "").startsWith("/v1/status");
    const status = { chainId: genesis.chainId, genesisHash: toHex(hash), executedHeight: 1 };
    const body = isStatus
      ? { ...status, logSize: Number.MAX_SAFE_INTEGER }
      : { code: "proof.pending", detail: "not yet" };
    response.writeHead(isStatus ? 200 : 503, { "content-type": "application/json" });
    response.end(JSON.stringify(body));
  });
  const now = performance.now.bind(performance);
  vi.spyOn(performance, "now").mockImplementation(() => now() * 50);
  for (const from of [undefined, "end"]) {
    const { context } = fakeContext({ dir: folder, api: server.base, quiet: true });
    const options = { follow: true, verify: true, ...(from === undefined ? {} : { from }) };
    await expect(tail(context, options)).rejects.toMatchObject({ code: "trust.behind" });
  }
});
