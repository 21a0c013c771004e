/** Style that a formatter does not know, as a test: sizes, names, words, links. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");

/** Files of the repository: what git knows, and what it would add. */
const files = execFileSync("git", ["ls-files", "-co", "--exclude-standard"], {
  cwd: root,
  encoding: "utf8",
})
  .split("\n")
  .filter(
    (path) => path !== "" && existsSync(join(root, path)) && statSync(join(root, path)).isFile(),
  );

const isCode = (path: string): boolean => /\.(ts|mjs|js)$/.test(path);
const isText = (path: string): boolean => isCode(path) || /\.(md|json|qnt|yml|sh)$/.test(path);
const read = (path: string): string => readFileSync(join(root, path), "utf8");

/** Recorded data, written by tools. */
const isData = (path: string): boolean =>
  path === "package-lock.json" || /(^|\/)(vectors|fixtures|golden|traces)\//.test(path);

const written = files.filter((path) => isText(path) && !isData(path));

const LINES_MAX = 700;
/** The formatter breaks code at 100; this is about what it leaves alone: comments. */
const COLUMNS_MAX = 120;

/** Split so that this file does not hold them. */
const BANNED: readonly (readonly [RegExp, string])[] = [
  [
    new RegExp(`\\b${"TO"}${"DO"}\\b|\\b${"FIX"}${"ME"}\\b|\\b${"XX"}X\\b`),
    "open an issue instead",
  ],
  [new RegExp(`@ts-${"ignore"}|@ts-${"nocheck"}`), "mend the type"],
  [new RegExp(`\\b(describe|it|test)\\.${"only"}\\(`), "the other tests would not run"],
  [new RegExp(`${"debug"}${"ger"};`), "remove it"],
  [new RegExp(`as ${"unknown"} as ${"any"}`), "mend the type"],
];

/** Homes, checkouts and scratch folders of one machine. */
const MACHINE_PATHS = /(^|[\s"'`(=:])\/(home|Users|root|work|mnt|media)\/[\w.-]/;

const offenders = (
  paths: readonly string[],
  wrong: (text: string, path: string) => boolean,
): string[] => paths.filter((path) => wrong(read(path), path));

const linesThat = (paths: readonly string[], wrong: (line: string) => boolean): string[] =>
  paths.flatMap((path) =>
    read(path)
      .split("\n")
      .flatMap((line, i) => (wrong(line) ? [`${path}:${i + 1}: ${line.trim().slice(0, 80)}`] : [])),
  );

describe("tidy", () => {
  it("sees the repository", () => {
    expect(files).toContain("src/limits.ts");
    expect(written.length).toBeGreaterThan(100);
  });

  it(`has no file of code over ${LINES_MAX} lines`, () => {
    expect(
      offenders(written.filter(isCode), (text) => text.split("\n").length > LINES_MAX + 1),
    ).toEqual([]);
  });

  it(`has no line over ${COLUMNS_MAX} columns, but for long texts`, () => {
    const long = (line: string): boolean =>
      line.length > COLUMNS_MAX && !/["'`]\S|^\s*(import|export) /.test(line);
    expect(linesThat(written.filter(isCode), long)).toEqual([]);
  });

  it("names files in kebab-case", () => {
    const odd = written
      .filter(isCode)
      .map((path) => path.split("/").at(-1) ?? "")
      .filter((name) => !/^[a-z0-9]+(-[a-z0-9]+)*(\.(test|config|d))?\.(ts|mjs|js)$/.test(name));
    expect(odd).toEqual([]);
  });

  it.each(BANNED)("has no %s: %s", (word) => {
    expect(linesThat(written, (line) => word.test(line))).toEqual([]);
  });

  it("has no path of somebody's machine", () => {
    const checked = written.filter((path) => path !== "test/tidy.test.ts");
    expect(linesThat(checked, (line) => MACHINE_PATHS.test(line))).toEqual([]);
  });

  it("has no control character, no CRLF, and a newline at every end", () => {
    const wrong = (text: string): boolean =>
      text.length > 0 && (/(?![\n\t])\p{Cc}/u.test(text) || !text.endsWith("\n"));
    expect(offenders(written, wrong)).toEqual([]);
  });

  it("says at the head of every source file what it is for", () => {
    const headless = offenders(
      written.filter((path) => /^(src|sim)\/.*\.ts$/.test(path)),
      (text) => !/^(#!.*\n)?\/(\*\*|\/)/.test(text),
    );
    expect(headless).toEqual([]);
  });

  it("has no test that is not run: every test file is of a suite", () => {
    const tests = files.filter((path) => path.endsWith(".test.ts"));
    expect(tests.filter((path) => !path.startsWith("test/"))).toEqual([]);
  });
});

describe("documents", () => {
  const documents = files.filter((path) => path.endsWith(".md"));

  it("have links that lead to files", () => {
    const broken = documents.flatMap((path) =>
      [...read(path).matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, target = ""]) => {
        if (/^(https?:|mailto:|#)/.test(target)) return [];
        const [file = ""] = target.split("#");
        return existsSync(resolve(root, dirname(path), file)) ? [] : [`${path}: ${target}`];
      }),
    );
    expect(broken).toEqual([]);
  });

  it("name files of the source that are there", () => {
    const broken = documents.flatMap((path) =>
      [
        ...read(path).matchAll(/`((?:src|sim|test|bench|scripts|docs|bin)\/[\w./-]+\.\w+)`/g),
      ].flatMap(([, file = ""]) => (existsSync(join(root, file)) ? [] : [`${path}: ${file}`])),
    );
    expect(broken).toEqual([]);
  });

  it("are named by comments in the source only when they are there", () => {
    const broken = files
      .filter((path) => /^(src|sim|bin|scripts)\//.test(path) && isCode(path))
      .flatMap((path) =>
        [...read(path).matchAll(/\bdocs\/[\w./-]+\.md\b/g)].flatMap(([file]) =>
          existsSync(join(root, file)) ? [] : [`${path}: ${file}`],
        ),
      );
    expect(broken).toEqual([]);
  });
});
