/** What a browser loads with `tetrad/client`: every module that it reaches, and every package. */
import { readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

/** Addresses of the imports and re-exports that are left when types are gone. */
const importsOf = (path: string): string[] => {
  const text = readFileSync(join(root, path), "utf8");
  const statements = /^(?:import|export)\s+(?!type\b)(?:[^;"]*?from\s+)?"([^"]+)";/gm;
  const found = [...text.matchAll(statements)].map(([, address = ""]) => address);
  return [...found, ...[...text.matchAll(/\bimport\("([^"]+)"\)/g)].map(([, to = ""]) => to)];
};

const reach = (entry: string) => {
  const modules = new Set<string>();
  const packages = new Set<string>();
  const open = [entry];
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (modules.has(path)) continue;
    modules.add(path);
    for (const address of importsOf(path)) {
      if (address.startsWith(".")) open.push(normalize(join(dirname(path), address)));
      else packages.add(address);
    }
  }
  return { modules: [...modules], packages: [...packages] };
};

it("is our own modules and packages of pure JavaScript, and nothing of Node", () => {
  const { modules, packages } = reach("src/client/index.ts");
  expect(modules.length).toBeGreaterThan(30);
  expect(packages.filter((name) => !name.startsWith("@noble/"))).toEqual([]);
  expect(modules.filter((path) => /store\/level|\/transport\/|src\/cli\//.test(path))).toEqual([]);
});

it("can be the checks of work as well, which clients will make", () => {
  const { packages } = reach("src/proofs/work/index.ts");
  expect(packages.length).toBeGreaterThan(1);
  expect(packages.filter((name) => !name.startsWith("@noble/"))).toEqual([]);
});

it("would notice: what Node alone can load reaches its modules", () => {
  expect(reach("src/client/node.ts").packages).toContain("node:fs");
});
