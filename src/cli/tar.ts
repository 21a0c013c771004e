/** A writer of ustar archives (POSIX.1-1988), enough for a few small files with short names. */
import { concatBytes } from "../crypto/bytes.ts";

export type TarFile = { readonly name: string; readonly bytes: Uint8Array };

const BLOCK = 512;
const NAME_BYTES_MAX = 100;
const MODE = 0o600;

const octal = (value: number, digits: number): string =>
  `${value.toString(8).padStart(digits, "0")}\0`;

const header = ({ name, bytes }: TarFile, timeSeconds: number): Uint8Array => {
  const block = new Uint8Array(BLOCK);
  const put = (offset: number, text: string): void => block.set(Buffer.from(text), offset);
  if (Buffer.byteLength(name) > NAME_BYTES_MAX) throw new RangeError(`${name} is too long a name`);
  put(0, name);
  put(100, octal(MODE, 7));
  put(108, octal(0, 7));
  put(116, octal(0, 7));
  put(124, octal(bytes.length, 11));
  put(136, octal(timeSeconds, 11));
  put(156, "0");
  put(257, "ustar\0");
  put(263, "00");
  // The sum is taken with its own field as spaces.
  block.fill(0x20, 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  put(148, `${sum.toString(8).padStart(6, "0")}\0 `);
  return block;
};

/** The archive's bytes. Throws RangeError for a name over 100 bytes. */
export const tarOf = (files: readonly TarFile[], timeSeconds: number): Uint8Array =>
  concatBytes(
    ...files.flatMap((file) => [
      header(file, timeSeconds),
      file.bytes,
      new Uint8Array((BLOCK - (file.bytes.length % BLOCK)) % BLOCK),
    ]),
    new Uint8Array(2 * BLOCK),
  );
