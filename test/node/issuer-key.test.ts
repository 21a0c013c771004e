/** The file of an issuer's key: sealed, private, and closed after any change. */
import { randomBytes, verify } from "node:crypto";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { toHex } from "../../src/crypto/bytes.ts";
import { checkIssuerKey, createIssuerKey, loadIssuerKey } from "../../src/node/ca/issuer-key.ts";
import { openSealedKey } from "../../src/node/sealed-keys.ts";

const folder = mkdtempSync(join(tmpdir(), "tetrad-issuer-"));
const path = join(folder, "issuer-ca.key");
let bytes: Uint8Array;

beforeAll(async () => {
  await createIssuerKey(path, "correct horse", randomBytes);
  bytes = new Uint8Array(readFileSync(path));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("an issuer's key file", () => {
  it("is private, and signs after it was opened", async () => {
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const signer = await loadIssuerKey(path, "correct horse");
    const body = randomBytes(300);
    const signature = await signer.sign(body);
    expect(signature.length).toBe(64);
    const key = { key: Buffer.from(signer.spki), format: "der", type: "spki" } as const;
    const seen = verify("sha256", body, { ...key, dsaEncoding: "ieee-p1363" }, signature);
    expect(seen).toBe(true);
  });

  it("is opened by a passphrase that the product has drawn without stretching it", async () => {
    const drawn = toHex(new Uint8Array(32).fill(7));
    const copy = join(folder, "drawn.key");
    await createIssuerKey(copy, drawn, randomBytes);
    expect([await checkIssuerKey(copy), await checkIssuerKey(path)]).toEqual(["hkdf", "scrypt"]);
    expect((await loadIssuerKey(copy, drawn)).spki.length).toBeGreaterThan(64);
    const other = `${drawn.slice(1)}8`;
    await expect(loadIssuerKey(copy, other)).rejects.toMatchObject({ code: "key.invalid" });
  });

  it("is stretched in an export, which goes elsewhere, whatever its passphrase is", async () => {
    const drawn = toHex(new Uint8Array(32).fill(7));
    const key = await openSealedKey(path, "correct horse");
    const version = (sealed: Uint8Array): number => sealed[14] ?? 0;
    expect(version(await key.seal(drawn))).toBe(2);
    const exported = await key.seal(drawn, "scrypt");
    expect(version(exported)).toBe(1);
    const copy = join(folder, "exported.key");
    writeFileSync(copy, exported, { mode: 0o600 });
    expect((await loadIssuerKey(copy, drawn)).spki.length).toBeGreaterThan(64);
    key.wipe();
  });

  it("is not replaced", async () => {
    await expect(createIssuerKey(path, "x", randomBytes)).rejects.toMatchObject({
      code: "key.exists",
    });
  });

  it("stays closed for another passphrase, after any change, and when others can read it", async () => {
    await expect(loadIssuerKey(path, "wrong")).rejects.toMatchObject({ code: "key.invalid" });
    const copy = join(folder, "copy.key");
    for (const at of [0, 14, 20, 40, 44, 60, bytes.length - 1]) {
      const changed = bytes.slice();
      changed[at] = (changed[at] ?? 0) ^ 1;
      writeFileSync(copy, changed, { mode: 0o600 });
      await expect(loadIssuerKey(copy, "correct horse"), `byte ${at}`).rejects.toMatchObject({
        code: "key.invalid",
      });
    }
    for (const length of [0, 5, 43, bytes.length - 1]) {
      writeFileSync(copy, bytes.subarray(0, length), { mode: 0o600 });
      await expect(loadIssuerKey(copy, "correct horse")).rejects.toMatchObject({
        code: "key.invalid",
      });
    }
    writeFileSync(copy, bytes);
    chmodSync(copy, 0o644);
    await expect(loadIssuerKey(copy, "correct horse")).rejects.toMatchObject({ code: "key.modes" });
  });
});
