/** `nexus object` against the API of a node with a real folder: what is printed, where, and what is refused. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { get, ls, put, verify } from "../../src/cli/verbs/object.ts";
import { createClient, keySigner } from "../../src/client/index.ts";
import { CHUNK_BYTES } from "../../src/crypto/objects/tree.ts";
import { type ObjectNode, realNode, SECRET_KEY } from "../client/object-nodes.ts";
import { bytesOf, codeOf, objectOf } from "../node/objects/support.ts";
import { fakeContext } from "./fake-context.ts";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const OBJECT = objectOf(bytesOf(CHUNK_BYTES + 9, 3));

let node: ObjectNode;
let folder: string;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "tetrad-cli-object-"));
  node = await realNode();
  const { objects } = createClient({ baseUrl: node.base, unverified: true });
  await objects.put(OBJECT.bytes, { signer: keySigner(SECRET_KEY) });
});
afterEach(async () => {
  await node.close();
  rmSync(folder, { recursive: true, force: true });
});

const json = () => fakeContext({ api: node.base, output: "json" });
const table = () => fakeContext({ api: node.base });

describe("nexus object", () => {
  it("gets a file whole or not at all, and says what it did", async () => {
    const { root } = OBJECT;
    const file = join(folder, "got");
    const { context, said } = json();
    await get(context, { file, timeout: 60 }, root);
    expect(JSON.parse(said.out)).toEqual({
      ...{ root, file, length: OBJECT.bytes.length, chunks: 2, resumed: 0 },
    });
    expect(readFileSync(file).equals(OBJECT.bytes)).toBe(true);
    expect(readdirSync(folder)).toEqual(["got"]);
  });

  it("leaves nothing behind where there is no such object, or no place for the file", async () => {
    const none = "ab".repeat(32);
    const { context } = json();
    const to = (file: string, root: string) => codeOf(get(context, { file, timeout: 1 }, root));
    expect(await to(join(folder, "x"), none)).toBe("object.not-found");
    expect(await to(join(folder, "no", "x"), OBJECT.root)).toBe("cli.usage");
    expect(await to(join(folder, "n".repeat(300)), OBJECT.root)).toBe("cli.usage");
    mkdirSync(join(folder, "there"));
    expect(await to(join(folder, "there"), OBJECT.root)).toBe("cli.usage");
    expect(await to("", OBJECT.root)).toBe("cli.usage");
    expect(readdirSync(folder)).toEqual(["there"]);
  });

  it("refuses names that are none, whatever the verb", async () => {
    const { context } = json();
    for (const name of ["", "xyz", OBJECT.root.toUpperCase(), "ab".repeat(5000)]) {
      const asked = get(context, { file: join(folder, "x"), timeout: 1 }, name);
      expect(await codeOf(asked), name.slice(0, 9)).toBe("cli.usage");
      expect(await codeOf(verify(context, {}, name)), name.slice(0, 9)).toBe("cli.usage");
    }
  });

  it("lists and checks what a node has, and says so in a table and in JSON", async () => {
    const { root } = OBJECT;
    const listed = table();
    await ls(listed.context, {});
    expect(listed.said.out).toMatch(new RegExp(`^${root} +1.0 MiB +2/2 +whole +yes `, "m"));
    const all = json();
    await ls(all.context, {});
    expect(JSON.parse(all.said.out)).toMatchObject([{ root, held: 2, kept: true, fetch: null }]);
    const checked = json();
    await verify(checked.context, {}, root);
    const sound = { root, checked: 2, missing: 0, damaged: [] };
    expect(JSON.parse(checked.said.out)).toEqual([sound]);
    const every = table();
    await verify(every.context, {}, undefined);
    expect(every.said.out).toMatch(/ +2 +0 +0 +ok/);
    expect(await codeOf(verify(json().context, {}, "ab".repeat(32)))).toBe("object.not-found");
  });

  it("puts no file that is none, and asks for no key before it has looked", async () => {
    const { context } = json();
    for (const path of ["", folder, join(folder, "nowhere"), "/dev/zero", "p".repeat(5000)]) {
      expect(await codeOf(put(context, {}, path)), path.slice(0, 20)).toBe("cli.usage");
    }
    writeFileSync(join(folder, "file"), "x");
    const error = await codeOf(
      put(context, { key: join(folder, "none.key") }, join(folder, "file")),
    );
    expect(error).toMatch(/^key\.|^cli\.usage/);
  });
});
