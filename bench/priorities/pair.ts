/** What a frame of consensus waits while bulk takes all it can get: one session, no ledger, each end a process. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { sleep } from "../../src/node/real-ports.ts";
import { percentile, type Report } from "../report.ts";
import { type End, meet, openEnd } from "./pair-end.ts";

const CHUNK = new Uint8Array(2 ** 20).fill(7);
/** About a vote. */
const VOTE_BYTES = 1_500;
const PAUSE_MS = 5;
const TURN_SECONDS = 2;
const SETTLE_MS = 500;

export const measurePair = async (
  report: Report,
  rounds: number,
  loopShare: number,
): Promise<void> => {
  const name = `pair ${100 * loopShare} %`;
  const child = fork(new URL("./pair-end.ts", import.meta.url), [String(loopShare)], {
    execArgv: [],
  });
  const { end, transport } = await openEnd(0, loopShare);
  const [peer] = (await once(child, "message")) as [End];
  const waiting = new Map<number, (ms: number) => void>();
  let running = false;
  const fill = (): void => {
    while (running && port.send(peer.id, CHUNK)) {
      // Until the queue is full.
    }
  };
  const none = (): void => {};
  const port = transport.bulk({ peerUp: none, peerDown: none, frame: none, drained: fill });
  transport.start({
    peerUp: none,
    peerDown: none,
    frame: (_peer, _class, bytes) => {
      const number = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
      waiting.get(number)?.(performance.now());
      waiting.delete(number);
    },
  });
  meet(transport, peer);
  child.send(end);
  while (transport.peers().length === 0 || transport.figures().connections !== 1) await sleep(20);
  const received = async (): Promise<number> => {
    child.send("received");
    const [answer] = (await once(child, "message")) as [{ readonly received: number }];
    return answer.received;
  };
  let number = 0;
  const trip = async (): Promise<number> => {
    const vote = new Uint8Array(VOTE_BYTES);
    new DataView(vote.buffer).setUint32(0, ++number);
    const back = new Promise<number>((resolve) => waiting.set(number, resolve));
    const from = performance.now();
    if (!transport.send(peer.id, "consensus", vote)) throw new Error("no session");
    return (await back) - from;
  };
  const trips = { quiet: [] as number[], bulk: [] as number[] };
  let bytes = 0;
  let seconds = 0;
  for (let round = 0; round < rounds; round++) {
    for (const kind of ["quiet", "bulk"] as const) {
      running = kind === "bulk";
      fill();
      await sleep(SETTLE_MS);
      const before = await received();
      const from = performance.now();
      while (performance.now() - from < TURN_SECONDS * 1000) {
        await sleep(Math.random() * 2 * PAUSE_MS);
        trips[kind].push(await trip());
      }
      if (running) {
        bytes += (await received()) - before;
        seconds += (performance.now() - from) / 1000;
      }
    }
  }
  for (const kind of ["quiet", "bulk"] as const) {
    for (const part of [0.5, 0.9, 0.99]) {
      const what = `${kind}: vote and its echo, p${100 * part}`;
      report.row(name, what, percentile(trips[kind], part), "ms", trips[kind].length);
    }
  }
  report.row(name, "goodput of bulk", (bytes * 8) / seconds / 1e9, "Gbit/s", rounds);
  child.disconnect();
  await new Promise<void>((resolve) => transport.close(resolve));
};
