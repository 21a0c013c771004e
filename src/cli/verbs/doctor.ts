/** `nexus doctor`: looks for what is wrong, and says what to do about it. */
import { dirname } from "node:path";
import { TetradError } from "../../errors.ts";
import { formatAddress } from "../../node/address.ts";
import { CONFIG_KEYS, type ConfigKey, loadConfig, type ResolvedConfig } from "../../node/config.ts";
import type { CliContext } from "../context.ts";
import { pathsOf } from "../dev/create.ts";
import { checkNode, checkProgram, type Finding } from "../doctor-checks.ts";
import { formatJson, formatNdjson, formatTable, paint, printable } from "../output.ts";

type DoctorOptions = { readonly config?: string };

type Subject = { readonly name: string; readonly resolved: ResolvedConfig };

const subjects = (context: CliContext, options: DoctorOptions): Subject[] => {
  const load = (path: string): ResolvedConfig => loadConfig(path, {}, context.env, context.cwd);
  if (options.config !== undefined) {
    const resolved = load(options.config);
    return [{ name: resolved.config.name, resolved }];
  }
  const nodes = context.dev()?.nodes ?? [];
  return nodes.map((node) => ({
    name: node.name,
    resolved: load(pathsOf(context.dir, node).config),
  }));
};

type Named = Finding & { readonly node: string };

export const doctor = async (context: CliContext, options: DoctorOptions): Promise<void> => {
  const findings: Named[] = (await checkProgram()).map((one) => ({ ...one, node: "-" }));
  const checked = subjects(context, options);
  for (const { name, resolved } of checked) {
    const found = await checkNode(resolved.config, context.signal);
    findings.push(...found.map((one) => ({ ...one, node: name })));
  }
  print(context, findings);
  if (checked.length === 0) {
    context.note(`no network in ${dirname(`${context.dir}/x`)}; \`npm start\` makes one`);
  } else if (options.config !== undefined) {
    for (const { resolved } of checked) explain(context, resolved);
  }
  const failed = findings.filter((finding) => finding.state === "fail").length;
  if (failed > 0) throw new TetradError("config.invalid", `${failed} check(s) failed`);
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
        findings.map(({ todo: _, ...row }) => row),
        terminal.colorOut,
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
const explain = (context: CliContext, { config, origins }: ResolvedConfig): void => {
  for (const key of Object.keys(CONFIG_KEYS) as ConfigKey[]) {
    const value = config[key];
    const text = typeof value === "object" ? formatAddress(value) : String(value ?? "-");
    context.note(`${key.padEnd(16)} ${printable(text)} (${origins[key]})`);
  }
};
