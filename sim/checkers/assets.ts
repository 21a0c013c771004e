/**
 * I14 for machines: an id belongs to the first actor who registered it and to nobody else, what is retired never
 * comes back, and what the rules allow is not refused. The oracle decides each event of the log itself, and the
 * rows at the end must be what its fold gives.
 */
import { Cursor, hex, taggedHash } from "./oracle.ts";
import { type Authors, authorsOf, payloadOf } from "./payload.ts";
import type { CheckContext, Checker, Dump, Entry } from "./types.ts";

const REGISTERED = "asset.host.registered";
const RETIRED = "asset.host.retired";

type Machine = {
  readonly actor: string;
  readonly registeredHeight: number;
  updatedHeight: number;
  retiredHeight: number;
};

/** Row: actor, u64 registered, u64 updated, u64 updated (ms), u64 retired, fingerprint. */
const machineOf = (value: Uint8Array): Machine => {
  const cursor = new Cursor(value);
  const actor = hex(cursor.take(32));
  const [registeredHeight, updatedHeight] = [cursor.u64(), cursor.u64()];
  cursor.u64();
  return { actor, registeredHeight, updatedHeight, retiredHeight: cursor.u64() };
};

const textOf = (machine: Machine | undefined): string =>
  machine === undefined
    ? "nothing"
    : `${machine.actor.slice(0, 8)} ${machine.registeredHeight}/${machine.updatedHeight}/${machine.retiredHeight}`;

export const assetsSingle = (
  context: CheckContext,
  authors: Authors = authorsOf(context),
): Checker => {
  /** Takes an event in; the code with which the rules refuse it, empty where they do not. */
  const decide = (machines: Map<string, Machine>, entry: Entry, actor: string): string => {
    const payload = payloadOf(entry);
    const idBytes = payload.take(32);
    const id = hex(idBytes);
    const known = machines.get(id);
    const { height } = entry;
    if (entry.eventType === REGISTERED) {
      const actorBytes = Buffer.from(actor, "hex");
      const wanted = taggedHash(context.chainId, "asset/host", actorBytes, payload.take(32));
      if (hex(wanted) !== id) return "event.invalid";
      if (known === undefined) {
        machines.set(id, {
          ...{ actor, registeredHeight: height, updatedHeight: height, retiredHeight: 0 },
        });
        return "";
      }
      if (known.retiredHeight !== 0) return "event.conflict";
      known.updatedHeight = height;
      return "";
    }
    if (known?.actor !== actor || known.retiredHeight !== 0) return "event.conflict";
    known.updatedHeight = height;
    known.retiredHeight = height;
    return "";
  };

  const faultOf = (dump: Dump): string | undefined => {
    const machines = new Map<string, Machine>();
    /** Ids about which somebody said something who is not known any more: nobody can tell what is right there. */
    const unsure = new Set<string>();
    for (const entry of dump.entries) {
      if (entry.eventType !== REGISTERED && entry.eventType !== RETIRED) continue;
      const actor = authors.authorOf(entry);
      const id = hex(payloadOf(entry).take(32));
      if (actor === undefined) unsure.add(id);
      if (actor === undefined || unsure.has(id)) continue;
      const code = decide(machines, entry, actor);
      context.mark(code === "" ? "machine accepted" : "machine refused");
      if (code === entry.refusedWith) continue;
      const [found, wanted] = [entry.refusedWith || "accepted", code || "accepted"];
      return `event ${entry.index}, ${entry.eventType}, is ${found} where the rules say ${wanted}`;
    }
    const rows = dump.rows.get("assets");
    if (rows === undefined) return undefined;
    for (const id of unsure) machines.delete(id);
    for (const { key, value } of rows) {
      if (unsure.has(hex(key))) continue;
      const [found, wanted] = [machineOf(value), machines.get(hex(key))];
      machines.delete(hex(key));
      if (textOf(found) === textOf(wanted)) continue;
      return `machine ${hex(key).slice(0, 16)} is ${textOf(found)} and was to be ${textOf(wanted)}`;
    }
    return machines.size === 0 ? undefined : `${machines.size} machines of the log are missing`;
  };

  return {
    id: "I14",
    title: "a machine has one owner, and none that is retired comes back",
    submitted: (_slot, submission) => authors.submitted(submission),
    end: (dumps) => {
      for (const dump of dumps) {
        const fault = context.honest(dump.slot) ? faultOf(dump) : undefined;
        if (fault !== undefined) return context.report("I14", `n${dump.slot}: ${fault}`);
      }
    },
  };
};
