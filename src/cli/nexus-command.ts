/**
 * The parser's command with the help that this program gives: what it does, examples, then how it is used.
 * Verbs give their examples and notes as one text (`addHelpText("after", …)`); it is taken apart here, so
 * that the help of every verb, and the page that is made from it, have the same order.
 */
import { type AddHelpTextPosition, Command, Help } from "commander";

export type HelpParts = {
  /** Lines to type, and comments between them; without the heading. */
  readonly examples: readonly string[];
  /** What else there is to know. */
  readonly notes: readonly string[];
};

/** Takes the text behind the options apart: the paragraphs under "Examples:", and the rest. */
export const cutHelp = (text: string): HelpParts => {
  const examples: string[] = [];
  const notes: string[] = [];
  for (const paragraph of text.trim().split(/\n\s*\n/)) {
    const [first = "", ...rest] = paragraph.split("\n");
    if (/^Examples?:$/.test(first.trim())) examples.push(...rest);
    else if (paragraph.trim() !== "") notes.push(paragraph);
  }
  return { examples, notes };
};

class ExamplesFirst extends Help {
  override commandDescription(): string {
    return "";
  }

  override formatHelp(command: Command, helper: Help): string {
    const parts = [`${command.description()}\n`];
    const { examples, notes } = helpPartsOf(command);
    if (examples.length > 0) {
      parts.push(`${helper.styleTitle("Examples:")}\n${examples.join("\n")}\n`);
    }
    parts.push(super.formatHelp(command, helper));
    for (const note of notes) parts.push(`${note}\n`);
    return parts.join("\n");
  }
}

export class NexusCommand extends Command {
  readonly #texts: string[] = [];

  override createCommand(name?: string): NexusCommand {
    return new NexusCommand(name);
  }

  override createHelp(): Help {
    return Object.assign(new ExamplesFirst(), this.configureHelp());
  }

  override addHelpText(position: AddHelpTextPosition, text: unknown): this {
    if (position === "after" && typeof text === "string") this.#texts.push(text);
    return this;
  }

  get helpParts(): HelpParts {
    const parts = this.#texts.map(cutHelp);
    return {
      examples: parts.flatMap(({ examples }) => examples),
      notes: parts.flatMap(({ notes }) => notes),
    };
  }
}

/** Examples and notes of a command. */
export const helpPartsOf = (command: Command): HelpParts =>
  command instanceof NexusCommand ? command.helpParts : { examples: [], notes: [] };
