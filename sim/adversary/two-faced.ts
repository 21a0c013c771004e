/** An adversary without a replica that agrees with everybody: the worst that a third and more can do. */
import { finalize, notarize, nullify } from "../../src/ledger/statement.ts";
import type { Message } from "../../src/ledger/wire.ts";
import type { StrategyFactory } from "./types.ts";

const isAboutViews = (message: Message | undefined): boolean =>
  message?.type === "proposal" || message?.type === "vote" || message?.type === "certificate";

/**
 * Says to each peer what that peer says, under its own name and to nobody else: N and F for any block, S for
 * any view. It never proposes. Where its like have a third of the weight, parts of the network that do not
 * hear each other each get a quorum.
 */
export const twoFaced: StrategyFactory = (powers) => ({
  outgoing: (_peer, _class, _bytes, read) => isAboutViews(read()),
  incoming: (peer, _bytes, read) => {
    const message = read();
    if (message?.type !== "vote" && message?.type !== "proposal") return isAboutViews(message);
    const { epoch, view, kind, hash } = message.vote.statement;
    const statement =
      kind === "nullify"
        ? nullify(epoch, view)
        : kind === "finalize"
          ? finalize(epoch, view, hash)
          : notarize(epoch, view, hash);
    if (message.vote.signer !== powers.self) {
      powers.send(peer, { type: "vote", vote: powers.vote(statement) });
    }
    return true;
  },
});
