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
import { lstatSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
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

/** Every folder that it has had. */
const made = new Set<string>();

/** The folder for temporary files of others than this library. */
export const systemTemporary = (): string =>
  replaced !== undefined && tmpdir() === replaced.own ? replaced.before : tmpdir();

const removeAll = (): void => {
  for (const folder of made) rmSync(folder, { recursive: true, force: true });
};

/** In place of what is there, which may be what a process left that was killed in the moment of a dial. */
const makePrivate = (folder: string): void => {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { mode: 0o700 });
};

const usePrivateTemporaryFolder = (own: string | undefined): void => {
  const before = systemTemporary();
  const folder = own ?? mkdtempSync(join(before, "nexus-quic-"));
  if (own !== undefined) makePrivate(own);
  if (made.size === 0) process.once("exit", removeAll);
  made.add(folder);
  replaced = { own: folder, before };
  process.env["TMPDIR"] = folder;
};

/** It is there, and nobody else sees into it. */
const isPrivate = (folder: string): boolean => {
  const facts = lstatSync(folder, { throwIfNoEntry: false });
  if (facts?.isDirectory() !== true || (facts.mode & 0o077) !== 0) return false;
  return process.getuid === undefined || facts.uid === process.getuid();
};

/** Before each use: who cleans up, or puts an older copy of a node's folder back, may have taken it away. */
const checkTemporaryFolder = (): void => {
  if (replaced === undefined || isPrivate(replaced.own)) return;
  makePrivate(replaced.own);
};

let isMended = false;

/**
 * Of what comes on a stream that it has forgotten, because that was stopped or the session closed, the library makes
 * another one and tells nobody of it. What comes on that would stay in it, without a limit; and its reset would be an
 * error that nobody takes, which ends the process. So what nobody has come for by the end of the turn goes nowhere,
 * and an error is told to those who listen. And such a stream is destroyed when it is read to its end: nobody will end
 * its writing half, and the library keeps what has not ended for as long as the session lasts.
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
  const looked = new WeakSet<ReactorStream>();
  prototype._pushData = function (chunk) {
    if (this.readableFlowing === null && !looked.has(this)) {
      looked.add(this);
      queueMicrotask(() => {
        if (this.listenerCount("data") === 0) discardOrphan(this);
      });
    }
    pushData.call(this, chunk);
  };
};

const discardOrphan = (stream: ReactorStream): void => {
  // Of one that came whole the library has read on by itself, and its end is over before anybody can look.
  if (stream.readableEnded) {
    stream.destroy();
    return;
  }
  stream.once("end", () => stream.destroy());
  stream.resume();
};

const load = async (): Promise<Reactor> => {
  if (!isMainThread) throw new Error("the reactor needs the process's main thread");
  const library = await import("@currentspace/http3");
  mendOrphans(library);
  const { createQuicServer, connectQuic } = library;
  return {
    createQuicServer: (options) => {
      checkTemporaryFolder();
      return createQuicServer(options);
    },
    connectQuic: (authority, options) => {
      checkTemporaryFolder();
      return connectQuic(authority, options);
    },
  };
};

/**
 * Loads the library, once. Rejects with the reason where it cannot be used here. One that was not there is looked for
 * again by the next call; of one that is there and does not load Node keeps the error for as long as the process lasts.
 * `folder`: which temporary folder the process has from then on, made anew; where it is left out, the one that it got
 * before, or a new one in the system's. Both calls of the library throw where that is gone and cannot be made again.
 */
export const loadReactor = async (folder?: string): Promise<Reactor> => {
  loaded ??= load().catch((error: unknown) => {
    loaded = undefined;
    throw error;
  });
  const reactor = await loaded;
  if (replaced === undefined || (folder !== undefined && folder !== replaced.own)) {
    usePrivateTemporaryFolder(folder);
  } else checkTemporaryFolder();
  return reactor;
};
