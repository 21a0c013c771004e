/** The reference pages name what there is: every route, parameter, limit, setting and code. */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { ERRORS } from "../src/errors.ts";
import { LIMITS } from "../src/limits.ts";
import { CONFIG_KEYS, fileKey, KEYS } from "../src/node/config-keys.ts";
import { AUDIT_METRICS, METRICS } from "../src/node/metrics-catalogue.ts";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const read = (path: string): string => readFileSync(join(root, path), "utf8");

const sources = (folder: string, except = ""): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts") && name !== except)
    .map((name) => read(join(folder, name)));

let made: Readonly<Record<string, string>> | undefined;

/** What `npm run docs` would write: all pages are made at once, since each run of it reads the whole source. */
const printed = (name: string): string | undefined => {
  const args = [join(root, "scripts/docs.mjs"), "--print", "all"];
  made ??= JSON.parse(execFileSync(process.execPath, args, { maxBuffer: 2 ** 26 }).toString());
  return made?.[name];
};

describe("docs/api.md", () => {
  const page = read("docs/api.md");

  it("has the routes that npm run docs makes", () => {
    expect(page).toBe(printed("api"));
  });

  it("names every limit of HTTP", () => {
    const limits = Object.keys(LIMITS).filter((name) => name.startsWith("http"));
    expect(limits.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
  });
});

describe("docs/sdk.md", () => {
  const page = read("docs/sdk.md");

  it("has the examples that npm run docs puts in", () => {
    expect(page).toBe(printed("sdk"));
    expect(page).toContain('from "tetrad/client/node"');
  });

  it("shows every example, but for the page and where the network is", () => {
    const shown = [...page.matchAll(/<!-- example: (\S+) -->/g)].map(([, name]) => name);
    const there = readdirSync(join(root, "docs/examples")).filter((name) => name.endsWith(".ts"));
    expect(shown.sort()).toEqual(there.filter((name) => name !== "network.ts").sort());
  });
});

describe("docs/simulation.md", () => {
  it("has the files of its tutorial as they are", () => {
    const page = read("docs/simulation.md");
    expect(page).toBe(printed("simulation"));
    const shown = [...page.matchAll(/<!-- example: simulation\/(\S+) -->/g)].map(
      ([, name]) => name,
    );
    expect(shown.sort()).toEqual(readdirSync(join(root, "docs/examples/simulation")).sort());
  });
});

describe("docs/operating.md", () => {
  const page = read("docs/operating.md");

  it("names every setting with its variable and default", () => {
    for (const key of KEYS) {
      const { env, initial } = CONFIG_KEYS[key];
      const start = `| \`${fileKey(key)}\` | \`${env}\` |`;
      const row = page.split("\n").find((line) => line.startsWith(start));
      expect(row, key).toBeDefined();
      if (initial !== undefined) expect(row).toContain(`\`${initial}\``);
    }
  });

  it("names every variable that is read", () => {
    const variables = sources("src").flatMap((text) => text.match(/\bNEXUS_[A-Z_]*[A-Z]\b/g) ?? []);
    const missing = new Set(variables.filter((name) => !page.includes(`\`${name}\``)));
    expect([...missing]).toEqual([]);
  });
});

describe("docs/config.schema.json", () => {
  it("is what npm run docs makes of the table of settings", () => {
    expect(read("docs/config.schema.json")).toBe(printed("config"));
  });
});

describe("docs/refusals.md", () => {
  it("is what npm run docs makes of the table that a test runs", () => {
    expect(read("docs/refusals.md")).toBe(printed("refusals"));
  });
});

describe("docs/metrics.md", () => {
  it("is what npm run docs makes of the catalogue", () => {
    expect(read("docs/metrics.md")).toBe(printed("metrics"));
  });

  it("has every metric that the source names, and no other", () => {
    const texts = sources("src", join("node", "metrics-catalogue.ts"));
    const named = texts.flatMap((text) => [...text.matchAll(/"(tetrad_[a-z0-9_]+)"/g)]);
    const called = texts.flatMap((text) => [
      ...text.matchAll(/\.(?:count|gauge|observe|total)\(\s*"([a-z][a-z0-9_]*)"/g),
    ]);
    const full = [...named, ...called].map(([, name = ""]) =>
      name.startsWith("tetrad_") ? name : `tetrad_${name}`,
    );
    expect(full).toContain("tetrad_http_requests_total");
    expect([...new Set(full)].sort()).toEqual(Object.keys({ ...METRICS, ...AUDIT_METRICS }).sort());
  });

  it("is what the rules for alerts speak of", () => {
    const all = { ...METRICS, ...AUDIT_METRICS };
    const rules = read("packaging/alerts.yml");
    const named = rules.match(/\btetrad_[a-z0-9_]+/g) ?? [];
    expect(named.length).toBeGreaterThan(10);
    const families = named.map((name) => name.replace(/_(bucket|sum|count)$/, ""));
    const unknown = families.filter((name) => all[name] === undefined);
    expect([...new Set(unknown)].filter((name) => all[`${name}_count`] === undefined)).toEqual([]);
  });
});

describe("docs/errors.md", () => {
  it("has no code that nothing gives", () => {
    // Their rules are checked, but nothing says them by these names yet.
    const unsaid = ["block.untimely", "consensus.wrong-epoch", "node.not-voting"];
    const said = sources("src", "errors.ts").join("\n");
    const unused = Object.keys(ERRORS).filter((code) => !said.includes(`"${code}"`));
    expect(unused.filter((code) => !unsaid.includes(code))).toEqual([]);
  });

  it("is what npm run docs makes of the table", () => {
    expect(read("docs/errors.md")).toBe(printed("errors"));
  });
});

describe("docs/cli.md", () => {
  it("is what npm run docs makes of the definitions of the verbs", () => {
    expect(read("docs/cli.md")).toBe(printed("cli"));
  });
});
