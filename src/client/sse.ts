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
  /** Messages completed by this piece of the stream. Throws RangeError past the bound. */
  push(piece: Uint8Array): readonly SseMessage[];
  /** The stream's own reconnection time, milliseconds, once it has sent one. */
  retryMs(): number | undefined;
};

/** `charactersMax` bounds one message. */
export const createSseParser = (charactersMax: number): SseParser => {
  const decoder = new TextDecoder();
  let buffer = "";
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
      size += value.length;
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

  return {
    push(piece) {
      buffer += decoder.decode(piece, { stream: true });
      const messages: SseMessage[] = [];
      for (;;) {
        const end = buffer.search(/\r\n|\n|\r/);
        // A lone CR at the end may be the first half of a CRLF that is not here yet.
        if (end < 0 || (buffer[end] === "\r" && end === buffer.length - 1)) break;
        const line = buffer.slice(0, end);
        buffer = buffer.slice(end + (buffer.startsWith("\r\n", end) ? 2 : 1));
        const message = takeLine(line);
        if (message !== undefined) messages.push(message);
      }
      if (buffer.length + size > charactersMax)
        throw new RangeError("event stream message too large");
      return messages;
    },
    retryMs: () => retry,
  };
};
