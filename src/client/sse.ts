/**
 * Parsing of Server-Sent Events (the HTML standard, "Interpreting an event stream"): bytes in whatever
 * pieces they come, messages out. Pure and browser-safe; bounded, because a server is not trusted either.
 */

export type SseMessage = {
  /** "message" where the stream names none. */
  readonly event: string;
  readonly data: string;
  /** The last id seen so far, "" for none: where to resume. */
  readonly id: string;
};

export type SseParser = {
  /** Messages completed by this piece of the stream. Throws RangeError past the bound: drop it then. */
  push(piece: Uint8Array): readonly SseMessage[];
  /** The stream's own reconnection time, milliseconds, once it has sent one. */
  retryMs(): number | undefined;
};

const LINE_END = /\r\n|\n|\r/g;

/** `charactersMax` bounds one message: its lines that are not read yet, and what of it was read. */
export const createSseParser = (charactersMax: number): SseParser => {
  const decoder = new TextDecoder();
  let buffer = "";
  /** Of the buffer, what was searched for a line end already: bytes that come singly cost no more. */
  let searched = 0;
  let data: string[] = [];
  let size = 0;
  let event = "";
  let id = "";
  let retry: number | undefined;

  const field = (line: string): void => {
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const rest = colon < 0 ? "" : line.slice(colon + 1);
    const value = rest.startsWith(" ") ? rest.slice(1) : rest;
    if (name === "data") {
      data.push(value);
      // Lines without anything in them are kept too, so they count.
      size += value.length + 1;
    } else if (name === "event") event = value;
    else if (name === "id" && !value.includes("\0")) id = value;
    else if (name === "retry" && /^[0-9]{1,9}$/.test(value)) retry = Number(value);
  };

  const takeLine = (line: string): SseMessage | undefined => {
    if (line !== "") {
      if (!line.startsWith(":")) field(line);
      return undefined;
    }
    const message: SseMessage | undefined =
      data.length === 0 ? undefined : { event: event || "message", data: data.join("\n"), id };
    data = [];
    size = 0;
    event = "";
    return message;
  };

  /** The next whole line, taken out of the text from `at` on; undefined when its end is not here yet. */
  const lineAt = (at: number): { readonly line: string; readonly next: number } | undefined => {
    LINE_END.lastIndex = Math.max(at, searched);
    const end = LINE_END.exec(buffer)?.index;
    // A lone CR at the end may be the first half of a CRLF that is not here yet.
    if (end === undefined || (buffer[end] === "\r" && end === buffer.length - 1)) {
      searched = end ?? buffer.length;
      return undefined;
    }
    const next = end + (buffer.startsWith("\r\n", end) ? 2 : 1);
    return { line: buffer.slice(at, end), next };
  };

  return {
    push(piece) {
      buffer += decoder.decode(piece, { stream: true });
      const messages: SseMessage[] = [];
      let at = 0;
      for (let found = lineAt(at); found !== undefined; found = lineAt(at)) {
        at = found.next;
        const message = takeLine(found.line);
        if (message !== undefined) messages.push(message);
        if (size > charactersMax) throw new RangeError("event stream message too large");
      }
      buffer = buffer.slice(at);
      searched -= at;
      if (buffer.length + size > charactersMax)
        throw new RangeError("event stream message too large");
      return messages;
    },
    retryMs: () => retry,
  };
};
