/** What a node states of its projections, as hostile JSON: roots, or nothing. */
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { openApiSource } from "../../../src/cli/audit/api-source.ts";
import { LIMITS } from "../../../src/limits.ts";
import { serve, type TestServer } from "../../client/support.ts";

let server: TestServer | undefined;
let answer: { status: number; body: string };
afterEach(async () => {
  await server?.close();
  server = undefined;
});

const rootsOf = async (body: string, status = 200): Promise<unknown> => {
  answer = { status, body };
  server ??= await serve((_request, response) => {
    response.writeHead(answer.status, { "content-type": "application/json" });
    response.end(answer.body);
  });
  return openApiSource(server.base).rootsAt(7, new AbortController().signal);
};

const ROOT = "ab".repeat(32);
const blockOf = (projections: unknown): string => JSON.stringify({ executed: { projections } });

describe("the roots that a node states", () => {
  it("are read from its block, up to as many projections as there may be", async () => {
    const [one] = (await rootsOf(blockOf([{ name: "records", root: ROOT }]))) as {
      name: string;
      root: Uint8Array;
    }[];
    expect(one?.name).toBe("records");
    expect(one?.root).toEqual(new Uint8Array(32).fill(0xab));
    const many = (count: number) =>
      Array.from({ length: count }, () => ({ name: "x", root: ROOT }));
    expect(await rootsOf(blockOf(many(LIMITS.projectionsMax)))).toHaveLength(LIMITS.projectionsMax);
    expect(await rootsOf(blockOf(many(LIMITS.projectionsMax + 1)))).toBeUndefined();
  });

  it("are none in what is no such block", async () => {
    for (const body of [
      "",
      "null",
      "[]",
      "{}",
      '{"executed":null}',
      blockOf({}),
      blockOf([null]),
    ]) {
      expect(await rootsOf(body), body).toBeUndefined();
    }
    for (const root of ["", ROOT.slice(1), ROOT.toUpperCase(), 5]) {
      expect(await rootsOf(blockOf([{ name: "records", root }]))).toBeUndefined();
    }
    expect(await rootsOf(blockOf([{ name: 5, root: ROOT }]))).toBeUndefined();
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), async (value) => {
        const read = await rootsOf(blockOf(value));
        expect(read === undefined || Array.isArray(read)).toBe(true);
      }),
      { numRuns: 50, seed: 20_261_126 },
    );
    await expect(rootsOf("{}", 404)).rejects.toMatchObject({ code: "cli.unreachable" });
  });
});
