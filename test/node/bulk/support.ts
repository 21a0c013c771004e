/** Bulk workers of tests: real processes, and all that they say. */
import { startBulkWorker } from "../../../src/node/bulk/process.ts";
import { createAuthority } from "../../../src/transport/authority.ts";
import type { FromWorker, StartOrder } from "../../../src/transport/bulk/worker-messages.ts";

export const authority = createAuthority("test", Date.now());

export const order: StartOrder = {
  ...{ driver: "reactor", trial: false, listen: { host: "::1", port: 0 }, listeners: 2 },
  identity: authority.identity({ subject: "bulk", serverName: "x.invalid" }),
  authorityPem: authority.certPem,
  folder: "/nowhere",
};

export type Pong = FromWorker & { readonly kind: "pong" };

export const start = (own: Partial<StartOrder> = {}) => {
  const heard: FromWorker[] = [];
  const pongs: Pong[] = [];
  const ends: string[] = [];
  const worker = startBulkWorker({
    message: (message) => {
      if (message.kind === "pong") pongs.push(message);
      else heard.push(message);
    },
    ended: (reason) => ends.push(reason),
  });
  worker.send({ kind: "start", ...order, ...own });
  const { pid = 0 } = worker;
  return { worker, heard, pongs, ends, pid };
};
