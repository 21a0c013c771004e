/**
 * The only importer of `@currentspace/http3`: its raw QUIC, whose sockets, timers and packets are a native
 * thread's. The library may be missing or made for another system, so it is loaded when it is asked for.
 *
 * It hands PEM to BoringSSL through files in the temporary folder, under names that can be guessed, with the
 * process's umask, private keys included, for the moment of a call. So that nobody else reads or plants them, the
 * process gets a temporary folder of its own before the first use. That needs the real environment, which a worker
 * thread has not: there the library is not used. Its native part is loaded by the first call that needs it, and not
 * before: a library that is there may still be unable to do anything.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isMainThread } from "node:worker_threads";
import type * as Http3 from "@currentspace/http3";

export type Reactor = Pick<typeof Http3, "createQuicServer" | "connectQuic">;
export type ReactorServer = Http3.QuicServer;
export type ReactorServerSession = Http3.QuicServerSession;
export type ReactorClientSession = Http3.QuicClientSession;
export type ReactorStream = Http3.QuicStream;
export type ReactorConnectOptions = Http3.QuicConnectOptions;

let loaded: Promise<Reactor> | undefined;

/** The folder that the process got, and what it had before. */
let replaced: { readonly own: string; readonly before: string } | undefined;

/** The folder for temporary files of others than this library. */
export const systemTemporary = (): string =>
  replaced !== undefined && tmpdir() === replaced.own ? replaced.before : tmpdir();

const usePrivateTemporaryFolder = (own: string | undefined): void => {
  const folder = own ?? mkdtempSync(join(tmpdir(), "nexus-quic-"));
  if (own !== undefined) {
    // What a process left there that was killed in such a moment.
    rmSync(own, { recursive: true, force: true });
    mkdirSync(own, { mode: 0o700 });
  }
  replaced = { own: folder, before: replaced?.before ?? tmpdir() };
  process.env["TMPDIR"] = folder;
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
};

let isMended = false;

/**
 * Of what comes on a stream that it has forgotten, because that was stopped or the session closed, the library makes
 * another one and tells nobody of it. What comes on that would stay in it, without a limit; and its reset would be an
 * error that nobody takes, which ends the process. So what nobody has come for by the end of the turn goes nowhere,
 * and an error is told to those who listen.
 */
const mendOrphans = ({ QuicStream }: Pick<typeof Http3, "QuicStream">): void => {
  if (isMended) return;
  isMended = true;
  const { prototype } = QuicStream;
  const destroy = prototype._destroy;
  prototype._destroy = function (error, callback) {
    destroy.call(this, error, (told) => callback(this.listenerCount("error") > 0 ? told : null));
  };
  const pushData = prototype._pushData;
  prototype._pushData = function (chunk) {
    if (this.readableFlowing === null) {
      queueMicrotask(() => {
        if (this.listenerCount("data") === 0) this.resume();
      });
    }
    pushData.call(this, chunk);
  };
};

/**
 * Loads the library once. Rejects with the reason where it cannot be used here. `folder`: which temporary folder the
 * process has from then on, if this is the first call; a new one in the system's where it is left out.
 */
export const loadReactor = (folder?: string): Promise<Reactor> => {
  loaded ??= (async () => {
    if (!isMainThread) throw new Error("the reactor needs the process's main thread");
    const library = await import("@currentspace/http3");
    mendOrphans(library);
    usePrivateTemporaryFolder(folder);
    return library;
  })();
  // A folder that could not be made may be made the next time.
  loaded.catch(() => {
    loaded = undefined;
  });
  return loaded;
};
