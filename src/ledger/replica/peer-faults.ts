/** What a peer sent breaks a rule. The table of errors alone decides what that costs the peer. */
import { ERRORS, type Failure } from "../../errors.ts";
import type { PeerId } from "../ports.ts";
import type { Context } from "./context.ts";

export const chargeFault = (context: Context, peer: PeerId, { code, detail }: Failure): void => {
  const action = ERRORS[code].peer;
  if (action === "none") return;
  const { metrics, transport } = context.ports;
  const cutOff = action === "disconnect";
  const name = cutOff ? "tetrad_peer_faults_total" : "tetrad_messages_dropped_total";
  metrics.count(name, 1, { code });
  const fields = { code, peer: peer.slice(0, 16) };
  context.log(cutOff ? "warn" : "debug", `peer misbehaved: ${detail}`, fields);
  if (cutOff) transport.disconnect(peer, { code: "protocol", detail: code });
};
