/** What goes to others: no secret in it, and an archive that any tar opens. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, it } from "vitest";
import { redact } from "../../src/cli/redact.ts";
import { tarOf } from "../../src/cli/tar.ts";

it("takes known secrets out, wherever they stand", () => {
  const secret = fc.stringMatching(/^[A-Za-z0-9]{8,40}$/);
  fc.assert(
    fc.property(secret, fc.string(), fc.string(), (word, before, after) => {
      expect(redact(`${before}${word}${after}`, [word])).not.toContain(word);
    }),
  );
});

it("takes out private PEM blocks and what stands under the name of a secret", () => {
  const pem = "-----BEGIN PRIVATE KEY-----\nMIIabc\n-----END PRIVATE KEY-----";
  expect(redact(`x ${pem} y`, [])).toBe("x [redacted] y");
  expect(redact('{"passphrase":"abc","height":3}', [])).toBe(
    '{"passphrase":"[redacted]","height":3}',
  );
  expect(redact("secret_key = deadbeef\n", [])).toBe("secret_key = [redacted]\n");
  const certificate = "-----BEGIN CERTIFICATE-----\nMIIabc\n-----END CERTIFICATE-----";
  expect(redact(certificate, [])).toBe(certificate);
});

it("writes an archive that tar opens", () => {
  const folder = mkdtempSync(join(tmpdir(), "tetrad-tar-"));
  try {
    const files = [0, 1, 511, 512, 513, 5000].map((size) => ({
      name: `d/f${size}`,
      bytes: new Uint8Array(size).fill(size & 255),
    }));
    writeFileSync(join(folder, "x.tar"), tarOf(files, 1_700_000_000));
    execFileSync("tar", ["-xf", "x.tar"], { cwd: folder });
    for (const { name, bytes } of files) {
      expect(new Uint8Array(readFileSync(join(folder, name)))).toEqual(bytes);
    }
    expect(() => tarOf([{ name: "n".repeat(101), bytes: new Uint8Array(0) }], 0)).toThrow(
      RangeError,
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
