/** Processes on a simulated network, and what each of them has received and heard. */
import { Host } from "../../sim/host.ts";
import { CALM_NET, type NetKnobs } from "../../sim/links.ts";
import { SimNet } from "../../sim/net.ts";
import { World } from "../../sim/world.ts";
import type { PeerId, TrafficClass, Transport } from "../../src/ledger/ports.ts";

type Got = {
  readonly from: PeerId;
  readonly trafficClass: TrafficClass;
  readonly bytes: Uint8Array;
};

export type Peer = {
  readonly host: Host;
  transport: Transport;
  readonly got: Got[];
  readonly events: string[];
};

export type Rig = {
  readonly world: World;
  readonly net: SimNet;
  readonly peers: Peer[];
  readonly marks: string[];
  readonly refused: string[];
};

export const startPeer = (net: SimNet, peer: Peer): void => {
  peer.transport = net.transport(peer.host.slot, peer.host.boot());
  peer.transport.start({
    peerUp: (id) => peer.events.push(`+${id}`),
    peerDown: (id, reason) => peer.events.push(`-${id} ${reason.code}`),
    frame: (from, trafficClass, bytes) => peer.got.push({ from, trafficClass, bytes }),
  });
};

export const createRig = (
  knobs: Partial<NetKnobs> = {},
  ids: readonly PeerId[] = ["a", "b", "c"],
  seed = 1,
): Rig => {
  const world = new World(seed);
  const marks: string[] = [];
  const refused: string[] = [];
  const net = new SimNet(
    world,
    ids.length,
    { ...CALM_NET, ...knobs },
    {
      sent: () => undefined,
      delivered: () => undefined,
      happened: (what) => marks.push(what),
      refused: (from, to, trafficClass, bytes) =>
        refused.push(`${from} to ${to}, ${trafficClass}, ${bytes.length} bytes`),
    },
  );
  const peers = ids.map((id, slot): Peer => {
    const host = new Host(world, slot);
    net.addSlot(host, id);
    return { host, transport: net.transport(slot, 0), got: [], events: [] };
  });
  for (const peer of peers) startPeer(net, peer);
  world.runUntil(1_000_000);
  return { world, net, peers, marks, refused };
};

export const peerAt = (rig: Rig, slot: number): Peer => {
  const peer = rig.peers[slot];
  if (peer === undefined) throw new RangeError(`no peer ${slot}`);
  return peer;
};

/** The process dies when its N of view 5 has gone to everybody. */
export const armVote = (host: Host, crash: () => void): void =>
  host.votes.arm({ view: 5, kind: "notarize", isOwed: () => true, crash });

export const run = (rig: Rig, ms: number): void => {
  rig.world.runUntil(rig.world.nowUs + ms * 1000);
};

export const send = (rig: Rig, from: number, to: PeerId, ...bytes: number[]): boolean =>
  peerAt(rig, from).transport.send(to, "consensus", Uint8Array.from(bytes));

export const received = (rig: Rig, slot: number): number[] =>
  peerAt(rig, slot).got.map((got) => got.bytes[0] ?? -1);
