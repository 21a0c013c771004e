// Writes the pages that are made from the source: docs/errors.md from the table of errors, docs/cli.md from
// the definitions of the verbs, the JSON Schemas of the configuration file and of the
// simulator's scenarios from their descriptions, and
// docs/refusals.md from the table that a test runs,
// docs/openapi.json and the table of routes in docs/api.md from the descriptions of the routes, and the examples
// in docs/sdk.md and docs/simulation.md from docs/examples.
//
//     node scripts/docs.mjs                          writes them
//     node scripts/docs.mjs --print [errors|cli|config|openapi|api|sdk]  prints one instead
//     node scripts/docs.mjs --print all              prints all of them, as JSON by name
import { readFileSync, writeFileSync } from "node:fs";
import { scenarioPage } from "../sim/scenario-page.ts";
import { scenarioSchema } from "../sim/scenario-shape.ts";
import { BANK } from "../sim/scenarios/index.ts";
import { cliPage } from "../src/cli/reference.ts";
import { ERRORS } from "../src/errors.ts";
import { productDocument, routesTable } from "../src/node/api/openapi/offline.ts";
import { configSchema } from "../src/node/config-keys.ts";
import { metricsPage } from "../src/node/metrics-catalogue.ts";
import { VERSION } from "../src/node/version.ts";
import { refusalsPage } from "../test/proofs/refusals/page.ts";

const HEAD = `# Errors

Made by \`npm run docs\` from \`src/errors.ts\`: do not change it here. A code is stable; \`nexus\` prints it and
the API gives it in a problem ([api.md](api.md)). What to do about those that an operator meets stands in
[operating.md](operating.md).

| column | what |
|---|---|
| HTTP | status of the API's answer |
| exit | exit code of \`nexus\`: 1 usage or refused, 2 verification failed, 3 cannot verify, 4 unreachable, 5 conflict; of the simulator 10 crash, 11 liveness lost, 12 correctness lost; 70 internal |
| retry | the same request may succeed later |
| peer | what a node does to a peer that caused it |

| code | meaning | HTTP | exit | retry | peer |
|---|---|---|---|---|---|
`;

const row = ([code, { title, status, exitCode, retryable, peer }]) =>
  `| \`${code}\` | ${title} | ${status} | ${exitCode} | ${retryable ? "yes" : ""} | ${peer === "none" ? "" : peer} |\n`;

const page = HEAD + Object.entries(ERRORS).map(row).join("");

/** docs/api.md with the table of routes put in anew. */
const apiPage = () => {
  const path = new URL("../docs/api.md", import.meta.url);
  const [before, rest] = readFileSync(path, "utf8").split(
    "<!-- routes: made by `npm run docs` -->\n",
  );
  const after = rest.slice(rest.indexOf("<!-- end of routes -->"));
  return `${before}<!-- routes: made by \`npm run docs\` -->\n\n${routesTable()}\n${after}`;
};

/** docs/sdk.md with the examples, which CI runs, as they are in docs/examples. */
const sdkPage = () =>
  readFileSync(new URL("../docs/sdk.md", import.meta.url), "utf8").replaceAll(
    /<!-- example: ([\w.-]+) -->\n```ts\n[\s\S]*?```/g,
    (_, name) => {
      const text = readFileSync(new URL(`../docs/examples/${name}`, import.meta.url), "utf8");
      return `<!-- example: ${name} -->\n\`\`\`ts\n${text}\`\`\``;
    },
  );

/** docs/simulation.md with the files of its tutorial, which a test runs. */
const simulationPage = () =>
  readFileSync(new URL("../docs/simulation.md", import.meta.url), "utf8").replaceAll(
    /<!-- example: (simulation\/[\w.-]+) -->\n```(\w+)\n[\s\S]*?```/g,
    (_, name, language) => {
      const text = readFileSync(new URL(`../docs/examples/${name}`, import.meta.url), "utf8");
      return `<!-- example: ${name} -->\n\`\`\`${language}\n${text}\`\`\``;
    },
  );

const pages = {
  errors: ["../docs/errors.md", page],
  cli: ["../docs/cli.md", cliPage()],
  openapi: ["../docs/openapi.json", `${JSON.stringify(productDocument(VERSION), null, 2)}\n`],
  api: ["../docs/api.md", apiPage()],
  metrics: ["../docs/metrics.md", metricsPage()],
  refusals: ["../docs/refusals.md", refusalsPage()],
  sdk: ["../docs/sdk.md", sdkPage()],
  scenarios: ["../docs/scenarios.md", scenarioPage(BANK)],
  scenario: ["../docs/scenario.schema.json", `${JSON.stringify(scenarioSchema(), null, 2)}\n`],
  simulation: ["../docs/simulation.md", simulationPage()],
  config: ["../docs/config.schema.json", `${JSON.stringify(configSchema(), null, 2)}\n`],
};

const asked = process.argv.indexOf("--print");
const name = process.argv[asked + 1] ?? "errors";
if (asked >= 0 && name === "all") {
  const texts = Object.entries(pages).map(([of, [, text]]) => [of, text]);
  process.stdout.write(JSON.stringify(Object.fromEntries(texts)));
} else if (asked >= 0) process.stdout.write(pages[name][1]);
else {
  for (const [path, text] of Object.values(pages)) {
    writeFileSync(new URL(path, import.meta.url), text);
  }
}
