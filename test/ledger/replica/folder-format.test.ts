/** A folder that another version wrote is refused before anything in it is read as what it is not. */
import { describe, expect, it } from "vitest";
import { toHex } from "../../../src/crypto/bytes.ts";
import { metaKey } from "../../../src/ledger/keys.ts";
import { STORE_FORMAT } from "../../../src/ledger/replica/block-store.ts";
import { Lab } from "./support.ts";

const MARK = toHex(metaKey("format"));

describe("the storage format of a folder", () => {
  const first = new Lab();
  first.finalize([first.nextBatch(first.chain.alice)]);
  const restart = (change: (data: Map<string, Uint8Array>) => void): Lab => {
    const { data, votes } = first.disks();
    change(data);
    return new Lab({ chain: first.chain, data, votes });
  };

  it("is noted with the genesis, and read again at the next start", () => {
    expect(first.data.rows.get(MARK)).toEqual(Uint8Array.of(STORE_FORMAT));
    expect(restart(() => undefined).handle.status().problems).toEqual([]);
  });

  it.each([
    ["a later one", (data: Map<string, Uint8Array>) => data.set(MARK, Uint8Array.of(255))],
    ["one of before the mark", (data: Map<string, Uint8Array>) => data.delete(MARK)],
  ])("is refused when it is %s", (_name, change) => {
    const lab = restart(change);
    const { problems } = lab.handle.status();
    expect(problems.map(({ code }) => code)).toEqual(["folder.format"]);
    expect(problems[0]?.detail).toContain("delete the folder db");
  });
});
