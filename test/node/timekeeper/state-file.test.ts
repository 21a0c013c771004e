import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { TetradError } from "../../../src/errors.ts";
import { LIMITS } from "../../../src/limits.ts";
import {
  createStateFile,
  decodeState,
  encodeHead,
  encodePiece,
  openStateFile,
  type RunPiece,
  readStateFile,
} from "../../../src/node/timekeeper/state-file.ts";
import { TIME_PROFILES } from "../../../src/proofs/time/parameters.ts";

const folder = mkdtempSync(join(tmpdir(), "tetrad-time-"));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;
const newPath = (): string => join(folder, `state-${files++}`);

const filled = (value: number): Uint8Array => new Uint8Array(32).fill(value);
const head = {
  chainId: "state-test",
  parameters: TIME_PROFILES.default,
  statement: { epoch: 4, seed: filled(1), timekeeper: filled(2), members: filled(3) },
};
const piece = (value: number, finished = 0): RunPiece => ({
  labels: new Uint8Array(64).fill(value),
  absorbed: [{ height: value, leaf: 2 * value, hash: filled(value) }],
  finished,
});

const codeOf = (work: () => unknown): string => {
  try {
    work();
    return "";
  } catch (error) {
    return error instanceof TetradError ? error.code : String(error);
  }
};

describe("the state of a run", () => {
  it("is read as it was written, piece by piece", () => {
    const path = newPath();
    createStateFile(path, head);
    const { file, cutBytes } = openStateFile(path);
    expect(cutBytes).toBe(0);
    file.append(piece(1));
    file.append(piece(2, 99));
    file.close();
    const state = readStateFile(path);
    expect(state).toMatchObject({ ...head, finished: 99 });
    expect(state.labels).toEqual(new Uint8Array([...piece(1).labels, ...piece(2).labels]));
    expect(state.absorbed).toEqual([...piece(1).absorbed, ...piece(2).absorbed]);
    expect(state.wholeBytes).toBe(readFileSync(path).length);
  });

  it("loses the last piece only, wherever a crash has cut it short, and goes on from there", () => {
    const start = encodeHead(head);
    const one = encodePiece(start.slice(-32), piece(1));
    const two = encodePiece(one.slice(-32), piece(2));
    for (let kept = 0; kept < two.length; kept++) {
      const state = decodeState(Buffer.concat([start, one, two.subarray(0, kept)]));
      expect(state).toMatchObject({ ok: true });
      if (state.ok) expect(state.value.wholeBytes).toBe(start.length + one.length);
    }
    const path = newPath();
    writeFileSync(path, Buffer.concat([start, one, two.subarray(0, 50)]));
    const { file, cutBytes } = openStateFile(path);
    expect(cutBytes).toBe(50);
    file.append(piece(3));
    file.close();
    expect(readStateFile(path).absorbed.map(({ height }) => height)).toEqual([1, 3]);
  });

  it("believes nothing behind a changed byte", () => {
    const start = encodeHead(head);
    const one = encodePiece(start.slice(-32), piece(1));
    const whole = Buffer.concat([start, one, encodePiece(one.slice(-32), piece(2))]);
    for (let at = 0; at < whole.length; at++) {
      const changed = Buffer.from(whole);
      changed.writeUInt8((whole[at] ?? 0) ^ (1 << (at % 8)), at);
      const state = decodeState(changed);
      if (at < start.length) expect(state).toMatchObject({ code: "time.state" });
      else {
        const left = at < start.length + one.length ? [] : [1];
        expect(state.ok && state.value.absorbed.map(({ height }) => height)).toEqual(left);
      }
    }
  });

  it("is never made of arbitrary bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), (bytes) => {
        expect(decodeState(bytes)).toMatchObject({ code: "time.state" });
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), (bytes) => {
        const state = decodeState(Buffer.concat([encodeHead(head), bytes]));
        expect(state.ok && state.value.labels.length).toBe(0);
      }),
    );
  });

  it("is refused where there is none, where another file is, and past its limit", () => {
    expect(codeOf(() => readStateFile(newPath()))).toBe("cli.usage");
    const path = newPath();
    writeFileSync(path, "something else");
    expect(codeOf(() => openStateFile(path))).toBe("time.state");
    expect(existsSync(`${path}.lock`)).toBe(false);
    const long = newPath();
    createStateFile(long, head);
    appendFileSync(long, Buffer.alloc(LIMITS.timeStateBytesMax - readFileSync(long).length));
    expect(readStateFile(long).labels.length).toBe(0);
    appendFileSync(long, "x");
    expect(codeOf(() => readStateFile(long))).toBe("time.state");
  });

  it("belongs to one process at a time; one that has died holds nothing", () => {
    const path = newPath();
    createStateFile(path, head);
    writeFileSync(`${path}.lock`, String(process.ppid));
    expect(codeOf(() => openStateFile(path))).toBe("folder.locked");
    writeFileSync(`${path}.lock`, "999999999");
    openStateFile(path).file.close();
    expect(existsSync(`${path}.lock`)).toBe(false);
  });
});
