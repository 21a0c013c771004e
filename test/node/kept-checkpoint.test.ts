/** The checkpoint that a node keeps over a start: written when it is news, believed only when it verifies. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { TetradError } from "../../src/errors.ts";
import type { ServedCheckpoint } from "../../src/ledger/types.ts";
import { LIMITS } from "../../src/limits.ts";
import { openCheckpointKeeper, readKeptCheckpoint } from "../../src/node/kept-checkpoint.ts";
import { checkpoint, full, members } from "../ledger/verify/checkpoint-support.ts";

const folder = mkdtempSync(join(tmpdir(), "tetrad-kept-"));
const path = join(folder, "checkpoint.note");
const warnings: string[] = [];
const logger = { log: (_level: string, text: string) => void warnings.push(text) };
const note = new TextDecoder().decode(full);
const { size, root } = checkpoint;
const kept: ServedCheckpoint = { size, root, timeS: 1003, note };
const genesis = {
  chainId: "test-1",
  validators: members.map(({ validator }) => validator),
  provers: [],
};

afterAll(() => rmSync(folder, { recursive: true }));

const read = (): ServedCheckpoint | undefined => readKeptCheckpoint(path, genesis, logger);

describe("a kept checkpoint", () => {
  it("is not there at first, is written when it is news and at the end, and comes back", () => {
    expect(read()).toBeUndefined();
    expect(warnings).toEqual([]);
    let newest: ServedCheckpoint | undefined;
    const parts = { path, newest: () => newest, before: undefined, logger };
    const keeper = openCheckpointKeeper(parts);
    keeper.keep();
    expect(existsSync(path)).toBe(false);
    newest = kept;
    keeper.keep();
    expect(read()).toEqual(kept);
    rmSync(path);
    keeper.keep();
    expect(existsSync(path)).toBe(false);
    keeper.close();
    const again = openCheckpointKeeper({ ...parts, before: kept });
    again.close();
    expect(existsSync(path)).toBe(false);
    openCheckpointKeeper(parts).close();
    expect(read()).toEqual(kept);
  });

  it("that cannot be written costs a warning", () => {
    warnings.length = 0;
    const nowhere = join(folder, "none", "checkpoint.note");
    const newest = (): ServedCheckpoint => kept;
    openCheckpointKeeper({ path: nowhere, newest, before: undefined, logger }).close();
    expect(warnings).toEqual(["the checkpoint cannot be kept"]);
    // The newest may be that of an earlier run, which is held against the log on a failing disk.
    const broken = (): never => {
      throw new TetradError("store.io", "the disk is gone");
    };
    openCheckpointKeeper({ path, newest: broken, before: undefined, logger }).close();
    expect(warnings).toHaveLength(2);
  });

  it("is not used when it is changed in any byte, or is of no quorum or no file", () => {
    const bytes = Buffer.from(note);
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const changed = Buffer.from(bytes);
        changed[at] = (changed[at] ?? 0) ^ flip;
        writeFileSync(path, changed);
        // A changed name or key id makes a line of nobody's, and the others may be a quorum still.
        const found = read();
        if (found !== undefined) expect([found.size, found.root]).toEqual([size, root]);
      }),
      { numRuns: 60, seed: 20_261_126 },
    );
    for (const text of ["", "x", note.slice(0, note.length / 2)]) {
      writeFileSync(path, text);
      expect(read()).toBeUndefined();
    }
    writeFileSync(path, Buffer.alloc(LIMITS.noteBytesMax + 1));
    expect(read()).toBeUndefined();
    expect(readKeptCheckpoint(folder, genesis, logger)).toBeUndefined();
    expect(readFileSync(path)).toHaveLength(LIMITS.noteBytesMax + 1);
  });
});
