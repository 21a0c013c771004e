/** The OpenAPI document is made of the routes, and has all of them; api-fuzz.test.ts holds it against a server. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { templateOf } from "../../src/node/api/openapi/document.ts";
import { productDocument, productRoutes } from "../../src/node/api/openapi/offline.ts";
import { VERSION } from "../../src/node/version.ts";

const routes = productRoutes();
const committed = JSON.parse(
  readFileSync(new URL("../../docs/openapi.json", import.meta.url), "utf8"),
) as unknown;

describe("docs/openapi.json", () => {
  it("is what npm run docs makes of the routes", () => {
    expect(committed).toEqual(JSON.parse(JSON.stringify(productDocument(VERSION))));
  });

  it("describes every route, each by an id of its own", () => {
    expect(routes.length).toBeGreaterThan(12);
    for (const { method, path, operation } of routes) {
      expect(operation, `${method} ${path}`).toBeDefined();
      const named = [...templateOf(path).matchAll(/\{([^}]+)\}/g)].map(([, name]) => name);
      expect(Object.keys(operation?.path ?? {}), path).toEqual(named);
    }
    const ids = routes.map(({ operation }) => operation?.id);
    expect(new Set(ids).size).toBe(ids.length);
  });
});
