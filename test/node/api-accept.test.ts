/** Which form of an answer a client would rather have (src/node/api/accept.ts). */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { preferred } from "../../src/node/api/accept.ts";
import { wantsPacked } from "../../src/node/api/packed.ts";
import { framingOf } from "../../src/node/api/stream-framing.ts";

const isSse = (accept: string | undefined): boolean =>
  framingOf(accept).contentType.startsWith("text/event-stream");

describe("Accept", () => {
  it.each([
    [undefined, true],
    ["", true],
    ["*/*", true],
    ["text/*", true],
    ["application/*", false],
    ["application/x-ndjson", false],
    ["application/ndjson, text/event-stream", false],
    ["text/event-stream, application/x-ndjson", true],
    ["*/*, application/x-ndjson", false],
    ["application/x-ndjson;q=0.5, text/event-stream", true],
    ["application/x-ndjson;q=0.5, */*", true],
    ["application/x-ndjson;q=0, text/event-stream", true],
    ["application/x-ndjson;q=0", true],
    ["text/event-stream;q=0, application/x-ndjson;q=0.001", false],
    ["APPLICATION/X-NDJSON; charset=utf-8 ; Q=1.000", false],
    ["text/html", true],
  ])("of a stream, %s: SSE is %s", (accept, sse) => {
    expect(isSse(accept)).toBe(sse);
  });

  it.each([
    ["application/msgpack", true],
    ["application/json, application/msgpack;q=0.9", false],
    ["application/json;q=0.8, application/msgpack;q=0.9", true],
    ["application/msgpack;q=0.5, */*;q=0.1", true],
    ["application/msgpack;q=0.5, */*", false],
    ["application/*", false],
  ])("of values, %s: MessagePack is %s", (accept, packed) => {
    expect(wantsPacked(accept)).toBe(packed);
  });

  it("gives one of the forms for any text, and never one that is refused while another is wanted", () => {
    const types = ["a/x", "a/y", "b/x"] as const;
    const weight = fc.constantFrom("", ";q=0", ";q=0.3", ";q=1", "; q=nonsense", ";v=1;q=0.2");
    const range = fc.tuple(fc.constantFrom(...types, "a/*", "*/*", "c/z"), weight);
    fc.assert(
      fc.property(fc.array(range, { maxLength: 5 }), (ranges) => {
        const accept = ranges.map((parts) => parts.join("")).join(", ");
        const got = preferred(accept, types);
        const first = (type: string): string | undefined =>
          ranges.find(([name]) => name === type)?.[1];
        const wanted = types.filter((type) => first(type) !== undefined && first(type) !== ";q=0");
        if (wanted.length > 0) expect(first(got), accept).not.toBe(";q=0");
      }),
    );
    fc.assert(fc.property(fc.string(), (text) => types.includes(preferred(text, types))));
  });
});
