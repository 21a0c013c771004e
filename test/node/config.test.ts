import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { stringify } from "smol-toml";
import { afterAll, describe, expect, it } from "vitest";
import { type ErrorCode, TetradError } from "../../src/errors.ts";
import { LIMITS } from "../../src/limits.ts";
import { isLoopback, parseBindAddress } from "../../src/node/address.ts";
import {
  explainConfig,
  loadConfig,
  misspeltVariables,
  parseConfigText,
  resolveConfig,
} from "../../src/node/config.ts";
import {
  CONFIG_KEYS,
  configSchema,
  fileKey,
  formatNodeConfig,
  KEYS,
} from "../../src/node/config-keys.ts";
import { editDistance, nearest } from "../../src/node/suggest.ts";

const folder = mkdtempSync(join(tmpdir(), "tetrad-config-"));
afterAll(() => rmSync(folder, { recursive: true }));

const codeOf = (run: () => unknown): ErrorCode | undefined => {
  try {
    run();
    return undefined;
  } catch (error) {
    if (error instanceof TetradError) return error.code;
    throw error;
  }
};

/** A file of these values, as its text: what is tested is what a user writes. */
const file = (values: Record<string, unknown>) => parseConfigText(stringify(values), "node.toml");

const resolve = (values: Record<string, unknown>, env = {}, flags = {}) =>
  resolveConfig({ file: file(values), env, flags, cwd: "/srv", fileFolder: "/etc/tetrad" });

describe("configuration", () => {
  it("fills in defaults and resolves paths against the file's folder", () => {
    const { config, origins } = resolve({ name: "a" });
    expect(config).toEqual({
      name: "a",
      folder: "/etc/tetrad",
      listen: { host: "::1", port: 4440 },
      api: { host: "::1", port: 8440 },
      genesis: "/etc/tetrad/genesis.json",
      passphraseFile: undefined,
      logLevel: "info",
      driver: "auto",
      bulkListen: undefined,
      bulkConnections: 2,
      apiTlsCertificate: undefined,
      apiTlsKey: undefined,
      apiInsecureBind: false,
      timeDuty: 25,
      peers: [],
      reachable: true,
      relay: false,
      spaceSectors: 1,
      spaceDuty: 25,
      timeMembers: [],
      timeSharedWith: undefined,
      workThreads: 1,
      workDuty: 25,
      location: true,
      bulkDuty: 50,
      workUnits: undefined,
      objectCacheMib: 4096,
    });
    expect(origins).toMatchObject({
      name: { kind: "file", place: "node.toml:1" },
      folder: { kind: "default", place: "default" },
    });
  });

  it("says what carries bulk, and where it is listened for", () => {
    const of = (values: Record<string, string | number>) =>
      resolve({ name: "a", ...values }).config;
    expect(
      of({ driver: "reactor", bulk_connections: 4, bulk_listen: "[::1]:65532" }),
    ).toMatchObject({
      driver: "reactor",
      bulkConnections: 4,
      bulkListen: { host: "::1", port: 65_532 },
    });
    expect(of({ bulk_listen: "[::1]:0" }).bulkListen).toEqual({ host: "::1", port: 0 });
    const invalid = expect.objectContaining({ code: "config.invalid" });
    expect(() => of({ driver: "tcp" })).toThrowError(invalid);
    for (const connections of [0, 3, 5]) {
      expect(() => of({ bulk_connections: connections })).toThrowError(invalid);
    }
    expect(() => of({ bulk_listen: "[::1]:65533", bulk_connections: 4 })).toThrowError(invalid);
  });

  it("says with whom runs of time are shared, one way only", () => {
    const of = (values: Record<string, string>) => resolve({ name: "a", ...values }).config;
    expect(of({ time_members: "b, c" }).timeMembers).toEqual(["b", "c"]);
    const id = "5e".repeat(32);
    expect(of({ time_members: `b,${id}` }).timeMembers).toEqual(["b", id]);
    expect(of({ time_shared_with: id }).timeSharedWith).toBe(id);
    expect(of({ time_shared_with: "b" }).timeSharedWith).toBe("b");
    const invalid = expect.objectContaining({ code: "config.invalid" });
    expect(() => of({ time_members: "b", time_shared_with: "c" })).toThrowError(invalid);
    expect(() => of({ time_members: id.toUpperCase() })).toThrowError(invalid);
    expect(() => of({ time_members: "b,b" })).toThrowError(invalid);
    expect(() => of({ time_members: "b,,c" })).toThrowError(invalid);
    const many = (count: number) => Array.from({ length: count }, (_, i) => `n${i}`).join(",");
    const most = LIMITS.timeMembersMax;
    expect(of({ time_members: many(most) }).timeMembers).toHaveLength(most);
    expect(() => of({ time_members: many(most + 1) })).toThrowError(invalid);
  });

  it("lets variables win over the file, and flags over both", () => {
    const file = { name: "a", log_level: "warn", genesis: "g.json" };
    const env = { NEXUS_LOG_LEVEL: "error", NEXUS_GENESIS: "e.json" };
    const { config, origins } = resolve(file, env, { logLevel: "debug" });
    expect(config.logLevel).toBe("debug");
    expect(config.genesis).toBe("/srv/e.json");
    expect(origins).toMatchObject({
      logLevel: { kind: "flag", place: "--log-level" },
      genesis: { kind: "environment", place: "NEXUS_GENESIS" },
      name: { kind: "file", place: "node.toml:1" },
    });
  });

  it.each([
    ["a missing name", {}, "config.invalid"],
    ["a bad name", { name: "A b" }, "config.invalid"],
    ["a long name", { name: "a".repeat(65) }, "config.invalid"],
    ["a bad level", { name: "a", log_level: "loud" }, "config.invalid"],
    ["a number for a text", { name: "a", folder: 3 }, "config.invalid"],
    ["a NUL in a path", { name: "a", folder: "a\0b" }, "config.invalid"],
    ["IPv4", { name: "a", listen: "127.0.0.1:4440" }, "transport.ipv4"],
    ["mapped IPv4", { name: "a", listen: "[::ffff:127.0.0.1]:4440" }, "transport.ipv4"],
    ["mapped IPv4 in hex", { name: "a", api: "[::ffff:7f00:1]:4440" }, "transport.ipv4"],
    ["a name to bind", { name: "a", listen: "localhost:4440" }, "transport.address"],
    ["no port", { name: "a", listen: "[::1]" }, "transport.address"],
    ["port 0 for peers", { name: "a", listen: "[::1]:0" }, "transport.address"],
    ["port 65536", { name: "a", listen: "[::1]:65536" }, "transport.address"],
    ["an API off loopback", { name: "a", api: "[::]:8440" }, "config.invalid"],
    ["a duty of nothing", { name: "a", time_duty: 0 }, "config.invalid"],
    ["more sectors than may be", { name: "a", space_sectors: 65 }, "config.invalid"],
    ["no duty for a sector", { name: "a", space_duty: 0 }, "config.invalid"],
    ["a duty of more than there is", { name: "a", work_duty: 101 }, "config.invalid"],
    ["half a thread", { name: "a", work_threads: 0.5 }, "config.invalid"],
    ["units that are no number", { name: "a", work_units: "many" }, "config.invalid"],
    ["an API on a real address", { name: "a", api: "[2001:db8::1]:8440" }, "config.invalid"],
  ])("refuses %s", (_name, file, code) => {
    expect(codeOf(() => resolve(file))).toBe(code);
  });

  it("allows the API off loopback with TLS, whose two files belong together", () => {
    const files = { api_tls_certificate: "api.crt", api_tls_key: "/keys/api.key" };
    const { config } = resolve({ name: "a", api: "[::]:8440", ...files });
    expect(config.apiTlsCertificate).toBe("/etc/tetrad/api.crt");
    expect(config.apiTlsKey).toBe("/keys/api.key");
    const { api_tls_key: _one, ...alone } = files;
    expect(codeOf(() => resolve({ name: "a", ...alone }))).toBe("config.invalid");
  });

  it("takes whole numbers from the file and from variables", () => {
    const env = { NEXUS_WORK_THREADS: "4", NEXUS_WORK_UNITS: "12" };
    const space = { space_sectors: 64, space_duty: 1 };
    expect(resolve({ name: "a", ...space }).config).toMatchObject({ spaceSectors: 64 });
    expect(resolve({ name: "a", space_sectors: 0 }).config).toMatchObject({ spaceSectors: 0 });
    const { config } = resolve({ name: "a", time_duty: 100, work_duty: 1 }, env);
    expect(config).toMatchObject({ timeDuty: 100, workDuty: 1, workThreads: 4, workUnits: 12 });
  });

  it("allows the API off loopback when it is asked for by name", () => {
    const { config } = resolve({ name: "a", api: "[::]:8440", api_insecure_bind: true });
    expect(config.api).toEqual({ host: "::", port: 8440 });
  });

  it.each([
    ['lisen = "[::1]:1"', 'node.toml:1 has the unknown key "lisen"; did you mean "listen"?'],
    [
      '\n\nlogLevel = "info"',
      'node.toml:3 has the unknown key "logLevel"; did you mean "log_level"?',
    ],
    ['name = "a"\n[zzzzzzzz]\nx = 1', 'node.toml:2 has the unknown key "zzzzzzzz"'],
    ["__proto__ = 1", 'node.toml:1 has the unknown key "__proto__"'],
    ['name = "a"\nname = "b"', "node.toml:2:"],
    ["name = ", "node.toml:1:"],
  ])("refuses %j and says where and what was meant", (text, message) => {
    expect(() => parseConfigText(text, "node.toml")).toThrow(message);
    expect(codeOf(() => parseConfigText(text, "node.toml"))).toBe("config.invalid");
  });

  it("knows the line of a key, and none inside a long string", () => {
    const text = 'folder = """\nname = 1\n"""\n# name = 2\n"name"= "a"\nlog_level =\'info\'\n';
    expect(parseConfigText(text, "f").lines).toEqual({ folder: 1, name: 5, logLevel: 6 });
  });

  it("refuses everything that is not TOML with known keys, without a crash", () => {
    const line = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.constantFrom(
        "[",
        "[[",
        "]",
        "=",
        '"""',
        "'''",
        "name",
        "folder.",
        "{",
        "\n",
        "#",
        "1979-",
      ),
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.json(),
          fc.array(line).map((all) => all.join("")),
        ),
        (text) => {
          const code = codeOf(() => parseConfigText(text, "f"));
          expect(code === undefined || code === "config.invalid").toBe(true);
        },
      ),
      { numRuns: 300 },
    );
  });

  it("takes a file at the limit and refuses one past it", () => {
    const room = " ".repeat(LIMITS.configBytesMax);
    expect(codeOf(() => parseConfigText(room, "f"))).toBeUndefined();
    expect(codeOf(() => parseConfigText(`${room} `, "f"))).toBe("config.invalid");
  });

  it("refuses to be deep, dated or a list where a text is wanted", () => {
    for (const value of ["1979-05-27", "[1]", "{ a = 1 }", "inf", "true"]) {
      const parsed = () => parseConfigText(`name = ${value}`, "f");
      expect(codeOf(() => resolveConfig({ file: parsed(), cwd: "/" }))).toBe("config.invalid");
    }
    const deep = `name = ${"[".repeat(20_000)}${"]".repeat(20_000)}`;
    expect(codeOf(() => parseConfigText(deep, "f"))).toBe("config.invalid");
  });

  it("reads a file, and says what to do when it is not there", () => {
    writeFileSync(join(folder, "node.toml"), 'name = "a"\n');
    const { config } = loadConfig("node.toml", {}, {}, folder);
    expect(config.folder).toBe(folder);
    expect(() => loadConfig("none.toml", {}, {}, folder)).toThrow("nexus init");
    expect(() => loadConfig(".", {}, {}, folder)).toThrow("is no file");
    writeFileSync(join(folder, "big.toml"), "#".repeat(LIMITS.configBytesMax + 1));
    expect(() => loadConfig("big.toml", {}, {}, folder)).toThrow("is over");
  });

  it("is written with every key and its meaning, and read back", () => {
    const values = { name: "a", listen: "[::1]:5000", genesis: 'a "quoted"\tpath' };
    const text = formatNodeConfig(values);
    expect(parseConfigText(text, "f").values).toEqual(values);
    for (const key of KEYS) {
      expect(text).toMatch(new RegExp(`^(# )?${fileKey(key)} = `, "m"));
      expect(text).toContain(CONFIG_KEYS[key].env);
      expect(text).toContain(CONFIG_KEYS[key].about[0] ?? "?");
    }
    // Each comment is what holds without it: all of them set is the same configuration.
    // Of the two about shared runs one at most is set.
    const all = text.replaceAll(/^# (?!time_shared_with)([a-z_]+ = )/gm, "$1");
    const given = { file: parseConfigText(all, "f"), cwd: "/x" };
    const { config } = resolveConfig(given);
    const examples = {
      passphraseFile: undefined,
      bulkListen: undefined,
      apiTlsCertificate: undefined,
      apiTlsKey: undefined,
      workUnits: undefined,
      timeMembers: [],
    };
    expect({ ...config, ...examples, peers: [] }).toEqual(
      resolveConfig({ file: parseConfigText(text, "f"), cwd: "/x" }).config,
    );
  });

  it("is explained by value and place, and a variable misspelt by one letter is named", () => {
    const env = { NEXUS_LISTN: "x", NEXUS_KEY: "y", NEXUS_API: "z", NEXUS_DIR: "d", LISTEN: "l" };
    const settings = explainConfig(resolve({ name: "a" }, { ...env, NEXUS_LOG_LEVEL: "warn" }));
    expect(settings.map(({ key }) => key)).toEqual(KEYS.map(fileKey));
    expect(settings).toContainEqual({
      key: "log_level",
      value: "warn",
      origin: "environment",
      place: "NEXUS_LOG_LEVEL",
      variable: "NEXUS_LOG_LEVEL",
    });
    expect(misspeltVariables(env)).toEqual([{ name: "NEXUS_LISTN", meant: "NEXUS_LISTEN" }]);
  });

  it("has a schema that takes what is written and names the same keys", () => {
    const schema = configSchema() as { properties: Record<string, unknown> };
    expect(Object.keys(schema.properties)).toEqual(KEYS.map(fileKey));
    expect(schema).toMatchObject({ additionalProperties: false });
  });
});

describe("addresses to bind", () => {
  it("knows loopback in every spelling", () => {
    for (const text of ["[::1]:1", "[0:0:0:0:0:0:0:1]:1", "[0::0001]:1"]) {
      expect(isLoopback(parseBindAddress(text, "x").host)).toBe(true);
    }
    expect(isLoopback(parseBindAddress("[::]:1", "x").host)).toBe(false);
  });
});

describe("suggestions", () => {
  it("finds slips of the fingers and nothing far away", () => {
    expect(nearest("recrods", ["records", "actors"])).toBe("records");
    expect(nearest("listne", ["listen", "name"])).toBe("listen");
    // Of three letters nearly every short word is two edits away.
    expect(nearest("foo", ["from", "limit"])).toBeUndefined();
    expect(nearest("frm", ["from", "limit"])).toBe("from");
    expect(nearest("zzzzzz", ["listen", "name"])).toBeUndefined();
    expect(nearest("x".repeat(100_000), ["listen"])).toBeUndefined();
  });

  it("is a distance: zero to itself, the same both ways, at most the longer length", () => {
    const word = fc.string({ maxLength: 12 });
    fc.assert(
      fc.property(word, word, (a, b) => {
        const distance = editDistance(a, b);
        expect(distance === 0).toBe(a === b);
        expect(editDistance(b, a)).toBe(distance);
        expect(distance).toBeLessThanOrEqual(Math.max(a.length, b.length));
      }),
    );
  });
});
