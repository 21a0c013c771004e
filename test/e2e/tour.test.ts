/** `nexus tour` through the bin: what it claims is looked up here again, by other means than its own. */
import { copyFileSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { devNetwork } from "./dev-network.ts";
import { fits } from "./shape.ts";
import { nexus, nexusJson, SHORT, tempFolder } from "./support.ts";

type StepReport = {
  readonly step: string;
  readonly shown: boolean;
  readonly found: string;
  readonly commands: readonly string[];
  readonly seconds: number;
};

const net = devNetwork();
const { dir, folder } = net;

beforeAll(net.start);
afterAll(net.end);

/** Process id of a node, by the configuration that it was started with. */
const pidOf = (name: string): number => {
  const config = join(dir, name, "node.toml");
  const found = readdirSync("/proc").find((pid) => {
    if (!/^[0-9]+$/.test(pid)) return false;
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").includes(config);
    } catch {
      return false;
    }
  });
  return Number(found ?? 0);
};

type Page = {
  readonly items: readonly { readonly index: number; readonly data: { key: string } }[];
};

const eventsOf = async (node: number): Promise<Page["items"]> => {
  const response = await fetch(`${net.url(node)}/v1/events?limit=1000`);
  return ((await response.json()) as Page).items;
};

const names = ["a", "b", "c", "d"];

describe("nexus tour", () => {
  it("shows each step, and each has the effect that it claims", async () => {
    const before = new Map(names.map((name) => [name, pidOf(name)]));
    const done = await nexus(["--dir", dir, "tour", "--yes", "-o", "json"]);
    expect(done.code, done.stderr).toBe(0);
    const steps = JSON.parse(done.stdout) as StepReport[];
    fits("tour", steps);
    const found = new Map(steps.map(({ step, found: what }) => [step, what]));
    expect(steps.every(({ shown }) => shown)).toBe(true);
    // In the short form another network runs beside this one.
    if (!SHORT) expect(steps.reduce((sum, { seconds }) => sum + seconds, 0)).toBeLessThan(90);
    expect([...found.keys()]).toEqual(
      expect.arrayContaining([
        "network",
        "append",
        "prove",
        "kill the leader",
        "forge",
        "restart",
        "audit",
      ]),
    );
    // Each command that was shown stands in the telling, where people read it.
    for (const command of steps.flatMap(({ commands }) => commands)) {
      expect(done.stderr).toContain(`$ ${command}`);
    }

    const index = Number(/^event (\d+)/.exec(found.get("append") ?? "")?.[1]);
    const [, victim = "", from, to] =
      /^node (\w) is dead, heights went from (\d+) to (\d+)/.exec(
        found.get("kill the leader") ?? "",
      ) ?? [];
    expect(Number(to)).toBeGreaterThanOrEqual(Number(from) + 3);
    // Its turn to lead came, and the others went on without it.
    expect(found.get("kill the leader")).toMatch(
      / (1 view .* was|([2-9]|\d\d+) views .* were) passed over$/,
    );
    for (const [node, name] of names.entries()) {
      const events = await eventsOf(node);
      const key = events.find((event) => event.index === index)?.data.key ?? "";
      expect(key, name).toMatch(/^[0-9a-f]{8}$/);
      const keys = events.map((event) => event.data.key);
      expect(keys).toContain(`${key}-down`);
      expect(keys).not.toContain(`${key}-forged`);
      // The one that was killed is another process now; the others are the same.
      expect(pidOf(name)).toBeGreaterThan(0);
      expect(pidOf(name) === before.get(name), name).toBe(name !== victim);
    }
    expect(names).toContain(victim);
    const refused = steps.find(({ step }) => step === "forge");
    expect(refused?.found).toContain("batch.signature");
    expect(found.get("prove")).toMatch(
      /forged by one letter it is refused with proof\.[a-z-]+, exit code 2$/,
    );
    expect(found.get("audit")).toMatch(/^clean up to height \d+/);
    const statuses = (await nexusJson(["--dir", dir, "status"])) as { voting: string }[];
    expect(statuses.map(({ voting }) => voting)).toEqual(["yes", "yes", "yes", "yes"]);
  });

  it("exits 2 and names the step that has not shown what it claims", async () => {
    const other = join(folder, "other");
    const made = await nexus(["--dir", other, "init", "--name", "other", "--actor"]);
    expect(made.code, made.stderr).toBe(0);
    const [from, to] = [join(other, "keys"), join(dir, "operator")];
    const kept = join(folder, "kept.key");
    copyFileSync(join(to, "operator.key"), kept);
    const passphrase = readdirSync(from).find((name) => name.startsWith("passphrase")) ?? "";
    copyFileSync(join(to, passphrase), `${kept}.pass`);
    try {
      copyFileSync(join(from, "other.key"), join(to, "operator.key"));
      copyFileSync(join(from, passphrase), join(to, passphrase));
      const done = await nexus(["--dir", dir, "tour", "--yes"]);
      expect(done.code).toBe(2);
      expect(done.stderr).toContain("error tour.failed: append:");
      expect(done.stdout).toContain("batch.unknown-actor");
      expect(done.stdout).toMatch(/append +fail/);
      expect(done.stdout).not.toMatch(/^forge /m);
    } finally {
      copyFileSync(kept, join(to, "operator.key"));
      copyFileSync(`${kept}.pass`, join(to, passphrase));
    }
  });

  it("ends no node of a network that is named by an address", async () => {
    const done = await nexus(["--api", net.url(), "tour", "--yes"]);
    expect(done.code).toBe(1);
    expect(done.stderr).toContain("cli.usage");
  });
});

const ownNetwork = (): void => {
  it("makes one of its own, and leaves nothing behind", async () => {
    const own = tempFolder();
    try {
      const env = { TMPDIR: own.path };
      const args = ["--dir", join(own.path, "none"), "tour", "--yes"];
      const done = await nexus(args, { env });
      expect(done.code, done.stdout + done.stderr).toBe(0);
      expect(done.stdout).toContain("What you have seen");
      const left = readdirSync(own.path).filter((name) => name.includes("tour"));
      expect(left).toEqual([]);
    } finally {
      own.remove();
    }
  });
};

// A whole tour once more.
if (!SHORT) describe("nexus tour, where no network runs", ownNetwork);
