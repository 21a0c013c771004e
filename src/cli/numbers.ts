/** Options with numbers. */
import { InvalidArgumentError } from "commander";

/** Parses a whole number for an option; the parser puts the option's name before the message. */
export const wholeNumber =
  (min: number, max: number) =>
  (text: string): number => {
    const value = /^(0|[1-9][0-9]{0,15})$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max)) {
      throw new InvalidArgumentError(`It must be a whole number in ${min}..${max}.`);
    }
    return value;
  };

/** Parses bytes of a fixed length in hex, into lower case. */
export const bytesInHex =
  (bytes: number) =>
  (text: string): string => {
    if (!new RegExp(`^[0-9a-fA-F]{${2 * bytes}}$`).test(text)) {
      throw new InvalidArgumentError(`It must be ${2 * bytes} hex digits.`);
    }
    return text.toLowerCase();
  };
