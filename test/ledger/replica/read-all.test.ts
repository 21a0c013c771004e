/** What a start reads of what is above the final tip: all of it, or a refusal that says so. */
import { describe, expect, it } from "vitest";
import { toHex } from "../../../src/crypto/bytes.ts";
import { certificateKey, heightKey, rangeOfArea } from "../../../src/ledger/keys.ts";
import { readAll } from "../../../src/ledger/replica/read-all.ts";
import { encodeCertificate, kindNumber } from "../../../src/ledger/statement.ts";
import { Loop, TestStore } from "./ports.ts";
import { Lab } from "./support.ts";

const read = (rows: number, max: number): readonly [code: string | undefined, read: number] => {
  const loop = new Loop();
  const store = new TestStore(loop);
  for (let i = 0; i < rows; i++) store.rows.set(toHex(heightKey(i)), new Uint8Array([i & 255]));
  store.rows.set(toHex(certificateKey(0, 1, 1)), new Uint8Array(1));
  let found: readonly [string | undefined, number] = ["never", 0];
  readAll(store, rangeOfArea("h"), max, (failure, entries) => {
    const keys = new Set(entries.map(([key]) => toHex(key)));
    expect(keys.size).toBe(entries.length);
    found = [failure?.code, entries.length];
  });
  loop.run();
  return found;
};

describe("a range is read", () => {
  it("to its end, whether pages are full or not", () => {
    for (const rows of [0, 1, 511, 512, 513, 1_024, 1_700]) {
      expect(read(rows, 10_000)).toEqual([undefined, rows]);
    }
  });

  it("up to the limit, and refused past it", () => {
    expect(read(700, 700)).toEqual([undefined, 700]);
    expect(read(700, 699)).toEqual(["store.corrupt", 0]);
  });
});

describe("a restart after very many views without finality", () => {
  it("begins in the view after the last one that ended, and with all its certificates", () => {
    const views = 1_700;
    const lab = new Lab();
    const { data, votes } = lab.disks();
    for (let view = 1; view <= views; view++) {
      const bytes = encodeCertificate(lab.certificate("nullify", view), 4);
      data.set(toHex(certificateKey(0, view, kindNumber("nullify"))), bytes);
    }
    const again = new Lab({ chain: lab.chain, data, votes });
    expect(again.status.view).toBe(views + 1);
    expect(again.halts).toEqual([]);
  });
});
