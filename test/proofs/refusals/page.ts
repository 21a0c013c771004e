/** docs/refusals.md, from the table. */
import { PLACES, type Row, type Section } from "./rows.ts";
import { TABLE } from "./table.ts";

type Place = (typeof PLACES)[number];

const HEAD = `# What the proofs refuse

Made by \`npm run docs\` from \`test/proofs/refusals/table.ts\`: do not change it here. \`test/proofs/refusals.test.ts\`
runs every row: on one chain that asks for all four proofs and the beacon it makes the real proof with small
parameters, sees it taken, bends it, and asks whoever decides.

| where | who decides |
|---|---|
| genesis | whoever reads the genesis, which nodes, clients and tools do before anything else: there is no such chain |
| admission | the pool of a node that a client or a peer hands a batch to: it is not held and not passed on |
| vote | the predicate by which a proposer chooses and every validator votes: no vote for the block |
| execution | the owner of the event, on every replica: it is in the log with the code, and changes nothing |

What each code does to whoever sent it, and what HTTP and commands make of it, is in [errors.md](errors.md). What each
proof shows, and what it does not, is in [proofs.md](proofs.md) and [stake.md](stake.md). A row without a code is no
refusal: it says what bounds the try instead, and the test looks that it does.

An **event** stands or falls with its batch. A **validator** is judged by the events that it writes about itself, by
its blocks, and by the power that it has two epochs later. What a chain asks for may show nothing: where that is refused
the table has the column of the genesis, and [proofs.md](proofs.md#chains-that-are-marked-insecure) says what the mark
is worth.
`;

const codeOf = ({ refused }: Row, place: Place): string => {
  const code = refused?.[place];
  return code === undefined ? "" : `\`${code}\``;
};

const wayOf = ({ id }: Row): string => id.split("/")[2] ?? "";

/** Of a table: what is said of a genesis has a column only where there is something of it. */
const placesOf = (rows: readonly Row[]): readonly Place[] =>
  PLACES.filter((place) => place !== "genesis" || rows.some((one) => one.refused?.genesis));

const lineOf = (one: Row, before: Row | undefined, places: readonly Place[]): string => {
  const way = before !== undefined && wayOf(before) === wayOf(one) ? "" : wayOf(one);
  const said = one.holds === undefined ? one.tried : `${one.tried}. Not refused: ${one.holds}`;
  const cells = [way, said, ...places.map((place) => codeOf(one, place))];
  return `| ${cells.join(" | ")} |`;
};

const sectionOf = ({ proof, subject, about, rows, left, ...named }: Section): string => {
  const by = `${proof[0]?.toUpperCase()}${proof.slice(1)}, on ${subject === "event" ? "an event" : "a validator"}`;
  const places = placesOf(rows);
  return [
    `## ${named.title ?? by}`,
    "",
    about,
    "",
    `| | tried | ${places.join(" | ")} |`,
    `|---|---|${"---|".repeat(places.length)}`,
    ...rows.map((one, i) => lineOf(one, rows[i - 1], places)),
    "",
    "What a forger can still do:",
    "",
    ...left.map((text) => `- ${text}`),
    "",
  ].join("\n");
};

export const refusalsPage = (): string => [HEAD, ...TABLE.map(sectionOf)].join("\n");
