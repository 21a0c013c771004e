/**
 * Subscribes to a node's event stream many times and counts what comes: `node subscribers.ts BASE COUNT`,
 * forked. Says "ready" when every stream has begun; answers "count" with the events so far and its CPU.
 */
import { connect } from "node:net";

const [base = "", count = "1"] = process.argv.slice(2);
const url = new URL(base);
const host = url.hostname.replace(/^\[|\]$/g, "");
const MARK = '\ndata: {"index"';
let events = 0;
let closed = 0;

/** Counts the mark in what has come, also where it is cut in two. */
const counter = (): ((text: string) => void) => {
  let rest = "";
  return (text) => {
    const whole = rest + text;
    let from = 0;
    for (;;) {
      const at = whole.indexOf(MARK, from);
      if (at < 0) break;
      events += 1;
      from = at + MARK.length;
    }
    rest = whole.slice(Math.max(from, whole.length - MARK.length + 1));
  };
};

const subscribe = (): Promise<void> =>
  new Promise((resolve, reject) => {
    const socket = connect({ host, port: Number(url.port) });
    const add = counter();
    socket.setEncoding("latin1");
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.write(`GET /v1/events/stream?from=end HTTP/1.1\r\nhost: ${url.host}\r\n\r\n`);
    });
    socket.once("data", (text: string) => {
      if (!text.startsWith("HTTP/1.1 200")) reject(new Error(text.slice(0, 200)));
      resolve();
    });
    socket.on("data", (text: string) => add(text));
    socket.on("close", () => {
      closed += 1;
    });
  });

for (let opened = 0; opened < Number(count); opened += 50) {
  await Promise.all(Array.from({ length: Math.min(50, Number(count) - opened) }, subscribe));
}
process.on("message", () => {
  const { user, system } = process.cpuUsage();
  process.send?.({ events, closed, cpuSeconds: (user + system) / 1e6 });
});
process.on("disconnect", () => process.exit());
process.send?.("ready");
