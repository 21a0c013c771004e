/** Colours by what they mean, in light and in dark. */

export type Theme = "light" | "dark";

type Pair = readonly [light: string, dark: string];

/** Kinds of messages. Hues follow the protocol: proposals blue, N green, S orange, F violet. */
const KINDS: Readonly<Record<string, Pair>> = {
  proposal: ["#1f5fd0", "#7fb0ff"],
  "vote notarize": ["#1a8a5a", "#5fd6a0"],
  "vote nullify": ["#d9730d", "#ffb066"],
  "vote finalize": ["#8b3fd1", "#cf9bff"],
  "certificate notarize": ["#0f6b43", "#2fb07b"],
  "certificate nullify": ["#a8530a", "#e08a35"],
  "certificate finalize": ["#64259e", "#a96be6"],
  "certificate-request": ["#8a6d1b", "#d6b656"],
  status: ["#8a949c", "#78838c"],
  "block-request": ["#b0307a", "#f08ac0"],
  block: ["#b0307a", "#f08ac0"],
  "batch-request": ["#5d7a12", "#b3d45a"],
  batches: ["#5d7a12", "#b3d45a"],
  batch: ["#7c8f3d", "#a9bd68"],
  "sync-request": ["#c02942", "#ff7d92"],
  "sync-response": ["#c02942", "#ff7d92"],
  "sync-none": ["#c02942", "#ff7d92"],
  "watermark-request": ["#0f7f91", "#5cc8d8"],
  "watermark-response": ["#0f7f91", "#5cc8d8"],
  cosignature: ["#4b7f9e", "#7db4d4"],
};

/** Families of faults: what is cut, what is rough, what is down, disks, clocks, adversaries. */
const FAMILIES: readonly (readonly [RegExp, Pair])[] = [
  [/partition|one-way|bridge|ring|isolate|clog|swizzle/, ["#c62828", "#ff7b72"]],
  [/crash|down|pause|wipe|restore|twin|cpu/, ["#5b4b8a", "#b6a4ea"]],
  [/disk|write|read|rot/, ["#7a4a1e", "#d9a066"]],
  [/clock|drift/, ["#00796b", "#4fd1c0"]],
  [
    /loss|duplicate|reorder|replay|corrupt|delay|jitter|band|link|queue|drop|reset/,
    ["#ad6a00", "#f0b14a"],
  ],
];
const ADVERSARY: Pair = ["#ad1457", "#ff80ab"];

const of = ([light, dark]: Pair, theme: Theme): string => (theme === "dark" ? dark : light);

export const kindColour = (kind: string, theme: Theme): string =>
  of(KINDS[kind] ?? ["#5f6368", "#a0a6ab"], theme);

export const faultColour = (kind: string, theme: Theme): string =>
  of(FAMILIES.find(([pattern]) => pattern.test(kind))?.[1] ?? ADVERSARY, theme);

/** Groups of a partition. */
export const groupColour = (group: number, theme: Theme): string => {
  const pairs: readonly Pair[] = [
    ["#c62828", "#ff7b72"],
    ["#1565c0", "#79b8ff"],
    ["#2e7d32", "#7ee787"],
    ["#6a1b9a", "#d2a8ff"],
  ];
  return of(pairs[group % pairs.length] ?? ADVERSARY, theme);
};

export const adversaryColour = (theme: Theme): string => of(ADVERSARY, theme);

export type Ink = {
  readonly ink: string;
  readonly soft: string;
  readonly line: string;
  readonly hair: string;
  readonly panel: string;
  readonly bad: string;
  readonly good: string;
  readonly accent: string;
};

export const inkOf = (theme: Theme): Ink =>
  theme === "dark"
    ? {
        ...{ ink: "#e6e9ec", soft: "#9aa4ad", line: "#3a4147", hair: "#262b30" },
        ...{ panel: "#1b1f23", bad: "#ff8a80", good: "#6fd39b", accent: "#8ab4ff" },
      }
    : {
        ...{ ink: "#1d2327", soft: "#626b73", line: "#d4d8dc", hair: "#eff1f2" },
        ...{ panel: "#ffffff", bad: "#b3261e", good: "#1b7f4b", accent: "#2458c5" },
      };
