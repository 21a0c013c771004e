/**
 * Why a validator has less power than stake, in words, and what to do: from the rows of the proofs as they stand. What
 * an epoch has shown decides the set of the epoch after the next one, so what is missing now is missing then.
 */
export type Lack = {
  readonly proof: "stake" | "space" | "work" | "time" | "beacon" | "keys" | "none";
  /** What is missing, and what to do about it. */
  readonly what: string;
  readonly todo: string;
};

/** A run or the shares of an epoch, as their rows show them. */
export type ClaimFacts = {
  readonly epoch: number;
  readonly state: string;
  readonly units?: number;
  readonly countsForEpoch: number | null;
  readonly fault: string | null;
};

export type SpaceFacts = {
  readonly provenEpoch: number;
  readonly sectors: readonly {
    readonly number: number;
    readonly fromEpoch: number | null;
    readonly endEpoch: number;
  }[];
};

export type IvrfFacts = { readonly firstHeight: number; readonly usableFromEpoch: number };

/** What the rows say of one validator; a part that the chain does not ask for is undefined. */
export type ProofFacts = {
  readonly space?: SpaceFacts | null;
  readonly work?: readonly ClaimFacts[];
  /** Its own runs, or those of who keeps time for it. */
  readonly time?: readonly ClaimFacts[];
  readonly beacon?: readonly IvrfFacts[];
};

export type ChainFacts = {
  /** The epoch that runs, and the last height. */
  readonly epoch: number;
  readonly height: number;
  readonly stakePerSpaceUnit: bigint;
  readonly stakePerWorkUnit: bigint;
  /** Heights that an iVRF key lasts. */
  readonly ivrfHeights: number;
};

export type Standing = {
  readonly name: string;
  /** "active", "waiting", "jailed", "left", "ended". */
  readonly state: string;
  readonly stake: bigint;
  /** In the set that runs, and in the next one, which is decided. */
  readonly power: bigint;
  readonly nextPower: bigint;
  readonly jailedUntilMs: number;
  /** Since which epoch it signs with its key; null: the long-lived one; undefined: keys do not change. */
  readonly keyEpoch: number | null | undefined;
};

const ceilDiv = (a: bigint, b: bigint): bigint => (a + b - 1n) / b;

const plural = (count: number | bigint, one: string, many = `${one}s`): string =>
  `${count} ${Number(count) === 1 ? one : many}`;

const SEAL =
  "its node makes one by itself within its space_sectors; by hand: nexus space seal, under a new number";

const lack = (proof: Lack["proof"], what: string, todo: string): Lack => ({ proof, what, todo });

const standingLack = (one: Standing, { epoch }: ChainFacts): Lack | undefined => {
  const { name, state, stake } = one;
  if (state === "ended") {
    return lack(
      "stake",
      "it has signed what contradicts itself",
      "none: take part under a new key",
    );
  }
  if (state === "left") {
    return lack("stake", "it has left", `nexus validator rejoin ${name} --key OWNER`);
  }
  if (state === "jailed") {
    const until = new Date(one.jailedUntilMs).toISOString();
    return lack(
      "stake",
      `in jail until ${until} and until it rejoins`,
      `mend what it lacked, then nexus validator rejoin ${name} --key OWNER`,
    );
  }
  return stake > 0n
    ? undefined
    : lack(
        "stake",
        "no stake is bonded to it",
        `nexus validator bond ${name} AMOUNT: it counts from epoch ${epoch + 2} at the earliest`,
      );
};

const numbers = (sectors: readonly { readonly number: number }[]): string => {
  const shown = sectors.slice(0, 8).map(({ number }) => number);
  return `${sectors.length === 1 ? "sector" : "sectors"} ${shown.join(", ")}${sectors.length > 8 ? ", …" : ""}`;
};

/** What is missing of the sectors that a stake needs. */
export const spaceLack = (
  stake: bigint,
  { epoch, stakePerSpaceUnit }: Pick<ChainFacts, "epoch" | "stakePerSpaceUnit">,
  space: SpaceFacts | null,
): Lack | undefined => {
  const sectors = space?.sectors ?? [];
  const counted = sectors.filter(
    ({ fromEpoch, endEpoch }) => fromEpoch !== null && fromEpoch <= epoch && endEpoch > epoch,
  );
  const coming = sectors.filter(
    ({ fromEpoch, endEpoch }) =>
      endEpoch >= epoch && (fromEpoch === null || (epoch < fromEpoch && fromEpoch <= endEpoch)),
  );
  const needed = ceilDiv(stake, stakePerSpaceUnit);
  const admitted = "its node proves it by itself, within the epoch after the commitment";
  if (counted.length === 0) {
    if (coming.length > 0) {
      return lack(
        "space",
        `${numbers(coming)} is committed to and counts from a later epoch`,
        admitted,
      );
    }
    if (sectors.length === 0) return lack("space", "no sector is committed to", SEAL);
    const over = `${numbers(sectors)} counts no more: it lapsed, came to its end or was given back`;
    return lack("space", over, SEAL);
  }
  const answered = space?.provenEpoch ?? 0;
  if (answered + 1 < epoch) {
    return lack(
      "space",
      `${numbers(counted)}: the last epoch that was answered is ${answered}, this is ${epoch}`,
      "on its machine: is the node up, is the file there; nexus space check FILE finds damage",
    );
  }
  if (BigInt(counted.length) >= needed) return undefined;
  const have = plural(counted.length, "sector counts", "sectors count");
  return lack(
    "space",
    `${have}, ${needed} are needed for a stake of ${stake}`,
    `more of them: ${SEAL}`,
  );
};

/** The newest claim that was proven in this epoch or the last one. */
const newestProven = (claims: readonly ClaimFacts[], epoch: number): readonly ClaimFacts[] =>
  claims.filter(({ countsForEpoch }) => countsForEpoch !== null && countsForEpoch >= epoch - 1);

/** What became of the newest claim that was not proven. */
const fateOf = (claims: readonly ClaimFacts[]): string => {
  const [newest] = claims.toSorted((a, b) => b.epoch - a.epoch);
  if (newest === undefined) return "nothing was committed to";
  const fault = newest.fault === null ? "" : ` (${newest.fault})`;
  return `the newest, of epoch ${newest.epoch}, is ${newest.state}${fault}`;
};

const workLack = (
  { stake }: Standing,
  { epoch, stakePerWorkUnit }: ChainFacts,
  claims: readonly ClaimFacts[],
): Lack | undefined => {
  const proven = newestProven(claims, epoch);
  const needed = ceilDiv(stake, stakePerWorkUnit);
  if (proven.length === 0) {
    return lack(
      "work",
      `no shares were proven in epoch ${epoch} or the one before: ${fateOf(claims)}`,
      "is its node up; it works by itself (work_threads, work_duty); nexus work status",
    );
  }
  const units = Math.max(...proven.map((claim) => claim.units ?? 0));
  if (BigInt(units) >= needed) return undefined;
  const have = plural(units, "unit was proven", "units were proven");
  const todo = "more for its node: work_units, work_threads, work_duty in its configuration";
  return lack("work", `${have}, ${needed} are needed for a stake of ${stake}`, todo);
};

const timeLack = (claims: readonly ClaimFacts[], { epoch }: ChainFacts): Lack | undefined =>
  newestProven(claims, epoch).length > 0
    ? undefined
    : lack(
        "time",
        `no run was proven in epoch ${epoch} or the one before, so nothing else counts: ${fateOf(claims)}`,
        "is its node up; it keeps time by itself (time_duty); nexus time status, nexus time bench",
      );

const beaconLack = (
  keys: readonly IvrfFacts[],
  { epoch, height, ivrfHeights }: ChainFacts,
): Lack | undefined => {
  const covers = ({ firstHeight, usableFromEpoch }: IvrfFacts): boolean =>
    usableFromEpoch <= epoch && firstHeight <= height + 1 && height + 1 < firstHeight + ivrfHeights;
  if (keys.some(covers)) return undefined;
  const next = keys.find(({ usableFromEpoch }) => usableFromEpoch > epoch);
  const what = "no iVRF key of its own covers this height, so it cannot reveal when it leads";
  return next === undefined
    ? lack(
        "beacon",
        what,
        "its node registers one by itself while it runs: two epochs later it counts",
      )
    : lack("beacon", what, `nothing: the next one counts from epoch ${next.usableFromEpoch}`);
};

const keysLack = ({ keyEpoch }: Standing): Lack | undefined =>
  keyEpoch === null
    ? lack(
        "keys",
        "it signs with its long-lived key: what is stolen later signs old epochs",
        "its node registers keys of epochs by itself while it runs: they count three epochs later",
      )
    : undefined;

/**
 * What is missing of a validator's power, and what besides that it needs to lead. Empty where it has all of its stake
 * as power, now and in the next set.
 */
export const lacksOf = (one: Standing, chain: ChainFacts, facts: ProofFacts): readonly Lack[] => {
  const isLess = one.stake === 0n || one.power < one.stake || one.nextPower < one.stake;
  const out = standingLack(one, chain);
  const ofPower = isLess
    ? [
        facts.time === undefined ? undefined : timeLack(facts.time, chain),
        facts.space === undefined ? undefined : spaceLack(one.stake, chain, facts.space),
        facts.work === undefined ? undefined : workLack(one, chain, facts.work),
      ]
    : [];
  const others = [
    facts.beacon === undefined ? undefined : beaconLack(facts.beacon, chain),
    keysLack(one),
  ];
  if (out !== undefined) return [out];
  const power = ofPower.filter((found) => found !== undefined);
  const rest = others.filter((found) => found !== undefined);
  if (!isLess || power.length > 0) return [...power, ...rest];
  const from = one.nextPower < one.stake ? chain.epoch + 2 : chain.epoch + 1;
  const what = `nothing is missing now: it has all its power from epoch ${from} on`;
  return [lack("none", what, "wait: what an epoch shows counts two epochs later"), ...rest];
};
