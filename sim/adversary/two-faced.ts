/** An adversary without a replica that agrees with everybody: the worst that a third and more can do. */
import { toHex } from "../../src/crypto/bytes.ts";
import { finalize, notarize, nullify } from "../../src/ledger/statement.ts";
import type { Message } from "../../src/ledger/wire.ts";
import { createContrast } from "./contrast.ts";
import type { StrategyFactory } from "./types.ts";

const isAboutViews = (message: Message | undefined): boolean =>
  message?.type === "proposal" || message?.type === "vote" || message?.type === "certificate";

/**
 * Says to each peer what that peer says, under its own name and to nobody else: N and F for any block, S for
 * any view. It never proposes. Where its like have a third of the weight, parts of the network that do not
 * hear each other each get a quorum. What it says is a lie where it has told two peers of one view what does not go
 * together: it is one to who has heard a block of it, and another to who has heard S alone.
 */
export const twoFaced: StrategyFactory = (powers) => {
  const contrast = createContrast(powers);
  return {
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
      if (message.vote.signer === powers.self) return true;
      const hasLeft = powers.send(peer, { type: "vote", vote: powers.vote(statement) });
      if (hasLeft) contrast(`${epoch}/${view}`, peer, kind === "nullify" ? kind : toHex(hash));
      return true;
    },
  };
};
