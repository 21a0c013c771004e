/** Finding out before anything starts that a port is taken: the message then names the port and the flag. */
import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import { TetradError } from "../../errors.ts";
import { formatAddress, parseBindAddress, type SocketAddress } from "../../node/address.ts";
import { bindReason } from "../../node/bind-error.ts";
import { holdersOf } from "./port-holders.ts";
import type { DevNode, DevRecord } from "./record.ts";

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

export type PortProblem = {
  readonly what: string;
  readonly code: string;
  /** Processes that have the port, where the system tells. */
  readonly pids: readonly number[];
};

/** The addresses of a network that cannot be bound now. */
export const portProblems = async (
  nodes: readonly Pick<DevNode, "listen" | "api">[],
): Promise<PortProblem[]> => {
  const checks = nodes.flatMap((node) => [
    { protocol: "udp" as const, address: parseBindAddress(node.listen, "listen") },
    { protocol: "tcp" as const, address: parseBindAddress(node.api, "api") },
  ]);
  const found = await Promise.all(
    checks.map(async ({ protocol, address }): Promise<PortProblem[]> => {
      const code = await (protocol === "udp" ? udpError : tcpError)(address);
      if (code === undefined) return [];
      const pids = code === "EADDRINUSE" ? holdersOf(protocol, address.port) : [];
      return [{ what: `${formatAddress(address)}/${protocol}`, code, pids }];
    }),
  );
  return found.flat();
};

/** "[::1]:4440/udp (process 12)". */
export const describePort = ({ what, pids }: PortProblem): string =>
  pids.length === 0 ? what : `${what} (process ${pids.join(", ")})`;

/** Throws config.invalid with every port that is taken and the flags that change them. */
export const requirePorts = async (nodes: DevRecord["nodes"]): Promise<void> => {
  const problems = await portProblems(nodes);
  const first = problems[0];
  if (first === undefined) return;
  const list = problems.map(describePort).join(", ");
  const flags = "--api-base changes the API ports, --port-base with --fresh the others";
  const why = bindReason(first.code);
  throw new TetradError(
    "config.invalid",
    why === undefined ? `${list}: not to be had (${first.code})` : `${list}: ${why} (${flags})`,
  );
};
