import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import { describe, expect, it } from "vitest";
import { holdersOf, inodesOf } from "../../src/cli/dev/port-holders.ts";
import { portProblems, requirePorts } from "../../src/cli/dev/ports.ts";

const tcp = async (): Promise<{ readonly port: number; close(): Promise<void> }> => {
  const server = createServer();
  await new Promise<void>((done) => {
    server.listen({ host: "::1", port: 0, ipv6Only: true }, done);
  });
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("no address");
  const close = (): Promise<void> =>
    new Promise((done) => {
      server.close(() => done());
    });
  return { port: address.port, close };
};

const udp = async (): Promise<{ readonly port: number; close(): Promise<void> }> => {
  const socket = createSocket({ type: "udp6", ipv6Only: true });
  await new Promise<void>((done) => {
    socket.bind({ address: "::1", port: 0 }, done);
  });
  const close = (): Promise<void> =>
    new Promise((done) => {
      socket.close(() => done());
    });
  return { port: socket.address().port, close };
};

const nodeAt = (listen: number, api: number) => [
  { name: "a", folder: "a", listen: `[::1]:${listen}`, api: `[::1]:${api}` },
];

describe("ports that are taken", () => {
  it.skipIf(process.platform !== "linux")("come with the process that has them", async () => {
    const [quic, api] = [await udp(), await tcp()];
    expect(holdersOf("udp", quic.port)).toEqual([process.pid]);
    expect(holdersOf("tcp", api.port)).toEqual([process.pid]);
    const nodes = nodeAt(quic.port, api.port);
    const pids = [process.pid];
    expect(await portProblems(nodes)).toEqual([
      { what: `[::1]:${quic.port}/udp`, code: "EADDRINUSE", pids },
      { what: `[::1]:${api.port}/tcp`, code: "EADDRINUSE", pids },
    ]);
    await expect(requirePorts(nodes)).rejects.toThrow(`(process ${process.pid})`);
    await Promise.all([quic.close(), api.close()]);
    expect(await portProblems(nodes)).toEqual([]);
    expect(holdersOf("udp", quic.port)).toEqual([]);
  });

  it("are looked for by port and, of TCP, among sockets that listen", () => {
    const line = (state: string, inode: number): string =>
      `   0: 00000000000000000000000001000000:20F8 00000000000000000000000000000000:0000 ${state} 0:0 0:0 0 0 0 ${inode} 1 0`;
    const table = ["  sl  local_address ...", line("0A", 11), line("01", 12)].join("\n");
    expect(inodesOf(table, "tcp", 8440)).toEqual(["11"]);
    expect(inodesOf(table, "udp", 8440)).toEqual(["11", "12"]);
    expect(inodesOf(table, "tcp", 8441)).toEqual([]);
  });
});
