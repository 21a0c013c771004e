/** Time and shares of every epoch with a real node: asked for by a genesis, claimed, and shown. */
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { fits } from "./shape.ts";
import { background, freePorts, killAll, nexus, nexusJson, tempFolder, until } from "./support.ts";

const temp = tempFolder();
const dir = join(temp.path, "net");
afterAll(() => {
  killAll();
  temp.remove();
});

type Shown = { readonly id: string; readonly name: string; readonly claim: unknown };

describe("nexus time status and nexus work status", () => {
  it("show what a validator claims once an epoch", async () => {
    const port = await freePorts(2);
    const api = `http://[::1]:${port + 1}`;
    const node = `a=[::1]:${port},[::1]:${port + 1}`;
    const asks = ["--time", "dev", "--work", "dev", "--epoch-ms", "600000"];
    const made = await nexus(["--dir", dir, "init", "--network", "--node", node, ...asks]);
    expect(made.code, made.stderr).toBe(0);
    background(["start", "--config", join(dir, "a", "node.toml")]);
    const shown = (part: string): Promise<readonly Shown[]> =>
      nexusJson(["--api", api, part, "status"]) as Promise<readonly Shown[]>;
    await until("the node answers", async () => {
      const asked = await nexus(["--api", api, "time", "status"]);
      return asked.code === 0 && asked.stdout.includes("a ");
    });
    for (const part of ["time", "work"]) {
      const list = await shown(part);
      for (const item of list) fits(`${part} status`, [item]);
      expect(list.map(({ name }) => name)).toEqual(["a"]);
    }
  }, 120_000);

  it("say where a genesis cannot ask", async () => {
    const alone = await nexus([
      "--dir",
      join(temp.path, "b"),
      "init",
      "--name",
      "b",
      "--time",
      "dev",
    ]);
    expect(alone.code).toBe(1);
    expect(alone.stderr).toContain("--time belongs to the genesis");
  });
});
