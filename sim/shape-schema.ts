/** The JSON Schema (draft 2020-12) of a description. What depends on n, the reader alone can check. */
import type { Field, ObjectShape, Shape } from "./shape.ts";

type Json = { readonly [key: string]: unknown };

const objectOf = (shape: ObjectShape, slotsMax: number, tag?: readonly [string, string]): Json => {
  const properties: Record<string, unknown> = {};
  const required: string[] = [];
  if (tag !== undefined) {
    properties[tag[0]] = { const: tag[1] };
    required.push(tag[0]);
  }
  for (const [key, field] of Object.entries(shape.fields)) {
    properties[key] = fieldOf(field, slotsMax);
    if (field.optional !== true && field.initial === undefined) required.push(key);
  }
  return {
    type: "object",
    ...(shape.about === undefined ? {} : { description: shape.about }),
    properties,
    ...(required.length === 0 ? {} : { required }),
    additionalProperties: false,
  };
};

const fieldOf = (field: Field, slotsMax: number): Json => ({
  ...schemaOf(field, slotsMax),
  ...(field.initial === undefined ? {} : { default: field.initial }),
});

/** `slotsMax`: the largest n that there may be. */
export const schemaOf = (shape: Shape, slotsMax: number): Json => {
  const about = shape.about === undefined ? {} : { description: shape.about };
  switch (shape.type) {
    case "integer":
      return { type: "integer", ...about, minimum: shape.min, maximum: shape.max };
    case "slot":
      return { type: "integer", ...about, minimum: 0, maximum: slotsMax - 1 };
    case "boolean":
      return { type: "boolean", ...about };
    case "text":
      return { type: "string", ...about, maxLength: shape.max };
    case "choice":
      return { enum: shape.of, ...about };
    case "list":
      return {
        type: "array",
        ...about,
        items: schemaOf(shape.of, slotsMax),
        minItems: shape.min,
        maxItems: shape.max,
        ...(shape.distinct === true ? { uniqueItems: true } : {}),
      };
    case "span": {
      const bound = { type: "integer", minimum: 0, maximum: shape.max };
      return { type: "array", ...about, items: bound, minItems: 2, maxItems: 2 };
    }
    case "object":
      return objectOf(shape, slotsMax);
    case "variant": {
      const cases = Object.entries(shape.cases);
      return {
        ...about,
        oneOf: cases.map(([name, body]) => objectOf(body, slotsMax, [shape.tag, name])),
      };
    }
  }
};
