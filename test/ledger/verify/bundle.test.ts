import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bytesAt, toBase64url } from "../../../src/ledger/verify/base64url.ts";
import {
  type Bundle,
  bundleJson,
  decodeBundle,
  formatBundle,
  parseBundle,
} from "../../../src/ledger/verify/bundle.ts";
import { isoTime } from "../../../src/ledger/verify/iso-time.ts";
import { formatCheckpoint, parseTrust, trustCheckpoint } from "../../../src/ledger/verify/trust.ts";
import { LIMITS } from "../../../src/limits.ts";
import { World } from "./support.ts";

const world = new World({ epochs: 2, events: 4 });
const events = world.events(0, 3);
const rows = world.rows("absent", "records-1");

const codeOf = (json: unknown): string => {
  const result = decodeBundle(json);
  return result.ok ? "ok" : result.code;
};

/** The JSON of a bundle with the value at a path replaced; undefined leaves it out. */
const edited = (bundle: Bundle, path: readonly (string | number)[], value: unknown): unknown => {
  const json: unknown = JSON.parse(formatBundle(bundle));
  let at = json as Record<string | number, unknown>;
  for (const step of path.slice(0, -1)) at = at[step] as Record<string | number, unknown>;
  const last = path.at(-1) ?? "";
  if (value === undefined) delete at[last];
  else at[last] = value;
  return json;
};

const text = (bytes: number): string => toBase64url(new Uint8Array(bytes));

describe("the format of bundles", () => {
  it.each([
    ["events", events],
    ["rows", rows],
    ["no event", world.bundle({ kind: "no-event", index: 9 })],
  ])("gives a bundle of %s back as it was", (_name, bundle) => {
    const parsed = parseBundle(formatBundle(bundle));
    expect(parsed).toEqual({ ok: true, value: bundle });
    expect(decodeBundle(bundleJson(bundle))).toEqual({ ok: true, value: bundle });
  });

  it("takes white space and any order of keys, as JSON has them", () => {
    const spaced = JSON.stringify(bundleJson(events), null, 2);
    expect(parseBundle(spaced).ok).toBe(true);
    const { claim, ...rest } = bundleJson(events);
    expect(codeOf({ claim, ...rest })).toBe("ok");
  });

  it("refuses keys that are unknown, missing or repeated, at every depth", () => {
    const paths = [["x"], ["links", 0, "x"], ["claim", "x"], ["claim", "events", 0, "x"]];
    for (const path of paths) {
      expect(codeOf(edited(events, path, 1))).toBe("proof.malformed");
    }
    expect(codeOf(edited(events, ["claim", "batches", 0, "x"], 1))).toBe("proof.malformed");
    expect(codeOf(edited(rows, ["claim", "rows", 0, "x"], 1))).toBe("proof.malformed");
    expect(codeOf(edited(rows, ["claim", "projections", 0, "x"], 1))).toBe("proof.malformed");
    for (const key of Object.keys(bundleJson(events))) {
      expect(codeOf(edited(events, [key], undefined))).toBe("proof.malformed");
    }
    const repeated = formatBundle(events).replace('"claim":', '"chainId":"proofs","claim":');
    expect(parseBundle(repeated)).toMatchObject({ ok: false, code: "proof.malformed" });
  });

  it("says when it is of a later version, which is not the same as being wrong", () => {
    expect(codeOf(edited(events, ["version"], 2))).toBe("proof.version");
    expect(codeOf({ format: "tetrad-proof", version: 7, other: true })).toBe("proof.version");
    for (const version of [0, -1, 1.5, "1", null, [1]]) {
      expect(codeOf(edited(events, ["version"], version))).toBe("proof.malformed");
    }
    expect(codeOf(edited(events, ["format"], "tetrad"))).toBe("proof.malformed");
  });

  it("takes each size at its limit and none past it", () => {
    const cases: readonly (readonly [Bundle, readonly (string | number)[], number, number])[] = [
      [events, ["links", 0, "header"], 288, 288],
      [events, ["links", 0, "set"], 10, 10 + 256 * 1837],
      [events, ["links", 0, "certificate"], 52, 51 + 32 + 256 * 1280],
      [events, ["claim", "events", 0, "leaf"], 88, LIMITS.leafBytesMax],
      [events, ["claim", "events", 0, "path"], 0, 53 * 32],
      [events, ["claim", "events", 0, "batchPath"], 0, 10 * 32],
      [events, ["claim", "batches", 0, "core"], 186, 186],
      [events, ["claim", "batches", 0, "signature"], 1280, 1280],
      [events, ["claim", "batches", 0, "publicKey"], 1793, 1793],
      [rows, ["claim", "rows", 0, "key"], 1, LIMITS.rowKeyBytesMax],
      [rows, ["claim", "rows", 1, "row"], 8, 8 + LIMITS.rowValueBytesMax],
      [rows, ["claim", "rows", 0, "proof"], 4, 8292],
    ];
    for (const [bundle, path, min, max] of cases) {
      expect([path, codeOf(edited(bundle, path, text(min)))]).toEqual([path, "ok"]);
      expect([path, codeOf(edited(bundle, path, text(max)))]).toEqual([path, "ok"]);
      if (min > 0) expect(codeOf(edited(bundle, path, text(min - 1)))).toBe("proof.malformed");
      expect([path, codeOf(edited(bundle, path, text(max + 1)))]).toEqual([
        path,
        "proof.malformed",
      ]);
      for (const wrong of [null, 7, [], {}, "=", "A", "AB=", "AAA\n", "AAé"]) {
        if (wrong === null && path.at(-1) === "row") continue;
        expect(codeOf(edited(bundle, path, wrong))).toBe("proof.malformed");
      }
    }
  });

  it("takes each count at its limit and none past it", () => {
    const links = bundleJson(events).links;
    const many = <T>(one: T | undefined, count: number): unknown[] => Array(count).fill(one);
    const linksOf = (count: number): unknown => edited(events, ["links"], many(links[0], count));
    expect(codeOf(linksOf(LIMITS.proofLinksMax))).toBe("ok");
    expect(codeOf(linksOf(LIMITS.proofLinksMax + 1))).toBe("proof.malformed");
    expect(codeOf(linksOf(0))).toBe("proof.malformed");
    const event = { leaf: text(88), path: "", batchPath: "" };
    const row = { key: text(1), row: null, proof: text(4) };
    const entry = { name: "records", schemaVersion: 65_535, root: "00".repeat(32) };
    const cases: readonly (readonly [Bundle, string, unknown, number, number])[] = [
      [events, "events", event, 1, LIMITS.proofItemsMax],
      [events, "batches", bundleJson(events), 0, -1],
      [rows, "rows", row, 0, LIMITS.proofItemsMax],
      [rows, "projections", entry, 1, LIMITS.projectionsMax],
    ];
    for (const [bundle, key, item, min, max] of cases) {
      expect(codeOf(edited(bundle, ["claim", key], many(item, min)))).toBe("ok");
      if (max >= 0) expect(codeOf(edited(bundle, ["claim", key], many(item, max)))).toBe("ok");
      expect(codeOf(edited(bundle, ["claim", key], many(item, max + 1)))).toBe(
        max < 0 ? "ok" : "proof.malformed",
      );
      if (min > 0) expect(codeOf(edited(bundle, ["claim", key], []))).toBe("proof.malformed");
    }
    const long = `${" ".repeat(LIMITS.proofTextMax)}x`;
    expect(parseBundle(long)).toMatchObject({ code: "proof.malformed" });
  });

  it("takes indexes, versions and names that can be, and no others", () => {
    const none = world.bundle({ kind: "no-event", index: 9 });
    const index = (value: unknown): string => codeOf(edited(none, ["claim", "index"], value));
    expect([index(0), index(Number.MAX_SAFE_INTEGER)]).toEqual(["ok", "ok"]);
    for (const wrong of [-1, 0.5, 2 ** 53, "1", null]) expect(index(wrong)).toBe("proof.malformed");
    for (const wrong of ["", "A", "a/b", "a".repeat(65), 1]) {
      expect(codeOf(edited(rows, ["claim", "projection"], wrong))).toBe("proof.malformed");
      expect(codeOf(edited(rows, ["chainId"], wrong))).toBe("proof.malformed");
    }
    const version = ["claim", "projections", 0, "schemaVersion"];
    expect(codeOf(edited(rows, version, 65_536))).toBe("proof.malformed");
    expect(codeOf(edited(rows, ["genesisHash"], "AA".repeat(32)))).toBe("proof.malformed");
    expect(codeOf(edited(rows, ["claim", "kind"], "row"))).toBe("proof.malformed");
  });

  it("never throws, whatever it is given", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), (json) => {
        expect(decodeBundle(json).ok).toBe(false);
        expect(parseBundle(JSON.stringify(json)).ok).toBe(false);
      }),
    );
    fc.assert(fc.property(fc.string(), (string) => !parseBundle(string).ok));
    const deep = `${'{"format":'.repeat(100_000)}1${"}".repeat(100_000)}`;
    expect(parseBundle(deep)).toMatchObject({ code: "proof.malformed" });
  });
});

describe("base64url", () => {
  it("is what others write, and is read in that one spelling", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        const encoded = toBase64url(bytes);
        expect(encoded).toBe(Buffer.from(bytes).toString("base64url"));
        expect(bytesAt("x", encoded, 0, 80)).toEqual(bytes);
      }),
    );
    expect(() => bytesAt("x", "AB", 0, 80)).toThrow("not canonical");
    expect(() => bytesAt("x", "A", 0, 80)).toThrow("base64url");
    expect(() => bytesAt("x", "A+", 0, 80)).toThrow("base64url");
  });
});

describe("ledger time", () => {
  it("is written as Date writes it", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 8_640_000_000_000_000 - 1 }), (ms) => {
        expect(isoTime(ms)).toBe(new Date(ms).toISOString());
      }),
    );
    expect(isoTime(Number.MAX_SAFE_INTEGER)).toBe("9007199254740991 ms");
  });
});

describe("what is trusted", () => {
  const verified = world.verify(events).result;
  if (!verified.ok) throw new Error(verified.detail);
  const { checkpoint } = verified.value;

  it("is kept as a file and read back", () => {
    const trust = parseTrust(formatCheckpoint(checkpoint));
    expect(trust).toEqual({ ok: true, value: trustCheckpoint(checkpoint) });
  });

  it("is refused when it is neither a genesis nor a checkpoint", () => {
    const file = formatCheckpoint(checkpoint);
    const codes = [
      "{}",
      "",
      file.replace('"epoch":1', '"epoch":-1'),
      file.replace('"epoch":1', '"epoch":1,"epoch":1'),
      file.replace('"version":1', '"version":2'),
      file.replace('"setHash"', '"x":1,"setHash"'),
      file.slice(0, -3),
      `"tetrad-checkpoint"`,
      `${" ".repeat(LIMITS.genesisBytesMax)}{}`,
    ].map((broken) => {
      const trust = parseTrust(broken);
      return trust.ok ? "ok" : trust.code;
    });
    expect(codes).toEqual(["config.genesis", "config.genesis", ...Array(7).fill("proof.trust")]);
  });
});
