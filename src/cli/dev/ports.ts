/** Finding out before anything starts that a port is taken: the message then names the port and the flag. */
import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import { TetradError } from "../../errors.ts";
import { parseBindAddress, type SocketAddress } from "../../node/address.ts";
import type { DevRecord } from "./record.ts";

type BindError = { readonly code?: string };

const udpError = ({ host, port }: SocketAddress): Promise<string | undefined> =>
  new Promise((resolve) => {
    const socket = createSocket({ type: "udp6", ipv6Only: true });
    socket.once("error", (error: BindError) => {
      socket.close();
      resolve(error.code ?? "error");
    });
    socket.bind({ address: host, port }, () => socket.close(() => resolve(undefined)));
  });

const tcpError = ({ host, port }: SocketAddress): Promise<string | undefined> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error: BindError) => resolve(error.code ?? "error"));
    server.listen({ host, port, ipv6Only: true }, () => server.close(() => resolve(undefined)));
  });

export type PortProblem = { readonly what: string; readonly code: string };

/** The addresses of a network that cannot be bound now. */
export const portProblems = async (nodes: DevRecord["nodes"]): Promise<PortProblem[]> => {
  const checks = nodes.flatMap((node) => [
    { what: `${node.listen}/udp`, error: udpError(parseBindAddress(node.listen, "listen")) },
    { what: `${node.api}/tcp`, error: tcpError(parseBindAddress(node.api, "api")) },
  ]);
  const found = await Promise.all(
    checks.map(async ({ what, error }) => ({ what, code: (await error) ?? "" })),
  );
  return found.filter(({ code }) => code !== "");
};

/** Throws config.invalid with every port that is taken and the flags that change them. */
export const requirePorts = async (nodes: DevRecord["nodes"]): Promise<void> => {
  const problems = await portProblems(nodes);
  const first = problems[0];
  if (first === undefined) return;
  const list = problems.map(({ what }) => what).join(", ");
  const why =
    first.code === "EADDRINUSE" ? "in use by another process" : `not to be had (${first.code})`;
  throw new TetradError(
    "config.invalid",
    `${list}: ${why}; stop it, or choose others with --api-base, and --port-base with --fresh`,
  );
};
