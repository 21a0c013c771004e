import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compareBytes } from "../../src/crypto/bytes.ts";
import { utf8 } from "../../src/crypto/codec.ts";
import { createHasher, sha256 } from "../../src/crypto/hash.ts";
import { parseNodeAddress } from "../../src/ledger/address.ts";
import { actorId } from "../../src/ledger/batch.ts";
import { encodeGenesis, formatGenesis, parseGenesis } from "../../src/ledger/genesis.ts";
import { createValidatorSet } from "../../src/ledger/validator-set.ts";
import { LIMITS } from "../../src/limits.ts";
import { genesisInput, genesisValidatorOf, hex, keyOf } from "../golden/fixtures.ts";

type Entry = Record<string, unknown>;
type File = Entry & { parameters: Entry; validators: Entry[]; actors: Entry[] };

const text = formatGenesis(genesisInput);
const file = (): File => JSON.parse(text) as File;

const parsed = (source: string) => {
  const result = parseGenesis(source);
  if (!result.ok) throw new Error(result.detail);
  return result.value;
};

/** The path that a changed file is refused for; "ok" when it is not. */
const refusedAt = (change: (genesis: File) => unknown): unknown => {
  const genesis = file();
  const replaced = change(genesis);
  const result = parseGenesis(JSON.stringify(replaced === undefined ? genesis : replaced));
  if (result.ok) return "ok";
  expect(result.code).toBe("config.genesis");
  return result.data?.["path"];
};

const first = (list: Entry[]): Entry => list[0] ?? {};

/** A change of the value at a path like "validators.0.weight". */
const put =
  (path: string, value: unknown) =>
  (genesis: File): void => {
    const keys = path.split(".");
    const last = keys.pop() ?? "";
    let at: Entry = genesis;
    for (const key of keys) at = at[key] as Entry;
    at[last] = value;
  };

describe("genesis", () => {
  it("gives back what was formatted, with ids, in order of ids", () => {
    const { genesis, hasher, hash } = parsed(text);
    expect(hasher.chainId).toBe("golden-1");
    expect(hash).toEqual(createHasher("golden-1").ht("genesis", encodeGenesis(genesis)));
    expect(formatGenesis(genesis).length).toBe(text.length);
    expect(parsed(formatGenesis(genesis))).toMatchObject({ genesis, hash });
    expect(genesis.validators).toEqual(
      genesisInput.validators
        .map((one) => ({ ...one, id: actorId(hasher, one.publicKey) }))
        .sort((a, b) => compareBytes(a.id, b.id)),
    );
    expect(genesis.actors.map((one) => one.name).sort()).toEqual(["operator", "scanner"]);
    expect(genesis.actors.find((one) => one.name === "operator")?.permissions).toEqual([
      "actor.registered",
      "record.*",
    ]);
    expect(createValidatorSet(hasher, 0, genesis.validators).totalWeight).toBe(10n);
  });

  it("has one hash, however it is formatted and ordered", () => {
    const { hash } = parsed(text);
    const other = file();
    other.validators.reverse();
    other.actors.reverse();
    for (const one of other.actors) (one["permissions"] as string[]).reverse();
    first(other.validators)["address"] = String(first(other.validators)["address"]).replace(
      "[::1]",
      "[0:0:0::0001]",
    );
    const keys = Object.fromEntries(Object.entries(other).toReversed());
    expect(parsed(JSON.stringify(keys)).hash).toEqual(hash);
  });

  it("has no two keys that a note names alike", () => {
    // Two of the first 50,000 by the birthday bound: 32 bits of SHA-256 over the name and the key.
    const keyAt = (n: number): string => hex(sha256(utf8(`note key ${n}`)));
    const put = (a: number, b: number) => (genesis: File) => {
      first(genesis.validators)["ed25519Key"] = keyAt(a);
      first(genesis.validators.slice(1))["ed25519Key"] = keyAt(b);
    };
    expect(refusedAt(put(779, 47464))).toBe("validators");
    expect(refusedAt(put(779, 47465))).toBe("ok");
  });

  it("has another hash for any other content", () => {
    const hashes = new Set([hex(parsed(text).hash)]);
    const changes: ((genesis: File) => void)[] = [
      put("chainId", "golden-2"),
      put("timeMs", 1),
      put("insecure", false),
      ...Object.keys(genesisInput.parameters).map((name) => put(`parameters.${name}`, 777)),
      put("validators.0.name", "other"),
      put("validators.0.publicKey", hex(keyOf(50))),
      put("validators.0.weight", "9"),
      put("validators.0.tlsPin", "ab".repeat(32)),
      put("validators.0.address", "[2001:db8::7]:1"),
      put("validators.0.ed25519Key", "cd".repeat(32)),
      put("validators.0.mlDsa44Key", "ef".repeat(1312)),
      (g) => g.validators.pop(),
      put("actors.0.name", "other"),
      put("actors.0.publicKey", hex(keyOf(51))),
      put("actors.0.permissions", []),
      (g) => g.actors.pop(),
    ];
    for (const change of changes) {
      const genesis = file();
      change(genesis);
      hashes.add(hex(parsed(JSON.stringify(genesis)).hash));
    }
    expect(hashes.size).toBe(changes.length + 1);
  });

  it.each<[string, unknown, (genesis: File) => unknown]>([
    ["a list", "", () => []],
    ["text", "", () => "genesis"],
    ["null", "", () => null],
    ["another format", "format", put("format", 3)],
    ["an unknown key", "", put("extra", 1)],
    ["a missing key", "", (g) => void delete g["insecure"]],
    ["a chain id with capitals", "chainId", put("chainId", "Chain")],
    ["an empty chain id", "chainId", put("chainId", "")],
    ["a long chain id", "chainId", put("chainId", "c".repeat(65))],
    ["a negative time", "timeMs", put("timeMs", -1)],
    ["a fractional time", "timeMs", put("timeMs", 0.5)],
    ["insecure as text", "insecure", put("insecure", "no")],
    ["a parameter of 0", "parameters.t0Ms", put("parameters.t0Ms", 0)],
    ["a huge parameter", "parameters.t0Ms", put("parameters.t0Ms", 60_001)],
    ["an unknown parameter", "parameters", put("parameters.more", 1)],
    ["a missing parameter", "parameters", (g) => void delete g.parameters["idleMs"]],
    ["no validators", "validators", put("validators", [])],
    ["validators as an object", "validators", (g) => ({ ...g, validators: {} })],
    ["a validator twice", "validators", (g) => void g.validators.push(first(g.validators))],
    ["an unknown validator key", "validators[0]", put("validators.0.id", "")],
    ["a name of two words", "validators[0].name", put("validators.0.name", "a b")],
    ["a short key", "validators[0].publicKey", put("validators.0.publicKey", "00".repeat(1792))],
    [
      "a key in capitals",
      "validators[0].publicKey",
      put("validators.0.publicKey", "AA".repeat(1793)),
    ],
    ["a weight of 0", "validators[0].weight", put("validators.0.weight", "0")],
    ["a weight as number", "validators[0].weight", put("validators.0.weight", 1)],
    ["a negative weight", "validators[0].weight", put("validators.0.weight", "-1")],
    [
      "a total weight of 2^63",
      "validators",
      put("validators.0.weight", (2n ** 63n - 9n).toString()),
    ],
    ["a short pin", "validators[0].tlsPin", put("validators.0.tlsPin", "00")],
    [
      "a short Ed25519 key",
      "validators[0].ed25519Key",
      put("validators.0.ed25519Key", "ab".repeat(31)),
    ],
    [
      "a long ML-DSA-44 key",
      "validators[0].mlDsa44Key",
      put("validators.0.mlDsa44Key", "ab".repeat(1313)),
    ],
    ["an IPv4 address", "validators[0].address", put("validators.0.address", "127.0.0.1:1")],
    ["no actors key", "", (g) => ({ ...g, actors: undefined })],
    ["an actor twice", "actors", (g) => void g.actors.push(first(g.actors))],
    [
      "a permission that is no pattern",
      "actors[0].permissions[0]",
      put("actors.0.permissions", ["record*"]),
    ],
    ["a permission twice", "actors[0].permissions", put("actors.0.permissions", ["a.b", "a.b"])],
    [
      "too many permissions",
      "actors[0].permissions",
      put(
        "actors.0.permissions",
        Array.from({ length: 65 }, (_, i) => `a.b${i}`),
      ),
    ],
  ])("refuses %s", (_what, path, change) => {
    expect(refusedAt(change)).toBe(path);
  });

  it.each(["name", "publicKey", "tlsPin", "address", "ed25519Key", "mlDsa44Key"])(
    "refuses two validators of one %s",
    (key) => {
      expect(refusedAt((g) => put(`validators.0.${key}`, g.validators[1]?.[key])(g))).toBe(
        "validators",
      );
    },
  );

  it.each(["name", "publicKey"])("refuses two actors of one %s", (key) => {
    expect(refusedAt((g) => put(`actors.0.${key}`, g.actors[1]?.[key])(g))).toBe("actors");
  });

  it("takes a total weight just below 2^63, and every kind of permission", () => {
    const heaviest = (2n ** 63n - 10n).toString();
    expect(refusedAt(put("validators.0.weight", heaviest))).toBe("ok");
    const permissions = ["*", "record.*", "record.put", "a.b.c.d", "a.b.c.*"];
    expect(refusedAt(put("actors.0.permissions", permissions))).toBe("ok");
    expect(refusedAt(put("actors", []))).toBe("ok");
  });

  it("takes 256 validators and refuses 257", () => {
    const many = (count: number) => ({
      ...genesisInput,
      validators: Array.from({ length: count }, (_, i) => ({
        ...genesisValidatorOf(i + 1),
        tlsPin: actorId(createHasher("pins"), keyOf(i)),
      })),
    });
    expect(parseGenesis(formatGenesis(many(256))).ok).toBe(true);
    expect(parseGenesis(formatGenesis(many(257))).ok).toBe(false);
  });

  it("refuses repeated keys, which JSON.parse would hide", () => {
    const twice = text.replace('"insecure": true', '"insecure": false, "insecure": true');
    expect(parseGenesis(twice)).toMatchObject({ ok: false, code: "config.genesis" });
    const deep = text.replace('"idleMs"', '"t0Ms": 1, "idleMs"');
    expect(parseGenesis(deep).ok).toBe(false);
    const escaped = text.replace('"idleMs"', '"\\u0074imeMs": 1, "idleMs"');
    expect(parseGenesis(escaped).ok).toBe(false);
    const prototype = text.replace('"idleMs"', '"__proto__": {}, "idleMs"');
    expect(parseGenesis(prototype).ok).toBe(false);
  });

  it("never throws", () => {
    const cut = fc.nat({ max: text.length }).map((length) => text.slice(0, length));
    fc.assert(
      fc.property(fc.oneof(cut, fc.string(), fc.json()), (source) => {
        const result = parseGenesis(source);
        if (!result.ok) expect(result.code).toBe("config.genesis");
      }),
    );
    expect(parseGenesis(`${text}${" ".repeat(LIMITS.genesisBytesMax)}`).ok).toBe(false);
    expect(parseGenesis("[".repeat(100_000)).ok).toBe(false);
  });
});

describe("node addresses", () => {
  it.each([
    ["[::1]:8440", "[::1]:8440"],
    ["[2001:DB8:0:0:0:0:0:1]:1", "[2001:db8::1]:1"],
    ["[2001:db8:0:1:0:0:0:1]:65535", "[2001:db8:0:1::1]:65535"],
    ["[2001:db8:0:0:1:0:0:1]:5", "[2001:db8::1:0:0:1]:5"],
    ["[2001:0:3:4:5:6:7:8]:5", "[2001:0:3:4:5:6:7:8]:5"],
    ["[1::]:5", "[1::]:5"],
    ["[fe80::00a0]:5", "[fe80::a0]:5"],
  ])("%s is %s", (given, canonical) => {
    expect(parseNodeAddress(given)).toEqual({ ok: true, value: canonical });
    expect(parseNodeAddress(canonical)).toEqual({ ok: true, value: canonical });
  });

  it.each<unknown>([
    "::1:8440",
    "[::1]",
    "[::1]:0",
    "[::1]:65536",
    "[::1]:08",
    "[::1]:1 ",
    "127.0.0.1:1",
    "[127.0.0.1]:1",
    "[::ffff:1.2.3.4]:1",
    "[::ffff:102:304]:1",
    "[::]:1",
    "[ff02::1]:1",
    "[fe80::1%eth0]:1",
    "[1::2::3]:1",
    "[1:2:3:4:5:6:7]:1",
    "[1:2:3:4:5:6:7:8:9]:1",
    "[1:2:3:4:5:6:7:8::]:1",
    "[12345::]:1",
    "[:::]:1",
    "[:1::2]:1",
    "localhost:1",
    `[::1]:${"1".repeat(80)}`,
    5,
    undefined,
  ])("refuses %j", (given) => {
    expect(parseNodeAddress(given)).toMatchObject({ ok: false, code: "transport.address" });
  });

  it("agree with the URL parser on what an address is", () => {
    const group = fc.integer({ min: 0, max: 0xffff }).map((n) => n.toString(16));
    const words = fc.array(fc.oneof(group, fc.constant("0"), fc.constant("")), {
      minLength: 1,
      maxLength: 9,
    });
    fc.assert(
      fc.property(words, (list) => {
        const host = `[${list.join(":")}]`;
        const url = URL.parse(`http://${host}:81/`);
        const address = parseNodeAddress(`${host}:81`);
        if (address.ok) expect(url?.host).toBe(address.value);
        else if (url !== null) expect(url.hostname).toMatch(/^\[(::|::ffff:.*|ff.*)\]$/);
      }),
      { numRuns: 1000 },
    );
  });
});
