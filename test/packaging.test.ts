/** What is shipped to run a node: checked by the tools that read it where they are installed, and by hand. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../", import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), "utf8");
const has = (command: string): boolean => spawnSync(command, ["--version"]).error === undefined;

describe("packaging/tetrad.service", () => {
  const unit = read("packaging/tetrad.service");

  it.skipIf(!has("systemd-analyze"))("is a unit that systemd takes without a word", () => {
    const folder = mkdtempSync(join(tmpdir(), "tetrad-unit-"));
    try {
      // The program is not installed where tests run.
      const path = join(folder, "tetrad.service");
      writeFileSync(path, unit.replace(/^ExecStart=\S+/m, "ExecStart=/bin/true"));
      const { status, stdout, stderr } = spawnSync("systemd-analyze", ["verify", path], {
        encoding: "utf8",
      });
      expect([status, stdout, stderr]).toEqual([0, "", ""]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("runs as nobody's root, reads the passphrase as a credential, and opens no IPv4 socket", () => {
    for (const line of [
      "User=tetrad",
      "NoNewPrivileges=yes",
      "ProtectSystem=strict",
      "StateDirectory=tetrad",
      "CapabilityBoundingSet=",
      "LoadCredential=tetrad-passphrase:/etc/tetrad/passphrase",
    ]) {
      expect(unit.split("\n")).toContain(line);
    }
    const families = /^RestrictAddressFamilies=(.*)$/m.exec(unit)?.[1]?.split(" ");
    expect(families).toEqual(["AF_INET6", "AF_UNIX", "AF_NETLINK"]);
    // The name that the node looks for (passphrase.ts).
    expect(read("src/node/keys/passphrase.ts")).toContain('"tetrad-passphrase"');
  });
});

describe("packaging/Dockerfile", () => {
  const file = read("packaging/Dockerfile");
  const stages = file.split(/^FROM /m).slice(1);
  const last = stages.at(-1) ?? "";

  it("runs only commands that there are, and copies only what there is", () => {
    const scripts = Object.keys(JSON.parse(read("package.json")).scripts);
    const runs = [...file.matchAll(/^RUN npm (.*)$/gm)].map(([, command = ""]) => command);
    expect(runs).toEqual(["ci", "run build", "ci --omit=dev"]);
    for (const run of runs.filter((one) => one.startsWith("run "))) {
      expect(scripts).toContain(run.slice(4));
    }
    for (const [, names = ""] of file.matchAll(/^COPY (?!--from)(.*) \S+$/gm)) {
      for (const name of names.split(" ").filter((one) => one !== ".")) {
        expect(spawnSync("stat", [join(root, name)]).status, name).toBe(0);
      }
    }
  });

  it("ends in an image without build tools that is not root's and says how it is", () => {
    expect(last).toMatch(/^USER node$/m);
    expect(last.indexOf("USER node")).toBeLessThan(last.indexOf("ENTRYPOINT"));
    expect(last).toMatch(/^HEALTHCHECK [\s\S]*\[::1\]:8440\/livez/m);
    expect(last).toMatch(/^EXPOSE 4440\/udp$/m);
    expect(last).not.toMatch(/npm/);
    for (const stage of stages) expect(stage).toMatch(/^node:24-bookworm-slim/);
  });
});

describe("packaging/alerts.yml", () => {
  it.skipIf(!has("promtool"))("is a file of rules that Prometheus takes", () => {
    const args = ["check", "rules", join(root, "packaging/alerts.yml")];
    const { status, stdout } = spawnSync("promtool", args, { encoding: "utf8" });
    expect([status, stdout]).toEqual([0, expect.stringContaining("SUCCESS")]);
  });
});
