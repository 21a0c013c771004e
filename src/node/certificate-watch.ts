/**
 * Takes a renewed certificate of the node's TLS key into use while the node runs: `nexus key rotate --certificate`
 * puts it into the folder, and nobody has to stop the node for it.
 */
import { stat } from "node:fs/promises";
import { TetradError } from "../errors.ts";
import type { Logger, Timers } from "../ledger/ports.ts";
import type { Validator } from "../ledger/types.ts";
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
  readonly timers: Timers;
  readonly logger: Logger;
  /** Throws key.invalid. */
  readonly use: (identity: TlsIdentity) => void;
};

/** What tells one file from the next of its name. */
const markOf = async (path: string): Promise<string> => {
  const { ino, size, mtimeMs } = await stat(path);
  return `${ino} ${size} ${mtimeMs}`;
};

/** Watches until what it returns is called. A file that cannot be used is told of once and changes nothing. */
export const watchCertificate = (options: CertificateWatchOptions): (() => void) => {
  const { paths, self, timers, logger, use } = options;
  let inUse = options.tls;
  let seen = "";
  let ended = false;
  let cancel: (() => void) | undefined;

  const take = (identity: TlsIdentity): void => {
    if (ended || identity.certPem === inUse.certPem) return;
    if (identity.keyPem !== inUse.keyPem) {
      throw new TetradError("folder.foreign", "the certificate in the folder is of another key");
    }
    use(identity);
    inUse = identity;
    logger.log("info", "a renewed certificate is in use");
  };
  const look = async (): Promise<void> => {
    try {
      const mark = await markOf(paths.tlsCertificate);
      if (mark === seen) return;
      seen = mark;
      take(await readTlsIdentity(paths, self));
    } catch (error) {
      const code = error instanceof TetradError ? error.code : undefined;
      logger.log("warn", "the certificate in the folder is not used", {
        ...{ code, detail: error instanceof Error ? error.message : String(error) },
      });
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
