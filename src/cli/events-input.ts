/**
 * Events as people give them: `TOPIC/KEY BODY`, --type with --data, or a file of JSON or NDJSON. A byte
 * field may be written as {"text": "…"} or {"file": "path"}, so that nobody has to type base64.
 */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { TetradError } from "../errors.ts";
import type { EncodedEvent } from "../ledger/types.ts";
import { definitionFor, REGISTRY } from "../node/formats.ts";
import { nearest } from "../node/suggest.ts";

/** Characters of a whole file of events: some thousand full batches would be a mistake. */
const FILE_BYTES_MAX = 512 * 1024 * 1024;

const usage = (detail: string): TetradError => new TetradError("cli.usage", detail);

const parseJson = (text: string, where: string): unknown => {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw usage(`${where} is not JSON: ${error instanceof Error ? error.message : "?"}`);
  }
};

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A file that somebody named. Throws cli.usage. */
export const readFile = (path: string): Buffer => {
  try {
    const bytes = readFileSync(path);
    if (bytes.length > FILE_BYTES_MAX) throw usage(`${path} is over 512 MiB`);
    return bytes;
  } catch (error) {
    if (error instanceof TetradError) throw error;
    throw usage(`${path} cannot be read (${(error as NodeJS.ErrnoException).code ?? "?"})`);
  }
};

/** {"text"} and {"file"} as base64, at any depth. */
const withBytes = (value: unknown, cwd: string): unknown => {
  if (Array.isArray(value)) return value.map((item) => withBytes(item, cwd));
  if (!isObject(value)) return value;
  const keys = Object.keys(value);
  if (keys.length === 1 && typeof value["text"] === "string") {
    return Buffer.from(value["text"]).toString("base64");
  }
  if (keys.length === 1 && typeof value["file"] === "string") {
    return readFile(resolve(cwd, value["file"])).toString("base64");
  }
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, withBytes(item, cwd)]),
  );
};

/** One event of a type that this version knows. Throws cli.usage and batch.bad-payload. */
export const encodeData = (
  type: string,
  data: unknown,
  cwd: string,
  where: string,
): EncodedEvent => {
  const json = withBytes(data, cwd);
  const definition = definitionFor(type, json);
  if (definition === undefined) {
    const types = [...new Set(REGISTRY.definitions.map((known) => known.type))];
    const meant = nearest(type, types);
    const hint = meant === undefined ? `known are ${types.join(", ")}` : `did you mean "${meant}"?`;
    throw usage(`${where}: unknown event type "${type}"; ${hint}`);
  }
  const value = definition.fromJson(json);
  if (!value.ok) throw new TetradError(value.code, `${where}: ${value.detail}`);
  try {
    return definition.encode(value.value);
  } catch (error) {
    if (error instanceof RangeError) throw usage(`${where}: ${error.message}`);
    throw error;
  }
};

/** An object {"type", "data"} of a file. */
const fromItem = (item: unknown, cwd: string, where: string): EncodedEvent => {
  if (!isObject(item) || typeof item["type"] !== "string" || item["data"] === undefined) {
    throw usage(`${where} must be {"type": "…", "data": {…}}`);
  }
  const unknown = Object.keys(item).find((key) => key !== "type" && key !== "data");
  if (unknown !== undefined) throw usage(`${where} has the unknown key "${unknown}"`);
  return encodeData(item["type"], item["data"], cwd, where);
};

/** A JSON array of {"type", "data"}, or one such object a line. "-" reads standard input. */
export const readEvents = (path: string, cwd: string): EncodedEvent[] => {
  const bytes = path === "-" ? readFileSync(0) : readFile(resolve(cwd, path));
  const text = bytes.toString("utf8");
  const name = path === "-" ? "standard input" : path;
  if (text.trimStart().startsWith("[")) {
    const items = parseJson(text, name);
    if (!Array.isArray(items)) throw usage(`${name} must hold a list of events`);
    return items.map((item, i) => fromItem(item, cwd, `${name}, event ${i + 1}`));
  }
  return text.split("\n").flatMap((line, i) => {
    if (line.trim() === "") return [];
    const where = `${name}, line ${i + 1}`;
    return [fromItem(parseJson(line, where), cwd, where)];
  });
};

/** `notes/first` and a body, as a record. A body of "-" is read from standard input. */
export const recordEvent = (record: string, body: string, cwd: string): EncodedEvent => {
  const slash = record.indexOf("/");
  if (slash < 1) throw usage(`"${record}" is not TOPIC/KEY`);
  const bytes = body === "-" ? readFileSync(0) : Buffer.from(body);
  const data = {
    topic: record.slice(0, slash),
    key: record.slice(slash + 1),
    body: bytes.toString("base64"),
  };
  return encodeData("record.put", data, cwd, record);
};
