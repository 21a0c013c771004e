/**
 * The one file with the real clock, timers, randomness and logger. Everything else is given ports, so
 * that the simulator can run the same code under virtual time.
 */
import { randomFillSync } from "node:crypto";
import { performance } from "node:perf_hooks";
import { destination, type Logger as PinoLogger, pino } from "pino";
import type { Clock, LogFields, Logger, LogLevel, Random, Timers } from "../ledger/ports.ts";
import { plainFields, plainText } from "./log-fields.ts";

export const realClock: Clock = {
  monotonicMs: () => performance.now(),
  monotonicUs: () => performance.now() * 1_000,
  wallMs: () => Date.now(),
};

/** Node fires at once when a delay does not fit 31 bits; a long timer must be long instead. */
const DELAY_MS_MAX = 2 ** 31 - 1;

export const realTimers: Timers = {
  set(delayMs, callback) {
    const handle = setTimeout(callback, Math.min(Math.max(delayMs, 0), DELAY_MS_MAX));
    return () => clearTimeout(handle);
  },
};

/** A pool of random words: one system call a thousand draws. */
const createRandom = (): Random => {
  const pool = new Uint32Array(1024);
  let used = pool.length;
  return {
    u32() {
      if (used === pool.length) {
        randomFillSync(pool);
        used = 0;
      }
      const word = pool[used] ?? 0;
      used += 1;
      return word;
    },
  };
};

export const realRandom: Random = createRandom();

/** Random lower-case hex: request ids, suffixes of development chains. */
export const randomHex = (digits: number, random: Random = realRandom): string => {
  let text = "";
  while (text.length < digits) text += random.u32().toString(16).padStart(8, "0");
  return text.slice(0, digits);
};

export const sleep = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

export type LogFormat = "json" | "human";

/** JSON lines on stdout, or lines for people on stderr; no secrets and nothing unprintable (log-fields.ts). */
export const createLogger = (format: LogFormat, level: LogLevel, name: string): Logger =>
  format === "json" ? jsonLogger(level, name) : humanLogger(level, name);

const jsonLogger = (level: LogLevel, name: string): Logger => {
  const log: PinoLogger = pino(
    { level, base: { name }, formatters: { level: (label) => ({ level: label }) } },
    // Synchronous: the line that says why a node stopped must not be lost when it stops.
    destination({ dest: 1, sync: true }),
  );
  return {
    log(at, message, fields) {
      log[at](plainFields(fields), plainText(message));
    },
  };
};

const LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];

const humanLogger = (level: LogLevel, name: string): Logger => {
  const least = LEVELS.indexOf(level);
  return {
    log(at, message, fields) {
      if (LEVELS.indexOf(at) < least) return;
      const time = new Date().toISOString().slice(11, 23);
      const text = `${plainText(message)}${humanFields(plainFields(fields))}`;
      process.stderr.write(`${time} ${at.padEnd(5)} ${name}: ${text}\n`);
    },
  };
};

const humanFields = (fields: LogFields): string => {
  let text = "";
  for (const [key, value] of Object.entries(fields)) {
    if (value !== undefined) text += ` ${key}=${typeof value === "string" ? quoted(value) : value}`;
  }
  return text;
};

const quoted = (text: string): string =>
  /^[\w.:/[\]-]+$/.test(text) ? text : JSON.stringify(text);
