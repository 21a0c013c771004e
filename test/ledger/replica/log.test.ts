/** The log as a replica's handle shows it: put together from batches and from what came of them. */
import { describe, expect, it } from "vitest";
import { toHex } from "../../../src/crypto/bytes.ts";
import type { Result } from "../../../src/errors.ts";
import type { EventPage } from "../../../src/ledger/handle.ts";
import { batchKey, logBatchKey } from "../../../src/ledger/keys.ts";
import type { Batch } from "../../../src/ledger/types.ts";
import { answerOf, Lab, putEvent } from "./support.ts";

const eventsOf = (lab: Lab, from: number, limit: number): Result<EventPage> => {
  let page: Result<EventPage> | undefined;
  lab.handle.events(from, limit, (result) => {
    page = result;
  });
  lab.loop.run();
  if (page === undefined) throw new Error("not answered");
  return page;
};

/** Three batches of 2, 1 and 3 events in two blocks; the second is refused. */
const written = (): { lab: Lab; batches: readonly Batch[] } => {
  const lab = new Lab();
  const { alice, reader } = lab.chain;
  const first = lab.finalize([
    lab.nextBatch(alice, [putEvent("a"), putEvent("b")]),
    lab.nextBatch(reader, [putEvent("c")]),
  ]);
  const second = lab.finalize([
    lab.nextBatch(alice, [putEvent("d"), putEvent("e"), putEvent("f")]),
  ]);
  expect(lab.status.logSize).toBe(6);
  return { lab, batches: [...first.batches, ...second.batches] };
};

describe("the log of a replica", () => {
  it("is read in pages, which say where the next begins, also after a restart", () => {
    const { lab, batches } = written();
    const events = batches.flatMap(({ id, events: list }) =>
      list.map(({ bytes }, position) => ({ batchId: id, position, bytes })),
    );
    const after = new Lab({ chain: lab.chain, ...lab.disks() });
    for (const one of [lab, after]) {
      for (let from = 0; from <= 6; from++) {
        for (let limit = 1; limit <= 7; limit++) {
          const page = eventsOf(one, from, limit);
          if (!page.ok) throw new Error(page.detail);
          const to = Math.min(6, from + limit);
          expect(page.value.next).toBe(to);
          const shown = page.value.entries.map(({ batchId, position, event }) => ({
            batchId,
            position,
            bytes: event.bytes,
          }));
          expect(shown).toEqual(events.slice(from, to));
          expect(page.value.entries.map(({ index }) => index)).toEqual(
            events.slice(from, to).map((_, i) => from + i),
          );
        }
      }
      expect(eventsOf(one, 7, 1)).toEqual({ ok: true, value: { entries: [], next: 7 } });
    }
  });

  it("says what is damaged, and goes on with what is not", () => {
    const { lab, batches } = written();
    const [, , last] = batches;
    if (last === undefined) throw new Error("three batches");
    lab.data.rows.delete(toHex(batchKey(last.digest)));
    expect(eventsOf(lab, 0, 6)).toMatchObject({ code: "store.corrupt", data: { index: 3 } });
    expect(eventsOf(lab, 0, 3)).toMatchObject({ ok: true });
    // What became of a batch is told without its events.
    expect(lab.handle.receipt(last.id)).toMatchObject({ firstIndex: 3, height: 2 });
    expect(lab.halts).toEqual([]);
  });

  it("tells no outcomes of a batch from the record of another", () => {
    const { lab, batches } = written();
    const other = lab.data.rows.get(toHex(logBatchKey(0)));
    if (other === undefined || batches[2] === undefined) throw new Error("nothing stored");
    lab.data.rows.set(toHex(logBatchKey(3)), other);
    expect(() => lab.handle.receipt(batches[2]?.id ?? new Uint8Array(32))).toThrow("log entry 3");
    expect(answerOf(lab.submit(batches[2].bytes, "projected"))).toEqual(["store.corrupt"]);
    expect(lab.halts).toMatchObject([{ code: "store.corrupt" }]);
  });

  it("has the batches of every final block in the store, whoever proposed it", () => {
    const { lab } = written();
    for (let i = 0; i < 20; i++) lab.finalize([lab.nextBatch(lab.chain.alice)]);
    for (const { batches } of lab.finals) {
      for (const { digest, bytes } of batches) {
        expect(lab.data.rows.get(toHex(batchKey(digest)))).toEqual(bytes);
      }
    }
    expect(eventsOf(lab, 0, 100)).toMatchObject({ ok: true, value: { next: 26 } });
  });
});
