/** Frames in words: for timelines and pictures. */
import { messageTypeOf } from "../src/ledger/wire.ts";
import { statementOfFrame } from "./statements.ts";

/** What kind of message a frame is: of votes and certificates also which statement. */
export type FrameLabel = {
  /** A stable word to filter and colour by: "vote finalize", "batch", "sync-request". */
  readonly kind: string;
  readonly view: number | undefined;
};

const named = (byte: number): string => messageTypeOf(byte) ?? `unknown type ${byte}`;

/** The label of a frame by its bytes; a corrupt frame gets the label that its bytes say. */
export const labelOfFrame = (bytes: Uint8Array): FrameLabel => {
  const name = named(bytes[0] ?? 0);
  const statement = statementOfFrame(bytes);
  if (statement === undefined) return { kind: name, view: undefined };
  const kind = statement.message === "proposal" ? name : `${name} ${statement.kind}`;
  return { kind, view: statement.view };
};

/** The label of a frame of which only the type byte is known. */
export const labelOfType = (byte: number): FrameLabel => ({ kind: named(byte), view: undefined });
