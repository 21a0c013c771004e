/**
 * Who has a port, as far as the system tells: on Linux, /proc names the socket of every port and, for
 * processes of one's own, the sockets that each has open. Elsewhere nobody is named.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";

export type Protocol = "udp" | "tcp";

/** What cannot be read says nothing: a process may end, or belong to somebody else. */
const attempt = <T>(read: () => T, otherwise: T): T => {
  try {
    return read();
  } catch {
    return otherwise;
  }
};

/** The hexadecimal state of a TCP socket that listens; the sockets of its connections do not. */
const LISTENING = "0A";

/** Inodes of the sockets that are bound to the port. */
export const inodesOf = (table: string, protocol: Protocol, port: number): string[] => {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return table.split("\n").flatMap((line) => {
    const [, local = "", , state, , , , , , inode = ""] = line.trim().split(/\s+/);
    if (!local.endsWith(wanted) || (protocol === "tcp" && state !== LISTENING)) return [];
    return [inode];
  });
};

const hasAny = (pid: string, sockets: ReadonlySet<string>): boolean => {
  const folder = join("/proc", pid, "fd");
  return attempt(() => readdirSync(folder), []).some((name) =>
    sockets.has(attempt(() => readlinkSync(join(folder, name)), "")),
  );
};

/** Ids of the processes that have the IPv6 port; empty where that cannot be told. */
export const holdersOf = (protocol: Protocol, port: number): number[] => {
  const table = attempt(() => readFileSync(`/proc/net/${protocol}6`, "utf8"), "");
  const sockets = new Set(inodesOf(table, protocol, port).map((inode) => `socket:[${inode}]`));
  if (sockets.size === 0) return [];
  return readdirSync("/proc")
    .filter((name) => /^[0-9]+$/.test(name) && hasAny(name, sockets))
    .map(Number);
};
