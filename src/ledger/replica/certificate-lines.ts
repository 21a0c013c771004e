/**
 * Certificates of one statement wait for one another. A node that comes back is sent the same two or three
 * certificates by everybody, each with other signers, and one of each kind is all it can use: at a hundred
 * validators, to check all of them would take many thousand signatures, and whatever it needs besides would wait
 * behind them. The first is checked; where it is forged the next one is, so a liar delays nothing for long.
 */
import type { PeerId } from "../ports.ts";
import { type SizedCertificate, statementKey } from "../statement.ts";

export type InLine = { readonly peer: PeerId; readonly certificate: SizedCertificate };

export class CertificateLines {
  /** By statement: those behind the one that is being checked. */
  readonly #behind = new Map<string, InLine[]>();

  /** True where nothing of its statement is being checked: then it is to be, and `next` is to follow. */
  enter(one: InLine): boolean {
    const key = statementKey(one.certificate.statement);
    const behind = this.#behind.get(key);
    if (behind === undefined) this.#behind.set(key, []);
    else behind.push(one);
    return behind === undefined;
  }

  /** A check has ended: takes out who is next; undefined where nobody is, and the line is no more. */
  next({ statement }: SizedCertificate): InLine | undefined {
    const key = statementKey(statement);
    const next = this.#behind.get(key)?.shift();
    if (next === undefined) this.#behind.delete(key);
    return next;
  }

  /** Ends all lines; gives those that waited. */
  clear(): InLine[] {
    const waited = [...this.#behind.values()].flat();
    this.#behind.clear();
    return waited;
  }
}
