/** One end of a measurement, in a process of its own, so that its CPU time is its own. */
import { once } from "node:events";
import { realClock, sleep } from "../../src/node/real-ports.ts";
import { fill } from "./fill.ts";
import { ECHO, type Link, type Pipe, type Setup, type Taken } from "./subject.ts";
import { SUBJECTS } from "./subjects.ts";

export type Order =
  | { readonly role: "server"; readonly subject: string; readonly setup: Setup }
  | {
      readonly role: "client";
      readonly subject: string;
      readonly setup: Setup;
      readonly port: number;
      readonly task: Task;
    };

export type Task =
  | {
      readonly kind: "goodput";
      readonly connections: number;
      readonly streams: number;
      readonly seconds: number;
    }
  | { readonly kind: "round-trips"; readonly count: number; readonly seconds: number }
  | { readonly kind: "handshakes"; readonly parallel: number; readonly seconds: number };

/** What an end says. `cpuSeconds` is of this process since it was warm, or ready where nothing warms it. */
export type Word =
  | { readonly kind: "ready"; readonly port: number }
  /** Code is compiled and windows are open: what is measured begins when the server has begun to count. */
  | { readonly kind: "warm" }
  | { readonly kind: "counting" }
  | { readonly kind: "done"; readonly cpuSeconds: number; readonly values: readonly number[] }
  | { readonly kind: "usage"; readonly cpuSeconds: number; readonly taken: Taken }
  | { readonly kind: "failed"; readonly reason: string };

const WARM_SECONDS = 0.5;
/** A server that takes longer to say that it counts from now on is not worth waiting for. */
const WARM_LIMIT_MS = 10_000;

const say = (word: Word): void => {
  process.send?.(word);
};

const cpuSeconds = (since: NodeJS.CpuUsage): number => {
  const used = process.cpuUsage(since);
  return (used.user + used.system) / 1e6;
};

const subjectOf = (name: string) => {
  const subject = SUBJECTS.find((candidate) => candidate.name === name);
  if (subject === undefined) throw new Error(`no subject ${name}`);
  return subject;
};

const settled = (work: Promise<unknown>, ms: number): Promise<unknown> =>
  Promise.race([work, sleep(ms)]);

/** Writes for so long once the server counts; what arrived the server knows. */
const goodput = async (
  connect: () => Promise<Link>,
  task: Task & { readonly kind: "goodput" },
  multiplexed: boolean,
  warm: () => Promise<void>,
): Promise<readonly number[]> => {
  const links: Link[] = [];
  const pipes: Pipe[] = [];
  const perConnection = multiplexed ? task.streams : 1;
  const count = multiplexed ? task.connections : task.connections * task.streams;
  for (let i = 0; i < count; i++) {
    const link = await connect();
    links.push(link);
    for (let s = 0; s < perConnection; s++) pipes.push(await link.open());
  }
  let isOver = false;
  const work = Promise.all(pipes.map((pipe) => fill(pipe, () => isOver)));
  await settled(work, WARM_SECONDS * 1_000);
  await settled(Promise.race([work, warm()]), WARM_LIMIT_MS);
  await settled(work, task.seconds * 1_000);
  isOver = true;
  await settled(work, 1_000);
  return [];
};

/** Milliseconds of each answer to 64 bytes. */
const roundTrips = async (link: Link, count: number, seconds: number): Promise<number[]> => {
  const pipe = await link.open();
  const ping = new Uint8Array(64);
  const samples: number[] = [];
  let got = 0;
  let answered = (): void => {};
  pipe.onData((bytes) => {
    got += bytes.length;
    if (got >= ping.length) answered();
  });
  await pipe.write(Uint8Array.of(ECHO));
  const endMs = realClock.monotonicMs() + seconds * 1_000;
  while (samples.length < count && realClock.monotonicMs() < endMs) {
    got = 0;
    const startMs = realClock.monotonicMs();
    const answer = new Promise<void>((resolve) => {
      answered = resolve;
    });
    await pipe.write(ping);
    await settled(answer, 2_000);
    samples.push(realClock.monotonicMs() - startMs);
  }
  return samples;
};

/** How many connections came up and went, and in how many seconds. */
const handshakes = async (
  connect: () => Promise<Link>,
  task: Task & { readonly kind: "handshakes" },
): Promise<readonly number[]> => {
  const startMs = realClock.monotonicMs();
  const endMs = startMs + task.seconds * 1_000;
  let made = 0;
  await Promise.all(
    Array.from({ length: task.parallel }, async () => {
      while (realClock.monotonicMs() < endMs) {
        const link = await connect();
        made += 1;
        await link.close();
      }
    }),
  );
  return [made, (realClock.monotonicMs() - startMs) / 1_000];
};

const runClient = async (order: Order & { readonly role: "client" }): Promise<void> => {
  const subject = subjectOf(order.subject);
  const connect = (): Promise<Link> => subject.connect(order.setup, order.port);
  const { task } = order;
  let since = process.cpuUsage();
  let values: readonly number[];
  if (task.kind === "goodput") {
    values = await goodput(connect, task, subject.multiplexed, async () => {
      const counting = once(process, "message");
      say({ kind: "warm" });
      await counting;
      since = process.cpuUsage();
    });
  } else if (task.kind === "handshakes") values = await handshakes(connect, task);
  else {
    const link = await connect();
    await roundTrips(link, 200, 1);
    since = process.cpuUsage();
    values = await roundTrips(link, task.count, task.seconds);
  }
  say({ kind: "done", cpuSeconds: cpuSeconds(since), values });
};

const runServer = async (order: Order & { readonly role: "server" }): Promise<void> => {
  const taken: Taken = { bytes: 0, firstMs: 0, lastMs: 0 };
  const served = await subjectOf(order.subject).serve(order.setup, taken);
  let since = process.cpuUsage();
  process.on("message", (word) => {
    if (word === "usage") say({ kind: "usage", cpuSeconds: cpuSeconds(since), taken });
    else {
      since = process.cpuUsage();
      taken.bytes = 0;
      say({ kind: "counting" });
    }
  });
  say({ kind: "ready", port: served.port });
};

process.once("message", (message) => {
  const order = message as Order;
  const run = order.role === "server" ? runServer(order) : runClient(order);
  run.catch((error: unknown) => say({ kind: "failed", reason: String(error) }));
});
process.on("uncaughtException", (error) => say({ kind: "failed", reason: String(error) }));
process.on("disconnect", () => process.exit(0));
