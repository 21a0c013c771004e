/**
 * I14 for certificates: a request waits, and then it has one answer for good. Only the actor who registered the
 * issuer settles it, a settled one is not settled again, and no certificate is issued twice. The oracle keeps the
 * state of every request itself; what waits and what is settled at the end must be what it has.
 */
import { Cursor, hex, sha256 } from "./oracle.ts";
import { authorsOf, payloadOf } from "./payload.ts";
import type { CheckContext, Checker, Dump, Entry, Row } from "./types.ts";

const CREATED = "ca.issuer.created";
const REQUESTED = "ca.certificate.requested";
const ISSUED = "ca.certificate.issued";
const DENIED = "ca.certificate.denied";

/** Tags of row keys. */
const ISSUER = 0;
const PENDING = 1;
const SETTLED = 2;

type State = {
  /** By number: the issuer that it waits for. */
  readonly waiting: Map<number, string>;
  /** By number: the answer, a fingerprint or a code. */
  readonly settled: Map<number, string>;
  readonly issued: Set<string>;
};

type Settling = { readonly issuer: string; readonly request: number; readonly answer: string };

const settlingOf = (entry: Entry): Settling => {
  const payload = payloadOf(entry);
  const issuer = hex(payload.take(32));
  const request = payload.u64();
  const last = payload.sized();
  const isIssued = entry.eventType === ISSUED;
  const answer = isIssued ? hex(sha256(last)) : Buffer.from(last).toString("utf8");
  return { issuer, request, answer };
};

/** By issuer: the actor whose it is. Issuers never change, so the rows at the end say it of all times. */
const ownersOf = (rows: readonly Row[]): Map<string, string> =>
  new Map(
    rows
      .filter(({ key }) => key[0] === ISSUER && key.length === 33)
      .map(({ key, value }) => [hex(key.subarray(1)), hex(value.subarray(0, 32))]),
  );

/** What is wrong with an answer that was accepted, or with its refusal; undefined if nothing is. */
const faultOfAnswer = (
  state: State,
  { issuer, request, answer }: Settling,
  entry: Entry,
  isOwner: boolean,
): string | undefined => {
  const waits = state.waiting.get(request) === issuer;
  const what = `answer ${entry.index} to request ${request}`;
  if (entry.refusedWith !== "") {
    const code = entry.refusedWith;
    const isFalse =
      (code === "ca.request-settled" && !state.settled.has(request)) ||
      (code === "ca.request-unknown" && waits) ||
      (code === "ca.issuer-foreign" && isOwner);
    return isFalse ? `${what} is refused as ${code}, which is not so` : undefined;
  }
  if (!isOwner) return `${what} is by another than the issuer`;
  if (!waits) return `${what}, which does not wait for this issuer, is accepted`;
  if (entry.eventType === ISSUED && state.issued.has(answer)) return `${what} was issued before`;
  return undefined;
};

const compareRows = (rows: readonly Row[], state: State): string | undefined => {
  const [waiting, settled] = [new Map(state.waiting), new Map(state.settled)];
  for (const { key, value } of rows) {
    if (key[0] === PENDING) {
      const request = new Cursor(key, 33).u64();
      if (waiting.get(request) !== hex(key.subarray(1, 33))) {
        return `request ${request} waits, which it does not`;
      }
      waiting.delete(request);
    } else if (key[0] === SETTLED) {
      const request = new Cursor(key, 1).u64();
      const cursor = new Cursor(value, 32);
      const fingerprint = hex(cursor.take(32));
      const code = Buffer.from(cursor.sized()).toString("utf8");
      if (settled.get(request) !== (code === "" ? fingerprint : code)) {
        return `request ${request} has another answer than the log`;
      }
      settled.delete(request);
    }
  }
  const left = waiting.size + settled.size;
  return left === 0 ? undefined : `${left} requests of the log are missing`;
};

export const requestsSettledOnce = (context: CheckContext): Checker => {
  const authors = authorsOf(context);

  const faultOf = (dump: Dump): string | undefined => {
    const rows = dump.rows.get("certificates") ?? [];
    const owners = ownersOf(rows);
    const state: State = { waiting: new Map(), settled: new Map(), issued: new Set() };
    for (const entry of dump.entries) {
      const { eventType, refusedWith } = entry;
      if (eventType === REQUESTED && refusedWith === "") {
        state.waiting.set(entry.index, hex(payloadOf(entry).take(32)));
      }
      if (eventType === CREATED && refusedWith === "") {
        const actor = authors.authorOf(entry);
        const isKnown = actor === undefined || [...owners.values()].includes(actor);
        if (!isKnown) return `the issuer of event ${entry.index} is not its actor's`;
      }
      if (eventType !== ISSUED && eventType !== DENIED) continue;
      const settling = settlingOf(entry);
      const owner = owners.get(settling.issuer);
      const isOwner = owner !== undefined && owner === (authors.authorOf(entry) ?? owner);
      const fault = faultOfAnswer(state, settling, entry, isOwner);
      if (fault !== undefined) return fault;
      if (refusedWith !== "") continue;
      state.waiting.delete(settling.request);
      state.settled.set(settling.request, settling.answer);
      if (eventType === ISSUED) state.issued.add(settling.answer);
    }
    return compareRows(rows, state);
  };

  return {
    id: "I14",
    title: "a request for a certificate has one answer, by its issuer, for good",
    submitted: (_slot, submission) => authors.submitted(submission),
    end: (dumps) => {
      for (const dump of dumps) {
        const fault = context.honest(dump.slot) ? faultOf(dump) : undefined;
        if (fault !== undefined) return context.report("I14", `n${dump.slot}: ${fault}`);
      }
    },
  };
};
