/**
 * L5: an epoch ends when its time has come, and the next one begins. The first final block whose time is at least
 * the epoch's length after its start must be the one that names the next set; and after the heal whoever has
 * that block as final must be in the next epoch within bounded time.
 */
import { type Header, headersOf } from "./headers.ts";
import { hex } from "./oracle.ts";
import { Recent } from "./recent.ts";
import type { CheckContext, Checker } from "./types.ts";

/** From the block that ends an epoch, or from the heal if that was later, to the first view of the next one. */
const NEXT_WITHIN_US = 20_000_000;

export const epochsChange = (context: CheckContext): Checker => {
  const headers = headersOf(context);
  const checked = new Recent<string, true>();
  /** By epoch: the time of the block that it starts after. */
  const starts = new Map<number, number>([[0, context.genesisTimeMs]]);
  const genesis = hex(context.genesisHash);
  /** By slot: since when it has the last block of an epoch as final and is not in the next one. */
  const waiting = new Map<number, { readonly epoch: number; readonly sinceUs: number }>();
  let asked: ReadonlySet<number> | undefined;

  /** The blocks from one that is final down to the newest that was looked at, oldest first. */
  const unseen = (hash: string): Header[] => {
    const found: Header[] = [];
    for (let at = hash; at !== genesis && !checked.has(at); ) {
      const header = headers.get(at);
      if (header === undefined) break;
      found.push(header);
      checked.set(at, true);
      at = header.parentHash;
    }
    return found.reverse();
  };

  const look = ({ epoch, height, timeMs, nextSet }: Header): void => {
    const start = starts.get(epoch);
    const isEnd = nextSet !== undefined;
    if (isEnd) starts.set(epoch + 1, timeMs);
    if (start === undefined) return;
    const ageMs = timeMs - start;
    const isDue = ageMs >= context.epochMs;
    if (isDue === isEnd) return;
    const what = isEnd ? "ends" : "goes on";
    context.report(
      "L5",
      `epoch ${epoch} ${what} with block ${height}, ${ageMs} ms after its start`,
    );
  };

  return {
    id: "L5",
    title: "an epoch ends in its time, and is followed by the next one",
    sent: (_from, _to, _class, bytes) => headers.note(bytes),
    booted: (slot) => {
      waiting.delete(slot);
    },
    healed: (atUs, slots) => {
      asked = new Set(slots);
      for (const [slot, { epoch }] of waiting) waiting.set(slot, { epoch, sinceUs: atUs });
    },
    status: (slot, status) => {
      if (!context.honest(slot)) return;
      for (const header of unseen(status.finalHash)) look(header);
      const tip = headers.get(status.finalHash);
      if (tip?.nextSet === undefined || status.epoch > tip.epoch) {
        waiting.delete(slot);
        return;
      }
      const nowUs = context.nowUs();
      const since = waiting.get(slot);
      if (since?.epoch !== tip.epoch) waiting.set(slot, { epoch: tip.epoch, sinceUs: nowUs });
      else if (asked?.has(slot) === true && nowUs - since.sinceUs > NEXT_WITHIN_US) {
        context.report(
          "L5",
          `n${slot} has the end of epoch ${tip.epoch} as final, and stays in it`,
        );
      }
    },
    settled: () => asked === undefined || ![...waiting.keys()].some((slot) => asked?.has(slot)),
  };
};
