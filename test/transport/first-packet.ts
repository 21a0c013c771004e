/** What begins a connection, made by hand, and what a server says to it. */
import { randomBytes } from "node:crypto";

/** A first packet (RFC 9000, 17.2.2) of this version that says nothing, with ids of its own and this token. */
export const firstPacket = (version = 1, token = new Uint8Array(0)): Buffer => {
  const packet = Buffer.alloc(1200);
  packet[0] = 0xc0;
  packet.writeUInt32BE(version, 1);
  packet[5] = 8;
  randomBytes(8).copy(packet, 6);
  packet[14] = 8;
  randomBytes(8).copy(packet, 15);
  packet[23] = token.length;
  packet.set(token, 24);
  packet.writeUInt16BE(0x4000 | (1200 - 26 - token.length), 24 + token.length);
  return packet;
};

/** RFC 9000, 17.2.5. */
export const isRetry = (answer: Buffer): boolean => ((answer[0] ?? 0) & 0xf0) === 0xf0;
