/** What is said when an address cannot be bound, by real sockets. */
import { createSocket, type Socket } from "node:dgram";
import { createServer, type Server } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { requirePorts } from "../../src/cli/dev/ports.ts";
import { TetradError } from "../../src/errors.ts";
import { bindError } from "../../src/node/bind-error.ts";
import { idOf, makeIdentity, makeTransport } from "../transport/support.ts";

const open: (Server | Socket)[] = [];
afterEach(() => {
  for (const one of open.splice(0)) one.close();
});

const takeUdp = async (): Promise<number> => {
  const socket = createSocket({ type: "udp6", ipv6Only: true });
  open.push(socket);
  await new Promise<void>((resolve) => socket.bind({ address: "::1", port: 0 }, resolve));
  return socket.address().port;
};

const takeTcp = async (): Promise<number> => {
  const server = createServer();
  open.push(server);
  await new Promise<void>((resolve) => server.listen({ host: "::1", port: 0 }, resolve));
  return (server.address() as { port: number }).port;
};

/** Reserved for documentation: no machine has it. */
const NOWHERE = "2001:db8::1";

describe("an address that cannot be bound", () => {
  it("is told with what to do, by the reason", async () => {
    const taken = `[::1]:${await takeTcp()}`;
    const node = { name: "a", folder: "a", listen: `[::1]:${await takeUdp()}`, api: taken };
    await expect(requirePorts([node])).rejects.toMatchObject({
      code: "config.invalid",
      message: expect.stringMatching(
        /\/udp.*, .*\/tcp.*: another process uses this port; stop it.*--api-base/,
      ),
    });
    const nowhere = { ...node, listen: `[${NOWHERE}]:4440` };
    const failed = requirePorts([nowhere]);
    await expect(failed).rejects.toThrow("this machine has no such address; [::1] needs IPv6");
    await expect(failed).rejects.not.toThrow("stop it");
  });

  it("names the setting of a node, for QUIC too", async () => {
    const port = await takeUdp();
    const identity = makeIdentity(idOf(0));
    for (const [host, text] of [
      ["::1", "another process uses this port"],
      [NOWHERE, "this machine has no such address"],
    ] as const) {
      const listen = `[${host}]:${port}`;
      const error = await makeTransport({ identity, peers: [], listen }).catch(
        (cause: unknown) => cause,
      );
      expect(error).toMatchObject({ code: "config.invalid" });
      const told = bindError("listen", { host, port }, error) as TetradError;
      expect(told.message).toContain(`listen [${host}]:${port}: ${text}`);
    }
  });

  it("leaves other errors as they are", () => {
    for (const error of [new Error("x"), new TetradError("key.invalid", "y"), undefined]) {
      expect(bindError("api", { host: "::1", port: 1 }, error)).toBe(error);
    }
  });
});
