/**
 * I10, that replaying the log from the genesis gives what live nodes have: the final blocks of the longest honest log
 * go through production's audit (src/ledger/audit) on an empty store, with an executor of its own, and what comes out
 * at every height is held against every honest disk, and row for row where that disk stands. Now and then, at heights
 * that are drawn, the executor is replaced by a new one, as it is where a process starts again: what live nodes carry
 * from height to height in memory and nowhere else is missing then, also where all of them carry it alike.
 *
 * It runs in one go when the run has ended: nothing of the world moves, and nothing is drawn from its streams.
 */
import { toHex } from "../src/crypto/bytes.ts";
import { TetradError } from "../src/errors.ts";
import {
  type AuditRules,
  type AuditStep,
  auditGenesis,
  auditGenesisSets,
  ChainAudit,
  genesisPosition,
} from "../src/ledger/audit/chain.ts";
import type { Finding } from "../src/ledger/audit/finding.ts";
import { openItem, readItem } from "../src/ledger/audit/item.ts";
import {
  compareHeight,
  describeDifference,
  EXECUTED_AREAS,
  projectionOfKey,
} from "../src/ledger/audit/stored.ts";
import { type KeyArea, rangeOfArea } from "../src/ledger/keys.ts";
import type { StoreEntry, StoreOp, StoreRange } from "../src/ledger/ports.ts";
import { decodeExecutionRecord } from "../src/ledger/records.ts";
import { BlockStore } from "../src/ledger/replica/block-store.ts";
import type { Prng } from "./prng.ts";
import { printable } from "./root-diff.ts";
import { SortedMap, wholeOf } from "./sorted-map.ts";

/** What a disk shows; `SimDisk` has it. */
export type ReplayDisk = { entriesOf(range: StoreRange): readonly StoreEntry[] };

export type ReplayOptions = {
  /** The rules of production with an executor that nobody has used. */
  readonly rules: () => AuditRules;
  /** Of honest nodes, none of them damaged. */
  readonly disks: readonly { readonly slot: number; readonly disk: ReplayDisk }[];
  readonly random: Prng;
};

export type Replayed = {
  readonly heights: number;
  /** How often the executor was replaced. */
  readonly restarts: number;
  /** The first thing that is not as the log gives it. */
  readonly fault: string | undefined;
};

/** Before one height in so many the executor is replaced. */
const RESTART_EVERY = 6;
const VALUE_BYTES = 48;
const AREA_ROWS = 0x72;
const ALL = Number.MAX_SAFE_INTEGER;

/** The store that the replay works on. */
class Scratch {
  readonly #rows = new SortedMap();

  readonly get = (key: Uint8Array): Uint8Array | undefined => {
    const stored = this.#rows.get(SortedMap.keyOf(key));
    return stored === undefined ? undefined : wholeOf(stored);
  };

  write(ops: readonly StoreOp[]): void {
    for (const op of ops) {
      const name = SortedMap.keyOf(op.key);
      if (op.type === "put") this.#rows.set(name, op.value);
      else this.#rows.delete(name);
    }
  }

  area(area: KeyArea): readonly StoreEntry[] {
    return this.#rows.range({ ...rangeOfArea(area), limit: ALL });
  }
}

/** A disk with what it has executed. */
class Live {
  readonly slot: number;
  readonly height: number;
  readonly #disk: ReplayDisk;

  constructor(slot: number, disk: ReplayDisk) {
    this.slot = slot;
    this.#disk = disk;
    const newest = { ...rangeOfArea("x"), limit: 1, reverse: true };
    const record = disk.entriesOf(newest)[0]?.[1];
    const decoded = record === undefined ? undefined : decodeExecutionRecord(record);
    this.height = decoded?.ok === true ? decoded.value.height : -1;
  }

  readonly read = (key: Uint8Array): Uint8Array | undefined => {
    // The key after this one is the same with a zero byte more.
    const lt = new Uint8Array(key.length + 1);
    lt.set(key);
    return this.#disk.entriesOf({ gte: key, lt, limit: 1 })[0]?.[1];
  };

  area(area: KeyArea): readonly StoreEntry[] {
    return this.#disk.entriesOf({ ...rangeOfArea(area), limit: ALL });
  }
}

const clip = (bytes: Uint8Array | undefined): string => {
  if (bytes === undefined) return "(absent)";
  const text = toHex(bytes.subarray(0, VALUE_BYTES));
  return bytes.length > VALUE_BYTES ? `${text}...` : text;
};

const isSame = (a: Uint8Array | undefined, b: Uint8Array | undefined): boolean =>
  a === b || (a !== undefined && b !== undefined && Buffer.compare(a, b) === 0);

const wordsOf = ({ height, subject, projection, key, detail }: Finding): string => {
  const where = height === undefined ? "" : `height ${height}, `;
  const what = [projection, key].filter((part) => part !== undefined).join(" ");
  return `${where}${subject}${what === "" ? "" : ` ${what}`}: ${detail}`;
};

/** A row of the projection that differs, of those that were written at this height. */
const rowThat = (live: Live, { ops }: AuditStep, named: string): string => {
  for (const op of ops) {
    if (op.key[0] !== AREA_ROWS) continue;
    const { projection, rest } = projectionOfKey(op.key);
    const [is, must] = [live.read(op.key), op.type === "put" ? op.value : undefined];
    if (projection !== named || isSame(is, must)) continue;
    return `; its row ${printable(rest)} came out as ${clip(must)}, and n${live.slot} has ${clip(is)} at the end`;
  }
  return "";
};

/** What a node has of one height, but for its rows as they were then, which it has written over since. */
const faultOfHeight = (live: Live, step: AuditStep): string | undefined => {
  const finding = compareHeight(live.read, step);
  if (finding === undefined) return undefined;
  const { projection } = finding;
  const row = projection === undefined ? "" : rowThat(live, step, projection);
  return `n${live.slot}: ${wordsOf(finding)}${row}`;
};

/** The rows of an area, as two sorted lists. */
const faultOfArea = (
  area: KeyArea,
  stored: readonly StoreEntry[],
  expected: readonly StoreEntry[],
): string | undefined => {
  const most = Math.max(stored.length, expected.length);
  for (let at = 0; at < most; at++) {
    const [is, must] = [stored[at], expected[at]];
    const order = is === undefined ? 1 : must === undefined ? -1 : Buffer.compare(is[0], must[0]);
    if (order === 0 && isSame(is?.[1], must?.[1])) continue;
    const key = (order > 0 ? must?.[0] : is?.[0]) ?? new Uint8Array(0);
    const difference = {
      area,
      key,
      stored: order > 0 ? undefined : is?.[1],
      expected: order < 0 ? undefined : must?.[1],
    };
    const words = wordsOf(describeDifference(difference, (_, row) => printable(row)));
    return `${words}: ${clip(difference.stored)} and not ${clip(difference.expected)}`;
  }
  return undefined;
};

/** All that follows from executing the log, of nodes that stand at one height. */
const faultOfRows = (lives: readonly Live[], scratch: Scratch): string | undefined => {
  for (const area of EXECUTED_AREAS) {
    let expected = scratch.area(area);
    for (const live of lives) {
      const stored = live.area(area);
      const fault = faultOfArea(area, stored, expected);
      if (fault !== undefined) return `n${live.slot} at height ${live.height}: ${fault}`;
      // Nodes hold what is equal once, so the next one is compared with this one at less cost.
      expected = stored;
    }
  }
  return undefined;
};

class Replay {
  readonly #options: ReplayOptions;
  readonly #lives: readonly Live[];
  readonly #scratch = new Scratch();
  restarts = 0;
  height = 0;

  constructor(options: ReplayOptions) {
    this.#options = options;
    this.#lives = options.disks.map(({ slot, disk }) => new Live(slot, disk));
  }

  /** Undefined where everything is as the log gives it. Throws what execution throws. */
  run(): string | undefined {
    const source = this.#lives.reduce<Live | undefined>(
      (best, live) => (best === undefined || live.height > best.height ? live : best),
      undefined,
    );
    if (source === undefined) return undefined;
    const rules = this.#options.rules();
    const genesis = auditGenesis(rules);
    this.#scratch.write(genesis.ops);
    this.#scratch.write(auditGenesisSets(rules, this.#scratch.get));
    const position = genesisPosition(rules);
    const fault = this.#compare({ ...genesis, height: 0, position });
    if (fault !== undefined) return fault;
    return this.#follow(source, rules, new ChainAudit(rules, this.#scratch.get, position));
  }

  #follow(source: Live, { hasher }: AuditRules, first: ChainAudit): string | undefined {
    const { rules, random } = this.#options;
    const blocks = new BlockStore(source.read, hasher);
    let chain = first;
    while (this.height < source.height) {
      const height = this.height + 1;
      if (random.below(RESTART_EVERY) === 0) {
        chain = new ChainAudit(rules(), this.#scratch.get, chain.position);
        this.restarts += 1;
      }
      const opened = openItem(hasher, height, readItem(blocks, height));
      if (!opened.ok) return `n${source.slot}: ${wordsOf(opened.finding)}`;
      // Signatures are judged where they are made and sent (I9).
      const step = chain.step(opened.value, undefined);
      if (!step.ok) return `n${source.slot}: ${wordsOf(step.finding)}`;
      this.#scratch.write(step.value.ops);
      this.height = height;
      const fault = this.#compare(step.value);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }

  #compare(step: AuditStep): string | undefined {
    const { height } = step;
    for (const live of this.#lives) {
      const fault = live.height < height ? undefined : faultOfHeight(live, step);
      if (fault !== undefined) return fault;
    }
    const there = this.#lives.filter((live) => live.height === height);
    return there.length === 0 ? undefined : faultOfRows(there, this.#scratch);
  }
}

/** Executes the longest of these logs once more from the genesis, and says what differs first. */
export const replayFromGenesis = (options: ReplayOptions): Replayed => {
  const replay = new Replay(options);
  let fault: string | undefined;
  try {
    fault = replay.run();
  } catch (error) {
    if (!(error instanceof TetradError)) throw error;
    fault = `height ${replay.height + 1}: ${error.code}: ${error.message}`;
  }
  return { heights: replay.height, restarts: replay.restarts, fault };
};
