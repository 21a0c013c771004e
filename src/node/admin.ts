/**
 * The admin socket of a running node: `admin.sock` in its folder, mode 0600, for the commands of whoever
 * owns the folder. HTTP/1.1 over a Unix socket, because then the end of a stream is told from its breaking.
 *
 *     POST /backup     the bytes of a backup (backup/format.ts); 409 while another one is made
 *
 * The lock of the folder is held before it is made, so a socket that lies there is one that was left behind.
 */

import { once } from "node:events";
import { chmodSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { TetradError } from "../errors.ts";
import type { Logger } from "../ledger/ports.ts";
import { LIMITS } from "../limits.ts";

/** What `bind` takes: 108 bytes with the zero at the end (unix(7)). */
export const SOCKET_PATH_BYTES_MAX = 107;
const CONNECTIONS_MAX = 8;

export type AdminOptions = {
  readonly path: string;
  readonly logger: Logger;
  /** A backup in pieces, of the moment of the call. */
  readonly backup: () => AsyncIterable<Uint8Array>;
};

export type AdminSocket = { close(): Promise<void> };

/** Undefined where the system refuses the socket; the node runs without it and says so. */
export const openAdminSocket = async (options: AdminOptions): Promise<AdminSocket | undefined> => {
  const { path, logger } = options;
  if (Buffer.byteLength(path) > SOCKET_PATH_BYTES_MAX) {
    const detail = `a socket's path has at most ${SOCKET_PATH_BYTES_MAX} bytes`;
    logger.log("warn", "no admin socket: stop the node to back it up", { path, detail });
    return undefined;
  }
  const server = createServer({
    maxHeaderSize: LIMITS.adminRequestBytesMax,
    requestTimeout: LIMITS.httpRequestTimeoutMs,
    headersTimeout: LIMITS.httpHeadersTimeoutMs,
  });
  server.maxConnections = CONNECTIONS_MAX;
  server.on("request", createHandler(options));
  server.setTimeout(LIMITS.adminStallMsMax, (socket) => socket.destroy());
  try {
    rmSync(path, { force: true });
    await listenPrivately(server, path);
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    logger.log("warn", "no admin socket: stop the node to back it up", { path, detail });
    return undefined;
  }
  return {
    async close() {
      server.closeAllConnections();
      server.close();
      rmSync(path, { force: true });
    },
  };
};

/** The mode is right from the moment that the socket is there: nobody else connects in between. */
const listenPrivately = async (server: Server, path: string): Promise<void> => {
  const before = process.umask(0o177);
  try {
    server.listen(path);
  } finally {
    process.umask(before);
  }
  await once(server, "listening");
  chmodSync(path, 0o600);
};

const createHandler = ({ backup, logger }: AdminOptions) => {
  let running = false;
  const refuse = (response: ServerResponse, error: TetradError): void => {
    response.writeHead(error.spec.status, { "content-type": "application/json" });
    response.end(JSON.stringify({ code: error.code, detail: error.message }));
  };
  return (request: IncomingMessage, response: ServerResponse): void => {
    request.resume();
    if (request.method !== "POST" || request.url !== "/backup") {
      refuse(response, new TetradError("http.not-found", "the admin socket has POST /backup"));
      return;
    }
    if (running) {
      refuse(response, new TetradError("backup.refused", "another backup is being made"));
      return;
    }
    running = true;
    logger.log("info", "backup begins");
    // Within the promise: a backup that cannot be begun is refused as one that fails later.
    void (async () => stream(response, backup()))()
      .then((bytes) => logger.log("info", "backup ends", { bytes }))
      .catch((error: unknown) => {
        const detail = error instanceof Error ? error.message : String(error);
        logger.log("warn", "backup failed", { detail });
        if (response.headersSent) response.destroy();
        else if (error instanceof TetradError) refuse(response, error);
        else refuse(response, new TetradError("internal", detail));
      })
      .finally(() => {
        running = false;
      });
  };
};

/** Bytes sent. Ends early, with an exception, when the other side goes away or stands still. */
const stream = async (
  response: ServerResponse,
  pieces: AsyncIterable<Uint8Array>,
): Promise<number> => {
  const gone = new AbortController();
  response.once("close", () => gone.abort(new Error("who asked has gone away")));
  let bytes = 0;
  for await (const piece of pieces) {
    gone.signal.throwIfAborted();
    if (!response.headersSent) {
      response.writeHead(200, { "content-type": "application/octet-stream" });
    }
    bytes += piece.length;
    if (!response.write(piece)) await once(response, "drain", { signal: gone.signal });
    // Between two pieces peers and their votes have their turn.
    await new Promise((resolve) => setImmediate(resolve));
  }
  response.end();
  return bytes;
};
