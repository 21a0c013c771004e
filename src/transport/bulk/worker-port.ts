/** A bulk worker as the node's side of bulk sees it (src/node/bulk/process.ts makes real ones). */
import type { FromWorker, ToWorker } from "./worker-messages.ts";

export type BulkWorker = {
  /** Of its process, for the log; undefined where it could not be started. */
  readonly pid: number | undefined;
  /** What is sent to a worker that has ended is lost. */
  send(message: ToWorker): void;
  /** Ends it: at once where `reason` is a fault of its own, else after a word that it is over. */
  end(how: "kill" | "stop", reason: string): void;
};

export type WorkerEvents = {
  /** Pongs come too; that they do is looked after by whoever made the worker. */
  message(message: FromWorker): void;
  /** Called once; the reason for people. */
  ended(reason: string): void;
};

export type StartWorker = (events: WorkerEvents) => BulkWorker;
