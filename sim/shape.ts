/**
 * Descriptions of data: what a value may be, as data. One description gives the strict reader (here), the
 * JSON Schema (shape-schema.ts) and the fast-check arbitrary (arbitraries.ts), so that these never say
 * three things.
 */
import { nearest } from "../src/node/suggest.ts";

type About = { readonly about?: string };

/** `usual`: what arbitraries draw from, where the whole range would be of no use in a run. */
export type IntegerShape = About & {
  readonly type: "integer";
  readonly min: number;
  readonly max: number;
  readonly usual?: readonly [low: number, high: number];
  /** A moment of the run: arbitraries draw it before the heal. */
  readonly moment?: true;
  /** Where a fault is mildest: at the value next to zero if not given, at the most, or nowhere, as it is a name. */
  readonly mild?: "most" | "none";
};
/** The number of a node, below the scenario's n. */
export type SlotShape = About & { readonly type: "slot" };
export type BooleanShape = About & { readonly type: "boolean" };
export type TextShape = About & { readonly type: "text"; readonly max: number };
export type ChoiceShape = About & { readonly type: "choice"; readonly of: readonly string[] };
export type ListShape = About & {
  readonly type: "list";
  readonly of: Shape;
  readonly min: number;
  readonly max: number;
  /** One item a node. */
  readonly perNode?: true;
  readonly distinct?: true;
};
/** Two integers, the second not below the first. */
export type SpanShape = About & { readonly type: "span"; readonly max: number };
export type ObjectShape = About & { readonly type: "object"; readonly fields: Fields };
/** One of several objects, told apart by a field that holds the name of the case. */
export type VariantShape = About & {
  readonly type: "variant";
  readonly tag: string;
  readonly cases: Readonly<Record<string, ObjectShape>>;
};

export type Shape =
  | IntegerShape
  | SlotShape
  | BooleanShape
  | TextShape
  | ChoiceShape
  | ListShape
  | SpanShape
  | ObjectShape
  | VariantShape;

/** `initial` stands for what is left out; a field without it and without `optional` must be there. */
export type Field = Shape & { readonly optional?: true; readonly initial?: unknown };
export type Fields = Readonly<Record<string, Field>>;

/** Exactly the fields of a type: one that nobody has described does not compile. */
export type FieldsOf<T, Left extends PropertyKey = never> = {
  readonly [K in Exclude<keyof T, Left>]-?: Field;
};

const wrong = (path: string, detail: string): never => {
  throw new RangeError(path === "" ? detail : `${path}: ${detail}`);
};

const shown = (value: unknown): string => {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
};

const hint = (word: string, known: readonly string[]): string => {
  const near = nearest(word, known);
  return near === undefined ? "" : `; did you mean "${near}"?`;
};

const readInteger = (path: string, value: unknown, min: number, max: number): number => {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= min && value <= max) {
    return value;
  }
  return wrong(path, `expected an integer of ${min} to ${max}, found ${shown(value)}`);
};

const readChoice = (path: string, value: unknown, of: readonly string[]): string => {
  if (typeof value === "string" && of.includes(value)) return value;
  const near = typeof value === "string" ? hint(value, of) : "";
  return wrong(path, `expected one of ${of.join(", ")}, found ${shown(value)}${near}`);
};

const readList = (path: string, value: unknown, shape: ListShape, n: number): unknown[] => {
  if (!Array.isArray(value)) return wrong(path, `expected a list, found ${shown(value)}`);
  if (shape.perNode === true && value.length !== n) {
    wrong(path, `expected ${n} items, one a node, found ${value.length}`);
  }
  if (value.length < shape.min || value.length > shape.max) {
    wrong(path, `expected ${shape.min} to ${shape.max} items, found ${value.length}`);
  }
  const items = value.map((item, i) => readShape(`${path}[${i}]`, item, shape.of, n));
  if (shape.distinct === true && new Set(items).size !== items.length) {
    wrong(path, "an item is there twice");
  }
  return items;
};

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const readObject = (path: string, value: unknown, fields: Fields, n: number): object => {
  if (!isObject(value)) return wrong(path, `expected an object, found ${shown(value)}`);
  const known = Object.keys(fields);
  for (const key of Object.keys(value)) {
    if (!Object.hasOwn(fields, key)) {
      wrong(
        path === "" ? shownKey(key) : `${path}.${shownKey(key)}`,
        `unknown key${hint(key, known)}`,
      );
    }
  }
  const out: Record<string, unknown> = {};
  for (const [key, field] of Object.entries(fields)) {
    const at = path === "" ? key : `${path}.${key}`;
    if (Object.hasOwn(value, key)) out[key] = readShape(at, value[key], field, n);
    else if (field.initial !== undefined) out[key] = field.initial;
    else if (field.optional !== true) wrong(at, "is missing");
  }
  const { atMs, fromMs, untilMs } = out;
  const start = atMs ?? fromMs;
  if (typeof start === "number" && typeof untilMs === "number" && untilMs < start) {
    wrong(`${path}.untilMs`, `must not be before ${start}`);
  }
  return out;
};

const shownKey = (key: string): string => key.slice(0, 64);

const readVariant = (path: string, value: unknown, shape: VariantShape, n: number): object => {
  if (!isObject(value)) return wrong(path, `expected an object, found ${shown(value)}`);
  const names = Object.keys(shape.cases);
  if (!Object.hasOwn(value, shape.tag)) wrong(`${path}.${shape.tag}`, "is missing");
  const name = readChoice(`${path}.${shape.tag}`, value[shape.tag], names);
  const { [shape.tag]: _, ...rest } = value;
  const body = shape.cases[name];
  return body === undefined
    ? wrong(path, "no such case")
    : { [shape.tag]: name, ...readObject(path, rest, body.fields, n) };
};

/**
 * Reads a value strictly: unknown keys, missing ones and whatever is out of bounds throw RangeError with the
 * path of it. `n` bounds the numbers of nodes.
 */
export const readShape = (path: string, value: unknown, shape: Shape, n: number): unknown => {
  switch (shape.type) {
    case "integer":
      return readInteger(path, value, shape.min, shape.max);
    case "slot":
      return readInteger(path, value, 0, n - 1);
    case "boolean":
      return typeof value === "boolean"
        ? value
        : wrong(path, `expected true or false, found ${shown(value)}`);
    case "text":
      return typeof value === "string" && value.length <= shape.max
        ? value
        : wrong(path, `expected a text of at most ${shape.max} characters, found ${shown(value)}`);
    case "choice":
      return readChoice(path, value, shape.of);
    case "list":
      return readList(path, value, shape, n);
    case "span": {
      if (!Array.isArray(value) || value.length !== 2) return wrong(path, "expected [from, until]");
      const from = readInteger(`${path}[0]`, value[0], 0, shape.max);
      return [from, readInteger(`${path}[1]`, value[1], from, shape.max)];
    }
    case "object":
      return readObject(path, value, shape.fields, n);
    case "variant":
      return readVariant(path, value, shape, n);
  }
};
