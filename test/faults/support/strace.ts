/**
 * System calls of a node as strace saw them: what was written where, when it was synced, when an answer
 * left. Written for `strace -f -ttt -T -yy -xx`, where every string and path is in hex.
 */
import { readFileSync } from "node:fs";
import { type LogBatch, readLogBatches } from "./leveldb-log.ts";
import { run } from "./processes.ts";

export type Call = {
  readonly name: string;
  /** Path of a file, or what strace calls a socket: "TCPv6:[[::1]:8440->[::1]:5000]". */
  readonly target: string;
  /** Bytes written, where the call writes. */
  readonly data: Buffer;
  /** Seconds since 1970, with microseconds: when the call began and when it had returned. */
  readonly enter: number;
  readonly exit: number;
  readonly result: number;
};

/** The command that traces the one behind it. `inject` as in strace(1). */
export const straceCommand = (output: string, inject?: string): string[] => [
  "strace",
  "-f",
  "-ttt",
  "-T",
  "-yy",
  "-xx",
  "-s",
  "4194304",
  "-o",
  output,
  "-e",
  "trace=write,writev,pwrite64,fdatasync,fsync",
  ...(inject === undefined ? [] : ["-e", `inject=${inject}`]),
];

/** Why nothing can be traced here; undefined when it can. */
export const straceProblem = async (): Promise<string | undefined> => {
  try {
    const done = await run(["strace", "-f", "-o", "/dev/null", "true"]);
    return done.code === 0 ? undefined : done.stderr.trim();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
};

const unhex = (text: string): string =>
  text.replaceAll(/\\x([0-9a-f]{2})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );

/** Every string of the arguments, one after the other: the pieces of a writev belong together. */
const bytesIn = (text: string): Buffer => {
  const pieces = [...text.matchAll(/"((?:\\x[0-9a-f]{2})*)"/g)].map((match) => match[1] ?? "");
  return Buffer.from(pieces.join("").replaceAll("\\x", ""), "hex");
};

type Open = { readonly name: string; readonly args: string; readonly enter: number };

const LINE = /^(\d+) +(\d+\.\d+) (.*)$/;
const WHOLE = /^(\w+)\((.*)\) += (-?\d+)[^<]*<(\d+\.\d+)>$/;
const BEGUN = /^(\w+)\((.*) <unfinished \.\.\.>$/;
const RESUMED = /^<\.\.\. (\w+) resumed>(.*)\) += (-?\d+)[^<]*<(\d+\.\d+)>$/;

const callOf = (open: Open, exit: number, result: number): Call => {
  const fd = /^\d+<(.*?)>(?:,|$)/.exec(open.args);
  return {
    name: open.name,
    target: unhex(fd?.[1] ?? ""),
    data: bytesIn(open.args),
    enter: open.enter,
    exit,
    result,
  };
};

/** Calls that returned, in the order in which they began. */
export const parseTrace = (text: string): Call[] => {
  const calls: Call[] = [];
  const open = new Map<string, Open>();
  for (const line of text.split("\n")) {
    const [, thread = "", time = "", rest = ""] = LINE.exec(line) ?? [];
    const at = Number(time);
    const whole = WHOLE.exec(rest);
    if (whole !== null) {
      const [, name = "", args = "", result, took] = whole;
      calls.push(callOf({ name, args, enter: at }, at + Number(took), Number(result)));
      continue;
    }
    const begun = BEGUN.exec(rest);
    if (begun !== null) {
      const [, name = "", args = ""] = begun;
      open.set(thread, { name, args, enter: at });
      continue;
    }
    const resumed = RESUMED.exec(rest);
    const before = open.get(thread);
    if (resumed === null || before === undefined) continue;
    open.delete(thread);
    const [, , more = "", result] = resumed;
    const args = before.args + more;
    calls.push(callOf({ ...before, args }, at, Number(result)));
  }
  return calls.sort((a, b) => a.enter - b.enter);
};

export const readTrace = (path: string): Call[] => parseTrace(readFileSync(path, "latin1"));

/** A batch in a write-ahead log, with when it was wholly written and when that was synced. */
export type Written = LogBatch & {
  readonly writtenAt: number;
  /** Infinity where no sync of it succeeded. */
  readonly durableAt: number;
};

const WRITES = new Set(["write", "writev", "pwrite64"]);
const SYNCS = new Set(["fdatasync", "fsync"]);

/** What was written into the logs whose path the pattern names, log after log. */
export const writtenTo = (calls: readonly Call[], path: RegExp): Written[] => {
  const files = Map.groupBy(
    calls.filter(({ target }) => path.test(target)),
    ({ target }) => target,
  );
  return [...files.values()].flatMap((ofFile) => {
    const writes = ofFile.filter(({ name, result }) => WRITES.has(name) && result >= 0);
    const syncs = ofFile.filter(({ name, result }) => SYNCS.has(name) && result === 0);
    const log = Buffer.concat(writes.map(({ data, result }) => data.subarray(0, result)));
    return readLogBatches(log).map((batch) => {
      let size = 0;
      const last = writes.find(({ result }) => {
        size += result;
        return size >= batch.end;
      });
      const writtenAt = last?.exit ?? Number.POSITIVE_INFINITY;
      const sync = syncs.filter(({ enter }) => enter >= writtenAt).map(({ exit }) => exit);
      return { ...batch, writtenAt, durableAt: Math.min(Number.POSITIVE_INFINITY, ...sync) };
    });
  });
};

export type Reply = { readonly at: number; readonly body: Readonly<Record<string, unknown>> };

/** JSON answers to HTTP requests, with when their first byte began to leave. */
export const repliesIn = (calls: readonly Call[]): Reply[] => {
  const perSocket = Map.groupBy(
    calls.filter(({ name, target }) => WRITES.has(name) && target.startsWith("TCP")),
    ({ target }) => target,
  );
  return [...perSocket.values()].flatMap((writes) => {
    const text = Buffer.concat(writes.map(({ data }) => data)).toString("latin1");
    const at = writes[0]?.enter;
    const from = text.indexOf("\r\n\r\n{");
    if (at === undefined || from < 0) return [];
    return [{ at, body: JSON.parse(text.slice(from + 4)) as Reply["body"] }];
  });
};
