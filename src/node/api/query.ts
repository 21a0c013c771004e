/** Strict reading of query strings and path parts: what a route does not know, it refuses. */
import type { FastifyRequest } from "fastify";
import { fromHex } from "../../crypto/bytes.ts";
import { TetradError } from "../../errors.ts";
import type { Hash } from "../../ledger/types.ts";
import { nearest } from "../suggest.ts";

const bad = (name: string, detail: string): TetradError =>
  new TetradError("http.bad-parameter", `${name} ${detail}`, { parameter: name });

export type Query<K extends string> = { readonly [key in K]?: string };

/** The parameters of the URL, of those that the operation describes; each once. */
export const readQuery = <K extends string>(
  request: FastifyRequest,
  described: { readonly [name in K]: unknown },
): Query<K> => {
  const known = Object.keys(described) as K[];
  const url = request.raw.url ?? "";
  const mark = url.indexOf("?");
  const values: { [key in K]?: string } = {};
  if (mark < 0) return values;
  for (const [name, value] of new URLSearchParams(url.slice(mark + 1))) {
    const key = known.find((candidate) => candidate === name);
    if (key === undefined) throw unknownParameter(name, known);
    if (values[key] !== undefined) throw bad(name, "is given twice");
    values[key] = value;
  }
  return values;
};

const unknownParameter = (name: string, known: readonly string[]): TetradError => {
  const shown = name.length > 64 ? `${name.slice(0, 64)}…` : name;
  const meant = nearest(name, known);
  const hint =
    meant !== undefined
      ? `; did you mean "${meant}"?`
      : known.length > 0
        ? `; known are ${known.join(", ")}`
        : "; this resource takes none";
  return new TetradError("http.unknown-parameter", `"${shown}" is not a parameter here${hint}`, {
    parameter: shown,
  });
};

/** A whole number in min..max, written in plain digits; `fallback` where the parameter is absent. */
export const integer = (
  value: string | undefined,
  name: string,
  range: { readonly min: number; readonly max: number; readonly fallback: number },
): number => {
  if (value === undefined) return range.fallback;
  const number = /^(0|[1-9][0-9]{0,15})$/.test(value) ? Number(value) : Number.NaN;
  if (!(number >= range.min && number <= range.max)) {
    throw bad(name, `must be a whole number in ${range.min}..${range.max}`);
  }
  return number;
};

export const oneOf = <T extends string>(
  value: string | undefined,
  name: string,
  values: readonly T[],
  fallback: T,
): T => {
  if (value === undefined) return fallback;
  const found = values.find((candidate) => candidate === value);
  if (found === undefined) throw bad(name, `must be one of ${values.join(", ")}`);
  return found;
};

/** A flag: absent, or present with "", "true", "1", "false" or "0". */
export const flag = (value: string | undefined, name: string): boolean => {
  if (value === undefined || value === "false" || value === "0") return false;
  if (value === "" || value === "true" || value === "1") return true;
  throw bad(name, "must be true or false");
};

/** 64 hex digits. */
export const hash = (value: string, name: string): Hash => {
  if (!/^[0-9a-fA-F]{64}$/.test(value)) throw bad(name, "must be 64 hex digits");
  return fromHex(value);
};

/** A filter by event type: a whole type, or a prefix that ends in ".*". */
export type TypeFilter = (type: string) => boolean;

export const typeFilter = (value: string | undefined): TypeFilter | undefined => {
  if (value === undefined) return undefined;
  if (!/^[a-z0-9-]+(\.[a-z0-9-]+)*(\.\*)?$/.test(value) || value.length > 64) {
    throw bad("type", 'must be an event type such as "record.put", or a prefix such as "asset.*"');
  }
  if (!value.endsWith(".*")) return (type) => type === value;
  const prefix = value.slice(0, -1);
  return (type) => type.startsWith(prefix);
};
