/** What a soak must have done to say anything. */

/** The names of what did not happen once although the run was longer than it takes at most. */
export const missing = <N extends string>(
  counts: Readonly<Record<NoInfer<N>, number>>,
  spanMs: number,
  longestMs: Readonly<Record<N, number>>,
): N[] =>
  (Object.keys(longestMs) as N[]).filter((name) => counts[name] === 0 && spanMs > longestMs[name]);
