/** `nexus sim …` through the bin: what fails is reported, shrunk, kept and replayed; exit codes of the table. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { LIMITS } from "../../src/limits.ts";
import { fits, itemFits } from "./shape.ts";
import { background, killAll, nexus, root, tempFolder } from "./support.ts";

const folder = tempFolder();
const cwd = folder.path;
const at = (...parts: readonly string[]): string => join(cwd, ...parts);
afterAll(() => {
  killAll();
  folder.remove();
});

/** Blocks are final in a span in which the scenario wants none: L8, after a crash that has no part in it. */
const HALTED = {
  ...{ name: "halted", seed: 3, n: 4, healMs: 3_000 },
  faults: [
    { kind: "crash", atMs: 500, node: 1, power: true, downMs: 300 },
    { kind: "loss", atMs: 200, untilMs: 2_500, ppm: 10_000 },
  ],
  adversaries: [{ node: 3, strategy: "stale", fromMs: 0, untilMs: 2_000 }],
  expect: { haltedMs: [[1_500, 2_900]] },
};
/** Half of the weight says nothing, for ever: L1. */
const SILENT = {
  ...{ name: "silent", seed: 1, n: 4, healMs: 500 },
  adversaries: [0, 1].map((node) => ({ node, strategy: "silent", fromMs: 0, untilMs: 1e9 })),
  expect: { finalWithinMs: 3_000 },
};
/** The same faults, none of which has a part in what a property of one's own finds. */
const NOISY = { ...HALTED, name: "noisy", expect: {} };
writeFileSync(at("halted.json"), JSON.stringify(HALTED));
writeFileSync(at("noisy.json"), JSON.stringify(NOISY));
writeFileSync(at("silent.json"), JSON.stringify(SILENT));
/** A property that breaks in every run: what the threads of a swarm find at once. */
writeFileSync(
  at("own.mjs"),
  'export const property = (nodes) => (nodes[0].height > 0 ? "a block is final" : undefined);\n',
);

const run = (...args: readonly string[]) => nexus(["sim", ...args], { cwd });

const json = (text: string): unknown => JSON.parse(text);

describe("nexus sim", () => {
  it("has help for every verb, and says which verb was meant", async () => {
    for (const verb of ["run", "swarm", "shrink", "explain", "mutants", "list"]) {
      const { code, stdout } = await run(verb, "--help");
      expect(code).toBe(0);
      expect(stdout).toContain(`nexus sim ${verb}`);
    }
    const wrong = await run("shrnik", "halted.json");
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toContain("did you mean shrink?");
  });

  it("list: the library, as a table and as JSON", async () => {
    const table = await run("list");
    expect(table.stdout).toMatch(/^NAME +NODES +HEALED/);
    const list = await run("list", "-o", "json");
    fits("sim list", json(list.stdout));
    const lines = (await run("list", "-o", "ndjson")).stdout.trimEnd().split("\n");
    itemFits("sim list", json(lines[0] ?? ""));
  });
});

describe("nexus sim run", () => {
  it("runs a seed twice and a scenario of the library, and says how it went", async () => {
    const seed = await run("run", "--seed", "7");
    expect(seed.code, seed.stderr).toBe(0);
    expect(seed.stdout).toMatch(/^seed 7: ok, .* trace [0-9a-f]{16}\n$/);
    expect(seed.stderr).toMatch(/1 run, \d+ virtual seconds in/);
    const first = (json((await run("list", "-o", "json")).stdout) as { name: string }[])[0]?.name;
    const [named, again] = await Promise.all([
      run("run", first ?? "", "--once", "-o", "json"),
      run("run", first ?? "", "--once", "-o", "ndjson"),
    ]);
    fits("sim run", json(named.stdout));
    expect([json(again.stdout)]).toEqual(json(named.stdout));
  });

  it("prints every event with --trace, the same each time", async () => {
    const [one, two] = await Promise.all([
      run("run", "--seed", "7", "--trace"),
      run("run", "--seed", "7", "--trace"),
    ]);
    expect(one.stdout).toMatch(/^ +\d+\.\d{6} {2}n0 +boot$/m);
    expect(one.stdout).toMatch(/n\d+ +> n\d+ +send +vote finalize, view \d+ \(1\.3 kB\)/);
    expect(one.stdout).toBe(two.stdout);
  });

  it("gives the same with --row-memory, which has a limit", async () => {
    const brief = { name: "brief", seed: 2, n: 3, healMs: 400, workload: { untilMs: 400 } };
    writeFileSync(at("brief.json"), JSON.stringify(brief));
    const traced = ["run", "brief.json", "--trace"];
    const [much, none] = await Promise.all([
      run(...traced, "--row-memory", "1048576"),
      run(...traced, "--row-memory", "0"),
    ]);
    expect(much.stdout).toMatch(/^file brief\.json: ok, .* trace [0-9a-f]{16}\n$/m);
    expect(none.stdout).toBe(much.stdout);
    const tooMuch = await run("run", "brief.json", "--row-memory", "1048577");
    expect(tooMuch.code).toBe(1);
    expect(tooMuch.stderr).toContain("0..1048576");
  });

  it("shrinks what fails, writes it down, and exits with 12; the replay fails with the same", async () => {
    const failed = await run("run", "noisy.json", "--with", "own.mjs");
    expect(failed.code).toBe(12);
    expect(failed.stderr).toContain("error sim.correctness: property at");
    expect(failed.stdout).toContain("FAIL correctness property at");
    expect(failed.stdout).toContain("a block is final");
    expect(failed.stdout).toMatch(/shrunk in \d+ runs from 4 nodes, 2 faults, 1 adversaries/);
    expect(failed.stdout).toMatch(/Roots of honest nodes\n {2}n0 +height/);
    expect(failed.stdout).toMatch(/Last \d+ of \d+ events/);
    const replay = /^replay +nexus sim run (\S+) --with own\.mjs$/m.exec(failed.stdout)?.[1] ?? "";
    expect(existsSync(at(replay))).toBe(true);
    for (const file of ["report.txt", "timeline.txt", "picture.html"]) {
      expect(existsSync(at(replay, "..", file)), file).toBe(true);
    }
    const small = json(readFileSync(at(replay), "utf8")) as { faults: unknown[]; n: number };
    expect(small.faults).toEqual([]);
    expect(small.n).toBeLessThan(4);
    const again = await run(
      "run",
      replay,
      "--with",
      "own.mjs",
      "--no-shrink",
      "--no-files",
      "-o",
      "json",
    );
    expect(again.code).toBe(12);
    expect(json(again.stdout)).toMatchObject([
      {
        ...{ outcome: "correctness", violation: { id: "property" } },
        report: { invariant: "property" },
      },
    ]);
  });

  it("leaves faults and nodes where a scenario fails at what it says of itself", async () => {
    const failed = await run("run", "halted.json", "--no-files");
    expect(failed.code).toBe(12);
    expect(failed.stdout).toContain("L8: Without a quorum nothing becomes final.");
    expect(failed.stdout).toMatch(/shrunk in \d+ runs from 4 nodes, 2 faults, 1 adversaries/);
  });

  it("exits with 11 where progress is lost, and writes nothing with --no-files", async () => {
    const failed = await run("run", "silent.json", "--no-shrink", "--no-files", "--out", "nowhere");
    expect(failed.code).toBe(11);
    expect(failed.stdout).toContain("FAIL liveness L1 at");
    expect(failed.stderr).toContain("error sim.liveness: L1 at");
    expect(existsSync(at("nowhere"))).toBe(false);
  });

  it("says what was found also where nothing can be written, and before it where that is known", async () => {
    const there = at("unwritable");
    mkdirSync(there);
    writeFileSync(join(there, "plain"), "a file");
    const inThere = (...args: readonly string[]) =>
      nexus(["sim", ...args], { cwd: there, timeoutMs: 60_000 });
    const silent = ["run", at("silent.json"), "--no-shrink", "--once"];
    for (const args of [
      [...silent, "--out", "plain"],
      ["swarm", "--seeds", "1", "--keep", "plain"],
      ["shrink", at("silent.json"), "--out", "missing/small.json"],
      ["explain", at("silent.json"), "--out", "plain/page.html"],
    ]) {
      const refused = await inThere(...args);
      expect(refused.code, refused.stderr).toBe(1);
      expect(refused.stderr).toMatch(/error cli\.usage: .* cannot be written: E/);
      expect(refused.stdout).toBe("");
    }
    // Where nobody has named the folder, only what fails needs it.
    writeFileSync(join(there, "sim-failures"), "a file");
    const failed = await inThere(...silent);
    expect(failed.code).toBe(11);
    expect(failed.stdout).toContain("FAIL liveness L1 at");
    expect(failed.stdout).toMatch(/^replay +nexus sim run .*silent\.json$/m);
    expect(failed.stderr).toMatch(/^files are missing: .*sim-failures.* cannot be written/m);
    const lines = await inThere(...silent, "-o", "ndjson");
    expect(json(lines.stdout)).toMatchObject({ outcome: "liveness", files: {} });
  }, 120_000);

  it("blames what it was given for its own throws, with one code in both verbs, and goes on to the end", async () => {
    writeFileSync(
      at("throws.mjs"),
      'export const property = () => { throw new TypeError("no such row"); };\n',
    );
    const own = ["--with", "throws.mjs"];
    const range = await run("run", "--seeds", "2..3", "--once", "--no-files", ...own);
    expect(range.code, range.stderr).toBe(1);
    expect(
      range.stdout.match(/^FAIL module mistake at .*: property has thrown TypeError/gm),
    ).toHaveLength(2);
    expect(range.stderr).toMatch(/^2 runs, \d+ virtual seconds/m);
    expect(range.stderr).toMatch(/error sim\.module: 2 of 2 runs failed; the first: mistake at/);
    const from = ["--from", "2", "--seeds", "2", "--keep", "thrown"];
    const swarm = await run("swarm", ...from, ...own, "-o", "json");
    expect(swarm.code, swarm.stderr).toBe(1);
    const { failures, kept } = json(swarm.stdout) as { failures: object; kept: readonly object[] };
    expect(failures).toEqual({ mistake: 2 });
    expect(kept).toHaveLength(2);
  }, 120_000);

  it("has no colours in a pipe or with NO_COLOR, and has them where they are forced", async () => {
    const args = ["sim", "run", "silent.json", "--no-shrink", "--no-files", "--once"];
    const plain = await nexus(args, { cwd, env: { NO_COLOR: "1", FORCE_COLOR: "1" } });
    expect(plain.stdout + plain.stderr).not.toContain("\x1b[");
    const forced = await nexus(args, { cwd, env: { FORCE_COLOR: "1" } });
    expect(forced.stdout).toContain("\x1b[");
  });

  it("refuses what is no scenario, with what is wrong with it", async () => {
    writeFileSync(at("bad.json"), '{"faults":[{"kind":"crush","atMs":1}]}');
    const bad = await run("run", "bad.json");
    expect(bad.code).toBe(1);
    expect(bad.stderr).toMatch(/error sim\.scenario: bad\.json: faults\[0\]\.kind/);
    writeFileSync(at("big.json"), " ".repeat(5_000_000));
    expect((await run("run", "big.json")).stderr).toContain("sim.scenario");
    expect((await run("run", "none.json")).stderr).toContain("there is no file none.json");
    const list = json((await run("list", "-o", "json")).stdout) as { name: string }[];
    const name = list[0]?.name ?? "";
    const near = await run("run", name.slice(0, -1));
    expect(near.code).toBe(1);
    expect(near.stderr).toContain(`did you mean ${name}?`);
    for (const args of [
      ["--seeds", "9..1"],
      ["--seeds", `${LIMITS.simSeedsMax}..${LIMITS.simSeedsMax}`],
      ["--seed", String(LIMITS.simSeedsMax)],
      ["halted.json", "--seed", "1"],
    ]) {
      expect((await run("run", ...args)).stderr).toContain("error cli.usage");
    }
  });

  it("takes a property of one's own, and says what is wrong with a module that has none", async () => {
    const broken = await run(
      "run",
      "--seed",
      "7",
      "--with",
      "own.mjs",
      "--no-shrink",
      "--no-files",
    );
    expect(broken.code).toBe(12);
    expect(broken.stdout).toContain("FAIL correctness property");
    expect(broken.stdout).toContain("nexus sim run --seed 7 --with own.mjs");
    writeFileSync(at("my own.mjs"), readFileSync(at("own.mjs")));
    const once = ["--once", "--no-shrink", "--no-files", "-o", "ndjson"];
    const spaced = await run("run", "--seed", "7", "--with", "my own.mjs", ...once);
    const words = "nexus sim run --seed 7 --with 'my own.mjs'";
    expect(json(spaced.stdout)).toMatchObject({ replay: words, report: { replay: words } });
    writeFileSync(at("empty.mjs"), "export const nothing = 1;\n");
    const empty = await run("run", "--seed", "7", "--with", "empty.mjs");
    expect(empty.code).toBe(1);
    expect(empty.stderr).toContain("error sim.module: empty.mjs: it exports none of property");
    expect((await run("run", "--seed", "7", "--with", "gone.mjs")).stderr).toContain(
      "no file gone",
    );
    // What `npm init -y` makes: Node takes the file for CommonJS, and its words do not say what to do.
    mkdirSync(at("fresh"));
    writeFileSync(at("fresh/package.json"), '{"type":"commonjs"}\n');
    writeFileSync(
      at("fresh/mine.ts"),
      'import "node:fs";\nexport const property = () => undefined;\n',
    );
    expect((await run("run", "--seed", "7", "--with", "fresh/mine.ts")).stderr).toContain(
      '"npm pkg set type=module"',
    );
  });

  it("reports on two runs that are not alike, each scenario in a folder of its own", async () => {
    const events = new URL("../../src/ledger/projections/events.ts", import.meta.url).href;
    writeFileSync(
      at("restless.mjs"),
      `import { recordPut } from "${events}";\n` +
        'const put = (key) => recordPut.encode({ topic: "t", key, body: new Uint8Array(1) });\n' +
        "export const events = () => [put(String(Math.random()))];\n",
    );
    const given = ["a", "b"].map((name, i) => {
      mkdirSync(at(name));
      const one = { name, seed: i + 1, n: 1, healMs: 400 };
      writeFileSync(at(name, "scenario.json"), JSON.stringify(one));
      return `${name}/scenario.json`;
    });
    const failed = await run("run", ...given, "--with", "restless.mjs");
    expect(failed.code).toBe(12);
    expect(failed.stdout).toContain("FAIL correctness I17 at");
    expect(failed.stdout).toContain("the first run: ok");
    expect(failed.stdout).toMatch(/two more runs part at event \d+: /);
    const replays = [...failed.stdout.matchAll(/^replay +nexus sim run (\S+) --with/gm)];
    const files = replays.map(([, file = ""]) => file);
    const names = files.map((file) => json(readFileSync(at(file), "utf8")) as { name: string });
    expect(names.map(({ name }) => name)).toEqual(["a", "b"]);
    for (const file of ["report.txt", "timeline.txt", "picture.html"]) {
      for (const replay of files) expect(existsSync(at(replay, "..", file)), file).toBe(true);
    }
    const again = await run("run", files[1] ?? "", "--with", "restless.mjs", "--no-files");
    expect(again.stderr).toContain("error sim.correctness: I17 at");
    const [shrunk, drawn] = await Promise.all([
      run("shrink", files[1] ?? "", "--with", "restless.mjs"),
      run("explain", files[1] ?? "", "--with", "restless.mjs", "-o", "json"),
    ]);
    expect(shrunk.code).toBe(12);
    expect(shrunk.stderr).toContain("what is not the same each time cannot be shrunk");
    expect(json(drawn.stdout)).toMatchObject({ outcome: "correctness", invariant: "I17" });
  });

  it("is what `npm run sim` does without a verb, a line of JSON a run and no files", async () => {
    const { execFileSync } = await import("node:child_process");
    const args = [join(root, "sim", "main.ts"), "--seeds", "7..8", "--once", "-o", "json"];
    const lines = execFileSync(process.execPath, args, { cwd, stdio: ["ignore", "pipe", "ignore"] })
      .toString()
      .trimEnd()
      .split("\n");
    expect(lines.map((line) => (json(line) as { outcome: string }).outcome)).toEqual(["ok", "ok"]);
  });
});

describe("nexus sim shrink", () => {
  it("prints the smaller scenario, or writes it", async () => {
    const printed = await run("shrink", "noisy.json", "--with", "own.mjs");
    expect(printed.code, printed.stderr).toBe(0);
    expect(json(printed.stdout)).toMatchObject({ name: "noisy", faults: [], adversaries: [] });
    expect(printed.stderr).toMatch(/4 nodes, 2 faults, 1 adversaries became \d+, 0, 0/);
    const written = await run(
      "shrink",
      "noisy.json",
      "--with",
      "own.mjs",
      "--out",
      "small.json",
      "-o",
      "json",
    );
    fits("sim shrink", json(written.stdout), ["file", "invariant", "runs"]);
    expect(json(readFileSync(at("small.json"), "utf8"))).toEqual(json(printed.stdout));
    const few = await run("shrink", "noisy.json", "--with", "own.mjs", "--runs", "1");
    expect(json(few.stdout)).toMatchObject({ n: 4, healMs: 3_000 });
  });

  it("says so when nothing fails", async () => {
    const passes = await run("shrink", "--seed", "7");
    expect(passes.code).toBe(1);
    expect(passes.stderr).toContain("error sim.passes: seed 7 passes");
  });
});

describe("nexus sim explain", () => {
  it("writes one page without a reference to anywhere, and says what it leaves out", async () => {
    const done = await run(
      "explain",
      "halted.json",
      "--to",
      "1000",
      "--out",
      "halted.html",
      "-o",
      "json",
    );
    expect(done.code, done.stderr).toBe(0);
    const value = json(done.stdout) as Record<string, unknown>;
    fits("sim explain", value);
    expect(value).toMatchObject({ file: "halted.html", invariant: "L8", fromMs: 0, toMs: 1_000 });
    expect(value["messagesLeftOut"]).toBeGreaterThan(0);
    const page = readFileSync(at("halted.html"), "utf8");
    expect(page).toContain("default-src 'none'");
    expect(page).not.toMatch(/https?:\/\//);
    const backwards = await run("explain", "halted.json", "--from", "9", "--to", "3");
    expect(backwards.stderr).toContain("error cli.usage: --from is after --to");
  });
});

describe("nexus sim swarm", () => {
  it("keeps the failing seeds with the least work, by commit and invariant", async () => {
    const args = [
      "--from",
      "1",
      "--seeds",
      "8",
      "--workers",
      "2",
      "--budget",
      "5m",
      "--keep",
      "kept",
    ];
    const done = await run("swarm", ...args, "--with", "own.mjs", "-o", "json");
    expect(done.code).toBe(12);
    const value = json(done.stdout) as {
      readonly commit: string;
      readonly kept: readonly { file: string; steps: number; invariant: string }[];
    };
    fits("sim swarm", value);
    expect(value).toMatchObject({ seeds: 8, firstSeed: 1, nextSeed: 9, failures: { property: 8 } });
    expect(value).toMatchObject({ firstFailing: { property: 1 } });
    expect(value.kept).toHaveLength(5);
    const steps = value.kept.map((one) => one.steps);
    expect(steps).toEqual([...steps].sort((a, b) => a - b));
    const inFolder = readdirSync(at("kept", value.commit, "property")).sort();
    expect(inFolder).toEqual(value.kept.map(({ file }) => file.split("/").at(-1)).sort());
    const file = value.kept[0]?.file ?? "";
    const again = await run(
      "run",
      file,
      "--once",
      "--no-shrink",
      "--no-files",
      "--with",
      "own.mjs",
    );
    expect(again.code).toBe(12);
  });

  it("has as many threads as its limit allows, and a seed of the range that there is", async () => {
    const many = await run("swarm", "--workers", "65", "--seeds", "1");
    expect(many.code).toBe(1);
    expect(many.stderr).toContain("It must be a whole number in 1..64.");
    const few = ["--workers", "64", "--from", "4294967295", "--seeds", "1"];
    const all = await nexus(["sim", "swarm", ...few], { cwd, timeoutMs: 110_000 });
    expect(all.code, all.stderr).toBe(0);
    expect(all.stderr).toContain("1 thread, not 64: no more are of use");
    // Nothing but the seeds ends it.
    expect(all.stderr).toMatch(/^\d:\d\d {2}1 of 1 seeds, /m);
    expect((await run("swarm", "--from", String(LIMITS.simSeedsMax))).code).toBe(1);
  });

  it("exits with 0 where nothing fails, and on Ctrl-C with its summary", async () => {
    const swarm = background(
      ["sim", "swarm", "--from", "1", "--budget", "10m", "--workers", "1", "--twice", "0"],
      { cwd },
    );
    await swarm.sees(/^seeds from 1, 1 thread,/m);
    // Time for a seed or two.
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    const code = await swarm.stop("SIGINT");
    expect(swarm.stdout()).toMatch(/^time +\d+ s, interrupted$/m);
    expect(swarm.stdout()).toMatch(/^marks +\d+ of \d+$/m);
    expect(swarm.stderr()).toMatch(/seeds, [\d.]+\/s {2}virtual .* failures: none/);
    expect(code).toBe(0);
  });
});

describe("nexus sim mutants", () => {
  it("plants a bug and says which checker has caught it", async () => {
    const done = await nexus(["sim", "mutants", "quorum-minus-one", "--no-types", "-o", "json"], {
      cwd,
      timeoutMs: 110_000,
    });
    expect(done.code, done.stderr).toBe(0);
    const [mutant] = json(done.stdout) as { mutant: string; state: string }[];
    fits("sim mutants", json(done.stdout));
    expect(mutant).toMatchObject({ mutant: "quorum-minus-one", state: "caught" });
    const unknown = await run("mutants", "quorum-minus-two");
    expect(unknown.code).toBe(1);
    expect(unknown.stderr).toContain("did you mean quorum-minus-one?");
  });
});
