/** `nexus ls` against a server of rows: nobody is given a part for the whole. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import type { Format } from "../../src/cli/output.ts";
import { list } from "../../src/cli/verbs/read.ts";
import { fakeContext } from "./fake-context.ts";

let server: Server | undefined;
afterEach(() => {
  server?.close();
});

/** Rows k0… in pages of at most 300. */
const serve = async (rows: number): Promise<string> => {
  server = createServer((request, response) => {
    const url = new URL(request.url ?? "", "http://[::1]");
    const first = Number(url.searchParams.get("after") ?? "0");
    const limit = Math.min(300, Number(url.searchParams.get("limit")));
    const end = Math.min(rows, first + limit);
    const items = Array.from({ length: end - first }, (_, i) => ({
      key: `k${first + i}`,
      value: { n: first + i, timeMs: 1_795_470_297_063 },
    }));
    response.end(JSON.stringify({ items, next: end < rows ? String(end) : null }));
  });
  const listening = server;
  await new Promise<void>((resolve) => listening.listen(0, "::1", resolve));
  return `http://[::1]:${(listening.address() as AddressInfo).port}`;
};

const ls = async (rows: number, output: Format, limit?: number) => {
  const api = await serve(rows);
  const { context, said } = fakeContext({ api, output });
  await list(context, limit === undefined ? {} : { limit }, "records");
  return { ...said, lines: said.out.trimEnd().split("\n").length };
};

describe("nexus ls", () => {
  it("gives programs every row", async () => {
    expect(JSON.parse((await ls(2500, "json")).out)).toHaveLength(2500);
    expect((await ls(2500, "ndjson")).lines).toBe(2500);
  });

  it("shows times in a table as people write them, and as they are to programs", async () => {
    const { out } = await ls(1, "table");
    expect(out.split("\n")[0]).toMatch(/ TIME$/);
    expect(out).toContain("2026-11-23T");
    expect((await ls(1, "json")).out).toContain('"timeMs": 1795470297063');
  });

  it("cuts a table at its limit, and says so past it", async () => {
    const whole = await ls(1000, "table");
    expect([whole.lines, whole.err]).toEqual([1001, ""]);
    const cut = await ls(1001, "table");
    expect(cut.lines).toBe(1001);
    expect(cut.err).toContain("1000 rows are shown, more exist");
  });

  it("keeps a limit that is asked for", async () => {
    for (const format of ["json", "table"] as const) {
      const { err } = await ls(2000, format, 1500);
      expect(err).toBe("");
    }
    expect((await ls(2000, "table", 1500)).lines).toBe(1501);
    expect((await ls(2000, "ndjson", 7)).lines).toBe(7);
  });
});
