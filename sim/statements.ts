/** Which statement a frame carries: for faults that pick messages by what they say. */
import type { StatementKind } from "../src/ledger/types.ts";

export type { StatementKind };

export type FrameStatement = {
  readonly message: "proposal" | "vote" | "certificate";
  readonly epoch: number;
  readonly view: number;
  readonly kind: StatementKind;
};

const MESSAGES = [undefined, "proposal", "vote", "certificate"] as const;
const KINDS = [undefined, "notarize", "nullify", "finalize"] as const;
/** Of a proposal the vote is a field, so its length comes first. */
const VOTE_OFFSET = { proposal: 5, vote: 1, certificate: 1 };
const STATEMENT_BYTES = 8 + 8 + 1;

/** The statement of a proposal, vote or certificate; undefined for every other frame. */
export const statementOfFrame = (bytes: Uint8Array): FrameStatement | undefined => {
  const message = MESSAGES[bytes[0] ?? 0];
  if (message === undefined) return undefined;
  const at = VOTE_OFFSET[message];
  if (bytes.length < at + STATEMENT_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, STATEMENT_BYTES);
  const kind = KINDS[view.getUint8(16)];
  if (kind === undefined) return undefined;
  return { message, epoch: Number(view.getBigUint64(0)), view: Number(view.getBigUint64(8)), kind };
};
