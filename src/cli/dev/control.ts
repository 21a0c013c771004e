/**
 * How another command asks a running `nexus dev` to end or start one of its nodes: by files in the folder
 * `control` of the network, which only its owner can enter. Nothing listens anywhere, and who can write
 * there could end the processes anyway.
 *
 *     control/<id>.request   {"action": "kill", "node": "a", "holdMs": 30000}, mode 0600, written as a whole
 *     control/<id>.answer    {"ok": true, "pid": 12} or {"ok": false, "code": …, "detail": …}
 *
 * The folder is made when `nexus dev` starts and gone when it has ended.
 */
import {
  existsSync,
  type FSWatcher,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  watch,
} from "node:fs";
import { join } from "node:path";
import { type Failure, fail, isErrorCode, type Result, TetradError } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import { writeFileAtomic } from "../../node/folder.ts";
import { randomHex, realClock, sleep } from "../../node/real-ports.ts";

export type ControlRequest =
  | { readonly action: "kill"; readonly node: string; readonly holdMs: number }
  | { readonly action: "start"; readonly node: string };

export type ControlDone = { readonly pid: number | undefined };

export type ControlHandler = (request: ControlRequest) => Promise<Result<ControlDone>>;

export const controlFolder = (dir: string): string => join(dir, "control");

/** Between two looks at the folder, of who asks, and of who serves where the system does not tell of changes. */
const LOOK_MS = 100;
/** The same where it does: not every file system keeps that promise. */
const WATCHED_LOOK_MS = 2_000;

const REQUEST = /^([0-9a-f]{32})\.request$/;

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A request, or what is wrong with it. */
export const parseRequest = (text: string): Result<ControlRequest> => {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return fail("cli.usage", "the request is not JSON");
  }
  if (!isObject(value) || typeof value["node"] !== "string") {
    return fail("cli.usage", "the request names no node");
  }
  const { action, node, holdMs } = value;
  if (action === "start") return { ok: true, value: { action, node } };
  if (action !== "kill") return fail("cli.usage", "the request has no known action");
  const held = typeof holdMs === "number" && Number.isInteger(holdMs) && holdMs >= 0;
  if (!held || holdMs > LIMITS.devHoldMsMax) {
    return fail("cli.usage", `holdMs must be in 0..${LIMITS.devHoldMsMax}`);
  }
  return { ok: true, value: { action, node, holdMs } };
};

/** Only a small file of our own that nobody else could have written. */
const readRequest = (path: string): Result<ControlRequest> => {
  const stat = lstatSync(path);
  const mine = process.getuid === undefined || stat.uid === process.getuid();
  if (!stat.isFile() || !mine || (stat.mode & 0o077) !== 0) {
    return fail("key.modes", "a request must be a file of the network's owner, mode 600");
  }
  if (stat.size > LIMITS.devRequestBytesMax) return fail("cli.usage", "the request is too large");
  return parseRequest(readFileSync(path, "utf8"));
};

const takeRequests = async (folder: string, handle: ControlHandler): Promise<void> => {
  for (const name of readdirSync(folder)) {
    const id = REQUEST.exec(name)?.[1];
    if (id === undefined) continue;
    const path = join(folder, name);
    const request = readRequest(path);
    rmSync(path, { recursive: true, force: true });
    const done = request.ok ? await handle(request.value) : request;
    const answer = done.ok
      ? { ok: true, pid: done.value.pid }
      : { ok: false, code: done.code, detail: done.detail };
    writeFileAtomic(join(folder, `${id}.answer`), JSON.stringify(answer), 0o600);
  }
};

/** Undefined where the system has no way, or no room, to tell of changes in the folder. */
const watchFolder = (folder: string, changed: () => void): FSWatcher | undefined => {
  try {
    return watch(folder, { persistent: false }, changed);
  } catch {
    return undefined;
  }
};

/** Waits for a change in a folder, or until it is time to look anyway. */
class Changes {
  #watcher: FSWatcher | undefined;
  #changed = false;
  #wake: (() => void) | undefined;

  constructor(folder: string) {
    this.#watcher = watchFolder(folder, () => this.#notice());
    this.#watcher?.on("error", () => {
      this.#watcher?.close();
      this.#watcher = undefined;
      this.#notice();
    });
  }

  /** Resolves at once when something has changed since it did last. */
  async next(): Promise<void> {
    if (!this.#changed) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, this.#watcher === undefined ? LOOK_MS : WATCHED_LOOK_MS);
      this.#wake = resolve;
      await promise;
      clearTimeout(timer);
      this.#wake = undefined;
    }
    this.#changed = false;
  }

  close(): void {
    this.#watcher?.close();
    this.#notice();
  }

  #notice(): void {
    this.#changed = true;
    this.#wake?.();
  }
}

/** Serves requests until the function that it returns is called. The caller holds the network's lock. */
export const serveControl = (dir: string, handle: ControlHandler): (() => void) => {
  const folder = controlFolder(dir);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { mode: 0o700 });
  const changes = new Changes(folder);
  let ended = false;
  const serve = async (): Promise<void> => {
    // A folder that somebody has deleted ends only this: the nodes go on.
    while (!ended && existsSync(folder)) {
      // What cannot be read or answered now, on a full disk say, is no reason to hear nobody any more.
      await takeRequests(folder, handle).catch(() => {});
      await changes.next();
    }
    changes.close();
  };
  void serve();
  return () => {
    ended = true;
    changes.close();
    rmSync(folder, { recursive: true, force: true });
  };
};

const parseAnswer = (text: string): Result<ControlDone> => {
  const value: unknown = JSON.parse(text);
  if (!isObject(value)) return fail("internal", "the answer is not an object");
  if (value["ok"] === true) {
    const { pid } = value;
    return { ok: true, value: { pid: typeof pid === "number" ? pid : undefined } };
  }
  const code = isErrorCode(value["code"]) ? value["code"] : "internal";
  return fail(code, String(value["detail"]));
};

const nobody = (dir: string): TetradError =>
  new TetradError("cli.unreachable", `no \`nexus dev\` runs in ${dir}`);

/** Asks the `nexus dev` of the folder. Throws cli.unreachable where none answers, and what it refuses. */
export const askControl = async (
  dir: string,
  request: ControlRequest,
  signal: AbortSignal,
): Promise<ControlDone> => {
  const folder = controlFolder(dir);
  if (!existsSync(folder)) throw nobody(dir);
  const id = randomHex(32);
  const [asked, answered] = ["request", "answer"].map((kind) => join(folder, `${id}.${kind}`));
  if (asked === undefined || answered === undefined) throw nobody(dir);
  writeFileAtomic(asked, JSON.stringify(request), 0o600);
  const endMs = realClock.monotonicMs() + LIMITS.devAnswerMsMax;
  while (!existsSync(answered)) {
    signal.throwIfAborted();
    if (realClock.monotonicMs() > endMs || !existsSync(folder)) {
      rmSync(asked, { force: true });
      throw nobody(dir);
    }
    await sleep(LOOK_MS);
  }
  const answer: Result<ControlDone> = parseAnswer(readFileSync(answered, "utf8"));
  rmSync(answered, { force: true });
  if (!answer.ok) throw TetradError.from(answer satisfies Failure);
  return answer.value;
};
