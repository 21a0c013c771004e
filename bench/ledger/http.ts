/**
 * A keep-alive HTTP/1.1 connection, one request after the other. By hand on a socket: a client
 * library takes a tenth of a millisecond a request from cores that the measured processes need.
 */
import { connect, type Socket } from "node:net";

export type Answer = { readonly status: number; readonly body: string };

const HEAD_END = "\r\n\r\n";

export class HttpConnection {
  readonly #socket: Socket;
  readonly #host: string;
  #text = "";
  #waiting: { resolve(answer: Answer): void; reject(error: Error): void } | undefined;

  private constructor(socket: Socket, host: string) {
    this.#socket = socket;
    this.#host = host;
    socket.setNoDelay(true);
    socket.setEncoding("latin1");
    socket.on("data", (text: string) => this.#read(text));
    const failed = (error?: Error): void => {
      this.#waiting?.reject(error ?? new Error("the connection was closed"));
      this.#waiting = undefined;
    };
    socket.on("error", failed);
    socket.on("close", () => failed());
  }

  /** `base` as in "http://[::1]:8440". */
  static open(base: string): Promise<HttpConnection> {
    const url = new URL(base);
    const host = url.hostname.replace(/^\[|\]$/g, "");
    return new Promise((resolve, reject) => {
      const socket = connect({ host, port: Number(url.port) });
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.off("error", reject);
        resolve(new HttpConnection(socket, url.host));
      });
    });
  }

  /** One request at a time. */
  post(path: string, body: Uint8Array): Promise<Answer> {
    const head =
      `POST ${path} HTTP/1.1\r\nhost: ${this.#host}\r\ncontent-type: application/octet-stream\r\n` +
      `content-length: ${body.length}${HEAD_END}`;
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket.cork();
      this.#socket.write(head, "latin1");
      this.#socket.write(body);
      this.#socket.uncork();
    });
  }

  /** One request at a time. */
  get(path: string): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket.write(`GET ${path} HTTP/1.1\r\nhost: ${this.#host}${HEAD_END}`, "latin1");
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(text: string): void {
    this.#text += text;
    const headEnd = this.#text.indexOf(HEAD_END);
    if (headEnd < 0) return;
    const head = this.#text.slice(0, headEnd);
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? Number.NaN);
    const from = headEnd + HEAD_END.length;
    if (this.#text.length < from + length) return;
    const body = this.#text.slice(from, from + length);
    this.#text = "";
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.resolve({ status: Number(head.slice(9, 12)), body });
  }
}
