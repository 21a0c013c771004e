/**
 * What somebody does with a recording of UDP datagrams and the key log of TLS: removes header protection, opens
 * 1-RTT packets (RFC 9001, 5) and puts the streams together (RFC 9000, 19). It shares no code with src.
 */
import { createCipheriv, createDecipheriv, createHmac } from "node:crypto";

export type Direction = "toServer" | "toClient";
export type Captured = { readonly direction: Direction; readonly bytes: Uint8Array };

const CONNECTION_ID_BYTES = 16;
const TAG_BYTES = 16;

type Keys = { readonly key: Buffer; readonly iv: Buffer; readonly hp: Buffer };

/** HKDF-Expand-Label (RFC 8446, 7.1) without context, at most one block. */
const expandLabel = (secret: Uint8Array, label: string, length: number): Buffer => {
  const name = Buffer.from(`tls13 ${label}`);
  const info = Buffer.concat([Buffer.from([0, length, name.length]), name, Buffer.from([0, 1])]);
  return createHmac("sha256", secret).update(info).digest().subarray(0, length);
};

const keysOf = (keyLog: string, label: string): Keys => {
  const hex = new RegExp(`^${label} [0-9a-f]+ ([0-9a-f]+)$`, "m").exec(keyLog)?.[1];
  if (hex?.length !== 64) throw new Error(`no SHA-256 secret of ${label} in the key log`);
  const secret = Buffer.from(hex, "hex");
  return {
    key: expandLabel(secret, "quic key", 16),
    iv: expandLabel(secret, "quic iv", 12),
    hp: expandLabel(secret, "quic hp", 16),
  };
};

/** A reader of QUIC's variable-length integers. */
class Bytes {
  at = 0;
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.at >= this.bytes.length;
  }

  u8(): number {
    const value = this.bytes[this.at];
    if (value === undefined) throw new RangeError("short");
    this.at += 1;
    return value;
  }

  int(): number {
    const first = this.u8();
    let value = first & 0x3f;
    for (let more = (1 << (first >> 6)) - 1; more > 0; more--) value = value * 256 + this.u8();
    return value;
  }

  take(length: number): Uint8Array {
    if (this.at + length > this.bytes.length) throw new RangeError("short");
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }
}

/** The 1-RTT packet of a datagram: it stands last, behind packets with long headers. */
const shortPacket = (datagram: Uint8Array): Uint8Array | undefined => {
  let rest = datagram;
  while (rest.length > 0 && ((rest[0] ?? 0) & 0x80) !== 0) {
    const reader = new Bytes(rest);
    const type = (reader.u8() >> 4) & 3;
    reader.take(4);
    reader.take(reader.u8());
    reader.take(reader.u8());
    if (type === 3) return undefined;
    if (type === 0) reader.take(reader.int());
    const length = reader.int();
    reader.take(length);
    rest = rest.subarray(reader.at);
  }
  return rest.length > 1 + CONNECTION_ID_BYTES + 4 + TAG_BYTES ? rest : undefined;
};

const openPacket = (packet: Uint8Array, { key, iv, hp }: Keys): Uint8Array | undefined => {
  const header = Buffer.from(packet);
  const numberAt = 1 + CONNECTION_ID_BYTES;
  const cipher = createCipheriv("aes-128-ecb", hp, null);
  const mask = cipher.update(header.subarray(numberAt + 4, numberAt + 20));
  header[0] = (header[0] ?? 0) ^ ((mask[0] ?? 0) & 0x1f);
  const numberBytes = ((header[0] ?? 0) & 3) + 1;
  for (let i = 0; i < numberBytes; i++) {
    header[numberAt + i] = (header[numberAt + i] ?? 0) ^ (mask[1 + i] ?? 0);
  }
  // A capture of some hundred packets: the number is whole in its one to four bytes.
  const nonce = Buffer.from(iv);
  for (let i = 0; i < numberBytes; i++) {
    const at = 12 - numberBytes + i;
    nonce[at] = (nonce[at] ?? 0) ^ (header[numberAt + i] ?? 0);
  }
  const decipher = createDecipheriv("aes-128-gcm", key, nonce);
  decipher.setAAD(header.subarray(0, numberAt + numberBytes));
  decipher.setAuthTag(header.subarray(header.length - TAG_BYTES));
  try {
    const body = header.subarray(numberAt + numberBytes, header.length - TAG_BYTES);
    return Buffer.concat([decipher.update(body), decipher.final()]);
  } catch {
    return undefined;
  }
};

/**
 * A 1-RTT packet of the client with these frames in it: what an attacker sends whose library keeps no rule. The
 * number has to be above those that the client's library has used.
 */
export const sealPacket = (
  keyLog: string,
  connectionId: Uint8Array,
  number: number,
  frames: Uint8Array,
): Uint8Array => {
  const { key, iv, hp } = keysOf(keyLog, "CLIENT_TRAFFIC_SECRET_0");
  // Fixed bit, and a packet number of four bytes.
  const header = Buffer.concat([Buffer.of(0x43), connectionId, Buffer.alloc(4)]);
  const numberAt = header.length - 4;
  header.writeUInt32BE(number, numberAt);
  const nonce = Buffer.from(iv);
  for (let i = 0; i < 4; i++) nonce[8 + i] = (nonce[8 + i] ?? 0) ^ (header[numberAt + i] ?? 0);
  const cipher = createCipheriv("aes-128-gcm", key, nonce);
  cipher.setAAD(header);
  const body = Buffer.concat([cipher.update(frames), cipher.final(), cipher.getAuthTag()]);
  const mask = createCipheriv("aes-128-ecb", hp, null).update(body.subarray(0, 16));
  header[0] = (header[0] ?? 0) ^ ((mask[0] ?? 0) & 0x1f);
  for (let i = 0; i < 4; i++) {
    header[numberAt + i] = (header[numberAt + i] ?? 0) ^ (mask[1 + i] ?? 0);
  }
  return Buffer.concat([header, body]);
};

/** Integers that a frame of this type has and that nobody here looks at. */
const PLAIN_FRAMES: Readonly<Record<number, number>> = {
  0: 0,
  1: 0,
  4: 3,
  5: 2,
  16: 1,
  17: 2,
  18: 1,
  19: 1,
  20: 1,
  21: 2,
  22: 1,
  23: 1,
  25: 1,
  30: 0,
};

type Piece = { readonly stream: number; readonly offset: number; readonly bytes: Uint8Array };

const skipAck = (reader: Bytes, type: number): void => {
  reader.int();
  reader.int();
  const ranges = reader.int();
  for (let i = 0; i < 1 + ranges * 2; i++) reader.int();
  if (type === 3) for (let i = 0; i < 3; i++) reader.int();
};

const piecesOf = (payload: Uint8Array): readonly Piece[] => {
  const reader = new Bytes(payload);
  const pieces: Piece[] = [];
  while (!reader.isAtEnd) {
    const type = reader.int();
    if (type >= 8 && type <= 15) {
      const stream = reader.int();
      const offset = (type & 4) !== 0 ? reader.int() : 0;
      const length = (type & 2) !== 0 ? reader.int() : payload.length - reader.at;
      pieces.push({ stream, offset, bytes: reader.take(length) });
    } else if (type === 2 || type === 3) skipAck(reader, type);
    else if (type === 6) {
      reader.int();
      reader.take(reader.int());
    } else if (type === 7) reader.take(reader.int());
    else if (type === 24) {
      reader.int();
      reader.int();
      reader.take(reader.u8());
      reader.take(16);
    } else if (type === 26 || type === 27) reader.take(8);
    else if (type === 28 || type === 29) {
      for (let i = 0; i < (type === 28 ? 2 : 1); i++) reader.int();
      reader.take(reader.int());
    } else {
      const integers = PLAIN_FRAMES[type];
      if (integers === undefined) throw new Error(`frame ${type}`);
      for (let i = 0; i < integers; i++) reader.int();
    }
  }
  return pieces;
};

/** What was sent in each stream, as far as it was recorded without a gap. */
export const openCapture = (
  capture: readonly Captured[],
  keyLog: string,
): ReadonlyMap<number, Uint8Array> => {
  const keys: Readonly<Record<Direction, Keys>> = {
    toServer: keysOf(keyLog, "CLIENT_TRAFFIC_SECRET_0"),
    toClient: keysOf(keyLog, "SERVER_TRAFFIC_SECRET_0"),
  };
  const pieces: Piece[] = [];
  for (const { direction, bytes } of capture) {
    const packet = shortPacket(bytes);
    const payload = packet === undefined ? undefined : openPacket(packet, keys[direction]);
    if (payload !== undefined) pieces.push(...piecesOf(payload));
  }
  const streams = new Map<number, Uint8Array>();
  for (const { stream, offset, bytes } of pieces.sort((a, b) => a.offset - b.offset)) {
    const whole = streams.get(stream) ?? new Uint8Array(0);
    if (offset > whole.length || offset + bytes.length <= whole.length) {
      streams.set(stream, whole);
      continue;
    }
    const more = bytes.subarray(whole.length - offset);
    streams.set(stream, Buffer.concat([whole, more]));
  }
  return streams;
};

/** Payloads of `u32 length || payload` that are whole. */
export const framesOf = (stream: Uint8Array | undefined): readonly Uint8Array[] => {
  const bytes = Buffer.from(stream ?? new Uint8Array(0));
  const frames: Uint8Array[] = [];
  for (let at = 0; at + 4 <= bytes.length; ) {
    const end = at + 4 + bytes.readUInt32BE(at);
    if (end > bytes.length) break;
    frames.push(bytes.subarray(at + 4, end));
    at = end;
  }
  return frames;
};
