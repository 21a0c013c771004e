/** docs/scenarios.md: every field of a scenario, every kind of fault, and the library, from their one source. */
import type { Scenario } from "./scenario.ts";
import { SCENARIO_SHAPE } from "./scenario-shape.ts";
import type { Field, Fields, Shape } from "./shape.ts";

const HEAD = `# Scenarios

Made by \`npm run docs\` from \`sim/scenario-shape.ts\`, \`sim/fault-shape.ts\` and the files of the library: do not
change it here. A scenario is a JSON file; [scenario.schema.json](scenario.schema.json) is its JSON Schema, and
\`"$schema"\` in the file tells an editor where that is. What is left out gets the default. An unknown key, a value
out of bounds or a node that is not there is refused with its place in the file. How to run one:
[simulation.md](simulation.md).

Times are virtual milliseconds from the start, chances parts per million, nodes are numbers from 0.
`;

const boundsOf = (shape: Shape): string => {
  switch (shape.type) {
    case "integer":
      return shape.max === Number.MAX_SAFE_INTEGER
        ? `integer from ${shape.min}`
        : `${shape.min} to ${shape.max}`;
    case "slot":
      return "a node";
    case "boolean":
      return "true or false";
    case "text":
      return `text of at most ${shape.max} characters`;
    case "choice":
      return shape.of.map((word) => `\`${word}\``).join(", ");
    case "list":
      return shape.perNode === true
        ? "a list, one a node"
        : `at most ${shape.max} of: ${boundsOf(shape.of)}`;
    case "span":
      return "[from, until]";
    case "object":
      return "an object";
    case "variant":
      return "faults, see below";
  }
};

const initialOf = (field: Field): string => {
  if (field.optional === true) return "none";
  if (field.initial === undefined) return "must be there";
  if (field.initial === Number.MAX_SAFE_INTEGER) return "for ever";
  return typeof field.initial === "object" && !Array.isArray(field.initial)
    ? "as below"
    : `\`${JSON.stringify(field.initial)}\``;
};

const rowsOf = (fields: Fields, path: string): string[] =>
  Object.entries(fields).flatMap(([key, field]) => {
    const name = `${path}${key}`;
    const row = `| \`${name}\` | ${field.about ?? ""} | ${boundsOf(field)} | ${initialOf(field)} |`;
    if (field.type === "object") return [row, ...rowsOf(field.fields, `${name}.`)];
    if (field.type === "list" && field.of.type === "object") {
      return [row, ...rowsOf(field.of.fields, `${name}[].`)];
    }
    return [row];
  });

const faultRows = (): string[] => {
  const faults = SCENARIO_SHAPE.fields["faults"];
  if (faults?.type !== "list" || faults.of.type !== "variant") return [];
  return Object.entries(faults.of.cases).map(([kind, { about, fields }]) => {
    const names = Object.entries(fields).map(([key, field]) =>
      field.optional === true ? `[${key}]` : key,
    );
    return `| \`${kind}\` | ${about ?? ""} | ${names.map((name) => `\`${name}\``).join(" ")} |`;
  });
};

/** The page, with a table of the scenarios given. */
export const scenarioPage = (library: readonly Scenario[]): string =>
  [
    HEAD,
    "## Fields",
    "",
    "| field | what | bounds | default |",
    "|---|---|---|---|",
    ...rowsOf(SCENARIO_SHAPE.fields, ""),
    "",
    "## Faults",
    "",
    "Every fault has `atMs`; one that lasts has `untilMs` and ends at the heal at the latest. `[field]` may be left out.",
    "",
    "| kind | what it does | fields |",
    "|---|---|---|",
    ...faultRows(),
    "",
    "## The library",
    "",
    `\`nexus sim list\` names them, \`nexus sim run NAME\` runs one, \`npm run sim -- --bank\` runs all ${library.length}.`,
    "CI runs them as regression. Each names marks that it must have seen: one that no longer reaches what it is",
    "named for fails.",
    "",
    "| name | what it shows |",
    "|---|---|",
    ...library.map(({ name, about = "" }) => `| \`${name}\` | ${about} |`),
    "",
  ].join("\n");
