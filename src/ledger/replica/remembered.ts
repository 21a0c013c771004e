/**
 * A value that follows from the state, read once for each state that it is asked in. `stateOf` names the
 * state, and undefined one of which nothing may be kept, as what `read` could not give is not.
 */
export const remembered = <T extends object>(
  stateOf: () => string | undefined,
  read: () => T | undefined,
): (() => T | undefined) => {
  let known: { readonly state: string; readonly value: T } | undefined;
  return () => {
    const state = stateOf();
    if (known !== undefined && known.state === state) return known.value;
    const value = read();
    known = state === undefined || value === undefined ? undefined : { state, value };
    return value;
  };
};
