/** docs/cli.md, made from the definitions of the verbs: `npm run docs` writes it, a test compares it. */
import type { Argument, Command, Option } from "commander";
import { createProgram } from "./main.ts";
import { helpPartsOf } from "./nexus-command.ts";
import type { Terminal } from "./output.ts";
import { SHAPES } from "./shapes.ts";

const SILENT: Terminal = {
  out: () => {},
  err: () => {},
  colorOut: false,
  colorErr: false,
  live: false,
  outIsTerminal: false,
  columns: () => 100,
};

const HEAD = `# The command

Made by \`npm run docs\` from the definitions in \`src/cli\`: do not change it here.

\`nexus\` prints data on stdout and everything else (notes, progress, what to do next, errors) on stderr, so
that a pipe gets data and nothing else. A reader that closes the pipe early ends it quietly.

`;

const OUTPUT = `## Output

\`-o table\` (default) is for people, \`-o json\` one document, \`-o ndjson\` one value a line. Tables may change;
JSON keeps its shape. A shape has a number, which \`nexus version -o json\` gives under \`shapes\`: it changes when
a field goes or changes its meaning. New fields may come at any time.

Colours say what a word means (green: well, yellow: look at it, red: wrong) and are only on a terminal.
\`--no-color\`, \`NO_COLOR\` and \`TERM=dumb\` take them away, \`FORCE_COLOR\` brings them into a pipe; the first
of these that is given wins. What is redrawn in place on a terminal is plain lines elsewhere.

`;

/** A verb with its subverbs, depth first. */
export const walk = (command: Command, path: readonly string[] = []): readonly Walked[] =>
  command.commands.flatMap((one) => {
    const name = [...path, one.name()];
    return [{ name: name.join(" "), command: one }, ...walk(one, name)];
  });

export type Walked = { readonly name: string; readonly command: Command };

/** The whole command line, for what looks at it instead of running it. */
export const describedProgram = (): Command => createProgram(SILENT, new AbortController().signal);

const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ");

const choicesOf = (one: Option | Argument): string =>
  one.argChoices === undefined ? "" : ` (${one.argChoices.join(", ")})`;

const defaultOf = (option: Option): string => {
  const value: unknown = option.defaultValue;
  if (value === undefined || typeof value === "boolean") return "";
  return ` (default ${String(value)})`;
};

const optionRows = (options: readonly Option[]): string =>
  options
    .filter((option) => !option.hidden)
    .map((option) => {
      const what = `${option.description}${choicesOf(option)}${defaultOf(option)}`;
      return `| \`${cell(option.flags)}\` | ${cell(what)} |\n`;
    })
    .join("");

const argumentRows = (command: Command): string =>
  command.registeredArguments
    .map((argument) => {
      const name = argument.required ? `<${argument.name()}>` : `[${argument.name()}]`;
      return `| \`${name}\` | ${cell(`${argument.description}${choicesOf(argument)}`)} |\n`;
    })
    .join("");

const table = (rows: string): string => (rows === "" ? "" : `| | |\n|---|---|\n${rows}\n`);

const shapeText = (name: string): string => {
  const shape = SHAPES[name];
  if (shape === undefined) return "";
  const kind = shape.list ? "a list of " : "";
  const fields = shape.fields.map((field) => `\`${field}\``).join(", ");
  return `JSON, shape ${shape.version}: ${kind}${shape.what}${fields === "" ? "" : `. Always there: ${fields}`}.\n\n`;
};

const section = ({ name, command }: Walked): string => {
  const { examples, notes } = helpPartsOf(command);
  const usage = `nexus ${name} ${command.usage()}`.trim();
  const parts = [`## nexus ${name}\n\n${command.description()}\n\n`];
  if (examples.length > 0) {
    parts.push(
      `\`\`\`\n${examples.map((line) => line.replace(/^ {2}/, "")).join("\n")}\n\`\`\`\n\n`,
    );
  }
  parts.push(`\`${usage}\`\n\n`, table(argumentRows(command) + optionRows(command.options)));
  parts.push(shapeText(name));
  for (const note of notes) parts.push(`\`\`\`text\n${note.trimEnd()}\n\`\`\`\n\n`);
  return parts.join("");
};

/** The text of docs/cli.md. */
export const cliPage = (): string => {
  const program = describedProgram();
  const leaves = walk(program).filter(
    ({ command }) =>
      command.name() !== "help" && (command.commands.length === 0 || isVerb(command)),
  );
  const { notes } = helpPartsOf(program);
  const everywhere = `## Everywhere\n\n${table(optionRows(program.options))}`;
  const list = leaves
    .map(
      ({ name, command }) =>
        `| [\`${name}\`](#nexus-${name.replaceAll(" ", "-")}) | ${cell(command.description())} |\n`,
    )
    .join("");
  const codes = notes.map((note) => `\`\`\`text\n${note}\n\`\`\`\n\n`).join("");
  return `${`${HEAD}${table(list)}${everywhere}${OUTPUT}${codes}${leaves.map(section).join("")}`.trimEnd()}\n`;
};

/** A command with subverbs that does something itself as well, such as `nexus dev`. */
export const isVerb = (command: Command): boolean =>
  command.registeredArguments.length > 0 || command.options.length > 0;
