/** The network that the tour runs on: the running development network, or one of its own for the time. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TetradError } from "../../errors.ts";
import { sleep } from "../../node/real-ports.ts";
import { askStatus } from "../ask.ts";
import type { CliContext } from "../context.ts";
import { binPath } from "../dev/child.ts";
import { controlFolder } from "../dev/control.ts";
import { portProblems } from "../dev/ports.ts";
import { type DevRecord, readDevRecord } from "../dev/record.ts";

export type TourNetwork = {
  readonly dir: string;
  readonly record: DevRecord;
  /** Made for the tour, and gone after it. */
  readonly own: boolean;
  stop(): Promise<void>;
};

/** Nodes of the record that answer and vote on its chain. */
const votingNodes = async (record: DevRecord, signal: AbortSignal): Promise<number> => {
  const asked = await Promise.all(
    record.nodes.map((node) => askStatus(`http://${node.api}`, signal)),
  );
  return asked.filter(
    (one) => typeof one === "object" && one.chainId === record.chainId && one.voting === "yes",
  ).length;
};

const START_MS_MAX = 60_000;
const LOOK_MS = 250;

const untilVoting = async (
  dir: string,
  child: ChildProcess | undefined,
  signal: AbortSignal,
): Promise<DevRecord> => {
  const endMs = Date.now() + START_MS_MAX;
  for (;;) {
    signal.throwIfAborted();
    const record = readDevRecord(dir);
    if (record !== undefined && (await votingNodes(record, signal)) === record.nodes.length) {
      return record;
    }
    if (child !== undefined && child.exitCode !== null) {
      throw new TetradError("tour.failed", `the network ended with code ${child.exitCode}`);
    }
    if (Date.now() > endMs) {
      throw new TetradError(
        "cli.unreachable",
        "not all nodes of the network vote; nexus doctor says why",
      );
    }
    await sleep(LOOK_MS);
  }
};

const PORT_FIRST = 4540;
const PORT_STEP = 10;
const PORT_TRIES = 200;

/** Eight ports in two rows that nobody has now. */
const freePorts = async (): Promise<{ readonly quic: number; readonly api: number }> => {
  for (let i = 0; i < PORT_TRIES; i += 1) {
    const [quic, api] = [PORT_FIRST + i * PORT_STEP, PORT_FIRST + 4000 + i * PORT_STEP];
    const rows = [0, 1, 2, 3].map((k) => ({
      listen: `[::1]:${quic + k}`,
      api: `[::1]:${api + k}`,
    }));
    if ((await portProblems(rows)).length === 0) return { quic, api };
  }
  throw new TetradError("config.invalid", "no eight free ports on [::1]");
};

const exited = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    else child.once("exit", () => resolve());
  });

const startOwn = async (context: CliContext): Promise<TourNetwork> => {
  const folder = mkdtempSync(join(tmpdir(), "tetrad-tour-"));
  const dir = join(folder, "net");
  const { quic, api } = await freePorts();
  context.note("no development network runs here: making one for the time of the tour");
  const args = ["--dir", dir, "dev", "--port-base", String(quic), "--api-base", String(api)];
  const child = spawn(process.execPath, [binPath(), ...args], { stdio: "ignore", detached: true });
  child.on("error", () => {});
  const stop = async (): Promise<void> => {
    child.kill("SIGTERM");
    await exited(child);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    return { dir, own: true, record: await untilVoting(dir, child, context.signal), stop };
  } catch (error) {
    await stop();
    throw error;
  }
};

/** Throws cli.usage for a network that is not of `nexus dev`: the tour kills a node. */
export const findNetwork = async (context: CliContext): Promise<TourNetwork> => {
  if (context.apiIsNamed) {
    throw new TetradError(
      "cli.usage",
      "the tour ends a node, so it runs on a development network only: name its folder with --dir",
    );
  }
  const record = context.dev();
  if (record === undefined || !existsSync(controlFolder(context.dir))) return startOwn(context);
  const dir = context.dir;
  return {
    dir,
    own: false,
    record: await untilVoting(dir, undefined, context.signal),
    stop: async () => {},
  };
};
