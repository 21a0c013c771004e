/** `nexus validator peers`: the members of the set as another node's configuration names them. */
import { fromHex } from "../../crypto/bytes.ts";
import { formatPeer } from "../../node/named-peers.ts";
import type { CliContext } from "../context.ts";
import { candidatesOf, powersOf } from "../stake-rows.ts";

/** What a node says is not proven here: whoever is not who it should be has not the key of its id. */
export const validatorPeers = async (context: CliContext): Promise<void> => {
  const candidates = await candidatesOf(context);
  const { epoch } = await context.client().status(context.signal);
  const { members } = await powersOf(context, epoch);
  const ids = new Set(members.map(({ id }) => id));
  const items = candidates
    .filter(({ id }) => ids.has(id))
    .map(({ name, id, address, tlsPin }) => {
      const peer = formatPeer({ id, address, tlsPin: fromHex(tlsPin) });
      return { name, id, address, tlsPin, peer };
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  const rows = items.map(({ name, peer }) => ({ validator: name, peer }));
  context.printList(items, ["validator", "peer"], rows);
};
