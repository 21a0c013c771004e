/** Rights that are given, passed on in part and taken back, through the command and over the wire. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createClient, mayWrite, readCapability } from "../../src/client/index.ts";
import { ownNetwork } from "./dev-network.ts";
import { fits } from "./shape.ts";
import { nexus, until } from "./support.ts";

const NAMES = ["a", "b", "c", "d"] as const;
const net = ownNetwork(NAMES);
type Given = { readonly capability: string; readonly holder: string };
type Actor = { readonly id: string; readonly key: string };
let ana: Actor;
let ben: Actor;

/** A key of its own, registered with these permissions. */
const actor = async (name: string, ...permissions: readonly string[]): Promise<Actor> => {
  const home = join(net.folder, name);
  const made = await nexus(["--dir", home, "init", "--name", name, "--actor"]);
  expect(made.code, made.stderr).toBe(0);
  const { publicKey } = JSON.parse(readFileSync(join(home, `${name}.json`), "utf8")) as {
    publicKey: string;
  };
  const data = { publicKey, name, permissions };
  await ok("append", "--type", "actor.registered", "--data", JSON.stringify(data));
  const rows = (await net.json("ls", "actors")) as { key: string; value: { name: string } }[];
  const id = rows.find(({ value }) => value.name === name)?.key ?? "";
  return { id, key: join(home, "keys", `${name}.key`) };
};

const ok = async <T>(...args: readonly string[]): Promise<T> => {
  const run = await net.run(...args, "-o", "json");
  expect(run.code, `${args.join(" ")}\n${run.stderr}`).toBe(0);
  const value = JSON.parse(run.stdout) as T;
  if (args[0] === "capability") fits(`capability ${args[1]}`, value);
  return value;
};

const refused = async (code: string, ...args: readonly string[]): Promise<void> => {
  const run = await net.run(...args);
  expect(run.stderr, args.join(" ")).toContain(code);
  expect(run.code).not.toBe(0);
};

beforeAll(async () => {
  await net.make("--stake");
  for (const name of NAMES) net.start(name);
  await until("the network votes", async () => {
    const answer = await fetch(`${net.url("a")}/v1/status`).catch(() => undefined);
    return ((await answer?.json()) as { voting?: string } | undefined)?.voting === "yes";
  });
  ana = await actor("ana");
  ben = await actor("ben");
}, 300_000);

afterAll(() => net.end());

describe("nexus capability", () => {
  let first = "";
  let second = "";

  it("lets nobody write what neither permission nor capability allows", async () => {
    await refused("event.forbidden", "append", "notes/a", "x", "--key", ana.key);
    await refused("event.forbidden", "capability", "check", ana.id, "record.put", "record/notes/a");
  });

  it("grants what its holder then writes, about that resource only", async () => {
    const grant = ["capability", "grant", ana.id, "--action", "record.put"];
    const given = await ok<Given>(
      ...grant,
      "--resource",
      "record/notes/",
      "--until",
      "1h",
      "--pass-on",
    );
    first = given.capability;
    await ok("append", "notes/a", "x", "--key", ana.key);
    await refused("event.forbidden", "append", "others/a", "x", "--key", ana.key);
    await refused("event.forbidden", "append", "notes/a", "x", "--key", ben.key);
  });

  it("proves a right against the genesis", async () => {
    const may = await ok<{ allowed: boolean; by: string; verified: boolean }>(
      ...["capability", "check", ana.id, "record.put", "record/notes/b"],
    );
    expect(may).toMatchObject({ allowed: true, by: first, verified: true });
    const told = await ok<{ verified: boolean }>(
      ...["capability", "check", ana.id, "record.put", "record/notes/b", "--unverified"],
    );
    expect(told.verified).toBe(false);
    const list = await ok<Given[]>("capability", "ls", "--holder", ana.id);
    expect(list.map(({ capability }) => capability)).toEqual([first]);
  });

  it("is passed on narrower, and never wider", async () => {
    const pass = ["capability", "attenuate", first, ben.id, "--key", ana.key];
    await refused("event.forbidden", ...pass, "--resource", "record/");
    await refused("event.forbidden", ...pass, "--action", "record.*");
    await refused("event.forbidden", ...pass, "--until", "2h");
    second = (await ok<Given>(...pass, "--resource", "record/notes/ben")).capability;
    await ok("append", "notes/ben", "x", "--key", ben.key);
    await refused("event.forbidden", "append", "notes/a", "x", "--key", ben.key);
    // It was not to be passed on any further.
    const again = ["capability", "attenuate", second, ana.id, "--key", ben.key];
    await refused("event.forbidden", ...again);
  });

  it("shows the way to the root", async () => {
    const shown = await ok<{ chain: Given[]; state: string; verified: boolean }>(
      ...["capability", "show", second],
    );
    expect(shown.chain.map(({ capability }) => capability)).toEqual([second, first]);
    expect(shown).toMatchObject({ state: "live", verified: true });
    await refused("http.not-found", "capability", "show", "0".repeat(64));
  });

  it("gives programs the same answers", async () => {
    const trust = { genesis: readFileSync(net.genesis, "utf8") };
    const client = createClient({ baseUrl: net.url("b"), trust });
    const right = { actor: ben.id, action: "record.put", resource: "record/notes/ben" };
    expect(await mayWrite(client, right)).toMatchObject({ allowed: true, by: second });
    const wide = await mayWrite(client, { ...right, resource: "record/notes/a" });
    expect(wide).toMatchObject({ allowed: false, verified: true });
    const later = await readCapability(client, second, { timeMs: Number.MAX_SAFE_INTEGER });
    expect(later?.state).toBe("ended");
  });

  it("falls with what it came from", async () => {
    await refused("event.forbidden", "capability", "revoke", first, "--key", ben.key);
    await ok("capability", "revoke", first);
    await refused("event.forbidden", "append", "notes/ben", "x", "--key", ben.key);
    expect(await ok("capability", "show", second)).toMatchObject({ state: "revoked" });
    expect((await net.run("capability", "ls", "--all")).stdout).toMatch(/at \d+/);
    await refused("event.conflict", "capability", "revoke", first);
  });

  it("refuses what is no right", async () => {
    await refused("cli.usage", "capability", "grant", "ana", "--action", "record.put");
    await refused("--action", "capability", "grant", ana.id);
    await refused("--until", "capability", "grant", ana.id, "--action", "x.y", "--until", "soon");
  });
});
