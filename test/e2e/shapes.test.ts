/** What `-o json` and `-o ndjson` print, verb by verb, held against the table of shapes. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SHAPES } from "../../src/cli/shapes.ts";
import { devNetwork } from "./dev-network.ts";
import { fits, itemFits } from "./shape.ts";
import { nexus } from "./support.ts";

const net = devNetwork();
const { dir, folder, genesis } = net;
const at = (...parts: readonly string[]): string => join(folder, ...parts);
const config = join(dir, "a", "node.toml");
const OPEN = { NEXUS_PASSPHRASE: "one of the test's own" };
const KEYS = { ...OPEN, NEXUS_NEW_PASSPHRASE: "the next one" };
const held = new Set<string>();

/** Verbs that other tests hold against their shapes. */
const ELSEWHERE: readonly string[] = [
  // Without a network, and beside one: time.test.ts.
  "time prove",
  "time open",
  "time verify",
  "time delay",
  "time delay-verify",
  "time bench",
  // On a network that asks for time: claims.test.ts.
  "time status",
  // On files of their own: work.test.ts.
  "work effort",
  "work solve",
  "work verify",
  "work shares",
  "work open",
  // On a network that may lose a node: look.test.ts.
  "dev kill",
  "dev start",
  // On a network of its own: tour.test.ts.
  "tour",
  // On simulated networks: sim.test.ts.
  "sim run",
  "sim swarm",
  "sim shrink",
  "sim explain",
  "sim mutants",
  "sim list",
  // On sectors: space.test.ts.
  "space seal",
  "space ls",
  "space check",
  "space prove",
  "space verify",
  // On a chain that asks for space: space-give-back.test.ts.
  "space give-back",
  // On a chain that asks for it: location.test.ts.
  "location show",
  // On a chain with stake: capability.test.ts.
  "capability grant",
  "capability attenuate",
  "capability revoke",
  "capability ls",
  "capability show",
  "capability check",
  // On a chain whose validators change: validator.test.ts.
  "checkpoint verify",
  "validator status",
  "validator join",
  "validator leave",
  "validator rejoin",
  "validator jail",
  "validator grant",
  "validator bond",
  "validator unbond",
  "validator withdraw",
  // object.test.ts
  "object put",
  "object get",
  "object drop",
  "object ls",
  "object verify",
  // Beside its table: verbs.test.ts.
  "validator peers",
  // Beside the detector that it asks: verbs.test.ts.
  "asset scan",
];

/** Verbs whose output is lines in every format, because it has no end. */
const STREAMS: ReadonlySet<string> = new Set(["tail", "ct tail"]);

const verbOf = (args: readonly string[]): string => {
  const [first = "", second = ""] = args;
  return `${first} ${second}` in SHAPES ? `${first} ${second}` : first;
};

type Holding = {
  readonly more?: readonly string[];
  readonly again?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
};

/** Runs a verb in both formats; `again` are the arguments of the second run, where it cannot be the same. */
const holds = async (
  args: readonly string[],
  { more = [], again = args, env = {} }: Holding = {},
): Promise<void> => {
  const verb = verbOf(args);
  const shape = SHAPES[verb];
  if (shape === undefined) throw new Error(`${verb} has no shape`);
  held.add(verb);
  const print = async (run: readonly string[], format: string): Promise<string> => {
    const done = await nexus(["--dir", dir, ...run, "-o", format], { env });
    expect(done.code, `${run.join(" ")}: ${done.stderr}`).toBe(0);
    return done.stdout;
  };
  const lines = (text: string): unknown[] =>
    text
      .trimEnd()
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as unknown);
  const text = await print(args, "json");
  const value = STREAMS.has(verb) ? lines(text) : (JSON.parse(text) as unknown);
  fits(verb, value, more);
  const ndjson = lines(await print(again, "ndjson"));
  if (!shape.list) expect(ndjson, verb).toHaveLength(1);
  for (const item of ndjson) itemFits(verb, item, more);
};

beforeAll(net.start);
afterAll(net.end);

describe("shapes, of verbs that ask a network", () => {
  it.each([
    [["append", "look/one", "words"]],
    [["status"]],
    [["ls"]],
    [["ls", "records"]],
    [["get", "records", "look/one"]],
    [["tail", "--from", "0", "--no-follow"]],
    [["peers"]],
    [["validators"]],
    [["work", "status"]],
    [["explain", "0"]],
    [["verify", "--read-only"]],
    [["doctor"]],
    [["proof", "get", "0"]],
    [["proof", "get", "records", "look/none"]],
    [["ca", "root"]],
  ])("%j", (args) => holds(args));

  it("checkpoint show", async () => {
    await expect
      .poll(async () => (await nexus(["--dir", dir, "checkpoint", "show"])).code, {
        timeout: 60_000,
        interval: 500,
      })
      .toBe(0);
    await holds(["checkpoint", "show"]);
    const done = await nexus(["--dir", dir, "proof", "get", "0", "--out", at("proof.json")]);
    expect(done.code, done.stderr).toBe(0);
  });

  it("ca sign and ct tail", async () => {
    const openssl = (...args: readonly string[]): void => {
      execFileSync("openssl", args, { cwd: folder, stdio: "pipe" });
    };
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "s.key");
    const names = ["-addext", "subjectAltName=DNS:shape.example.org"];
    openssl("req", "-new", "-key", "s.key", "-subj", "/", ...names, "-out", "s.csr");
    await holds(["ca", "sign", "--csr", at("s.csr")]);
    await holds(["ct", "tail", "--from", "0", "--no-follow"]);
  });

  it("debug", () =>
    holds(["debug", "--out", at("d1.tgz")], { again: ["debug", "--out", at("d2.tgz")] }));
});

describe("shapes, of verbs that ask nobody", () => {
  it("has a network that is stopped", async () => {
    await net.stop();
  });

  it.each([
    [["version"]],
    [["config", "check", "--config", config]],
    [["config", "explain", "--config", config]],
    [["config", "schema"]],
    [["checkpoint", "keys", "--genesis", genesis]],
    [["proof", "verify", at("proof.json"), "--trust", genesis]],
    [["audit", "--dir", join(dir, "a"), "--genesis", genesis]],
    [["rebuild", "--config", config]],
  ])("%j", (args) => holds(args));

  it("replay, of a state", async () => {
    const node = ["replay", "--dir", join(dir, "a"), "--genesis", genesis];
    const more = ["height", "logSize", "logRoot", "stateRoot", "projections"];
    await holds([...node, "--to", "1"], { more });
  });

  it("backup and restore", async () => {
    const backup = (to: string) => ["backup", "--config", config, "--to", at(to)];
    await holds(backup("one"), { again: backup("two") });
    const restore = (to: string) => ["restore", at("one"), "--to", at(to), "--genesis", genesis];
    await holds(restore("r1"), { again: restore("r2") });
  });

  it("init: a node, an actor, a genesis of several, and a network", async () => {
    const node = (to: string, port: number) => [
      ...["--dir", at(to), "init", "--name", "n", "--listen", `[::1]:${port}`],
    ];
    const init = async (args: (to: string) => readonly string[], more: readonly string[]) => {
      for (const format of ["json", "ndjson"]) {
        const done = await nexus([...args(format), "-o", format], { env: KEYS });
        expect(done.code, done.stderr).toBe(0);
        fits("init", JSON.parse(done.stdout), more);
      }
      held.add("init");
    };
    await init((to) => node(`node-${to}`, 5001), ["name", "identity", "config", "address"]);
    const actor = (to: string) => ["--dir", at(`actor-${to}`), "init", "--name", "w", "--actor"];
    await init(actor, ["name", "identity", "key"]);
    const files = [at("node-json", "identity.json"), at("actor-json", "w.json")];
    const join = (to: string) => [
      ...["init", "--join", ...files, "--chain-id", "shape-1", "--out", at(`g-${to}.json`)],
    ];
    await init(join, ["genesis", "hash", "chainId", "validators", "actors"]);
    const network = (to: string) => [
      ...["--dir", at(`net-${to}`), "init", "--network", "--node", "a=[::1]:5001"],
    ];
    await init(network, ["chainId", "configs"]);
  });

  it("key: made, shown, copied, sealed anew", async () => {
    const key = (name: string) => at("keys", name);
    await holds(["key", "new", key("1.key")], { again: ["key", "new", key("2.key")], env: KEYS });
    await holds(["key", "show", key("1.key"), "--open"], { env: KEYS });
    const move = (to: string) => ["key", "export", key("1.key"), "--to", at(to)];
    await holds(move("e1"), { again: move("e2"), env: OPEN });
    const take = (to: string) => ["key", "import", at("e1"), "--to", at(to)];
    await holds(take("i1"), { again: take("i2"), env: OPEN });
    const rotate = (name: string) => ["key", "rotate", key(name)];
    const more = ["file", "use", "development", "fingerprint"];
    await holds(rotate("1.key"), { again: rotate("2.key"), more, env: KEYS });
  });

  it("leave no shape that nothing was held against", () => {
    const open = Object.keys(SHAPES).filter((verb) => !held.has(verb) && !ELSEWHERE.includes(verb));
    expect(open).toEqual([]);
  });
});
