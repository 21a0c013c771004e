/**
 * A writer of WebAssembly (W3C Core Specification 2.0, section 5): as much as the solver needs, so that its code
 * is readable here and no binary lies in the tree. An instruction is a list of bytes; expressions are lists in
 * the order of the stack machine.
 */

export type Code = readonly number[];

/** Value types. */
export const I32 = 0x7f;
export const I64 = 0x7e;

const unsigned = (value: number): Code => {
  const out: number[] = [];
  let rest = value;
  do {
    const byte = rest % 128;
    rest = Math.floor(rest / 128);
    out.push(rest === 0 ? byte : byte | 0x80);
  } while (rest !== 0);
  return out;
};

const signed = (value: bigint): Code => {
  const out: number[] = [];
  for (let rest = value; ; ) {
    const byte = Number(rest & 0x7fn);
    rest >>= 7n;
    const isLast = rest === ((byte & 0x40) === 0 ? 0n : -1n);
    out.push(isLast ? byte : byte | 0x80);
    if (isLast) return out;
  }
};

export const seq = (...parts: readonly Code[]): Code => parts.flat();

export const i32 = (value: number): Code => [0x41, ...signed(BigInt(value))];
/** Takes 64 bits as an unsigned number. */
export const i64 = (value: bigint): Code => [0x42, ...signed(BigInt.asIntN(64, value))];

export const get = (local: number): Code => [0x20, ...unsigned(local)];
export const set = (local: number, value: Code): Code => [...value, 0x21, ...unsigned(local)];

/** Two operands and an opcode. */
const binary =
  (opcode: number) =>
  (left: Code, right: Code): Code => [...left, ...right, opcode];

export const add32 = binary(0x6a);
export const mul32 = binary(0x6c);
export const and32 = binary(0x71);
export const or32 = binary(0x72);
export const xor32 = binary(0x73);
export const shl32 = binary(0x74);
export const shr32 = binary(0x76);
export const rotl32 = binary(0x77);
export const eq32 = binary(0x46);
export const ne32 = binary(0x47);
export const lt32 = binary(0x48);
export const add64 = binary(0x7c);
export const and64 = binary(0x83);
export const or64 = binary(0x84);
export const xor64 = binary(0x85);
export const shl64 = binary(0x86);
export const shr64 = binary(0x88);
export const rotr64 = binary(0x8a);

export const low32 = (value: Code): Code => [...value, 0xa7];
export const widen = (value: Code): Code => [...value, 0xad];

/** Memory: an address, and an offset that is added to it. Addresses are multiples of the length. */
export const load32 = (address: Code, offset = 0): Code => [
  ...address,
  0x28,
  2,
  ...unsigned(offset),
];
export const load64 = (address: Code, offset = 0): Code => [
  ...address,
  0x29,
  3,
  ...unsigned(offset),
];
export const store32 = (address: Code, value: Code, offset = 0): Code => [
  ...address,
  ...value,
  ...[0x36, 2],
  ...unsigned(offset),
];
/** Sets bytes of memory: where, to what, how many. */
export const fill = (address: Code, value: Code, length: Code): Code => [
  ...address,
  ...value,
  ...length,
  ...[0xfc, 0x0b, 0],
];

const BLOCK = 0x40;
export const when = (condition: Code, ...body: readonly Code[]): Code => [
  ...condition,
  ...[0x04, BLOCK],
  ...body.flat(),
  0x0b,
];
/** Runs the body as long as the condition holds. */
export const whileTrue = (condition: Code, ...body: readonly Code[]): Code => [
  ...[0x02, BLOCK, 0x03, BLOCK],
  // Out of both where it does not hold, else around again.
  ...[...condition, 0x45, 0x0d, 1],
  ...body.flat(),
  ...[0x0c, 0, 0x0b, 0x0b],
];

/** A function without a result. Locals are numbered after the parameters, which are all i32. */
export type WasmFunction = {
  readonly name: string;
  readonly parameters: number;
  /** Types of its locals. */
  readonly locals: readonly number[];
  readonly body: Code;
};

const vector = (items: readonly Code[]): Code => [...unsigned(items.length), ...items.flat()];
const section = (id: number, content: Code): Code => [id, ...unsigned(content.length), ...content];
const nameOf = (text: string): Code => {
  const bytes = [...text].map((letter) => letter.charCodeAt(0));
  return [...unsigned(bytes.length), ...bytes];
};

/** The bytes of a module with these functions and a memory of so many pages of 64 KiB, all exported by name. */
export const wasmModule = (
  functions: readonly WasmFunction[],
  pages: number,
): Uint8Array<ArrayBuffer> => {
  const types = functions.map(({ parameters }) => [
    0x60,
    ...vector(Array.from({ length: parameters }, () => [I32])),
    0,
  ]);
  const bodies = functions.map(({ locals, body }) => {
    const code = [...vector(locals.map((type) => [1, type])), ...body, 0x0b];
    return [...unsigned(code.length), ...code];
  });
  const exported = functions.map(({ name }, i) => [...nameOf(name), 0, ...unsigned(i)]);
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, vector(types)),
    ...section(3, vector(functions.map((_, i) => unsigned(i)))),
    ...section(5, vector([[1, ...unsigned(pages), ...unsigned(pages)]])),
    ...section(7, vector([[...nameOf("memory"), 2, 0], ...exported])),
    ...section(10, vector(bodies)),
  ]);
};
