/**
 * I14 for rights: an event is refused for want of a permission or a capability where the oracle's fold says so, and
 * nowhere else; actors and capabilities are registered, given and taken back as the rules say; and the rows at the end
 * are those of the fold. What validators write themselves is not judged: no client has shown who wrote it.
 */
import { batchesOf } from "./batches.ts";
import { Cursor, hex } from "./oracle.ts";
import { payloadOf } from "./payload.ts";
import { RECORD_PUT } from "./records.ts";
import { RightsFold, textsOf } from "./rights-fold.ts";
import type { CheckContext, Checker, Dump, Entry, Row } from "./types.ts";

const KEY_BYTES = 1793;
/** Said of an event before anybody asks who has written it. */
const OF_ENCODING: readonly string[] = ["event.unknown-type", "event.bad-payload"];
const OF_HOSTS: readonly string[] = ["asset.host.registered", "asset.host.retired"];
/**
 * The product's types of which it is known what they are about, and that their owners forbid nothing that rights allow.
 * By their whole names: a projection of somebody's own may have `asset.vehicle.moved`, and refuse it as it likes.
 */
export const KNOWN_TYPES: ReadonlySet<string> = new Set([
  "actor.registered",
  "actor.revoked",
  ...OF_HOSTS,
  "ca.certificate.denied",
  "ca.certificate.issued",
  "ca.certificate.requested",
  "ca.issuer.created",
  "capability.granted",
  "capability.revoked",
  RECORD_PUT,
]);
/** What the rules of rights refuse with. */
const OF_RIGHTS: readonly string[] = ["event.forbidden", "event.unknown-actor"];

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("utf8");

/** What an event is about, for capabilities. */
const resourceOf = (entry: Entry): string => {
  const { eventType } = entry;
  const payload = payloadOf(entry);
  if (eventType === RECORD_PUT) {
    return `record/${text(payload.sized())}/${text(payload.sized())}`;
  }
  if (OF_HOSTS.includes(eventType)) return `asset/${hex(payload.take(32))}`;
  if (eventType !== "ca.certificate.requested") return "";
  return `ca/${hex(payload.take(32))}/${text(payload.sized())}`;
};

const actorText = (value: Uint8Array): string => {
  const cursor = new Cursor(value);
  const [registered, revoked] = [cursor.u64(), cursor.u64()];
  const publicKey = hex(cursor.take(KEY_BYTES));
  const name = text(cursor.sized());
  return JSON.stringify([registered, revoked, publicKey, name, textsOf(cursor)]);
};

const capabilityText = (value: Uint8Array): string => {
  const cursor = new Cursor(value);
  const ids = [1, 2, 3].map(() => hex(cursor.take(32)));
  const [depth, delegable] = [cursor.u8(), cursor.u8() === 1];
  const numbers = [cursor.u64(), cursor.u64(), cursor.u64()];
  const actions = textsOf(cursor);
  return JSON.stringify([...ids, depth, delegable, ...numbers, actions, text(cursor.sized())]);
};

const heldText = (value: Uint8Array): string => {
  const cursor = new Cursor(value);
  return JSON.stringify(Array.from({ length: cursor.u32() }, () => hex(cursor.take(32))));
};

const knownText = (value: Uint8Array): string => {
  const cursor = new Cursor(value);
  return JSON.stringify([cursor.u8() === 1, textsOf(cursor)]);
};

/** By key in hex: what each row says, as text. */
type Wanted = Map<string, string>;

const actorsOf = ({ actors }: RightsFold): Wanted =>
  new Map(
    [...actors].map(([id, one]) => {
      const { registeredHeight, revokedHeight, publicKey, name, permissions } = one;
      return [id, JSON.stringify([registeredHeight, revokedHeight, publicKey, name, permissions])];
    }),
  );

const capabilitiesOf = (fold: RightsFold): Wanted => {
  const wanted: Wanted = new Map();
  for (const [id, one] of fold.capabilities) {
    const ids = [one.granter, one.holder, one.parent];
    const numbers = [one.notAfterMs, one.grantedHeight, one.revokedHeight];
    const all = [...ids, one.depth, one.delegable, ...numbers, one.actions, one.resource];
    wanted.set(`00${id}`, JSON.stringify(all));
  }
  for (const [id, ids] of fold.held) wanted.set(`01${id}`, JSON.stringify(ids));
  for (const [id, permissions] of fold.known) {
    wanted.set(`02${id}`, JSON.stringify([fold.isRevoked(id), permissions]));
  }
  return wanted;
};

const OF_TAGS = [capabilityText, heldText, knownText];

const rowsFault = (
  what: string,
  rows: readonly Row[],
  wanted: Wanted,
  textOf: (row: Row) => string | undefined,
): string | undefined => {
  for (const row of rows) {
    const name = hex(row.key);
    const [found, right] = [textOf(row), wanted.get(name)];
    wanted.delete(name);
    if (found === right) continue;
    return `row ${name.slice(0, 16)} of ${what} is ${found} and was to be ${right ?? "nothing"}`;
  }
  const [left] = wanted.keys();
  return left === undefined ? undefined : `row ${left.slice(0, 16)} of ${what} is missing`;
};

export const rightsFollow = (context: CheckContext): Checker => {
  const batches = batchesOf(context);

  /** What is wrong with what came of one event. */
  const judge = (fold: RightsFold, entry: Entry, timeMs: number): string | undefined => {
    const { eventType, refusedWith } = entry;
    const author = batches.get(entry.batchId)?.actorHex;
    if (author === undefined || OF_ENCODING.includes(refusedWith)) return undefined;
    const isKnown = KNOWN_TYPES.has(eventType);
    if (!isKnown && fold.held.has(author)) return undefined;
    const use = { entry, author, timeMs };
    const before = fold.refusal(use, resourceOf(entry));
    const code = before === "" ? fold.decide(use) : before;
    if (before === "" && fold.isBeyondOwn(use)) context.mark("capability used");
    if (code !== undefined) {
      const isOfRights = /^(actor|capability)\./.test(eventType) && isKnown;
      const kind = isOfRights ? eventType : "event";
      if (code !== "" || isOfRights) context.mark(`${kind} ${code || "accepted"}`);
    } else if (!isKnown || !OF_RIGHTS.includes(refusedWith)) {
      // Rights allow it. Its owner may refuse it, where that is none of the product with whatever code it likes.
      return undefined;
    }
    if (code === refusedWith) return undefined;
    const [found, wanted] = [refusedWith || "accepted", code || "accepted"];
    return `event ${entry.index}, ${eventType}, is ${found} where the rules say ${wanted}`;
  };

  /** Takes one event in; what is wrong with what came of it. */
  const faultOf = (fold: RightsFold, entry: Entry, timeMs: number): string | undefined => {
    const fault = judge(fold, entry, timeMs);
    // Whoever has written it, and whether or not that is judged: the one that registers may write from then on.
    if (entry.eventType === "validator.registered" && entry.refusedWith === "") fold.joined(entry);
    return fault;
  };

  const faultOfRows = (fold: RightsFold, { rows }: Dump): string | undefined => {
    const actors = rows.get("actors");
    const fault =
      actors && rowsFault("actors", actors, actorsOf(fold), ({ value }) => actorText(value));
    if (fault !== undefined || context.stake === undefined) return fault;
    const held = rows.get("capabilities");
    const textOf = ({ key, value }: Row): string | undefined => OF_TAGS[key[0] ?? 9]?.(value);
    return held && rowsFault("capabilities", held, capabilitiesOf(fold), textOf);
  };

  return {
    id: "I14",
    title: "what an actor may write, and what is refused to it, follows from the log",
    submitted: (_slot, submission) => {
      batches.add(submission);
    },
    end: (dumps) => {
      if (context.actors === undefined || batches.hasForgotten) return;
      const honest = dumps.filter(({ slot }) => context.honest(slot));
      // Logs are equal as far as they go (I10), so one fold goes from the shortest to the longest.
      honest.sort((a, b) => a.entries.length - b.entries.length);
      const fold = new RightsFold(context);
      let done = 0;
      for (const dump of honest) {
        for (; done < dump.entries.length; done++) {
          const entry = dump.entries[done];
          if (entry === undefined) break;
          const timeMs = dump.timesMs[entry.height];
          if (timeMs === undefined) return;
          const fault = faultOf(fold, entry, timeMs);
          if (fault !== undefined) return context.report("I14", `n${dump.slot}: ${fault}`);
        }
        const fault = faultOfRows(fold, dump);
        if (fault !== undefined) return context.report("I14", `n${dump.slot}: ${fault}`);
        context.mark("rights compared");
      }
    },
  };
};
