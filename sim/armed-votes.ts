/**
 * Votes of which a process is to die as soon as they have gone to everybody. From its first copy on a vote is owed to
 * all with whom there is a session then, and to nobody any more whose copy has left, is lost, was refused by a full
 * queue, or whose session is gone. What is sent again to one is not a copy for another.
 */
import { type StatementKind, statementOfFrame } from "./statements.ts";

export type ArmedVote = {
  readonly view: number;
  readonly kind: StatementKind;
  /** Whether a peer is sent votes of this epoch at all. */
  readonly isOwed: (peer: number, epoch: number) => boolean;
  readonly crash: () => void;
};

/** `owed`: undefined until the process sends its first copy. */
type Waiting = { readonly vote: ArmedVote; owed: Set<number> | undefined };

export class ArmedVotes {
  readonly #waiting: Waiting[] = [];

  arm(vote: ArmedVote): void {
    this.#waiting.push({ vote, owed: undefined });
  }

  disarm(): void {
    this.#waiting.length = 0;
  }

  /** The process is gone: the next one begins to send it anew. */
  restart(): void {
    for (const waiting of this.#waiting) waiting.owed = undefined;
  }

  /** Whether some vote has begun to go out. */
  get isOwing(): boolean {
    return this.#waiting.some(({ owed }) => owed !== undefined);
  }

  /** A frame goes to a peer, of these with whom there are sessions. */
  begins(bytes: Uint8Array, to: number, peers: () => readonly number[]): void {
    for (const { waiting, epoch } of this.#of(bytes)) {
      const { isOwed } = waiting.vote;
      waiting.owed ??= new Set([to, ...peers().filter((peer) => isOwed(peer, epoch))]);
    }
  }

  /** The frame for this peer is on its way, or never will be. */
  settled(bytes: Uint8Array, to: number): void {
    const settled = this.#of(bytes).map(({ waiting }) => waiting);
    for (const { owed } of settled) owed?.delete(to);
    this.#fire(settled);
  }

  /** The session with this peer is gone, and what waited there. */
  gone(peer: number): void {
    for (const { owed } of this.#waiting) owed?.delete(peer);
    this.#fire(this.#waiting);
  }

  #of(bytes: Uint8Array): { readonly waiting: Waiting; readonly epoch: number }[] {
    if (this.#waiting.length === 0) return [];
    const statement = statementOfFrame(bytes);
    if (statement === undefined || statement.message === "certificate") return [];
    const { view, kind, epoch } = statement;
    return this.#waiting
      .filter(({ vote }) => vote.view === view && vote.kind === kind)
      .map((waiting) => ({ waiting, epoch }));
  }

  #fire(among: readonly Waiting[]): void {
    const done = among.find(({ owed }) => owed?.size === 0);
    if (done === undefined) return;
    this.#waiting.splice(this.#waiting.indexOf(done), 1);
    done.vote.crash();
  }
}
