/** Names that were seen last, up to a number: what is older is forgotten, so that a long run stays small. */
export type RecentNames = {
  add(name: string): void;
  has(name: string): boolean;
  readonly size: number;
};

export const createRecentNames = (max: number): RecentNames => {
  // A set gives its members in the order in which they came.
  const names = new Set<string>();
  return {
    add(name) {
      names.add(name);
      if (names.size <= max) return;
      for (const oldest of names) {
        names.delete(oldest);
        return;
      }
    },
    has: (name) => names.has(name),
    get size() {
      return names.size;
    },
  };
};
