/**
 * Completion scripts, made from the definitions of the verbs: what a shell offers is what the parser takes.
 * They are static text that runs no command of ours, so that a Tab is instant and works without a network.
 */
import type { Command, Option } from "commander";

export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

/** Words of arguments that are known without a node, because they are of the program. */
type Names = {
  readonly projections: readonly string[];
  /** Nodes of a development network. */
  readonly nodes: readonly string[];
};

type Place = {
  /** "" for the program, "asset scan" for a subverb. */
  readonly path: string;
  readonly command: Command;
  readonly verbs: readonly string[];
  readonly flags: readonly string[];
  readonly words: readonly string[];
  /** It takes a file as an argument. */
  readonly files: boolean;
};

const flagsOf = (option: Option): string[] =>
  [option.short, option.long].filter((flag) => flag !== undefined);

const wordsOf = (command: Command, path: string, names: Names): readonly string[] =>
  command.registeredArguments.flatMap((argument) =>
    argument.name() === "projection"
      ? names.projections
      : path.startsWith("dev ") && argument.name() === "node"
        ? names.nodes
        : (argument.argChoices ?? []),
  );

const FILE_ARGUMENT = /^(files?|export|backup)$/;

const placesOf = (
  command: Command,
  names: Names,
  path = "",
  above: readonly string[] = [],
): Place[] => {
  const own = command.options.filter((option) => !option.hidden).flatMap(flagsOf);
  const flags = [...own, ...above];
  const verbs = command.commands.map((one) => one.name());
  const place = {
    path,
    command,
    verbs,
    flags: [...flags, "--help"],
    words: wordsOf(command, path, names),
    files: command.registeredArguments.some((argument) => FILE_ARGUMENT.test(argument.name())),
  };
  const nested = command.commands.flatMap((one) =>
    placesOf(one, names, `${path} ${one.name()}`.trim(), flags),
  );
  return [place, ...nested];
};

const TAKES_FILE = /<(file|folder)(\.\.\.)?>/;

/** Flags with a value: which values there are, or that it is a file, or that nothing is known of it. */
const valueCases = (places: readonly Place[]): Map<string, string> => {
  const cases = new Map<string, string>();
  for (const { command } of places) {
    for (const option of command.options) {
      if (!option.required && !option.optional) continue;
      const values = option.argChoices?.join(" ");
      const reply = TAKES_FILE.test(option.flags)
        ? 'COMPREPLY=($(compgen -f -- "$cur"))'
        : `COMPREPLY=($(compgen -W "${values ?? ""}" -- "$cur"))`;
      for (const flag of flagsOf(option)) if (!cases.has(flag)) cases.set(flag, reply);
    }
  }
  return cases;
};

const bashScript = (root: Command, names: Names): string => {
  const places = placesOf(root, names);
  const paths = places.filter(({ path }) => path !== "").map(({ path }) => `"${path}"`);
  const values = [...valueCases(places)].map(([flag, reply]) => `    ${flag}) ${reply}; return ;;`);
  const offers = places.map(
    ({ path, verbs, flags, words, files }) =>
      `    "${path}") words="${[...verbs, ...words].join(" ")}"; flags="${flags.join(" ")}"` +
      `${files ? "; files=1" : ""} ;;`,
  );
  return `# nexus: completion for bash. Put this into ~/.bashrc: source <(nexus completion bash)
_nexus() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}"
  local path="" word try i words="" flags="" files=""
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    try="\${path:+$path }$word"
    case "$try" in
      ${paths.join("|")}) path="$try" ;;
    esac
  done
  case "$prev" in
${values.join("\n")}
  esac
  case "$path" in
${offers.join("\n")}
  esac
  if [[ "$cur" == -* ]]; then
    COMPREPLY=($(compgen -W "$flags" -- "$cur"))
  else
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
    [[ -z "$files" ]] || COMPREPLY+=($(compgen -f -- "$cur"))
  fi
}
complete -F _nexus nexus
`;
};

const zshScript = (root: Command, names: Names): string => {
  const [, ...rest] = bashScript(root, names).split("\n");
  return `#compdef nexus
# nexus: completion for zsh. Put this into ~/.zshrc: source <(nexus completion zsh)
autoload -U +X compinit && compinit
autoload -U +X bashcompinit && bashcompinit
${rest.join("\n")}`;
};

const fishQuoted = (text: string): string => `'${text.replaceAll(/[\\']/g, "\\$&")}'`;

/** Prints whether the words before the cursor are those of a verb; options and arguments are passed over. */
const fishPath = (paths: readonly string[]): string => `function __nexus_at
  set -l path ''
  for word in (commandline -opc)[2..-1]
    set -l try (string trim -- "$path $word")
    switch $try
      case ${paths.map(fishQuoted).join(" ")}
        set path $try
    end
  end
  test "$path" = "$argv[1]"
end`;

const fishScript = (root: Command, names: Names): string => {
  const places = placesOf(root, names);
  const lines = [
    "# nexus: completion for fish. nexus completion fish > ~/.config/fish/completions/nexus.fish",
    fishPath(places.flatMap(({ path }) => (path === "" ? [] : [path]))),
    "complete -c nexus -f",
  ];
  for (const { path, command, words, files } of places) {
    const start = `complete -c nexus -n ${fishQuoted(`__nexus_at '${path}'`)}`;
    for (const one of command.commands) {
      lines.push(`${start} -f -a ${fishQuoted(one.name())} -d ${fishQuoted(one.description())}`);
    }
    if (words.length > 0) lines.push(`${start} -f -a ${fishQuoted(words.join(" "))}`);
    if (files) lines.push(`${start} -F`);
    for (const option of command.options.filter(({ hidden }) => !hidden)) {
      const short = option.short === undefined ? "" : ` -s ${option.short.replace(/^-/, "")}`;
      const long = option.long === undefined ? "" : ` -l ${option.long.replace(/^--/, "")}`;
      const value = option.required ? (TAKES_FILE.test(option.flags) ? " -r -F" : " -x") : "";
      const choices =
        option.argChoices === undefined ? "" : ` -a ${fishQuoted(option.argChoices.join(" "))}`;
      const global = path === "" ? "complete -c nexus" : start;
      lines.push(`${global}${short}${long}${value}${choices} -d ${fishQuoted(option.description)}`);
    }
  }
  return `${lines.join("\n")}\n`;
};

/** The script for a shell. */
export const completionScript = (shell: Shell, root: Command, names: Names): string => {
  if (shell === "bash") return bashScript(root, names);
  return shell === "zsh" ? zshScript(root, names) : fishScript(root, names);
};
