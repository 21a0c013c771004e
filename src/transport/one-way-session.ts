/**
 * One-way streams where an end has none. A session between nodes has streams in one direction (lane.ts), and the
 * reactor opens none: there each is a stream in two directions, of which one is used. Its id is that of the one-way
 * stream without the bit that says so (RFC 9000, 2.1), so both ends find it by the id that they expect.
 *
 * What the peer opened is taken as it is, in one direction or in two: whichever of the two has something first is that
 * stream for as long as the session lasts. The other is never read, and holds what its window lets in.
 */
import type {
  HostPort,
  QuicSession,
  QuicSessionFigures,
  QuicSessionUser,
  QuicStreamPart,
} from "./quic-endpoint.ts";

/** Of a stream's id: the server opened it, and it goes one way. */
const SERVER_BIT = 1;
const ONE_WAY_BIT = 2;

export class OneWaySession implements QuicSession {
  readonly #inner: QuicSession;
  readonly #opensUni: boolean;
  /** Of the peer's streams that have had something: the id under which it opened them. */
  readonly #openedAs = new Map<number, number>();

  /** `opensUni`: whether the driver under `inner` opens one-way streams. */
  constructor(inner: QuicSession, opensUni: boolean) {
    this.#inner = inner;
    this.#opensUni = opensUni;
  }

  get remote(): HostPort {
    return this.#inner.remote;
  }

  get accepted(): boolean {
    return this.#inner.accepted;
  }

  get isUnauthenticated(): boolean {
    return this.#inner.isUnauthenticated === true;
  }

  get isEstablished(): boolean {
    return this.#inner.isEstablished;
  }

  get hasEnded(): boolean {
    return this.#inner.hasEnded;
  }

  attach(user: QuicSessionUser): void {
    this.#inner.attach(user);
  }

  peerCertificates(): readonly Uint8Array[] | null {
    return this.#inner.peerCertificates();
  }

  applicationProtocol(): string {
    return this.#inner.applicationProtocol();
  }

  figures(): QuicSessionFigures {
    return this.#inner.figures();
  }

  close(code: number, reason: string): void {
    this.#inner.close(code, reason);
  }

  requestTurn(): void {
    this.#inner.requestTurn();
  }

  requestLaterTurn(): void {
    this.#inner.requestLaterTurn();
  }

  known(): void {
    this.#inner.known?.();
  }

  keepAlive(): void {
    this.#inner.keepAlive();
  }

  openStream(kind: "bi" | "uni"): number {
    if (kind === "bi" || this.#opensUni) return this.#inner.openStream(kind);
    return this.#inner.openStream("bi") | ONE_WAY_BIT;
  }

  setUrgency(streamId: number, urgency: number): void {
    this.#inner.setUrgency(this.#idOf(streamId), urgency);
  }

  /** In the ids of one-way streams. */
  readableStreams(): readonly number[] {
    const ids = this.#inner
      .readableStreams()
      .map((id) => (this.#isOwn(id) ? id : id | ONE_WAY_BIT));
    return [...new Set(ids)];
  }

  readable(streamId: number): boolean {
    return this.#inner.readable(this.#idOf(streamId));
  }

  read(streamId: number): QuicStreamPart | undefined {
    return this.#inner.read(this.#idOf(streamId));
  }

  capacity(streamId: number): number {
    return this.#inner.capacity(this.#idOf(streamId));
  }

  write(streamId: number, bytes: Uint8Array, fin: boolean): number {
    return this.#inner.write(this.#idOf(streamId), bytes, fin);
  }

  abortStream(streamId: number, code: number): void {
    this.#inner.abortStream(this.#idOf(streamId), code);
  }

  sendDatagram(bytes: Uint8Array): boolean {
    return this.#inner.sendDatagram(bytes);
  }

  readDatagram(): Uint8Array | undefined {
    return this.#inner.readDatagram();
  }

  #isOwn(streamId: number): boolean {
    return ((streamId & SERVER_BIT) !== 0) === this.#inner.accepted;
  }

  /** What the driver knows the stream as. */
  #idOf(streamId: number): number {
    const twoWay = streamId & ~ONE_WAY_BIT;
    if (this.#isOwn(streamId)) return this.#opensUni ? streamId : twoWay;
    const known = this.#openedAs.get(streamId);
    if (known !== undefined) return known;
    const found = [streamId, twoWay].find((id) => this.#inner.readable(id));
    if (found === undefined) return streamId;
    this.#openedAs.set(streamId, found);
    return found;
  }
}
