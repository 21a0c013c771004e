/** One measurement of one subject: both ends are processes, which this one only starts and listens to. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { sleep } from "../../src/node/real-ports.ts";
import type { Order, Task, Word } from "./end.ts";
import type { Setup, Subject } from "./subject.ts";

export type Outcome = {
  readonly values: readonly number[];
  readonly gbitPerSecond: number;
  readonly cpuSecondsPerGib: number;
};

export type Place = {
  /** What to put before a command so that it runs there. */
  readonly prefix: readonly string[];
  readonly nodeFlags: readonly string[];
};

const END = fileURLToPath(new URL("./end.ts", import.meta.url));
const START_MS = 20_000;

/** The next word of an end; a failure of the end is ours. */
const heard = async (child: ChildProcess, kind: Word["kind"], ms: number): Promise<Word> => {
  const expired = sleep(ms).then((): never => {
    throw new Error(`no answer in ${ms} ms`);
  });
  const ended = once(child, "exit").then((): never => {
    throw new Error("an end has ended");
  });
  for (;;) {
    const [word] = (await Promise.race([once(child, "message"), expired, ended])) as [Word];
    if (word.kind === "failed") throw new Error(word.reason);
    if (word.kind === kind) return word;
  }
};

const startEnd = ({ prefix, nodeFlags }: Place): ChildProcess => {
  const [program = "", ...args] = [...prefix, process.execPath, ...nodeFlags, END];
  // The shipped library logs every connection: what an end has to say, it says in words.
  const child = spawn(program, args, {
    serialization: "advanced",
    stdio: ["ignore", "ignore", "ignore", "ipc"],
  });
  // An end that cannot be started is heard as one that has ended.
  child.on("error", () => child.emit("exit"));
  return child;
};

/** Rejects with why there are no figures; no bytes within the time are none. */
export const measure = async (
  place: Place,
  subject: Pick<Subject, "name">,
  setup: Setup,
  task: Task,
): Promise<Outcome> => {
  const ends = [startEnd(place), startEnd(place)] as const;
  const [server, client] = ends;
  const tell = (child: ChildProcess, order: Order): void => {
    child.send(order);
  };
  try {
    tell(server, { role: "server", subject: subject.name, setup });
    const ready = await heard(server, "ready", START_MS);
    if (ready.kind !== "ready") throw new Error("not ready");
    client.on("message", (word: Word) => {
      if (word.kind === "warm") server.send("begin");
    });
    server.on("message", (word: Word) => {
      if (word.kind === "counting" && client.connected) client.send("counting");
    });
    tell(client, { role: "client", subject: subject.name, setup, port: ready.port, task });
    const done = await heard(client, "done", task.seconds * 1_000 + START_MS);
    server.send("usage");
    const usage = await heard(server, "usage", START_MS);
    if (done.kind !== "done" || usage.kind !== "usage") throw new Error("no figures");
    const { taken } = usage;
    if (task.kind === "goodput" && taken.bytes === 0) throw new Error("nothing arrived");
    return {
      values: done.values,
      gbitPerSecond: (taken.bytes * 8) / 1e6 / Math.max(1, taken.lastMs - taken.firstMs),
      cpuSecondsPerGib: (done.cpuSeconds + usage.cpuSeconds) / (taken.bytes / 2 ** 30),
    };
  } finally {
    for (const child of ends) if (child.connected) child.disconnect();
  }
};
