/** A run of so much time: how many leaves it comes to, and what is said where they end before the time does. */

export type Span = {
  /** Time that was asked for. */
  readonly askedMs: number;
  readonly spentMs: number;
  /** Leaves that an earlier start of the same run has left. */
  readonly from: number;
  /** A run has no more. */
  readonly most: number;
};

/** Leaves that it will have, guessed from the time that has passed; never more than there may be. */
export const leavesExpected = (leaves: number, { askedMs, spentMs, from, most }: Span): number => {
  const share = Math.min(1, spentMs / askedMs);
  // Before any time has passed nothing can be guessed.
  if (share <= 0) return most;
  return Math.min(most, from + Math.ceil((leaves - from) / share));
};

/** A note where all leaves of the profile were there before the time was over. */
export const endsEarly = (
  profile: string,
  leaves: number,
  { askedMs, spentMs, most }: Omit<Span, "from">,
): string | undefined => {
  if (leaves < most || spentMs >= askedMs) return undefined;
  const [spent, asked] = [spentMs, askedMs].map((ms) => Math.floor(ms / 100) / 10);
  return `the profile ${profile} ends at ${most} leaves, which took ${spent} s, not ${asked} s`;
};
