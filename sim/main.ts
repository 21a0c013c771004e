/**
 * `npm run sim -- ...` is `nexus sim ...`, and without a verb a short form of `nexus sim run`:
 *
 *     npm run sim -- --seed 7              one random scenario, run twice
 *     npm run sim -- --seeds 1..1000       many
 *     npm run sim -- --bank                the library; --bank NAME one of it
 *     npm run sim -- --scenario FILE.json  one scenario from a file
 *
 * The short form writes no files, and shrinks only with --shrink: it is for scripts. -o json gives a line a run.
 */
const VERBS: readonly string[] = ["run", "swarm", "shrink", "explain", "mutants", "list", "help"];

const args = process.argv.slice(2);

/** The short form as arguments of `nexus sim run`. */
const longForm = (short: readonly string[]): readonly string[] => {
  const isJson = /^json$/;
  const words = short
    .filter((word) => word !== "--bank" && word !== "--scenario")
    .map((word, i, all) =>
      isJson.test(word) && ["-o", "--output"].includes(all[i - 1] ?? "") ? "ndjson" : word,
    )
    .map((word) => (word === "--output=json" ? "--output=ndjson" : word));
  return ["run", "--no-files", ...(short.includes("--shrink") ? [] : ["--no-shrink"]), ...words];
};

const first = args[0] ?? "";
const isShort = !VERBS.includes(first) && first !== "--help" && first !== "-h";
// A computed name: the simulator itself knows nothing of the command.
const command = new URL("../src/cli/main.ts", import.meta.url).href;
const { main } = (await import(command)) as { main(argv: readonly string[]): Promise<void> };
await main([...process.argv.slice(0, 2), "sim", ...(isShort ? longForm(args) : args)]);
