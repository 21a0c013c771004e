/** One thread of a search: tries until it is ended from outside; one of proofs takes another task after a find. */
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { createHasher } from "../../crypto/hash.ts";
import { createShareTest, createWorkSearch, encodeWorkProof } from "../../proofs/work/index.ts";
import { realClock, realTimers } from "../real-ports.ts";
import { REPORT_MS, type SlotOrder, type ThreadMessage, type ThreadTask } from "./protocol.ts";

/** Nonces of one prefix: 4 bytes. */
const COUNTERS = 2 ** 32;

type Teller = { tried(): void; say(message: ThreadMessage): void };

/** Counts tries and tells of them now and then, and before everything else that is said. */
const createTeller = (port: MessagePort): Teller => {
  let tries = 0;
  let toldMs = realClock.monotonicMs();
  const tell = (): void => {
    if (tries > 0) port.postMessage({ type: "tried", tries } satisfies ThreadMessage);
    tries = 0;
    toldMs = realClock.monotonicMs();
  };
  return {
    tried() {
      tries += 1;
      if (realClock.monotonicMs() - toldMs >= REPORT_MS) tell();
    },
    say(message) {
      tell();
      port.postMessage(message);
    },
  };
};

const findProof = (task: ThreadTask & { readonly kind: "proof" }, teller: Teller): void => {
  const { chainId, puzzle, subject, effort, prefix } = task;
  const search = createWorkSearch(createHasher(chainId), puzzle, subject, effort, prefix);
  for (let counter = 0; counter < COUNTERS; counter++) {
    const proof = search.attempt(counter);
    teller.tried();
    if (proof === undefined) continue;
    teller.say({ type: "proof", proof: encodeWorkProof(puzzle, proof) });
    return;
  }
  throw new Error("no nonce of this prefix is left");
};

const fillSlots = (
  task: ThreadTask & { readonly kind: "shares" },
  port: MessagePort,
  teller: Teller,
): void => {
  const test = createShareTest(createHasher(task.chainId), task.parameters, task.subject);
  port.on("message", ({ slot, duty }: SlotOrder) => {
    const beganMs = realClock.monotonicMs();
    for (let nonce = 0; ; nonce++) {
      const fits = test(slot, nonce);
      teller.tried();
      if (!fits) continue;
      const restMs = (realClock.monotonicMs() - beganMs) * (100 / duty - 1);
      const say = (): void => teller.say({ type: "share", slot, nonce });
      if (restMs < 1) say();
      else realTimers.set(restMs, say);
      return;
    }
  });
  teller.say({ type: "ready" });
};

if (parentPort !== null) {
  const task = workerData as ThreadTask;
  const teller = createTeller(parentPort);
  if (task.kind === "shares") fillSlots(task, parentPort, teller);
  else {
    // It listens also where nothing comes, so that no exit after a find is taken for a failure.
    parentPort.on("message", (next: ThreadTask & { readonly kind: "proof" }) => {
      findProof(next, teller);
    });
    findProof(task, teller);
  }
}
