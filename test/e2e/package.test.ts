/**
 * The package as a user gets it: packed, installed in an empty folder, imported, type-checked against its
 * declarations, and run. Everything here is of the tarball; nothing of the checkout is on any path.
 */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Background,
  background,
  freePorts,
  holdBuild,
  killAll,
  nexus,
  type Run,
  root,
  SHORT,
  tempFolder,
  until,
} from "./support.ts";

const run = promisify(execFile);

const folder = tempFolder();
const app = join(folder.path, "app");
const installed = join(app, "node_modules", "tetrad");
const bin = join(installed, "bin", "nexus.js");
let packed: readonly string[] = [];
let printed = "";

/** npm finds the node that runs this test, as a user's shell would find Node 24. */
const env = {
  // What the npm that runs these tests was told, such as to be silent, is not for the one that installs.
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name))),
  PATH: `${dirname(process.execPath)}:${process.env["PATH"] ?? ""}`,
};

beforeAll(async () => {
  mkdirSync(app);
  const out = ["--pack-destination", folder.path, "--json"];
  const release = await holdBuild();
  const packing = run("npm", ["pack", ...out], { cwd: root, env, timeout: 120_000 });
  const { stdout } = await packing.finally(release);
  const report: unknown = JSON.parse(stdout);
  const [entry] = (Array.isArray(report) ? report : Object.values(report as object)) as {
    readonly filename: string;
    readonly files: readonly { readonly path: string }[];
  }[];
  packed = (entry?.files ?? []).map((file) => file.path);
  writeFileSync(join(app, "package.json"), '{"name":"app","private":true,"type":"module"}\n');
  const install = ["install", "--prefer-offline", "--no-audit", "--no-fund"];
  const tarball = join(folder.path, entry?.filename ?? "");
  const done = await run("npm", [...install, tarball], { cwd: app, env, timeout: 300_000 });
  printed = done.stdout + done.stderr;
}, 800_000);

afterAll(() => {
  killAll();
  folder.remove();
});

/** Runs a program in the app's folder with the Node of this test. */
const node = async (source: string): Promise<string> => {
  const args = ["--input-type=module", "--eval", source];
  const { stdout } = await run(process.execPath, args, { cwd: app, env, timeout: 60_000 });
  return stdout.trim();
};

describe("the packed package", () => {
  it("holds what runs and what explains it, and no source, test or simulation data of ours", () => {
    expect(packed).toContain("dist/src/client/index.js");
    expect(packed).toContain("dist/src/client/index.d.ts");
    expect(packed).toContain("bin/nexus.js");
    expect(packed).toContain("LICENSE");
    const folders = new Set(packed.map((path) => path.split("/")[0]));
    expect([...folders].sort()).toEqual(
      [
        "CHANGELOG.md",
        "LICENSE",
        "README.md",
        "bin",
        "dist",
        "docs",
        "package.json",
        "packaging",
      ].sort(),
    );
    // What the pages link to, and the schema that scenario files name, is there too.
    for (const name of readdirSync(join(root, "docs")).filter((one) => /\.\w+$/.test(one))) {
      expect(packed).toContain(`docs/${name}`);
    }
    expect(packed).toContain("docs/scenario.schema.json");
    const source = packed.filter((path) => path.endsWith(".ts") && !path.endsWith(".d.ts"));
    expect(source.filter((path) => !path.startsWith("docs/examples/"))).toEqual([]);
    expect(packed.filter((path) => /\.test\.|node_modules/.test(path))).toEqual([]);
  });

  it("installs without running a build of anything", () => {
    expect(printed).toMatch(/added \d+ packages/);
    expect(printed).not.toMatch(/node-gyp (rebuild|configure)|gyp ERR/);
    expect(existsSync(join(installed, "src"))).toBe(false);
  });
});

describe("its entries", () => {
  it("import in JavaScript", async () => {
    const found = await node(
      'import * as client from "tetrad/client"; import * as sim from "tetrad/sim";' +
        "console.log(Object.keys(client).length, sim.simulate(sim.randomScenario(3)).outcome);",
    );
    expect(found).toMatch(/^[1-9][0-9]* ok$/);
  });

  it("find the files that they read: the bank has the scenarios that are JSON", async () => {
    const inBank = await node('import { BANK } from "tetrad/sim"; console.log(BANK.length)');
    const library = readdirSync(join(root, "sim", "scenarios"), { recursive: true });
    expect(Number(inBank)).toBe(library.filter((name) => String(name).endsWith(".json")).length);
  });

  it("draw scenarios for those who have fast-check, which the package itself does not bring", async () => {
    const draw =
      'const { scenarioArbitrary } = await import("tetrad/sim/arbitraries");' +
      'const { default: fc } = await import("fast-check");' +
      "console.log(fc.sample(scenarioArbitrary({ n: 7 }), 3).map(({ n }) => n).join());";
    await expect(node(draw)).rejects.toThrow(/fast-check/);
    const peer = join(app, "node_modules", "fast-check");
    symlinkSync(join(root, "node_modules", "fast-check"), peer);
    try {
      expect(await node(draw)).toBe("7,7,7");
    } finally {
      rmSync(peer);
    }
  });

  it("are all that can be imported, but for package.json", async () => {
    await expect(node('await import("tetrad/dist/src/node/node.js")')).rejects.toThrow(
      /ERR_PACKAGE_PATH_NOT_EXPORTED/,
    );
    const version =
      'import p from "tetrad/package.json" with { type: "json" }; console.log(p.version)';
    const ours = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
      version: string;
    };
    expect(await node(version)).toBe(ours.version);
  });

  it("type-check in a strict consumer that has no types of Node", async () => {
    cpSync(join(root, "test/e2e/consumer/use.ts"), join(app, "use.ts"));
    const options = {
      strict: true,
      exactOptionalPropertyTypes: true,
      noEmit: true,
      target: "es2024",
      lib: ["es2024", "dom", "dom.iterable", "dom.asynciterable"],
      module: "nodenext",
      types: [],
      skipLibCheck: false,
    };
    const config = { compilerOptions: options, files: ["use.ts"] };
    writeFileSync(join(app, "tsconfig.json"), JSON.stringify(config));
    const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
    const done = await run(process.execPath, [tsc, "-p", "."], { cwd: app }).catch(
      (error: { readonly stdout?: string }) => ({ stdout: error.stdout ?? String(error) }),
    );
    expect(done.stdout).toBe("");
  });

  it("type-check in the examples of docs/sdk.md, which use Node", async () => {
    cpSync(join(installed, "docs", "examples"), join(app, "examples"), { recursive: true });
    const options = {
      strict: true,
      noEmit: true,
      target: "es2024",
      lib: ["es2024"],
      module: "nodenext",
      types: ["node"],
      typeRoots: [join(root, "node_modules", "@types")],
      allowImportingTsExtensions: true,
      erasableSyntaxOnly: true,
    };
    const config = { compilerOptions: options, include: ["examples"] };
    writeFileSync(join(app, "tsconfig.examples.json"), JSON.stringify(config));
    const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
    const args = [tsc, "-p", "tsconfig.examples.json"];
    // One of them draws scenarios.
    const peer = join(app, "node_modules", "fast-check");
    symlinkSync(join(root, "node_modules", "fast-check"), peer);
    const done = await run(process.execPath, args, { cwd: app })
      .catch((error: { readonly stdout?: string }) => ({ stdout: error.stdout ?? String(error) }))
      .finally(() => rmSync(peer));
    expect(done.stdout).toBe("");
  });
});

describe("its command", () => {
  let dev: Background | undefined;

  it("runs a network, takes an event and shows it", async () => {
    const api = await freePorts(4);
    const quic = await freePorts(4);
    const ports = ["--api-base", String(api), "--port-base", String(quic)];
    const options = { cwd: app, bin };
    dev = background(["dev", ...ports], options);
    await dev.sees(/^ready after/m, 60_000);
    const done = await nexus(["append", "notes/first", "hello"], options);
    expect(done.code, done.stderr).toBe(0);
    expect(done.stdout).toMatch(/record\.put +accepted/);
    const rows = await nexus(["ls", "records", "-o", "json"], options);
    expect(rows.stdout).toContain('"text": "hello"');
    const page = await nexus(["proof", "get", "0", "--html", "--out", "proof.html"], options);
    expect(page.code, page.stderr).toBe(0);
    expect(readFileSync(join(app, "proof.html"), "utf8")).toContain("<!doctype html>");
  });

  /** Runs an example of docs/sdk.md as its reader would, beside the network. */
  const example = async (name: string): Promise<string> => {
    const { stdout } = await run(process.execPath, [join("examples", name)], {
      cwd: app,
      env: { ...env, NODE_NO_WARNINGS: "1" },
      timeout: 60_000,
    });
    return stdout;
  };

  it("serves the examples of docs/sdk.md", async () => {
    expect(await example("append.ts")).toMatch(
      /^event \d+ at height \d+: accepted\nevent \d+ at height \d+: accepted\n$/,
    );
    const read = await example("read.ts");
    expect(read).toMatch(/^event 0 is a [a-z.]+, verified: true$/m);
    expect(read).toContain('notes/first is {"');
    expect(read).toContain("notes/nowhere is there: false, verified: true");
    expect(read).toMatch(/verified up to height \d+, \d+ events/);
    // The trust state of the first run is the start of the second.
    expect(await example("read.ts")).toContain("verified: true");
    expect(await example("follow.ts")).toMatch(/^(\d+ record.put accepted [^\n]+\n){3}$/);
    expect(await example("follow.ts")).toBe("");
    const errors = await example("errors.ts");
    expect(errors).toContain("left http://[::1]:1: cli.unreachable");
    expect(errors).toMatch(/the log has \d+ events/);
    expect(errors).toContain("http.bad-parameter");
    expect(await example("list.ts")).toMatch(/^notes\/first .*[\s\S]*\nnotes\/second /);
    const objects = await example("objects.ts");
    expect(objects).toMatch(/^[0-9a-f]{64}: 48890 bytes, kept by another node\n/);
    expect(objects).toContain("object.txt has 48890 bytes, each held against the name");
    expect(objects).toMatch(/1 of 1 chunks checked at the node, 0 damaged\n$/);
    expect(await example("simulate.ts")).toMatch(/^seed 3: ok, /);
  });

  it("simulates: runs, draws, and swarms on threads; mutants need the source", async () => {
    const options = { cwd: app, bin };
    const seed = await nexus(["sim", "run", "--seed", "3", "--once"], options);
    expect(seed.stdout, seed.stderr).toMatch(/^seed 3: ok, /);
    const page = await nexus(["sim", "explain", "--seed", "3", "--out", "run.html"], options);
    expect(page.code, page.stderr).toBe(0);
    expect(readFileSync(join(app, "run.html"), "utf8")).toContain("<!doctype html>");
    const swarm = ["sim", "swarm", "--from", "3", "--seeds", "2", "--budget", "5m", "-o", "json"];
    const found = await nexus(swarm, options);
    expect(found.code, found.stderr).toBe(0);
    expect(JSON.parse(found.stdout)).toMatchObject({ seeds: 2, failures: {} });
    const mutants = await nexus(["sim", "mutants"], options);
    expect(mutants.code).toBe(1);
    expect(mutants.stderr).toContain("error sim.source");
  });

  const tutorial = async (): Promise<void> => {
    const page = readFileSync(join(installed, "docs", "simulation.md"), "utf8");
    const folderOf = join(installed, "docs", "examples", "simulation");
    const shop = join(folder.path, "shop");
    mkdirSync(join(shop, "node_modules"), { recursive: true });
    writeFileSync(join(shop, "package.json"), '{"name":"shop","private":true,"type":"module"}\n');
    symlinkSync(installed, join(shop, "node_modules", "tetrad"));
    symlinkSync(join(root, "node_modules", "fast-check"), join(shop, "node_modules", "fast-check"));
    for (const name of ["tickets.ts", "calm.json", "holds.ts"]) {
      cpSync(join(folderOf, name), join(shop, name));
    }
    const commands = [...page.matchAll(/^ {4}\$ (.*)$/gm)].map(([, words = ""]) => words);
    // Which seed is the cheapest may change with what a seed draws.
    const kept = (): string => {
      const [commit = ""] = readdirSync(join(shop, "sim-failures"));
      const list = readFileSync(join(shop, "sim-failures", commit, "failures.json"), "utf8");
      return /seed-\d+/.exec(list)?.[0] ?? "";
    };
    const step = async (words: string, seed = "seed-2"): Promise<Run> => {
      const [program, ...args] = words.replaceAll(/seed-\d+/g, seed).split(" ");
      if (program === "nexus") return nexus(args, { cwd: shop, bin, timeoutMs: 180_000 });
      const options = { cwd: shop, env: { ...env, NODE_NO_WARNINGS: "1" }, timeout: 110_000 };
      const { stdout, stderr } = await run(process.execPath, args, options);
      return { code: 0, signal: null, stdout, stderr };
    };
    const [calm = "", swarm = "", failing = "", replay = "", again = "", drawn = ""] = commands;
    expect(commands).toHaveLength(6);
    expect((await step(calm)).code).toBe(0);
    const found = await step(swarm);
    expect(found.code, found.stderr).toBe(12);
    expect(found.stdout).toMatch(/^property +\d+ +\d+ .*seed-\d+\.json$/m);
    const seed = kept();
    const shrunk = await step(failing, seed);
    expect(shrunk.code, shrunk.stderr).toBe(12);
    expect(shrunk.stdout).toMatch(/^FAIL correctness property at .* orders and \d+ tickets$/m);
    const [commit = ""] = readdirSync(join(shop, "sim-failures"));
    const files = join(shop, "sim-failures", commit, `property-${seed}`);
    expect(readFileSync(join(files, "picture.html"), "utf8")).toMatch(/"executed","h\d+ \+[2-9]/);
    // The verdict is that of the scenario which is shown below it, not of the one before it was shrunk.
    const [head = ""] = readFileSync(join(files, "report.txt"), "utf8").split("\n");
    expect(shrunk.stdout).toContain(`\n${head}\n`);
    expect(shrunk.stderr).toContain(head.replace("FAIL correctness", "error sim.correctness:"));
    // The mending, as the page shows it.
    const [, diff = ""] = /```diff\n([\s\S]*?)```/.exec(page) ?? [];
    const side = (sign: string): string =>
      diff
        .split("\n")
        .filter((line) => line.startsWith(sign))
        .map((line) => line.slice(1))
        .join("\n");
    const before = readFileSync(join(shop, "tickets.ts"), "utf8");
    expect(before).toContain(side("-"));
    writeFileSync(join(shop, "tickets.ts"), before.replace(side("-"), side("+")));
    expect((await step(replay, seed)).code).toBe(0);
    const mended = await step(again);
    expect(mended.code, mended.stderr).toBe(0);
    expect(mended.stderr).toMatch(/has \d+ that failed in earlier swarms on this commit/);
    expect(mended.stdout).not.toContain("FOUND");
    // The package is a link here, and looks for what it needs where it was installed.
    const peer = join(app, "node_modules", "fast-check");
    symlinkSync(join(root, "node_modules", "fast-check"), peer);
    const drawnRun = await step(drawn).finally(() => rmSync(peer));
    expect(drawnRun.stdout).toBe("holds in 10 scenarios\n");
  };

  // Swarms of minutes.
  if (!SHORT) {
    it("does what the tutorial of docs/simulation.md says, command by command", tutorial, 400_000);
  }

  it("ends on Ctrl-C", async () => {
    if (dev === undefined) throw new Error("the network is not there");
    expect(await dev.stop("SIGINT")).toBe(0);
    expect(dev.stderr()).toContain("stopped");
  });

  it("is linked where npm puts commands", async () => {
    const { stdout } = await run(join(app, "node_modules", ".bin", "nexus"), ["--version"], {
      cwd: app,
      env,
    });
    expect(stdout).toMatch(/^\d+\.\d+\.\d+/);
  });

  it("runs a node by the command of the systemd unit, with its credential, and ends on SIGTERM", async () => {
    const unit = readFileSync(join(installed, "packaging", "tetrad.service"), "utf8");
    const home = join(folder.path, "var-lib-tetrad");
    const credentials = join(folder.path, "credentials");
    mkdirSync(credentials, { mode: 0o700 });
    const passphrase = join(credentials, "tetrad-passphrase");
    writeFileSync(passphrase, "a passphrase of this test\n", { mode: 0o600 });
    const api = await freePorts(2);
    const make = async (...args: readonly string[]): Promise<void> => {
      const made = await nexus([...args], { bin, env: { NEXUS_PASSPHRASE_FILE: passphrase } });
      expect(made.code, made.stderr).toBe(0);
    };
    const listen = ["--listen", `[::1]:${api + 1}`, "--api-listen", `[::1]:${api}`];
    await make("--dir", home, "init", "--name", "a", ...listen);
    const out = join(home, "genesis.json");
    const identity = join(home, "identity.json");
    await make("init", "--join", identity, "--chain-id", "unit-1", "--out", out);
    // The paths are those of docs/operating.md; a runtime that npm has not brought is the one of this test.
    const bundled = join(app, "node_modules", ".bin", "node");
    if (!existsSync(bundled)) symlinkSync(process.execPath, bundled);
    const [program = "", ...args] = (/^ExecStart=(.*)$/m.exec(unit)?.[1] ?? "")
      .split(" ")
      .map((word) => word.replace(/^\/opt\/tetrad\//, `${app}/`).replace("/var/lib/tetrad", home));
    const started = spawn(program, args, {
      cwd: home,
      env: { PATH: "/usr/bin:/bin", CREDENTIALS_DIRECTORY: credentials },
    });
    let said = "";
    for (const stream of [started.stdout, started.stderr]) {
      stream.on("data", (piece: Buffer) => {
        said += piece.toString();
      });
    }
    const ended = once(started, "close");
    try {
      await until("the node is ready", async () => {
        expect(started.exitCode, said).toBe(null);
        const answer = await fetch(`http://[::1]:${api}/readyz`).catch(() => undefined);
        return answer?.status === 200;
      });
      started.kill(/^KillSignal=(.*)$/m.exec(unit)?.[1] as NodeJS.Signals);
      expect((await ended)[0], said).toBe(0);
    } finally {
      started.kill("SIGKILL");
    }
  });

  it("says on an older Node which Node it needs, and where npm has put it", async () => {
    // A runtime that is too old cannot be had here for certain: the version is what bin looks at.
    const old = join(folder.path, "old.mjs");
    writeFileSync(
      old,
      `Object.defineProperty(process.versions, "node", { value: "20.20.2" });
       await import(${JSON.stringify(bin)});\n`,
    );
    const bundled = join(app, "node_modules", ".bin", "node");
    if (!existsSync(bundled)) symlinkSync(process.execPath, bundled);
    const failed = await run(process.execPath, [old], { cwd: app }).catch(
      (error: { readonly code: number; readonly stderr: string }) => error,
    );
    expect(failed).toMatchObject({ code: 1 });
    expect(failed.stderr).toMatch(/Node 24 or newer is needed/);
    expect(failed.stderr).toContain("npx nexus");
  });
});
