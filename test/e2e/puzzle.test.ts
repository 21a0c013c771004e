/** A chain whose work is Argon2id: made by `nexus init`, worked for by the command, refused where it is false. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ownNetwork } from "./dev-network.ts";
import { nexus, until } from "./support.ts";

const NAMES = ["a", "b", "c", "d"] as const;
const net = ownNetwork(NAMES);

type Status = {
  readonly voting: string;
  readonly work: { readonly puzzle: object; readonly times: number } | null;
};

const status = async (): Promise<Status | undefined> => {
  const answer = await fetch(`${net.url("a")}/v1/status`).catch(() => undefined);
  return (await answer?.json()) as Status | undefined;
};

beforeAll(async () => {
  await net.make("--work", "dev", "--puzzle", "argon2id");
  for (const name of NAMES) net.start(name);
  await until("the network votes", async () => (await status())?.voting === "yes", 200_000);
}, 300_000);

afterAll(() => net.end());

describe("a chain of Argon2id", () => {
  it("says so in its genesis and to whoever asks", async () => {
    const genesis = JSON.parse(readFileSync(net.genesis, "utf8")) as {
      proofs: { work: { puzzle: object } };
    };
    const puzzle = { kind: "argon2id", memoryKiB: 256 };
    expect(genesis.proofs.work.puzzle).toEqual(puzzle);
    expect(await status()).toMatchObject({ work: { puzzle, times: 1 } });
  });

  it("takes what is worked for, and more of it on demand", async () => {
    const once = await net.run("append", "work/once", "x", "-o", "json");
    expect(once.code, once.stderr).toBe(0);
    const more = await net.run("append", "work/more", "x", "--effort", "16", "-o", "json");
    expect(more.code, more.stderr).toBe(0);
    const last = async (back: number): Promise<string> => {
      const size = ((await net.json("status")) as { logSize: number }[])[0]?.logSize ?? 0;
      const found = (await net.json("explain", String(size - back))) as {
        proofs: { work: string };
      };
      return found.proofs.work;
    };
    expect(await last(2)).toMatch(/^effort 1, argon2id .*: right, checked here/);
    expect(await last(1)).toMatch(/^effort 16, argon2id .*: right, checked here/);
  });

  it("refuses options that mean nothing", async () => {
    const dear = await net.run("append", "work/dear", "x", "--effort", "20000");
    expect(dear.stderr).toContain("--effort");
    expect(dear.code).not.toBe(0);
    const other = ["--dir", join(net.folder, "x"), "init", "--network"];
    const alone = await nexus([...other, "--puzzle", "argon2id", "--node", "a=[::1]:1"]);
    expect(alone.stderr).toContain("--puzzle is of the work");
  });
});
