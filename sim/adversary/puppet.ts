/**
 * A validator without a replica: it answers what it sees by rules of its own. An honest replica under an
 * adversary stops itself when it meets statements that were signed past it, so a strategy that must go
 * on for thousands of views and say S where its replica would not needs one of these.
 */
import { toHex } from "../../src/crypto/bytes.ts";
import { notarize, nullify } from "../../src/ledger/statement.ts";
import type { Statement } from "../../src/ledger/types.ts";
import type { Message } from "../../src/ledger/wire.ts";
import type { Powers, StrategyFactory } from "./types.ts";

/** What of a message says where its sender is. */
const statementOf = (message: Message | undefined): Statement | undefined =>
  message?.type === "vote" || message?.type === "proposal" ? message.vote.statement : undefined;

const ABOUT_VIEWS = ["proposal", "vote", "certificate", "status", "certificate-request"];

const isAboutViews = (message: Message | undefined): boolean =>
  message !== undefined && ABOUT_VIEWS.includes(message.type);

/** How long it thinks about a proposal: less than the shortest timer of its peers. */
const THINK_MS = 300;
/** The last tick before the heal. */
const LAST_MS = 100;

/**
 * Votes N for whatever is proposed, S where anybody does, and never F: no timer fires, views pass, and
 * nothing can be made final without everybody else (S4). A view that it leads it gives up by S, until
 * `muteFromMs`: then it votes at once elsewhere, but says nothing there before a timer of others fires.
 */
export const skipLed: StrategyFactory = (powers: Powers) => {
  const said = new Set<string>();
  const thinking: { readonly dueMs: number; readonly statement: Statement }[] = [];
  const blocks = new Map<string, Uint8Array>();
  let latest: Statement | undefined;
  const isMute = (): boolean => powers.nowMs() >= (powers.spec.muteFromMs ?? Number.MAX_VALUE);
  /** The view that peers wait for it to lead, until one of them speaks of it. */
  let awaited: number | undefined;
  const lead = (epoch: number, view: number): void => {
    if (powers.leaderOf(view) !== powers.self) return;
    if (isMute()) {
      awaited = view;
      return;
    }
    if (!send(nullify(epoch, view))) return;
    powers.mark("led view given up");
    powers.acted();
  };
  /** Whether it is said now to anybody, and was not before. */
  const send = (statement: Statement): boolean => {
    const { epoch, view, kind } = statement;
    const key = `${epoch}/${view}/${kind}`;
    if (said.has(key)) return false;
    said.add(key);
    const vote = powers.vote(statement);
    const told = powers.peers().filter((peer) => powers.send(peer, { type: "vote", vote }));
    // The vote ends this view for those who get it: they are about to wait for the next leader.
    lead(epoch, view + 1);
    return told.length > 0;
  };
  const speak = (): void => {
    const nowMs = powers.nowMs();
    while (thinking[0] !== undefined && (isMute() || thinking[0].dueMs <= nowMs)) {
      send(thinking[0].statement);
      thinking.shift();
    }
  };
  return {
    watch: (message) => {
      const statement = statementOf(message);
      if (statement === undefined || statement.view < (latest?.view ?? 0)) return;
      latest = statement;
      if (statement.view < (awaited ?? Number.MAX_VALUE)) return;
      // Peers have given up the view that it was to lead.
      if (statement.view === awaited && statement.kind === "nullify") powers.acted();
      awaited = undefined;
    },
    tick: () => {
      speak();
      const nowMs = powers.nowMs();
      const isLast = nowMs < powers.healMs && nowMs >= powers.healMs - LAST_MS;
      if (isLast && awaited !== undefined) powers.mark("leader mute at the heal");
      if (latest !== undefined) lead(latest.epoch, latest.view);
    },
    outgoing: (_peer, _class, _bytes, read) => isAboutViews(read()),
    incoming: (peer, _bytes, read) => {
      const message = read();
      const wanted =
        message?.type === "block-request" ? blocks.get(toHex(message.hash)) : undefined;
      if (wanted !== undefined) powers.send(peer, { type: "block", block: wanted });
      const statement = statementOf(message);
      if (statement === undefined) return isAboutViews(message);
      const { epoch, view, kind, hash } = statement;
      if (kind === "nullify") {
        send(nullify(epoch, view));
      } else if (message?.type === "proposal") {
        if (message.block !== undefined) blocks.set(toHex(hash), message.block.slice());
        thinking.push({ dueMs: powers.nowMs() + THINK_MS, statement: notarize(epoch, view, hash) });
        if (isMute()) speak();
      }
      return true;
    },
  };
};
