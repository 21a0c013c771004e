import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { toHex } from "../../src/crypto/bytes.ts";
import type { FalconKeyPair } from "../../src/crypto/falcon.ts";
import { loadFalconWasm } from "../../src/crypto/falcon-wasm.ts";
import { createHasher } from "../../src/crypto/hash.ts";
import { ERRORS, type ErrorCode, TetradError } from "../../src/errors.ts";
import { LIMITS } from "../../src/limits.ts";
import { deriveIvrfSecret } from "../../src/node/beacon/ivrf-secret.ts";
import { makeIvrfKey } from "../../src/node/beacon/make-key.ts";
import { fileError, makeNodeFolder, nodePaths, writeFileAtomic } from "../../src/node/folder.ts";
import {
  BEACON_DEPTH,
  createIdentity,
  formatIdentity,
  type Identity,
  parseIdentity,
  readIdentity,
} from "../../src/node/identity.ts";
import { loadKeyFile } from "../../src/node/keys/key-file.ts";
import { readPassphrase } from "../../src/node/keys/passphrase.ts";
import { makeGenesis, partsOf } from "../../src/node/make-genesis.ts";
import { STAKE_PROFILES } from "../../src/proofs/stake/parameters.ts";
import { WORK_PROFILES } from "../../src/proofs/work/index.ts";

const folder = mkdtempSync(join(tmpdir(), "tetrad-identity-"));
afterAll(() => rmSync(folder, { recursive: true }));

let keygen: () => FalconKeyPair;
beforeAll(async () => {
  const wasm = await loadFalconWasm();
  keygen = () => wasm.keygen();
});

const codeOf = async (run: () => unknown): Promise<ErrorCode | undefined> => {
  try {
    await run();
    return undefined;
  } catch (error) {
    if (error instanceof TetradError) return error.code;
    throw error;
  }
};

const create = (name: string, address = "[::1]:4440"): Promise<Identity> => {
  const paths = nodePaths(join(folder, name));
  return createIdentity({ paths, name, address, nowMs: Date.now(), env: {}, keygen });
};

const sample: Identity = {
  format: 1,
  name: "a",
  address: "[2001:db8::1]:4440",
  tlsPin: new Uint8Array(randomBytes(32)),
  publicKey: new Uint8Array(randomBytes(LIMITS.falconPublicKeyBytes)),
  ed25519Key: new Uint8Array(randomBytes(LIMITS.ed25519PublicKeyBytes)),
  mlDsa44Key: new Uint8Array(randomBytes(LIMITS.mlDsa44PublicKeyBytes)),
};

describe("identities", () => {
  it("are made with private keys, a passphrase that opens them, and a mark that nothing was signed", async () => {
    const identity = await create("a");
    const paths = nodePaths(join(folder, "a"));
    expect(readIdentity(paths.identity)).toEqual(identity);
    for (const path of [paths.keys, paths.nodeKey, paths.tlsKey, paths.tlsCertificate]) {
      expect(statSync(path).mode & 0o077, path).toBe(0);
    }
    expect(statSync(paths.keys).mode & 0o777).toBe(0o700);
    expect(existsSync(paths.unused)).toBe(true);
    const keys = await loadKeyFile(paths.nodeKey, await readPassphrase(paths.keys, {}));
    expect(keys.publicKey).toEqual(identity.publicKey);
    const text = readFileSync(paths.identity, "utf8");
    expect(text).not.toContain(toHex(keys.secretKey).slice(0, 64));
  });

  it("are never made over others", async () => {
    await create("b");
    const before = readFileSync(nodePaths(join(folder, "b")).nodeKey);
    expect(await codeOf(() => create("b"))).toBe("key.exists");
    expect(readFileSync(nodePaths(join(folder, "b")).nodeKey)).toEqual(before);
  });

  it("are refused, before anything is written, for a wrong name or address", async () => {
    expect(await codeOf(() => create("Bad Name"))).toBe("config.invalid");
    expect(await codeOf(() => create("v4", "127.0.0.1:4440"))).toBe("transport.ipv4");
    expect(await codeOf(() => create("any", "[::]:4440"))).toBe("transport.address");
    expect(await codeOf(() => create("many", "[ff02::1]:4440"))).toBe("transport.address");
    for (const name of ["v4", "any", "many"]) expect(existsSync(join(folder, name))).toBe(false);
    // What a user has typed is wrong; nobody was asked and nothing is unreachable.
    for (const code of ["transport.ipv4", "transport.address"] as const) {
      expect(ERRORS[code].exitCode).toBe(1);
    }
  });

  it("are read back as written, and refused with anything changed that they need", async () => {
    expect(parseIdentity(formatIdentity(sample), "x")).toEqual(sample);
    const json = JSON.parse(formatIdentity(sample)) as Record<string, unknown>;
    for (const [key, value] of [
      ["format", 2],
      ["name", "A"],
      ["name", 3],
      ["address", "[::1]"],
      ["tlsPin", "00"],
      ["tlsPin", String(json["tlsPin"]).toUpperCase().replace(/^../, "AB")],
      ["publicKey", ""],
      ["ed25519Key", "00"],
      ["mlDsa44Key", "00"],
      ["extra", 1],
    ] as const) {
      const text = JSON.stringify({ ...json, [key]: value });
      expect(await codeOf(() => parseIdentity(text, "x")), key).toMatch(/^(config|transport)\./);
    }
  });

  it("survive arbitrary files", async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.string(), fc.json()), async (text) => {
        expect(await codeOf(() => parseIdentity(text, "x"))).toBe("config.invalid");
      }),
    );
    expect(await codeOf(() => parseIdentity(" ".repeat(20_000), "x"))).toBe("config.invalid");
  });

  it("make one genesis in whatever order they come, and none when two share a name or a key", async () => {
    const others = ["b", "c", "d"].map((name, i) => ({
      ...sample,
      name,
      address: `[::1]:${5000 + i}`,
      publicKey: new Uint8Array(randomBytes(LIMITS.falconPublicKeyBytes)),
      tlsPin: new Uint8Array(randomBytes(32)),
      ed25519Key: new Uint8Array(randomBytes(LIMITS.ed25519PublicKeyBytes)),
      mlDsa44Key: new Uint8Array(randomBytes(LIMITS.mlDsa44PublicKeyBytes)),
    }));
    const chain = { chainId: "t-1", timeMs: 1_790_000_000_000, insecure: false, actors: [] };
    const one = makeGenesis({ ...chain, identities: [sample, ...others] }).parsed;
    const two = makeGenesis({ ...chain, identities: [...others, sample].reverse() }).parsed;
    expect(two.hash).toEqual(one.hash);
    const twice = { ...chain, identities: [sample, sample] };
    expect(await codeOf(() => makeGenesis(twice))).toBe("config.genesis");
    const sameKey = {
      ...chain,
      identities: [sample, { ...sample, name: "z", address: "[::1]:9" }],
    };
    expect(await codeOf(() => makeGenesis(sameKey))).toBe("config.genesis");
  });
});

describe("what identities have ready for a beacon", () => {
  it("is the root of the node's first iVRF key on a chain that is named, and is read back", async () => {
    const paths = nodePaths(join(folder, "beacon"));
    const options = { paths, name: "n", address: "[::1]:4470", nowMs: Date.now(), env: {}, keygen };
    const identity = await createIdentity({ ...options, chainId: "t-2" });
    expect(readIdentity(paths.identity)).toEqual(identity);
    const keys = await loadKeyFile(paths.nodeKey, await readPassphrase(paths.keys, {}));
    const secret = deriveIvrfSecret(keys.secretKey);
    const key = await makeIvrfKey(createHasher("t-2"), secret, 1, BEACON_DEPTH);
    expect(identity.ivrf).toEqual({ chainId: "t-2", depth: BEACON_DEPTH, root: key.root });
    const json = JSON.parse(readFileSync(paths.identity, "utf8"));
    for (const bad of [
      null,
      {},
      { ...json.ivrf, depth: 0 },
      { ...json.ivrf, depth: 21 },
      { ...json.ivrf, depth: 1.5 },
      { ...json.ivrf, root: "00" },
      { ...json.ivrf, chainId: "UPPER" },
      { ...json.ivrf, more: 1 },
    ]) {
      const text = JSON.stringify({ ...json, ivrf: bad });
      expect(await codeOf(() => parseIdentity(text, "x")), JSON.stringify(bad)).toBe(
        "config.invalid",
      );
    }
  });

  it("makes a chain with a beacon where all are for it, one of format 1 where none is, else none", async () => {
    const ivrf = { chainId: "t-3", depth: BEACON_DEPTH, root: new Uint8Array(32).fill(5) };
    const ready = { ...sample, ivrf };
    const parts = partsOf("t-3", [ready, ready], {});
    expect(parts?.proofs.beacon).toEqual({ depth: BEACON_DEPTH });
    expect(parts?.provers.map(({ ivrfRoot }) => ivrfRoot)).toEqual([ivrf.root, ivrf.root]);
    expect(
      partsOf("t-3", [ready], { stake: STAKE_PROFILES.production })?.proofs.stake,
    ).not.toBeNull();
    expect(partsOf("t-4", [ready, ready], {})).toBeUndefined();
    expect(partsOf("t-3", [sample], {})).toBeUndefined();
    expect(partsOf("t-3", [sample], { stake: STAKE_PROFILES.dev })?.proofs.beacon).toBeNull();
    expect(await codeOf(() => partsOf("t-3", [ready, sample], {}))).toBe("config.genesis");
    expect(parts?.proofs.work).toBeNull();
    const working = partsOf("t-3", [ready], { work: "default" });
    expect(working?.proofs.work).toEqual(WORK_PROFILES.default);
    expect(await codeOf(() => partsOf("t-3", [sample], { work: "dev" }))).toBe("config.genesis");
    const other = { ...sample, ivrf: { ...ivrf, depth: 9 } };
    expect(await codeOf(() => partsOf("t-3", [ready, other], {}))).toBe("config.genesis");
  });
});

describe("writing files", () => {
  it("replaces a file whole or leaves it", async () => {
    const path = join(folder, "f");
    writeFileAtomic(path, "one");
    writeFileAtomic(path, "two", 0o600);
    expect(readFileSync(path, "utf8")).toBe("two");
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const failing: readonly [string, ErrorCode][] = [
      [join(folder, "none", "f"), "cli.usage"],
      [join(path, "f"), "cli.usage"],
      [folder, "cli.usage"],
      [join(folder, "n".repeat(300)), "cli.usage"],
    ];
    for (const [wrong, code] of failing) {
      const thrown = await codeOf(() => writeFileAtomic(wrong, "x"));
      expect(thrown, wrong).toBe(code);
    }
    const inFile = nodePaths(join(path, "node"));
    expect(await codeOf(() => makeNodeFolder(inFile))).toBe("cli.usage");
    const under = (error: string) => fileError("f", Object.assign(new Error("x"), { code: error }));
    for (const code of ["ENOSPC", "EDQUOT"]) expect(under(code).code).toBe("store.full");
    for (const code of ["EIO", "EMFILE"]) expect(under(code).code).toBe("store.io");
  });
});
