/**
 * Takes a renewed certificate of the node's TLS key into use while the node runs: `nexus key rotate --certificate`
 * puts it into the folder, and nobody has to stop the node for it.
 */
import { stat } from "node:fs/promises";
import { TetradError } from "../errors.ts";
import type { Clock, Logger, Timers } from "../ledger/ports.ts";
import type { Validator } from "../ledger/types.ts";
import { readCertificate } from "../transport/tls.ts";
import type { NodePaths } from "./folder.ts";
import { readTlsIdentity, type TlsIdentity } from "./unlock.ts";

/** How often the file is looked at. */
const LOOK_MS = 5_000;

export type CertificateWatchOptions = {
  readonly paths: Pick<NodePaths, "tlsCertificate" | "tlsKey">;
  /** Whose pin the certificate has to have, where the genesis has one. */
  readonly self: Validator | undefined;
  /** What is in use. */
  readonly tls: TlsIdentity;
  readonly clock: Pick<Clock, "wallMs">;
  readonly timers: Timers;
  readonly logger: Logger;
  /** Throws key.invalid. */
  readonly use: (identity: TlsIdentity) => void;
};

/** What tells one state of a file from the next: a change of its mode shows in the change time alone. */
const markOf = async (path: string): Promise<string> => {
  const { ino, size, mtimeMs, ctimeMs } = await stat(path);
  return `${ino} ${size} ${mtimeMs} ${ctimeMs}`;
};

/** Throws key.invalid for a certificate that peers would not take now, or for a shorter time than the one in use. */
const checkDates = (certPem: string, inUsePem: string, nowMs: number): void => {
  const dates = readCertificate(certPem);
  const endMs = dates?.notAfterMs ?? Number.NEGATIVE_INFINITY;
  const beforeMs = readCertificate(inUsePem)?.notAfterMs ?? Number.NEGATIVE_INFINITY;
  const hasBegun = nowMs >= (dates?.notBeforeMs ?? 0);
  if (hasBegun && nowMs <= endMs && endMs >= beforeMs) return;
  const why =
    nowMs > endMs ? "has ended" : hasBegun ? "ends before the one in use" : "does not hold yet";
  throw new TetradError("key.invalid", `the certificate in the folder ${why}`);
};

/**
 * Watches until what it returns is called. Files that cannot be used change nothing, are told of once for each
 * reason, and are looked at again: what is wrong with them may pass.
 */
export const watchCertificate = (options: CertificateWatchOptions): (() => void) => {
  const { paths, self, clock, timers, logger, use } = options;
  let inUse = options.tls;
  /** The files that are in use. */
  let seen = "";
  let told = "";
  let ended = false;
  let cancel: (() => void) | undefined;

  const take = (identity: TlsIdentity): void => {
    if (ended || identity.certPem === inUse.certPem) return;
    if (identity.keyPem !== inUse.keyPem) {
      throw new TetradError("folder.foreign", "the certificate in the folder is of another key");
    }
    checkDates(identity.certPem, inUse.certPem, clock.wallMs());
    use(identity);
    inUse = identity;
    logger.log("info", "a renewed certificate is in use");
  };
  const look = async (): Promise<void> => {
    try {
      const marks = [await markOf(paths.tlsCertificate), await markOf(paths.tlsKey)].join("; ");
      if (marks === seen) return;
      take(await readTlsIdentity(paths, self));
      seen = marks;
      told = "";
    } catch (error) {
      const code = error instanceof TetradError ? error.code : undefined;
      const detail = error instanceof Error ? error.message : String(error);
      if (told === detail) return;
      told = detail;
      logger.log("warn", "the certificate in the folder is not used", { code, detail });
    }
  };
  const later = (): void => {
    cancel = timers.set(LOOK_MS, () => {
      void look().finally(() => {
        if (!ended) later();
      });
    });
  };
  later();
  return () => {
    ended = true;
    cancel?.();
  };
};
