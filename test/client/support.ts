/** Small HTTP servers on [::1] that answer as a test says: hostile nodes, nodes that hang, nodes that go. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export type TestServer = {
  readonly base: string;
  readonly requests: { readonly method: string; readonly url: string }[];
  close(): Promise<void>;
};

export const serve = async (
  answer: (request: IncomingMessage, response: ServerResponse) => void | Promise<void>,
): Promise<TestServer> => {
  const requests: { method: string; url: string }[] = [];
  const server = createServer((request, response) => {
    requests.push({ method: request.method ?? "", url: request.url ?? "" });
    response.on("error", () => undefined);
    Promise.resolve(answer(request, response)).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen({ host: "::1", port: 0 }, resolve));
  const { port } = server.address() as AddressInfo;
  return {
    base: `http://[::1]:${port}`,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
};

export const json = (response: ServerResponse, body: unknown, status = 200): void => {
  response.writeHead(status, { "content-type": "application/json", "ledger-genesis": "aa" });
  response.end(JSON.stringify(body));
};

export const problem = (response: ServerResponse, status: number, code: string): void =>
  json(response, { code, detail: code }, status);
