/** What `nexus doctor` says of the other members, as the running node has seen them behave. */
import { ApiClient } from "../client/api.ts";
import { isObject } from "../client/http.ts";
import { within } from "../client/within.ts";
import { TetradError } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { Finding } from "./finding.ts";

const CHECK = "members";

/** How often a peer was seen serving other bytes than an object's; 0 for a node that does not tell. */
const liesOf = (peer: unknown): number => {
  const observed = isObject(peer) ? peer["observed"] : undefined;
  if (!Array.isArray(observed)) return 0;
  return observed.reduce<number>((sum, one: unknown) => {
    const count = isObject(one) ? one["count"] : undefined;
    return typeof count === "number" ? sum + count : sum;
  }, 0);
};

/** An older node does not say what it has observed. */
const isTold = (peer: unknown): boolean => isObject(peer) && Array.isArray(peer["observed"]);

const shortId = (peer: unknown): string =>
  isObject(peer) && typeof peer["id"] === "string" ? peer["id"].slice(0, 16) : "?";

/** No finding where the node does not tell. Never rejects, but with the signal's reason. */
export const checkMembers = async (api: string, signal: AbortSignal): Promise<Finding[]> => {
  try {
    const body = await within(
      signal,
      LIMITS.cliStatusMsMax,
      (asking) => new ApiClient(api).get("/v1/peers", {}, asking),
      (): Readonly<Record<string, unknown>> => ({}),
    );
    const items: readonly unknown[] = Array.isArray(body["items"]) ? body["items"] : [];
    if (!items.some(isTold)) return [];
    const liars = items.filter((peer) => liesOf(peer) > 0);
    if (liars.length === 0) {
      return [{ check: CHECK, state: "ok", found: "none was seen serving wrong bytes" }];
    }
    const found = liars.map((peer) => `${shortId(peer)}… ${liesOf(peer)} times`).join(", ");
    const todo =
      "look with `nexus object ls --evidence`, and tell their owners: a disk is damaged, or worse";
    return [{ check: CHECK, state: "warn", found: `served wrong bytes: ${found}`, todo }];
  } catch (error) {
    // That it does not answer any more is what other lines say.
    if (error instanceof TetradError) return [];
    throw error;
  }
};
