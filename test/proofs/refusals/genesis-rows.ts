/** Rows of the table about what a chain asks for: parameters that show nothing need the mark `insecure`. */
import { type Row, row } from "./rows.ts";

const unmarked = (id: string, tried: string): Row =>
  row(id, `a genesis without the mark \`insecure\` ${tried}`, { genesis: "config.genesis" });

export const SPACE_MARK: readonly Row[] = [
  unmarked(
    "space/validator/missing/mark",
    "in which an answer may take longer than the deadline rule allows",
  ),
  unmarked(
    "space/validator/missing/mark/admission",
    "in which fewer than 176 nodes are challenged for an admission",
  ),
  unmarked(
    "space/validator/missing/mark/epoch",
    "in which fewer than 64 nodes are opened in an epoch",
  ),
  unmarked(
    "space/validator/missing/mark/block",
    "in which fewer than 8 nodes are opened in a block",
  ),
  unmarked(
    "space/validator/missing/mark/times",
    "in which the times of blocks may be off by more than an answer may take",
  ),
];

export const WORK_MARK: readonly Row[] = [
  unmarked("work/validator/missing/mark", "whose unit of shares fills less than 8 GiB"),
  unmarked("work/validator/missing/mark/share", "whose try for a share takes less than 1 MiB"),
  unmarked("work/validator/missing/mark/batch", "whose try of Argon2id takes less than 256 KiB"),
];

export const TIME_MARK: readonly Row[] = [
  unmarked("time/validator/missing/mark", "whose longest run takes less than 10 s"),
  unmarked("time/validator/missing/mark/opened", "in which fewer than 64 leaves are opened"),
];
