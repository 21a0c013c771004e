/** Objects through the bin, on a network of real processes: from node to node, after a crash, and past a liar. */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { ERRORS } from "../../src/errors.ts";
import { ownNetwork } from "./dev-network.ts";
import { fits } from "./shape.ts";
import {
  type Background,
  background,
  nexus,
  type Run,
  root as repository,
  until,
} from "./support.ts";

const NAMES = ["a", "b", "c", "d"] as const;
type Name = (typeof NAMES)[number];
const net = ownNetwork(NAMES);
const MIB = 1024 * 1024;
// Each command is a process of its own, and each chunk is synced: a busy machine is no fault.
vi.setConfig({ testTimeout: 600_000, hookTimeout: 600_000 });
let liar: ChildProcess | undefined;
/** The process of the node a. */
let honest: Background;

const at = (node: Name, ...args: readonly string[]): Promise<Run> =>
  net.run("--api", net.url(node), "object", ...args);

const ok = async <T>(node: Name, ...args: readonly string[]): Promise<T> => {
  const run = await at(node, ...args, "-o", "json");
  expect(run.code, `${args.join(" ")}\n${run.stderr}`).toBe(0);
  const value = JSON.parse(run.stdout) as T;
  const isEmpty = Array.isArray(value) && value.length === 0;
  if (!isEmpty && !args.includes("--evidence")) fits(`object ${args[0]}`, value);
  return value;
};

type Got = { readonly root: string; readonly chunks: number; readonly resumed: number };
type Listed = {
  readonly root: string;
  readonly held: number;
  readonly chunks: number;
  readonly kept: boolean;
};
type Evidence = {
  readonly kind: string;
  readonly member: string;
  readonly root: string;
  readonly claim: unknown;
};

const file = (name: string, bytes: number): string => {
  const path = join(net.folder, name);
  writeFileSync(path, randomBytes(bytes));
  return path;
};

const same = (one: string, other: string): boolean => readFileSync(one).equals(readFileSync(other));

const metric = async (node: Name, name: string): Promise<number> => {
  const page = await (await fetch(`${net.url(node)}/metrics`)).text();
  const line = page
    .split("\n")
    .find((text) => text.startsWith(`${name} `) || text.startsWith(`${name}{`));
  return Number(line?.split(" ").at(-1) ?? 0);
};

type Peers = { readonly items: readonly { readonly id: string; readonly sealed: unknown }[] };

/** All other members that run are reached, and their sessions complete. */
const sees = async (node: Name, count: number): Promise<void> =>
  until(`${node} sees ${count}`, async () => {
    const answer = await fetch(`${net.url(node)}/v1/peers`).catch(() => undefined);
    const body = (await answer?.json().catch(() => undefined)) as Peers | undefined;
    return (body?.items.filter(({ sealed }) => sealed !== null).length ?? 0) >= count;
  });

const held = async (node: Name, root: string): Promise<number> => {
  const answer = await fetch(`${net.url(node)}/v1/objects/${root}`).catch(() => undefined);
  if (answer === undefined || !answer.ok) return 0;
  return ((await answer.json()) as Listed).held;
};

const put = async (node: Name, path: string): Promise<string> =>
  (await ok<{ root: string }>(node, "put", path)).root;

beforeAll(async () => {
  await net.make();
  honest = net.start("a");
  for (const name of NAMES.slice(1)) net.start(name);
  for (const name of NAMES) await sees(name, 3);
});

afterAll(async () => {
  liar?.kill("SIGKILL");
  await net.end();
});

describe("nexus object", () => {
  const original = () => join(net.folder, "first");
  let root = "";

  it("puts a file, whose name is of its bytes alone, and says so again for the same bytes", async () => {
    file("first", 5 * MIB + 17);
    root = await put("a", original());
    expect(root).toMatch(/^[0-9a-f]{64}$/);
    expect(await put("a", original())).toBe(root);
    const table = await at("a", "ls");
    expect(table.stdout).toMatch(/^OBJECT +SIZE +CHUNKS +STATE +KEPT +USED$/m);
    expect(table.stdout).toMatch(new RegExp(`^${root} +5.0 MiB +6/6 +whole +yes `, "m"));
  });

  it("gets it at another node, and from that one at a third when the first is down", async () => {
    const second = join(net.folder, "second");
    const got = await ok<Got>("c", "get", root, "-f", second);
    expect(got).toMatchObject({ root, chunks: 6, resumed: 0 });
    expect(same(original(), second)).toBe(true);
    await until("c has it whole", async () => (await held("c", root)) === 6);
    await net.stop("a");
    const third = join(net.folder, "third");
    await ok("d", "get", root, "-f", third);
    expect(same(original(), third)).toBe(true);
    expect(await metric("c", "tetrad_object_served_bytes_total")).toBeGreaterThanOrEqual(
      5 * MIB + 17,
    );
    const [listed] = await ok<Listed[]>("d", "ls");
    expect(listed).toMatchObject({ root, kept: false });
    honest = net.start("a");
    await sees("a", 3);
  });

  it("writes to a pipe, and to no terminal's worth of rubbish: data on stdout, progress on stderr", async () => {
    const run = background(["--api", net.url("b"), "object", "get", root]);
    const parts: Buffer[] = [];
    run.child.stdout?.on("data", (part: Buffer) => parts.push(part));
    expect(await run.exited).toBe(0);
    expect(Buffer.concat(parts).equals(readFileSync(original()))).toBe(true);
    expect(run.stderr()).toContain("getting");
  });

  it("finds what has changed on the disk, and gets it back from others", async () => {
    const chunk = join(net.home("d"), "objects", root, "3");
    await until("d has it whole", async () => (await held("d", root)) === 6);
    const bytes = readFileSync(chunk);
    bytes[1000] = (bytes[1000] ?? 0) ^ 255;
    writeFileSync(chunk, bytes);
    const run = await at("d", "verify", root, "-o", "json");
    expect(run.code).toBe(ERRORS["object.damaged"].exitCode);
    expect(run.stderr).toContain("object.damaged");
    expect(JSON.parse(run.stdout)).toMatchObject([{ root, checked: 6, damaged: [3] }]);
    expect(existsSync(chunk)).toBe(false);
    const again = join(net.folder, "again");
    await ok("d", "get", root, "-f", again);
    expect(same(original(), again)).toBe(true);
    const sound = await ok<{ damaged: number[] }[]>("d", "verify");
    expect(sound).toMatchObject([{ checked: 6, damaged: [] }]);
  });

  it("goes on after a crash where it was: node and command", async () => {
    const big = file("big", 24 * MIB);
    const name = await put("a", big);
    const target = join(net.folder, "big-copy");
    const getting = background(["--api", net.url("b"), "object", "get", name, "-f", target]);
    await until("some of it is there", async () => (await held("b", name)) >= 3, 120_000);
    await net.stop("b", "SIGKILL");
    expect(await getting.exited).toBe(ERRORS["cli.unreachable"].exitCode);
    expect(existsSync(target)).toBe(false);
    const draft = `${target}.${name.slice(0, 16)}.part`;
    expect(statSync(join(draft, "chunks")).size).toBeGreaterThan(0);
    const left = readdirSync(join(net.home("b"), "objects", name)).filter((one) =>
      /^\d+$/.test(one),
    );
    expect(left.length).toBeGreaterThanOrEqual(3);
    expect(left.length).toBeLessThan(24);
    net.start("b");
    await sees("b", 3);
    expect(await held("b", name)).toBe(left.length);
    const got = await ok<Got>("b", "get", name, "-f", target);
    expect(same(big, target)).toBe(true);
    expect(got.resumed).toBeGreaterThan(0);
    await until("b has it whole", async () => (await held("b", name)) === 24);
    const fetched = await metric("b", "tetrad_object_fetched_bytes_total");
    expect(fetched).toBe((24 - left.length) * MIB);
    expect(existsSync(draft)).toBe(false);
  });

  it("drops a member that lies about a chunk, keeps the evidence, and ends right", async () => {
    const path = file("lied-about", 12 * MIB);
    const name = await put("a", path);
    const peers = (await (await fetch(`${net.url("c")}/v1/validators`)).json()) as {
      items: { id: string; name: string }[];
    };
    const d = peers.items.find((one) => one.name === "d")?.id ?? "";
    await net.stop("d");
    liar = spawn(
      process.execPath,
      [join(repository, "test/e2e/lying-peer.ts"), net.config("d"), path],
      {
        stdio: ["ignore", "pipe", "inherit"],
      },
    );
    const ready = new Promise<void>((resolve) => liar?.stdout?.on("data", () => resolve()));
    await ready;
    await sees("c", 3);
    const copy = join(net.folder, "right");
    // While the honest one stands still, the liar is the only one that answers.
    honest.child.kill("SIGSTOP");
    const getting = at("c", "get", name, "-f", copy);
    const told = async (): Promise<number> => {
      const answer = await fetch(`${net.url("c")}/v1/object-evidence`);
      const { items } = (await answer.json()) as { items: readonly Pick<Evidence, "claim">[] };
      // It is written twice: at once, and with what the liar signed, which it is asked for then.
      return items.filter(({ claim }) => claim !== null).length;
    };
    await until("the lie is found out", async () => (await told()) > 0, 120_000);
    honest.child.kill("SIGCONT");
    let run = await getting;
    // On a busy machine the honest one may be back too late for one fetch: then the command says to come again.
    for (let again = 0; again < 5 && run.code === ERRORS["object.stalled"].exitCode; again++) {
      run = await at("c", "get", name, "-f", copy);
    }
    expect(run.code, run.stderr).toBe(0);
    expect(same(path, copy)).toBe(true);
    const evidence = await ok<Evidence[]>("c", "ls", "--evidence");
    expect(evidence).toMatchObject([{ kind: "chunk", member: d, root: name, transferable: false }]);
    expect(evidence[0]).toMatchObject({ claim: { publicKey: expect.any(String) } });
    expect(readdirSync(join(net.home("c"), "objects", "evidence"))).toHaveLength(2);
    expect(await metric("c", "tetrad_object_lies_total")).toBe(1);
    const seen = (await (await fetch(`${net.url("c")}/v1/peers`)).json()) as {
      items: { id: string; observed: readonly unknown[] }[];
    };
    expect(seen.items.find(({ id }) => id === d)?.observed).toMatchObject([
      { kind: "object-chunk", count: 1, transferable: false },
    ]);
    const table = await at("c", "ls", "--evidence");
    expect(table.stdout).toMatch(/^TIME +MEMBER +KIND +OBJECT +CHUNK +TRANSFERABLE$/m);
  });

  it("is given up by an order, and then is where others have it", async () => {
    await ok("a", "drop", root);
    expect((await ok<Listed[]>("a", "ls")).map((one) => one.root)).not.toContain(root);
    await ok("a", "get", root, "-f", join(net.folder, "back"));
    expect(same(original(), join(net.folder, "back"))).toBe(true);
    expect((await at("b", "drop", "ab".repeat(32))).stderr).toContain("object.not-found");
  });

  it("takes no order of an actor who may not, and exits with the code of the table", async () => {
    const made = await nexus([
      "--dir",
      join(net.folder, "ops"),
      "init",
      "--name",
      "ops",
      "--actor",
    ]);
    expect(made.code, made.stderr).toBe(0);
    const home = join(net.folder, "ops");
    const key = join(home, "keys", "ops.key");
    const unknown = await at("a", "put", original(), "--key", key);
    expect(unknown.stderr).toContain("event.unknown-actor");
    expect(unknown.code).toBe(ERRORS["event.unknown-actor"].exitCode);
    const { publicKey } = JSON.parse(readFileSync(join(home, "ops.json"), "utf8")) as {
      publicKey: string;
    };
    const register = async (permissions: readonly string[]) =>
      net.run(
        "append",
        "--type",
        "actor.registered",
        "--data",
        JSON.stringify({ publicKey, name: "ops", permissions }),
      );
    expect((await register(["record.*"])).code).toBe(0);
    const forbidden = await at("a", "put", original(), "--key", key);
    expect(forbidden.stderr).toContain("event.forbidden");
    expect(forbidden.code).toBe(ERRORS["event.forbidden"].exitCode);
  });

  it("says what is wrong with what it is given", async () => {
    const tries: readonly (readonly [code: string, args: readonly string[]])[] = [
      ["cli.usage", ["put", join(net.folder, "nowhere")]],
      ["cli.usage", ["put", net.folder]],
      ["cli.usage", ["get", "xyz", "-f", join(net.folder, "x")]],
      ["object.not-found", ["get", "ab".repeat(32), "-f", join(net.folder, "x")]],
      ["object.not-found", ["verify", "ab".repeat(32)]],
      ["cli.usage", ["drop", "xyz"]],
    ];
    for (const [code, args] of tries) {
      const run = await at("a", ...args);
      expect(run.stderr, args.join(" ")).toContain(code);
      expect(run.code, args.join(" ")).toBe(ERRORS[code as keyof typeof ERRORS].exitCode);
    }
  });
});
