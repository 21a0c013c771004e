import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { encodeData, readEvents, recordEvent } from "../../src/cli/events-input.ts";
import { cutBatches } from "../../src/client/submit.ts";
import { utf8 } from "../../src/crypto/codec.ts";
import { createHasher } from "../../src/crypto/hash.ts";
import { type ErrorCode, TetradError } from "../../src/errors.ts";
import { buildBatch, sealBatch } from "../../src/ledger/batch.ts";
import { recordPut } from "../../src/ledger/projections/events.ts";
import { LIMITS } from "../../src/limits.ts";

const folder = mkdtempSync(join(tmpdir(), "tetrad-events-"));
afterAll(() => rmSync(folder, { recursive: true }));

const codeOf = (run: () => unknown): ErrorCode | undefined => {
  try {
    run();
    return undefined;
  } catch (error) {
    if (error instanceof TetradError) return error.code;
    throw error;
  }
};

const write = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return name;
};

const wanted = recordPut.encode({ topic: "t", key: "k/2", body: utf8("hé") });

describe("events as people give them", () => {
  it("are the same event in every way of saying it", () => {
    write("body", "hé");
    const body = Buffer.from("hé").toString("base64");
    const ways = [
      recordEvent("t/k/2", "hé", folder),
      encodeData("record.put", { topic: "t", key: "k/2", body }, folder, "x"),
      encodeData("record.put", { topic: "t", key: "k/2", body: { text: "hé" } }, folder, "x"),
      encodeData("record.put", { topic: "t", key: "k/2", body: { file: "body" } }, folder, "x"),
    ];
    for (const event of ways) expect(event.bytes).toEqual(wanted.bytes);
  });

  it("come from a JSON list or from lines", () => {
    const item = { type: "record.put", data: { topic: "t", key: "k/2", body: { text: "hé" } } };
    const list = readEvents(write("list.json", JSON.stringify([item, item])), folder);
    const lines = readEvents(
      write("lines.ndjson", `${JSON.stringify(item)}\n\n${JSON.stringify(item)}\n`),
      folder,
    );
    expect(list.map((event) => event.bytes)).toEqual([wanted.bytes, wanted.bytes]);
    expect(lines.map((event) => event.bytes)).toEqual([wanted.bytes, wanted.bytes]);
  });

  it.each([
    ["no JSON", "{", "cli.usage"],
    ["a line that is no event", "3\n", "cli.usage"],
    ["a list that is cut", "[{", "cli.usage"],
    ["an unknown key", '{"type":"record.put","data":{},"extra":1}', "cli.usage"],
    ["no data", '{"type":"record.put"}', "cli.usage"],
    ["an unknown type", '{"type":"record.putt","data":{}}', "cli.usage"],
    ["a payload that does not fit", '{"type":"record.put","data":{}}', "batch.bad-payload"],
    [
      "a body over its limit",
      JSON.stringify({
        type: "record.put",
        data: { topic: "t", key: "k", body: { text: "x".repeat(LIMITS.recordBodyBytesMax + 1) } },
      }),
      "batch.bad-payload",
    ],
  ])("are refused for %s, with the place", (_name, text, code) => {
    const file = write("bad", text);
    expect(codeOf(() => readEvents(file, folder))).toBe(code);
    expect(() => readEvents(file, folder)).toThrow("bad");
  });

  it("suggest the type that was meant, and refuse a record without a key", () => {
    expect(() => encodeData("record.putt", {}, folder, "x")).toThrow('did you mean "record.put"?');
    expect(codeOf(() => recordEvent("nokey", "x", folder))).toBe("cli.usage");
    expect(codeOf(() => readEvents("none", folder))).toBe("cli.usage");
  });
});

describe("cutting into batches", () => {
  const hasher = createHasher("test-1");
  const build = (events: ReturnType<typeof recordPut.encode>[]) =>
    sealBatch(
      hasher,
      buildBatch(hasher, {
        actor: new Uint8Array(32),
        laneSeq: 1,
        prevBatchId: new Uint8Array(32),
        refHeight: 0,
        refHash: new Uint8Array(32),
        events,
      }),
      new Uint8Array(LIMITS.falconSignatureBytes),
    );

  it.each([
    [1, 10, [1]],
    [LIMITS.batchEventsMax, 10, [LIMITS.batchEventsMax]],
    [LIMITS.batchEventsMax + 1, 10, [LIMITS.batchEventsMax, 1]],
  ])("makes of %i events of %i bytes batches of %j", (count, size, sizes) => {
    const event = recordPut.encode({ topic: "t", key: "k", body: new Uint8Array(size) });
    const cut = cutBatches(Array.from({ length: count }, () => event));
    expect(cut.map((batch) => batch.length)).toEqual(sizes);
  });

  it("keeps every batch within its bytes, and all events in order", () => {
    const events = Array.from({ length: 60 }, (_, i) =>
      recordPut.encode({
        topic: "t",
        key: `k${i}`,
        body: new Uint8Array(LIMITS.recordBodyBytesMax),
      }),
    );
    const cut = cutBatches(events);
    expect(cut.flat()).toEqual(events);
    for (const batch of cut) {
      expect(build(batch).bytes.length).toBeLessThanOrEqual(LIMITS.batchBytesMax);
    }
    expect(cut.length).toBe(4);
  });

  it("makes nothing of nothing", () => {
    expect(cutBatches([])).toEqual([]);
  });
});
