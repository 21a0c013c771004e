/** The worked example of docs/audit.md, run as it stands there: every command, in order, by one shell. */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { devNetwork } from "./dev-network.ts";
import { bin, root } from "./support.ts";

const net = devNetwork();
/** Where a reader stands: the network in .tetrad, the documents beside it, and `nexus` to be run. */
const cwd = join(net.folder, "reader");

const page = readFileSync(join(root, "docs/audit.md"), "utf8");
const section = page.slice(page.indexOf("\n## A tampered byte"), page.indexOf("\n## Looking into"));

type Documented = { readonly command: string; readonly printed: string };

const documented: readonly Documented[] = [...section.matchAll(/^```\n([\s\S]*?)^```/gm)].flatMap(
  ([, block = ""]) =>
    block
      .split(/^\$ /m)
      .slice(1)
      .map((text) => {
        const [command = "", ...printed] = text.trimEnd().split("\n");
        return { command, printed: printed.join("\n") };
      }),
);

type Ran = { readonly code: number; readonly out: string };

/** What each command prints and exits with; `$?` is of the one before it, as at a prompt. */
const runAll = (commands: readonly string[]): readonly Ran[] => {
  const lines = commands.map(
    (command, i) =>
      `{ ${command}\n} > out-${i} 2>&1\ncode=$?; echo $code > code-${i}; (exit $code)`,
  );
  const env = {
    ...process.env,
    PATH: `${join(cwd, "bin")}:${process.env["PATH"]}`,
    XDG_STATE_HOME: join(cwd, "state"),
  };
  spawnSync("sh", ["-c", lines.join("\n")], { cwd, env });
  const read = (name: string): string => readFileSync(join(cwd, name), "utf8");
  return commands.map((_, i) => ({ code: Number(read(`code-${i}`)), out: read(`out-${i}`) }));
};

beforeAll(async () => {
  mkdirSync(join(cwd, "bin"), { recursive: true });
  symlinkSync(net.dir, join(cwd, ".tetrad"));
  symlinkSync(join(root, "docs"), join(cwd, "docs"));
  for (const [name, run] of [
    ["node", `exec '${process.execPath}' "$@"`],
    ["nexus", `exec '${process.execPath}' '${bin}' "$@"`],
  ] as const) {
    writeFileSync(join(cwd, "bin", name), `#!/bin/sh\n${run}\n`, { mode: 0o755 });
  }
  await net.start();
});
afterAll(() => net.end());

it("finds what the page says that it finds, at the places that it names", async () => {
  const commands = documented.map(({ command }) => command);
  const writes = commands.filter((command) => command.startsWith("nexus append "));
  expect(writes).toHaveLength(2);
  for (const { code, out } of runAll(writes)) expect(code, out).toBe(0);
  expect(await net.stop()).toBe(0);

  const rest = documented.slice(writes.length);
  const ran = runAll(rest.map(({ command }) => command));
  const shown = ran.map(({ out }, i) => `$ ${rest[i]?.command}\n${out}`).join("");
  // The audits and the question for the exit code of the first of them.
  expect(
    ran.map(({ code }) => code),
    shown,
  ).toEqual([0, 0, 2, 0, 0, 0, 2]);
  const [, changed, audit, asked, , , damaged] = ran;
  expect(changed?.out.trim()).toBe(rest[1]?.printed);
  expect(asked?.out.trim()).toBe(rest[3]?.printed);
  expect(audit?.out).toMatch(/^result +mismatch$/m);
  expect(audit?.out).toMatch(
    /^ +\d+ +row +records +notes\/second +\d+ +state\.mismatch +the stored row is not what the log gives$/m,
  );
  expect(audit?.out).toMatch(
    /^error audit\.mismatch: height \d+, row of records, key notes\/second/m,
  );
  const file = /^file +store\.corrupt +\S+\/damaged\/db\/000003\.log: damaged at byte (\d+), with/m;
  const at = Number(file.exec(damaged?.out ?? "")?.[1]);
  // The place is the beginning of the write: the genesis with all its proofs is one, of more than that.
  expect(at).toBeGreaterThanOrEqual(0);
  expect(at).toBeLessThanOrEqual(50_000);
  // What the page shows is of these forms too.
  expect(rest[2]?.printed).toMatch(/^ +\d+ +row +records +notes\/second +2 +state\.mismatch/m);
  expect(rest[6]?.printed).toMatch(
    /^file +store\.corrupt +\S+\/damaged\/db\/000003\.log: damaged/m,
  );
});
