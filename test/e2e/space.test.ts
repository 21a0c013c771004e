/** `nexus space` through the bin: a sector is sealed, interrupted, checked, damaged, proven and verified. */
import { existsSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fits, itemFits } from "./shape.ts";
import { background, killAll, nexus, tempFolder } from "./support.ts";

const folder = tempFolder();
const at = (...parts: readonly string[]): string => join(folder.path, ...parts);
const dir = at("net");
const genesis = join(dir, "genesis.json");
const SEED = "5e".repeat(32);

/** The genesis of the network asks for no space, so that a size has to be named. */
const TEST = ["--profile", "test"] as const;

const run = (...args: readonly string[]) => nexus(["--dir", dir, "space", ...args]);

type Sealed = {
  readonly file: string;
  readonly sectorId: string;
  readonly layers: string;
  readonly deadlineKept: boolean;
};

const json = async <T>(...args: readonly string[]): Promise<T> => {
  const done = await run(...args, "-o", "json");
  expect(done.code, done.stderr).toBe(0);
  return JSON.parse(done.stdout) as T;
};

const refuses = async (code: string, exit: number, ...args: readonly string[]): Promise<string> => {
  const done = await run(...args);
  expect(done.stderr).toContain(code);
  expect(done.code, done.stderr).toBe(exit);
  return done.stdout;
};

beforeAll(async () => {
  const nodes = ["a", "b", "c", "d"].map((name, i) => `${name}=[::1]:${5001 + i}`);
  const done = await nexus(["--dir", dir, "init", "--network", "--node", ...nodes]);
  expect(done.code, done.stderr).toBe(0);
});
afterAll(() => {
  killAll();
  folder.remove();
});

describe("nexus space", () => {
  it("has help for every verb", async () => {
    for (const verb of ["seal", "ls", "check", "prove", "verify"]) {
      const { code, stdout } = await run(verb, "--help");
      expect(code).toBe(0);
      expect(stdout).toContain(`nexus space ${verb}`);
    }
  });

  it("seal: goes on after kill -9 where it stopped, and makes the same sector", async () => {
    const journal = at("a-0.sector.layers", "journal");
    const first = background(["--dir", dir, "space", "seal", at("a-0.sector"), ...TEST]);
    await expect
      .poll(() => existsSync(journal) && statSync(journal).size, { interval: 20, timeout: 60_000 })
      .toBeGreaterThan(400);
    const [listed] = await json<{ state: string; percent: number }[]>("ls", at());
    expect(listed?.state).toBe("sealing");
    expect(listed?.percent).toBeGreaterThan(10);
    await refuses("space.conflict", 5, "seal", ...TEST, at("a-0.sector"));
    await first.stop("SIGKILL");
    expect(existsSync(at("a-0.sector"))).toBe(false);
    const before = statSync(journal).size;
    expect(before).toBeGreaterThan(400);
    const rest = await run("seal", ...TEST, at("a-0.sector"));
    expect(rest.code, rest.stderr).toBe(0);
    expect(rest.stderr).toContain("going on from them");
    const again = await json<Sealed>("seal", ...TEST, at("a-0.sector"));
    fits("space seal", again);
    const other = await json<Sealed>("seal", ...TEST, at("other.sector"));
    expect(other.sectorId).toBe(again.sectorId);
    expect(readFileSync(at("other.sector")).equals(readFileSync(at("a-0.sector")))).toBe(true);
    expect(statSync(at("a-0.sector")).mode & 0o777).toBe(0o600);
    expect(again.deadlineKept).toBe(false);
    rmSync(at("other.sector"));
    rmSync(at("other.sector.layers"), { recursive: true });
  });

  it("seal: says that it proves nothing, does nothing twice, and takes no other sector's place", async () => {
    const table = await run("seal", ...TEST, at("a-0.sector"));
    expect(table.code, table.stderr).toBe(0);
    expect(table.stderr).toContain("proves no space");
    expect(table.stdout).toMatch(/^proves space +no: too small/m);
    await refuses("space.conflict", 5, "seal", ...TEST, at("a-0.sector"), "--sector", "1");
    await refuses("cli.usage", 1, "seal", at("x.sector"));
    await refuses("cli.usage", 1, "seal", at("x.sector"), "--node", "nobody");
    await refuses("cli.usage", 1, "seal", at("x.sector"), "--beacon", "12");
    await refuses("cli.usage", 1, "seal", at("x.sector"), "--profile", "huge");
    await refuses("config.genesis", 1, "seal", at("x.sector"), "--genesis", at("none.json"));
  });

  it("ls: lists sectors, by default those of the folder", async () => {
    const made = await json<Sealed>("seal", "--profile", "dev", "--node", "b", "--sector", "4");
    expect(made.file).toBe(join(dir, "space", "b-4.sector"));
    const done = await run("ls", "-o", "ndjson");
    const [only, ...others] = done.stdout.trim().split("\n");
    expect(others).toEqual([]);
    itemFits("space ls", JSON.parse(only ?? ""), ["sectorId", "profile", "validator", "layers"]);
    writeFileSync(join(dir, "space", "broken.sector"), "no sector");
    const table = await run("ls");
    expect(table.stdout).toMatch(/b-4\.sector +sealed +4 +128 KiB +dev/);
    expect(table.stdout).toMatch(/broken\.sector +unreadable/);
    expect(await json("ls", at("nowhere"))).toEqual([]);
  });

  it("prove and verify: every kind of challenge", async () => {
    const { sectorId } = await json<Sealed>("seal", ...TEST, at("a-0.sector"));
    await json("seal", ...TEST, at("a-1.sector"), "--sector", "1");
    const lane = ["--lane", "1a".repeat(32), "--lane-seq", "7"];
    const asked: readonly (readonly [string, readonly string[], number])[] = [
      ["admission", [], 64],
      ["epoch", [at("a-1.sector")], 16],
      ["block", [at("a-1.sector")], 4],
      ["event", lane, 1],
    ];
    for (const [kind, more, nodes] of asked) {
      const out = at(`${kind}.proof`);
      const made = await json("prove", at("a-0.sector"), ...more, `--${kind}`, SEED, "--out", out);
      fits("space prove", made);
      expect(made).toMatchObject({ kind, nodes });
      // Where nothing is but the file: what verifies asks nobody.
      const right = await json("verify", out, "--seed", SEED, "--genesis", genesis);
      fits("space verify", right);
      expect(right).toMatchObject({
        kind,
        nodes,
        compared: ["chain id", "seed"],
        taken: ["sectors"],
      });
    }
    const alone = await run("verify", at("admission.proof"), "--sector", sectorId);
    expect(alone.code, alone.stderr).toBe(0);
    expect(alone.stdout).toContain("taken from the proof");
  });

  it("verify: refuses what is of something else, changed, cut or no proof", async () => {
    const proof = at("epoch.proof");
    await refuses("space.proof-foreign", 2, "verify", proof, "--seed", "00".repeat(32));
    await refuses("space.proof-foreign", 2, "verify", proof, "--sector", "00".repeat(32));
    const whole = readFileSync(proof);
    const changed = Buffer.from(whole);
    changed[whole.length - 40] = (changed[whole.length - 40] ?? 0) ^ 1;
    writeFileSync(at("changed.proof"), changed);
    await refuses("space.proof-path", 2, "verify", at("changed.proof"));
    writeFileSync(at("cut.proof"), whole.subarray(0, -1));
    await refuses("space.proof-shape", 2, "verify", at("cut.proof"));
    await refuses("space.proof-shape", 2, "verify", genesis);
    await refuses("cli.usage", 1, "verify", at("none.proof"));
  });

  it("prove: refuses what cannot be answered", async () => {
    const out = ["--out", at("no.proof")];
    await refuses("cli.usage", 1, "prove", at("a-0.sector"), ...out);
    await refuses("cli.usage", 1, "prove", at("a-0.sector"), ...out, "--event", SEED);
    await refuses("space.sector", 3, "prove", at("none.sector"), ...out, "--epoch", SEED);
    const twice = [at("a-0.sector"), at("a-0.sector")];
    await refuses("space.proof-shape", 2, "prove", ...twice, ...out, "--epoch", SEED);
    rmSync(at("a-1.sector.layers"), { recursive: true });
    await refuses("space.layers", 3, "prove", at("a-1.sector"), ...out, "--admission", SEED);
    expect(existsSync(at("no.proof"))).toBe(false);
  });

  it("check: names the nodes that are damaged, and those that are gone", async () => {
    const file = at("a-1.sector");
    const whole = await json<{ damagedNodes: number }>("check", file);
    fits("space check", whole);
    expect(whole.damagedNodes).toBe(0);
    expect((await run("check", file)).stdout).toMatch(/^verdict +whole: /m);
    const bytes = readFileSync(file);
    bytes[4096 + 1000 * 32] = (bytes[4096 + 1000 * 32] ?? 0) ^ 1;
    // A fifth of the sector, as if its blocks had been given back to the disk.
    bytes.fill(0, 4096 + 40_000 * 32, 4096 + 53_120 * 32);
    writeFileSync(file, bytes);
    const table = await refuses("space.damaged", 2, "check", file);
    expect(table).toMatch(/^verdict +damaged: /m);
    expect(table).toMatch(/^which +960\.\.1023, 40000\.\.53119$/m);
    const done = await run("check", file, "-o", "json");
    expect(JSON.parse(done.stdout)).toMatchObject({
      damagedNodes: 64 + 13_120,
      damaged: [
        { from: 960, to: 1023 },
        { from: 40_000, to: 53_119 },
      ],
      ...{ treeNodes: 0, missingBytes: 0 },
    });
    // A challenge of an epoch misses a fifth of a sector with 3 % of its seeds; this seed finds it.
    const epoch = ["--epoch", SEED, "--out", at("late.proof")];
    await refuses("space.damaged", 2, "prove", file, ...epoch);
    expect(existsSync(at("late.proof"))).toBe(false);
    truncateSync(file, 4096 + 100 * 32);
    await refuses("space.damaged", 2, "check", file);
    truncateSync(file, 100);
    await refuses("space.sector", 3, "check", file);
  });
});
