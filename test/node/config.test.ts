import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { type ErrorCode, TetradError } from "../../src/errors.ts";
import { isLoopback, parseBindAddress } from "../../src/node/address.ts";
import { loadConfig, parseConfigText, resolveConfig } from "../../src/node/config.ts";
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

const resolve = (file: Record<string, unknown>, env = {}, flags = {}) =>
  resolveConfig({ file, env, flags, cwd: "/srv", fileFolder: "/etc/tetrad" });

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
      apiInsecureBind: false,
    });
    expect(origins).toMatchObject({ name: "file", folder: "default", logLevel: "default" });
  });

  it("lets variables win over the file, and flags over both", () => {
    const file = { name: "a", logLevel: "warn", genesis: "g.json" };
    const env = { NEXUS_LOG_LEVEL: "error", NEXUS_GENESIS: "e.json" };
    const { config, origins } = resolve(file, env, { logLevel: "debug" });
    expect(config.logLevel).toBe("debug");
    expect(config.genesis).toBe("/srv/e.json");
    expect(origins).toMatchObject({ logLevel: "flag", genesis: "environment", name: "file" });
  });

  it.each([
    ["a missing name", {}, "config.invalid"],
    ["a bad name", { name: "A b" }, "config.invalid"],
    ["a long name", { name: "a".repeat(65) }, "config.invalid"],
    ["a bad level", { name: "a", logLevel: "loud" }, "config.invalid"],
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
    ["an API on a real address", { name: "a", api: "[2001:db8::1]:8440" }, "config.invalid"],
  ])("refuses %s", (_name, file, code) => {
    expect(codeOf(() => resolve(file))).toBe(code);
  });

  it("allows the API off loopback when it is asked for by name", () => {
    const { config } = resolve({ name: "a", api: "[::]:8440", apiInsecureBind: true });
    expect(config.api).toEqual({ host: "::", port: 8440 });
  });

  it("refuses an unknown key and names the one meant", () => {
    expect(() => parseConfigText('{"lisen":"[::1]:1"}', "f")).toThrow('did you mean "listen"?');
    expect(codeOf(() => parseConfigText('{"lisen":"[::1]:1"}', "f"))).toBe("config.invalid");
    expect(codeOf(() => parseConfigText('{"__proto__":1}', "f"))).toBe("config.invalid");
  });

  it("refuses everything that is not one JSON object, without a crash", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        const code = codeOf(() => parseConfigText(text, "f"));
        const empty = code === undefined && Object.keys(JSON.parse(text)).length === 0;
        expect(code === "config.invalid" || empty).toBe(true);
      }),
    );
    expect(codeOf(() => parseConfigText(" ".repeat(70_000), "f"))).toBe("config.invalid");
  });

  it("reads a file, and says what to do when it is not there", () => {
    writeFileSync(join(folder, "node.json"), '{"name":"a"}');
    const { config } = loadConfig("node.json", {}, {}, folder);
    expect(config.folder).toBe(folder);
    expect(() => loadConfig("none.json", {}, {}, folder)).toThrow("nexus init");
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
