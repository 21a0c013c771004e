// Leads from a Unix socket to an address in the network namespace that this process runs in. Ends when its
// standard input does: api-proxy.mjs SOCKET HOST PORT
import { connect, createServer } from "node:net";

const [, , socketPath, host, port] = process.argv;
const server = createServer((client) => {
  const inner = connect({ host, port: Number(port) });
  const end = () => {
    client.destroy();
    inner.destroy();
  };
  client.on("error", end).on("close", end);
  inner.on("error", end).on("close", end);
  client.pipe(inner).pipe(client);
});
server.listen(socketPath, () => process.stdout.write("listening\n"));
process.stdin.resume().on("end", () => process.exit(0));
