/** `nexus doctor`: looks for what is wrong, and says what to do about it. */
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { TetradError } from "../../errors.ts";
import { explainConfig, loadConfig, type ResolvedConfig } from "../../node/config.ts";
import type { CliContext } from "../context.ts";
import { controlFolder } from "../dev/control.ts";
import { pathsOf } from "../dev/create.ts";
import { checkNode, checkProgram } from "../doctor-checks.ts";
import { checkQuorum, withoutGuesses } from "../doctor-quorum.ts";
import type { Finding } from "../finding.ts";
import { byMeaning, formatJson, formatNdjson, formatTable, paint, printable } from "../output.ts";

type DoctorOptions = { readonly config?: string };

type Subject = {
  readonly name: string;
  readonly resolved: ResolvedConfig;
  /** As the node gets it. */
  readonly env: CliContext["env"];
  /** How it is started, where it does not run. */
  readonly startBy: string;
};

const subjects = (context: CliContext, options: DoctorOptions): Subject[] => {
  const load = (path: string, env: CliContext["env"], startBy?: string): Subject => {
    const resolved = loadConfig(path, {}, env, context.cwd);
    const alone = `start it with \`nexus start --config ${path}\``;
    return { name: resolved.config.name, resolved, env, startBy: startBy ?? alone };
  };
  if (options.config !== undefined) return [load(options.config, context.env)];
  const known = context.dev();
  const isDev = known?.kind === "tetrad-dev";
  // The nodes of `nexus dev` do not get the caller's settings.
  const env = isDev ? {} : context.env;
  // Where `nexus dev` runs it holds the folder, so that a second one would be refused.
  const isRunning = existsSync(controlFolder(context.dir));
  return (known?.nodes ?? []).map((node) => {
    const { config } = pathsOf(context.dir, node);
    if (isRunning) return load(config, env, `start it with \`nexus dev start ${node.name}\``);
    if (isDev) return load(config, env, `start all with \`nexus --dir ${context.dir} dev\``);
    return load(config, env);
  });
};

type Named = Finding & { readonly node: string };

export const doctor = async (context: CliContext, options: DoctorOptions): Promise<void> => {
  const findings: Named[] = (await checkProgram()).map((one) => ({ ...one, node: "-" }));
  const checked = subjects(context, options);
  // Side by side: opening each key takes a third of a second, and a node that hangs two.
  const found = await Promise.all(
    checked.map(async ({ name, resolved, env, startBy }) => {
      const all = await checkNode(resolved.config, env, context.signal, startBy);
      return { name, all };
    }),
  );
  // Of one node that was named nobody knows here whether the others are up.
  const quorum =
    options.config === undefined ? checkQuorum(found.map(({ all }) => all)) : undefined;
  if (quorum !== undefined) findings.push({ ...quorum, node: "-" });
  for (const { name, all } of found) {
    const told = quorum?.state === "fail" ? withoutGuesses(all) : all;
    findings.push(...told.map((one): Named => ({ ...one, node: name })));
  }
  print(context, findings);
  if (checked.length === 0) {
    context.note(`no network in ${dirname(`${context.dir}/x`)}; \`npm start\` makes one`);
  } else if (options.config !== undefined) {
    for (const { resolved } of checked) explain(context, resolved);
  }
  const failed = findings.filter((finding) => finding.state === "fail").length;
  if (failed > 0) throw new TetradError("doctor.failed", `${failed} check(s) failed`);
};

const print = (context: CliContext, findings: readonly Named[]): void => {
  const { terminal } = context;
  if (context.format === "json") terminal.out(formatJson(findings));
  else if (context.format === "ndjson") for (const one of findings) terminal.out(formatNdjson(one));
  else {
    const columns = ["node", "check", "state", "found"];
    terminal.out(
      formatTable(
        columns,
        findings.map(({ node, check, state, found }) => ({ node, check, state, found })),
        terminal.colorOut,
        byMeaning("state"),
      ),
    );
    for (const { node, check, todo } of findings) {
      if (todo !== undefined) {
        context.note(
          `${paint(terminal.colorErr, "cyan", "→")} ${printable(`${node} ${check}: ${todo}`)}`,
        );
      }
    }
  }
};

/** Each setting, its value and where it came from. */
const explain = (context: CliContext, resolved: ResolvedConfig): void => {
  const settings = explainConfig(resolved);
  const cells = Math.max(...settings.map(({ key }) => key.length));
  for (const { key, value, place } of settings) {
    context.note(`${key.padEnd(cells)} ${printable(String(value ?? "-"))} (${printable(place)})`);
  }
};
