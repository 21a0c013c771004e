/** Transports in processes of their own (peer-process.ts), which end with the test that began them. */
import { type ChildProcess, fork } from "node:child_process";
import { afterEach } from "vitest";
import type { PeerOrder } from "./peer-process.ts";

/** For the head of a test file: gives what begins a process and waits until its socket is bound. */
export const useSpawnedPeers = (): ((order: PeerOrder) => Promise<ChildProcess>) => {
  const children: ChildProcess[] = [];
  afterEach(() => {
    // Also those of a test that failed, stopped or not: one that is left keeps the whole run from ending.
    for (const child of children.splice(0)) child.kill("SIGKILL");
  });
  return async (order) => {
    const child = fork(new URL("./peer-process.ts", import.meta.url), {
      execArgv: [],
      serialization: "advanced",
    });
    children.push(child);
    await new Promise<void>((resolve, reject) => {
      child.once("message", () => resolve());
      child.once("exit", () => reject(new Error("the peer's process ended")));
      child.send(order);
    });
    return child;
  };
};
