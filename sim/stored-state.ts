/** What lies on the disk of a node of its state at the end of a run. The oracle decodes it with code of its own. */
import type { StoredState } from "./checkers/types.ts";
import type { SimDisk } from "./disk.ts";

const SLASH = 0x2f;

/** All keys of an area of the store (src/ledger/keys.ts). */
const areaOf = (letter: string): { readonly gte: Uint8Array; readonly lt: Uint8Array } => {
  const area = letter.charCodeAt(0);
  return { gte: Uint8Array.of(area, SLASH), lt: Uint8Array.of(area, SLASH + 1) };
};

/**
 * One write has the rows of a height and its record, so what is read here in one go is the state of one height.
 * Undefined for a disk that is damaged, whose rows nobody can vouch for, or that has executed nothing.
 */
export const storedStateOf = (disk: SimDisk): StoredState | undefined => {
  if (disk.isDamaged) return undefined;
  const [newest] = disk.entriesOf({ ...areaOf("x"), limit: 1, reverse: true });
  if (newest === undefined) return undefined;
  const rows = disk.entriesOf({ ...areaOf("r"), limit: disk.entries });
  return { record: newest[1], rows };
};
