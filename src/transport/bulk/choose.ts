/**
 * Which driver the bulk worker tries, in which order, and why (adr/0016). The trial itself is the worker's: what is
 * chosen is the first that carries bytes there. Pure.
 */
import type { HostPort, QuicDriverName } from "../quic-endpoint.ts";

export const DRIVER_SETTINGS = ["auto", "quiche", "reactor"] as const;

/** What the setting `driver` says. */
export type DriverSetting = (typeof DRIVER_SETTINGS)[number];

export type Candidates = {
  /** In the order of trial, at least one. */
  readonly drivers: readonly QuicDriverName[];
  /** Why the reactor is not among them where it could be, or why there is no choice; empty otherwise. */
  readonly reason: string;
};

/** `listen`: where the worker is to listen. */
export const candidates = (setting: DriverSetting, listen: HostPort): Candidates => {
  if (setting !== "auto") return { drivers: [setting], reason: `driver = "${setting}" is set` };
  if (listen.host === "::") {
    const reason = "the reactor listens on one address: set bulk_listen to one";
    return { drivers: ["quiche"], reason };
  }
  return { drivers: ["reactor", "quiche"], reason: "" };
};

export type Tried = { readonly driver: QuicDriverName; readonly reason: string };

/** Why this driver is used, for the log and for `nexus doctor`. `failed`: what was tried before, in order. */
export const reasonFor = (
  driver: QuicDriverName,
  { reason }: Candidates,
  failed: readonly Tried[],
  ms: number,
): string => {
  const worked = `${driver} carried bytes over [::1] in ${ms.toFixed(0)} ms`;
  const others = failed.map((tried) => `${tried.driver} does not work: ${tried.reason}`);
  return [...(reason === "" ? [] : [reason]), ...others, worked].join("; ");
};
