/**
 * What `-o json` prints, verb by verb. A shape has a number that changes when a field goes or changes its
 * meaning; new fields may come at any time, and a reader passes over those that it does not know. A list is
 * one array in JSON and an item a line in NDJSON. A test holds every verb against this table.
 */

export type Shape = {
  readonly version: number;
  /** The verb prints a list of these. */
  readonly list: boolean;
  readonly what: string;
  /** Fields that are always there. */
  readonly fields: readonly string[];
};

const one = (version: number, what: string, ...fields: readonly string[]): Shape => ({
  version,
  list: false,
  what,
  fields,
});
const list = (version: number, what: string, ...fields: readonly string[]): Shape => ({
  version,
  list: true,
  what,
  fields,
});

/** By verb, with its subverb behind a space. */
export const SHAPES: Readonly<Record<string, Shape>> = {
  "dev kill": one(1, "what was done", "node", "state", "pid", "holdSeconds"),
  "dev start": one(1, "what was done", "node", "state", "pid"),
  tour: list(1, "what each step has shown", "step", "shown", "found", "commands", "seconds"),
  peers: list(
    1,
    "peers, as GET /v1/peers gives them, with their names",
    "id",
    "name",
    "address",
    "state",
  ),
  validators: list(
    1,
    "validators, as GET /v1/validators gives them",
    "index",
    "id",
    "name",
    "weight",
  ),
  explain: one(1, "an event, by parts", "event", "batch", "lane", "block", "outcome", "proofs"),
  debug: one(1, "the archive and the files in it", "file", "files"),
  verify: list(1, "checks: state is ok, warn or fail", "node", "check", "state", "found"),
  status: list(
    1,
    "what GET /v1/status gives, one for each node; a node that does not answer has name, api, down and reason",
  ),
  append: list(1, "receipts, as POST /v1/batches gives them", "batchId", "level"),
  "asset scan": list(1, "receipts, as append", "batchId", "level"),
  tail: list(
    1,
    "events, as GET /v1/events gives them; always one a line, because a stream has no end",
    "index",
    "height",
    "batchId",
    "position",
    "type",
    "version",
    "outcome",
    "payload",
  ),
  ls: list(1, "rows with key and value; without a projection, their names"),
  get: one(1, "a row, as GET /v1/projections/:name/:key gives it", "key", "value"),
  replay: one(
    1,
    "the state at a height: roots and rows of each projection; with --diff the changes between two heights",
  ),
  audit: one(
    1,
    "what was checked, and what differs: result is clean or mismatch",
    "result",
    "source",
    "genesisHash",
    "signaturesFrom",
    "resumedFrom",
    "height",
    "blockHash",
    "logSize",
    "logRoot",
    "stateRoot",
    "counts",
    "seconds",
    "eventsPerSecond",
    "findingsTotal",
    "findings",
  ),
  doctor: list(1, "findings: state is ok, warn or fail", "node", "check", "state", "found"),
  "config check": one(1, "the settings can be used", "valid", "name"),
  "config explain": list(
    1,
    "settings; origin is default, file, environment or flag",
    "key",
    "value",
    "origin",
    "place",
    "variable",
  ),
  "key new": one(1, "the key", "file", "use", "development", "fingerprint", "sealing"),
  "key show": one(
    1,
    "the key, of a folder a list of them; an issuer's has no development, and a fingerprint once opened",
    "file",
    "kind",
    "use",
    "sealing",
    "mode",
  ),
  "key export": one(1, "the key", "export", "use", "fingerprint", "sealing"),
  "key import": one(1, "the key", "imported", "use", "fingerprint", "sealing"),
  "key rotate": list(
    1,
    "keys with file, use, development, fingerprint and before (sealed so before); the certificate with pin and notAfter; or receipts",
  ),
  backup: one(
    1,
    "what is in it",
    "backup",
    "bytes",
    "node",
    "running",
    "chain",
    "height",
    "executedHeight",
    "events",
    "logRoot",
    "stateRoot",
    "rows",
  ),
  restore: one(
    1,
    "what was restored",
    "restored",
    "node",
    "made",
    "genesisHash",
    "chain",
    "height",
    "executedHeight",
    "events",
    "logRoot",
    "stateRoot",
    "rows",
  ),
  version: one(1, "the program and what it runs on", "tetrad", "protocol", "node", "shapes"),
};
