import { execFileSync } from "node:child_process";
import { createHmac, randomBytes } from "node:crypto";
import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { toHex } from "../../src/crypto/bytes.ts";
import { type FalconKeyPair, falconKeygen } from "../../src/crypto/falcon.ts";
import { loadFalconWasm, type WasmFalcon } from "../../src/crypto/falcon-wasm.ts";
import type { ErrorCode } from "../../src/errors.ts";
import { LIMITS } from "../../src/limits.ts";
import {
  createKeyFile,
  loadKeyFile,
  readPublicKey,
  readSealed,
  sealKeyFile,
} from "../../src/node/keys/key-file.ts";
import {
  createPassphraseFile,
  passphrasePath,
  readPassphrase,
} from "../../src/node/keys/passphrase.ts";
import {
  createPrivateFile,
  readPrivateFile,
  replacePrivateFile,
  replacePrivateFiles,
} from "../../src/node/keys/private-file.ts";
import { derivationFor, deriveKey, SALT_BYTES } from "../../src/node/keys/sealing.ts";
import { openSealedKey } from "../../src/node/sealed-keys.ts";

let root: string;
let folder: string;
let count = 0;
let wasm: WasmFalcon;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "tetrad-keys-"));
  wasm = await loadFalconWasm();
});
afterAll(() => rm(root, { recursive: true, force: true }));
beforeEach(() => {
  count += 1;
  folder = join(root, `keys${count}`);
});

const refusal = (code: ErrorCode) => expect.objectContaining({ name: "TetradError", code });
const create = (path: string, passphrase: string): Promise<FalconKeyPair> =>
  createKeyFile(path, passphrase, randomBytes, { keygen: () => wasm.keygen() });
const modeOf = async (path: string): Promise<string> =>
  ((await stat(path)).mode & 0o777).toString(8);

describe("key files", () => {
  it("give back the keys that were made, in a private file in a private folder", async () => {
    const path = join(folder, "node.key");
    const made = await create(path, "correct horse");
    expect([await modeOf(path), await modeOf(folder)]).toEqual(["600", "700"]);
    expect(await readdir(folder)).toEqual(["node.key"]);
    const loaded = await loadKeyFile(path, "correct horse");
    expect(toHex(loaded.secretKey)).toBe(toHex(made.secretKey));
    expect(toHex(loaded.publicKey)).toBe(toHex(made.publicKey));
    expect(toHex(await readPublicKey(path))).toBe(toHex(made.publicKey));
  });

  it("are stretched under a passphrase of a person, and not under one that was drawn", async () => {
    await mkdir(folder, { mode: 0o700 });
    const drawn = await createPassphraseFile(folder, randomBytes);
    for (const other of [drawn.slice(1), `${drawn}0`, `${drawn.slice(1)}A`, "correct horse", ""]) {
      expect(derivationFor(other), other).toBe("scrypt");
    }
    expect(derivationFor(drawn)).toBe("hkdf");
    for (const [passphrase, derivation] of [
      [drawn, "hkdf"],
      ["correct horse", "scrypt"],
    ] as const) {
      const path = join(folder, `${derivation}.key`);
      const made = await create(path, passphrase);
      expect((await readSealed(path)).derivation).toBe(derivation);
      expect(toHex((await loadKeyFile(path, passphrase)).secretKey)).toBe(toHex(made.secretKey));
    }
    const wrong = `${drawn.slice(1)}0`;
    await expect(loadKeyFile(join(folder, "hkdf.key"), wrong)).rejects.toEqual(
      refusal("key.invalid"),
    );
  });

  it("derive what RFC 5869 says of a drawn passphrase: a key of the salt", async () => {
    const drawn = toHex(new Uint8Array(32).fill(7));
    const salt = new Uint8Array(SALT_BYTES).fill(9);
    const prk = createHmac("sha256", salt).update(drawn).digest();
    const okm = createHmac("sha256", prk).update("tetrad/sealing/v1").update(Buffer.of(1)).digest();
    expect(toHex(await deriveKey(drawn, salt, "hkdf"))).toBe(okm.toString("hex"));
    expect(toHex(await deriveKey(drawn, salt, "scrypt"))).not.toBe(okm.toString("hex"));
  });

  it("come from the given randomness alone when no generator is given", async () => {
    const zeros = (length: number): Uint8Array => new Uint8Array(length).fill(5);
    const made = await createKeyFile(join(folder, "a.key"), "p", zeros);
    const again = await createKeyFile(join(folder, "b.key"), "p", zeros);
    expect(toHex(made.secretKey)).toBe(toHex(falconKeygen(zeros(48)).secretKey));
    expect(toHex(again.publicKey)).toBe(toHex(made.publicKey));
    const files = [join(folder, "a.key"), join(folder, "b.key")].map((path) => readFile(path));
    const [a, b] = await Promise.all(files);
    expect(a?.equals(b ?? Buffer.of())).toBe(true);
  });

  it("refuse another passphrase; composed and decomposed text is one passphrase", async () => {
    const path = join(folder, "node.key");
    const made = await create(path, "caf\u00e9");
    for (const wrong of ["cafe", "caf\u00e9 "]) {
      await expect(loadKeyFile(path, wrong)).rejects.toEqual(refusal("key.invalid"));
    }
    const loaded = await loadKeyFile(path, "cafe\u0301");
    expect(toHex(loaded.secretKey)).toBe(toHex(made.secretKey));
    await expect(loadKeyFile(path, "")).rejects.toEqual(refusal("key.invalid"));
    await expect(create(join(folder, "b.key"), "")).rejects.toEqual(refusal("key.invalid"));
  });

  it("refuse a changed byte in every part, cut and longer files", async () => {
    const path = join(folder, "node.key");
    await create(path, "p");
    const good = await readFile(path);
    // Magic, version, use, mark, salt, nonce, public key, sealed key, tag; key-format's test tries every byte.
    for (const at of [0, 11, 12, 13, 14, 30, 42, 1835, 4155]) {
      const changed = Buffer.from(good);
      changed[at] = (changed[at] ?? 0) ^ 1;
      await writeFile(path, changed);
      await expect(loadKeyFile(path, "p")).rejects.toEqual(refusal("key.invalid"));
    }
    for (const bytes of [Buffer.of(), good.subarray(1), Buffer.concat([good, Buffer.of(0)])]) {
      await writeFile(path, bytes);
      await expect(loadKeyFile(path, "p")).rejects.toEqual(refusal("key.invalid"));
      await expect(readPublicKey(path)).rejects.toEqual(refusal("key.invalid"));
    }
    await writeFile(path, good);
    await loadKeyFile(path, "p");
  });

  it("are not made from a pair that does not belong together", async () => {
    const keygen = () => ({ ...wasm.keygen(), publicKey: wasm.keygen().publicKey });
    const path = join(folder, "node.key");
    const made = createKeyFile(path, "p", randomBytes, { keygen });
    await expect(made).rejects.toEqual(refusal("internal"));
    await expect(readPublicKey(path)).rejects.toEqual(refusal("key.invalid"));
  });

  it("say whose they are and whether they are for development", async () => {
    const path = join(folder, "node.key");
    const mark = { use: "validator", development: true } as const;
    await createKeyFile(path, "p", randomBytes, { ...mark, keygen: () => wasm.keygen() });
    expect(await loadKeyFile(path, "p")).toMatchObject(mark);
    const plain = join(folder, "plain.key");
    await create(plain, "p");
    expect(await loadKeyFile(plain, "p")).toMatchObject({ use: "actor", development: false });
  });

  it("are sealed anew in one step, with everything else as it was", async () => {
    const path = join(folder, "node.key");
    const mark = { use: "validator", development: true } as const;
    await createKeyFile(path, "old", randomBytes, { ...mark, keygen: () => wasm.keygen() });
    const key = await loadKeyFile(path, "old");
    const before = await readFile(path);
    const bytes = await sealKeyFile(key, key, "new", randomBytes);
    await replacePrivateFile(path, bytes);
    await expect(loadKeyFile(path, "old")).rejects.toEqual(refusal("key.invalid"));
    const loaded = await loadKeyFile(path, "new");
    expect(loaded).toMatchObject(mark);
    expect(toHex(loaded.secretKey)).toBe(toHex(key.secretKey));
    expect([await modeOf(path), await readdir(folder)]).toEqual(["600", ["node.key"]]);
    // A salt and a nonce of its own: nothing of the sealed part is as it was.
    expect((await readFile(path)).subarray(1835, 1867)).not.toEqual(before.subarray(1835, 1867));
    const none = join(folder, "none.key");
    await expect(replacePrivateFile(none, bytes)).rejects.toEqual(refusal("key.invalid"));
    // Of several, none is changed where one of them cannot be.
    const both = [
      { path, bytes: before },
      { path: none, bytes: before },
    ];
    await expect(replacePrivateFiles(both)).rejects.toEqual(refusal("key.invalid"));
    expect(await loadKeyFile(path, "new")).toMatchObject(mark);
    expect(await readdir(folder)).toEqual(["node.key"]);
  });

  it("are never overwritten", async () => {
    const path = join(folder, "node.key");
    const made = await create(path, "p");
    await expect(create(path, "p")).rejects.toEqual(refusal("key.exists"));
    expect(toHex((await loadKeyFile(path, "p")).secretKey)).toBe(toHex(made.secretKey));
    expect(await readdir(folder)).toEqual(["node.key"]);
  });

  it("made by two at once: one wins whole, the other is told", async () => {
    const path = join(folder, "node.key");
    const results = await Promise.allSettled([create(path, "p"), create(path, "p")]);
    const won = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
    expect(won).toHaveLength(1);
    const loaded = await loadKeyFile(path, "p");
    expect(toHex(loaded.publicKey)).toBe(toHex(won[0]?.publicKey ?? new Uint8Array()));
  });
});

describe("private files", () => {
  it("are refused when group or others have any access to file or folder", async () => {
    const path = join(folder, "secret");
    await createPrivateFile(path, Uint8Array.of(1, 2, 3));
    for (const mode of [0o640, 0o620, 0o610, 0o604, 0o602, 0o601, 0o644, 0o777]) {
      await chmod(path, mode);
      await expect(readPrivateFile(path, 10)).rejects.toEqual(refusal("key.modes"));
    }
    for (const mode of [0o600, 0o400, 0o700]) {
      await chmod(path, mode);
      expect([...(await readPrivateFile(path, 10))]).toEqual([1, 2, 3]);
    }
    for (const mode of [0o750, 0o755, 0o701, 0o1777]) {
      await chmod(folder, mode);
      await expect(readPrivateFile(path, 10)).rejects.toEqual(refusal("key.modes"));
      const other = join(folder, "other");
      await expect(createPrivateFile(other, Uint8Array.of(1))).rejects.toEqual(
        refusal("key.modes"),
      );
    }
    await chmod(folder, 0o700);
    expect(await readdir(folder)).toEqual(["secret"]);
  });

  it("say in the error what to run", async () => {
    const path = join(folder, "secret");
    await createPrivateFile(path, Uint8Array.of(1));
    await chmod(path, 0o644);
    await expect(readPrivateFile(path, 10)).rejects.toThrow(`chmod 0600 ${path}`);
  });

  it("name the folder and its mode where that is what is wrong", async () => {
    const path = join(folder, "secret");
    await createPrivateFile(path, Uint8Array.of(1));
    await chmod(folder, 0o755);
    const told = `${folder} has mode 0755: others have access; run chmod 0700 ${folder}`;
    await expect(readPrivateFile(path, 10)).rejects.toThrow(told);
    await expect(createPrivateFile(join(folder, "new"), new Uint8Array(1))).rejects.toThrow(told);
  });

  it("are refused as no keys, whatever their modes, before anybody is told to change them", async () => {
    await mkdir(folder);
    const path = join(folder, "README.md");
    for (const text of ["# Tetrad\n", "tetrad", ""]) {
      await writeFile(path, text, { mode: 0o644 });
      await chmod(folder, 0o755);
      const told = { code: "key.invalid", message: `${path} is no key file` };
      await expect(readPublicKey(path)).rejects.toMatchObject(told);
      await expect(openSealedKey(path, "p")).rejects.toMatchObject(told);
    }
  });

  it("are private whatever the umask is", async () => {
    const before = process.platform === "win32" ? undefined : process.umask();
    expect(before).toBeDefined();
    const script = [
      "process.umask(0o277);",
      `const { createPrivateFile } = await import(${JSON.stringify(moduleUrl)});`,
      `await createPrivateFile(${JSON.stringify(join(folder, "secret"))}, Uint8Array.of(7));`,
    ].join("\n");
    await mkdir(folder, { mode: 0o700 });
    execFileSync(process.execPath, ["--input-type=module", "-e", script]);
    expect(await modeOf(join(folder, "secret"))).toBe("600");
  });

  it("are checked on the file that a link leads to", async () => {
    const path = join(folder, "secret");
    await createPrivateFile(path, Uint8Array.of(1));
    await symlink(path, join(folder, "link"));
    expect([...(await readPrivateFile(join(folder, "link"), 10))]).toEqual([1]);
    await chmod(path, 0o644);
    await expect(readPrivateFile(join(folder, "link"), 10)).rejects.toEqual(refusal("key.modes"));
  });

  it("are refused when missing, over the limit, a folder or a named pipe", async () => {
    const path = join(folder, "secret");
    await createPrivateFile(path, new Uint8Array(10));
    expect((await readPrivateFile(path, 10)).length).toBe(10);
    await expect(readPrivateFile(path, 9)).rejects.toEqual(refusal("key.invalid"));
    await expect(readPrivateFile(join(folder, "no"), 9)).rejects.toThrow("does not exist");
    await expect(readPrivateFile(folder, 9)).rejects.toEqual(refusal("key.invalid"));
    execFileSync("mkfifo", ["-m", "600", join(folder, "pipe")]);
    await expect(readPrivateFile(join(folder, "pipe"), 9)).rejects.toEqual(refusal("key.invalid"));
  });

  it("that cannot be written say so and leave nothing behind", async () => {
    await createPrivateFile(join(folder, "file"), Uint8Array.of(1));
    const below = join(folder, "file", "x");
    await expect(createPrivateFile(below, Uint8Array.of(1))).rejects.toEqual(refusal("store.io"));
    const tooLong = join(folder, "n".repeat(300));
    await expect(createPrivateFile(tooLong, Uint8Array.of(1))).rejects.toEqual(refusal("store.io"));
    expect(await readdir(folder)).toEqual(["file"]);
  });
});

describe("passphrases", () => {
  it("come from the environment first, then from the file beside the keys", async () => {
    const made = await createPassphraseFile(folder, randomBytes);
    expect(made).toMatch(/^[0-9a-f]{64}$/);
    expect(await modeOf(passphrasePath(folder))).toBe("600");
    expect(await readPassphrase(folder, {})).toBe(made);
    expect(await readPassphrase(folder, { NEXUS_PASSPHRASE: "" })).toBe(made);
    expect(await readPassphrase(folder, { NEXUS_PASSPHRASE: "given" })).toBe("given");
    await expect(createPassphraseFile(folder, randomBytes)).rejects.toEqual(refusal("key.exists"));
  });

  it("come from another file when one is named; one line end is not part of them", async () => {
    const other = join(folder, "elsewhere");
    for (const [text, passphrase] of [
      ["a b\n", "a b"],
      ["a b\r\n", "a b"],
      ["a b", "a b"],
      [" a\n\n", " a\n"],
    ] as const) {
      await rm(other, { force: true });
      await createPrivateFile(other, new TextEncoder().encode(text));
      expect(await readPassphrase(folder, {}, other)).toBe(passphrase);
    }
  });

  it("come from a credential of systemd before the file beside the keys, and after a named one", async () => {
    await createPassphraseFile(folder, randomBytes);
    const credentials = join(folder, "credentials");
    const path = join(credentials, "tetrad-passphrase");
    await createPrivateFile(path, new TextEncoder().encode("given by systemd\n"));
    const env = { CREDENTIALS_DIRECTORY: credentials };
    expect(await readPassphrase(folder, env)).toBe("given by systemd");
    expect(await readPassphrase(folder, { ...env, NEXUS_PASSPHRASE: "text" })).toBe("text");
    const named = join(folder, "named");
    await createPrivateFile(named, new TextEncoder().encode("named"));
    expect(await readPassphrase(folder, env, named)).toBe("named");
    // A file of the system's: /etc and /run/secrets are open to look into, but to nobody's files.
    await chmod(folder, 0o755);
    expect(await readPassphrase(folder, {}, named)).toBe("named");
    await chmod(folder, 0o775);
    await expect(readPassphrase(folder, {}, named)).rejects.toEqual(refusal("key.modes"));
    await chmod(folder, 0o755);
    await chmod(named, 0o640);
    await expect(readPassphrase(folder, {}, named)).rejects.toEqual(refusal("key.modes"));
    await chmod(folder, 0o700);
    // An access list for the service's user shows as permissions of the group.
    await chmod(path, 0o440);
    await chmod(credentials, 0o550);
    expect(await readPassphrase(folder, env)).toBe("given by systemd");
    for (const mode of [0o444, 0o460, 0o404]) {
      await chmod(path, mode);
      await expect(readPassphrase(folder, env)).rejects.toEqual(refusal("key.modes"));
    }
    const none = { CREDENTIALS_DIRECTORY: join(folder, "none") };
    expect(await readPassphrase(folder, none)).toMatch(/^[0-9a-f]{64}$/);
    await chmod(credentials, 0o700);
  });

  it("that are missing, empty, too long, no text or readable by others are refused", async () => {
    await expect(readPassphrase(folder, {})).rejects.toThrow("set NEXUS_PASSPHRASE");
    const path = passphrasePath(folder);
    const over = Buffer.alloc(LIMITS.passphraseBytesMax + 1, 65);
    for (const bytes of [Buffer.of(), Buffer.from("\n"), over, Buffer.of(0xff)]) {
      await rm(path, { force: true });
      await createPrivateFile(path, bytes);
      await expect(readPassphrase(folder, {})).rejects.toEqual(refusal("key.invalid"));
    }
    await rm(path);
    await createPrivateFile(path, over.subarray(1));
    expect(await readPassphrase(folder, {})).toHaveLength(LIMITS.passphraseBytesMax);
    await rm(path);
    await createPassphraseFile(folder, randomBytes);
    await chmod(path, 0o640);
    await expect(readPassphrase(folder, {})).rejects.toEqual(refusal("key.modes"));
  });
});

const moduleUrl = new URL("../../src/node/keys/private-file.ts", import.meta.url).href;
