/**
 * The only importer of `@currentspace/http3`: its raw QUIC, whose sockets, timers and packets are a native
 * thread's. The library may be missing or made for another system, so it is loaded when it is asked for.
 *
 * It hands PEM to BoringSSL through files in the temporary folder, under names that can be guessed, with the
 * process's umask, private keys included. So that nobody else reads or plants them, the process gets a
 * temporary folder of its own before the first use. That needs the real environment, which a worker thread
 * has not: there the library is not used.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isMainThread } from "node:worker_threads";
import type * as Http3 from "@currentspace/http3";

export type Reactor = Pick<typeof Http3, "createQuicServer" | "connectQuic">;
export type ReactorServer = Http3.QuicServer;
export type ReactorServerSession = Http3.QuicServerSession;
export type ReactorClientSession = Http3.QuicClientSession;
export type ReactorStream = Http3.QuicStream;

let loaded: Promise<Reactor> | undefined;

const usePrivateTemporaryFolder = (): void => {
  const folder = mkdtempSync(join(tmpdir(), "nexus-quic-"));
  process.env["TMPDIR"] = folder;
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
};

/** Loads the library once. Rejects with the reason where it cannot be used here. */
export const loadReactor = (): Promise<Reactor> => {
  loaded ??= (async () => {
    if (!isMainThread) throw new Error("the reactor needs the process's main thread");
    const library = await import("@currentspace/http3");
    usePrivateTemporaryFolder();
    return library;
  })();
  return loaded;
};
