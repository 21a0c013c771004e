/** The API over TLS, by real sockets. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ApiTls, readApiTls } from "../../src/node/api/tls.ts";
import { createIdentityCertificate } from "../../src/transport/identity-certificate.ts";
import { createTestApi, type TestApi } from "./fake-ledger.ts";

const folder = mkdtempSync(join(tmpdir(), "tetrad-api-tls-"));
const certificate = join(folder, "api.crt");
const key = join(folder, "api.key");
const DAY_MS = 86_400_000;

const make = () =>
  createIdentityCertificate({
    nodeId: "ab".repeat(32),
    notBeforeMs: Date.now() - DAY_MS,
    notAfterMs: Date.now() + DAY_MS,
  });

let t: TestApi;
let port: number;
beforeAll(async () => {
  const made = make();
  writeFileSync(certificate, made.certPem);
  writeFileSync(key, made.keyPem, { mode: 0o600 });
  t = createTestApi(await readApiTls(certificate, key));
  port = (await t.api.listen({ host: "::1", port: 0 })).port;
});
afterAll(async () => {
  await t.api.stop();
  rmSync(folder, { recursive: true });
});

const get = (options: { readonly maxVersion?: "TLSv1.2" }): Promise<string> =>
  new Promise((resolve, reject) => {
    const asked = request(
      { host: "::1", port, path: "/v1/status", rejectUnauthorized: false, ...options },
      (response) => {
        let text = "";
        response.on("data", (piece) => {
          text += String(piece);
        });
        response.on("end", () => resolve(text));
      },
    );
    asked.on("error", reject);
    asked.end();
  });

describe("the API with a certificate", () => {
  it("answers over TLS 1.3, and to nothing older or plain", async () => {
    expect(JSON.parse(await get({}))).toMatchObject({ chainId: "fake-1" });
    await expect(get({ maxVersion: "TLSv1.2" })).rejects.toThrow(/protocol version|handshake/i);
    await expect(fetch(`http://[::1]:${port}/v1/status`)).rejects.toThrow();
  });
});

describe("reading the pair", () => {
  const refused = async (cert: string, keyFile: string): Promise<unknown> =>
    readApiTls(cert, keyFile).then(
      (pair: ApiTls | undefined) => pair,
      (error: { readonly code: string }) => error.code,
    );

  it("is none where none is named", async () => {
    expect(await readApiTls(undefined, undefined)).toBeUndefined();
  });

  it("refuses what is missing, no certificate, another's key, and a key that others may read", async () => {
    const other = join(folder, "other.key");
    writeFileSync(other, make().keyPem, { mode: 0o600 });
    const text = join(folder, "text");
    writeFileSync(text, "no certificate");
    expect(await refused(join(folder, "none"), key)).toBe("config.invalid");
    expect(await refused(folder, key)).toBe("config.invalid");
    expect(await refused(text, key)).toBe("config.invalid");
    expect(await refused(certificate, other)).toBe("config.invalid");
    chmodSync(other, 0o640);
    expect(await refused(certificate, other)).toBe("key.modes");
  });
});
