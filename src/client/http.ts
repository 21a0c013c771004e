/**
 * Reading the answers of a node, which is a stranger: every answer has a bound, whatever its headers say,
 * and what is no answer of this API is an error of the error table.
 */
import { concatBytes } from "../crypto/bytes.ts";
import { ERRORS, type ErrorCode, type ErrorData, isErrorCode, TetradError } from "../errors.ts";
import { LIMITS } from "../limits.ts";

/** The part of `fetch` that is used: pass one of your own to go through a proxy, or to test. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

export type JsonObject = { readonly [key: string]: unknown };

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** An answer that is not of this API, or breaks what the API says of itself. */
export const badAnswer = (base: string, detail: string): TetradError =>
  new TetradError("client.bad-answer", `${base}: ${detail}`);

const isPlain = (value: unknown): value is string | number | boolean =>
  typeof value === "string" || typeof value === "number" || typeof value === "boolean";

/** Details of a problem that programs may use: a flat object of plain values, or nothing. */
const dataOf = (value: unknown): ErrorData =>
  isObject(value)
    ? Object.fromEntries(
        Object.entries(value).flatMap(([key, one]) => (isPlain(one) ? [[key, one]] : [])),
      )
    : {};

/** What only a client can find out: a node that says so is not believed, or it could stop the client by it. */
const OWN_VERDICTS = /^(trust|proof|client|cli|key|folder)\./;

const mayBeSaid = (code: ErrorCode): boolean =>
  !OWN_VERDICTS.test(code) || code === "proof.pending" || code === "proof.too-long";

/** A problem document (RFC 9457) as the error it stands for; client.bad-answer for anything else. */
export const problemError = (base: string, status: number, body: unknown): TetradError => {
  if (isObject(body) && isErrorCode(body["code"]) && mayBeSaid(body["code"])) {
    const detail = typeof body["detail"] === "string" ? body["detail"] : ERRORS[body["code"]].title;
    return new TetradError(body["code"], detail, dataOf(body["data"]));
  }
  const code = isObject(body) && typeof body["code"] === "string" ? body["code"].slice(0, 64) : "";
  const told = /^[a-z.-]+$/.test(code) ? `, "${code}"` : "";
  return badAnswer(base, `the answer (HTTP ${status}${told}) is not of this API`);
};

/**
 * The text of an answer, of at most `bytesMax` bytes: client.bad-answer past it. Rejects with what the
 * connection rejects with, so that the caller can tell an abort from a node that went away.
 */
export const readText = async (
  base: string,
  response: Response,
  bytesMax: number = LIMITS.clientAnswerBytesMax,
): Promise<string> => {
  if (response.body === null) return "";
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    bytes += value.length;
    if (bytes > bytesMax) {
      await reader.cancel().catch(() => undefined);
      throw badAnswer(base, `the answer is over ${bytesMax} bytes`);
    }
    text += decoder.decode(value, { stream: true });
  }
};

/** The bytes of an answer, as `readText` reads text. */
export const readBytes = async (
  base: string,
  response: Response,
  bytesMax: number,
): Promise<Uint8Array> => {
  if (response.body === null) return new Uint8Array(0);
  const reader = response.body.getReader();
  const parts: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return concatBytes(...parts);
    length += value.length;
    if (length > bytesMax) {
      await reader.cancel().catch(() => undefined);
      throw badAnswer(base, `the answer is over ${bytesMax} bytes`);
    }
    parts.push(value);
  }
};

/** JSON from a stranger: client.bad-answer for what is none. */
export const parseJson = (base: string, text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    throw badAnswer(base, "the answer is not JSON");
  }
};
