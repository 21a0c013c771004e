/** The certificate of the API for addresses off loopback: TLS 1.3, read once at start. */
import { readFile, stat } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import { TetradError } from "../../errors.ts";
import { readPrivateFile } from "../keys/private-file.ts";

const PEM_BYTES_MAX = 256 * 1024;

export type ApiTls = { readonly cert: Buffer; readonly key: Buffer };

const readCertificate = async (path: string): Promise<Buffer> => {
  try {
    const found = await stat(path);
    if (found.isFile() && found.size <= PEM_BYTES_MAX) return await readFile(path);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new TetradError("config.invalid", `api_tls_certificate: ${why}`);
  }
  const detail = `api_tls_certificate: ${path} is no file of at most ${PEM_BYTES_MAX} bytes`;
  throw new TetradError("config.invalid", detail);
};

/**
 * Reads the pair and has OpenSSL look whether key and certificate belong together. Throws config.invalid,
 * key.invalid, and key.modes for a key that others may read.
 */
export const readApiTls = async (
  certificate: string | undefined,
  key: string | undefined,
): Promise<ApiTls | undefined> => {
  if (certificate === undefined || key === undefined) return undefined;
  const pair = {
    cert: await readCertificate(certificate),
    key: Buffer.from(await readPrivateFile(key, PEM_BYTES_MAX)),
  };
  try {
    createSecureContext({ ...pair, minVersion: "TLSv1.3" });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new TetradError("config.invalid", `api_tls_certificate and api_tls_key: ${why}`);
  }
  return pair;
};
