/**
 * What code reaches: walks the imports of some files as the compiler resolves them, and looks at every
 * name in what it meets. Each name is asked of the type checker, so a shadowed `Date` of our own is no
 * clock, and `globalThis`, an alias or a destructured method is no way around.
 *
 * It goes by what is allowed: a global, a package or a module that is in no list is a finding.
 */
import { existsSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { type Node, type SourceFile, SyntaxKind } from "typescript/unstable/ast";
import {
  isCallExpression,
  isElementAccessExpression,
  isExportDeclaration,
  isForOfStatement,
  isIdentifier,
  isImportDeclaration,
  isPropertyAccessExpression,
  isPropertyAssignment,
  isStringLiteral,
  isTypeNode,
} from "typescript/unstable/ast/is";
import { API, type Checker, type Program, type Symbol as TsSymbol } from "typescript/unstable/sync";

export type Finding = {
  /** Where, as `src/ledger/block.ts:12`. */
  readonly at: string;
  /** What was reached: `Date`, `Math.random`, `await`, `node:fs`, … */
  readonly what: string;
  /** The files from a root to this one, the root first: how a core comes to it. */
  readonly path: readonly string[];
};

export type Policy = {
  /** Names of the language and its library that may be used. */
  readonly globals: ReadonlySet<string>;
  /** Members of library objects that may not, as `Math.random`; `*.name` is that member of anything. */
  readonly members: ReadonlySet<string>;
  /** Packages and what of them may be used: `sha256`, or `ed25519.verify` and nothing else of it. */
  readonly packages: ReadonlyMap<string, ReadonlySet<string>>;
  /** What a single file may do beyond: its path and what. */
  readonly exceptions: ReadonlyMap<string, ReadonlySet<string>>;
};

type Walk = {
  readonly root: string;
  readonly program: Program;
  readonly checker: Checker;
  readonly policy: Policy;
  readonly findings: Finding[];
  readonly used: Set<string>;
};

/** Files whose declarations are not ours: the language's library and @types. */
const isForeign = (path: string): boolean =>
  /\/node_modules\/|\/lib\.[^/]*\.d\.ts$|bundled:/.test(path);

/** A module that a statement loads, and what it takes of it by the name that it has here. */
type Load = { readonly specifier: string; readonly names: ReadonlyMap<string, string> };

/** What a statement loads when it runs; imports of types are erased and load nothing. */
const loadedBy = (node: Node): Load | undefined => {
  if (isImportDeclaration(node)) {
    const { importClause: clause, moduleSpecifier } = node;
    if (clause?.phaseModifier === SyntaxKind.TypeKeyword) return undefined;
    if (!isStringLiteral(moduleSpecifier)) return { specifier: "?", names: new Map() };
    const names = new Map<string, string>();
    if (clause?.name !== undefined) names.set(clause.name.text, "default");
    const bindings = clause?.namedBindings;
    if (bindings?.kind === SyntaxKind.NamespaceImport) names.set("*", "*");
    bindings?.forEachChild((child) => {
      if (child.kind !== SyntaxKind.ImportSpecifier) return;
      const { propertyName, name, isTypeOnly } = child as Node & {
        readonly propertyName?: Node & { readonly text: string };
        readonly name: Node & { readonly text: string };
        readonly isTypeOnly: boolean;
      };
      if (!isTypeOnly) names.set(name.text, (propertyName ?? name).text);
    });
    return { specifier: moduleSpecifier.text, names };
  }
  if (isExportDeclaration(node) && node.moduleSpecifier !== undefined && !node.isTypeOnly) {
    const { moduleSpecifier } = node;
    const specifier = isStringLiteral(moduleSpecifier) ? moduleSpecifier.text : "?";
    return { specifier, names: new Map([["*", "*"]]) };
  }
  return undefined;
};

/** Syntax that waits, or that loads or runs code which no walk can follow. */
const syntaxOf = (node: Node): string | undefined => {
  if (node.kind === SyntaxKind.AwaitExpression) return "await";
  if (node.kind === SyntaxKind.AsyncKeyword) return "async";
  if (isForOfStatement(node) && node.awaitModifier !== undefined) return "for await";
  if (node.kind === SyntaxKind.MetaProperty && node.getText() === "import.meta")
    return "import.meta";
  if (isCallExpression(node) && node.expression.kind === SyntaxKind.ImportKeyword)
    return "import()";
  return undefined;
};

/** The identifiers of a file that exist when it runs, and what it loads and how it waits. */
const collect = (file: SourceFile) => {
  const names: Node[] = [];
  const syntax: { node: Node; what: string }[] = [];
  const loads: (Load & { readonly node: Node })[] = [];
  const visit = (node: Node): void => {
    // `extends Base<T>` and `f<T>` are type nodes to the compiler with an expression inside.
    if (node.kind === SyntaxKind.ExpressionWithTypeArguments) return void node.forEachChild(visit);
    if (isTypeNode(node)) return;
    if (
      node.kind === SyntaxKind.TypeAliasDeclaration ||
      node.kind === SyntaxKind.InterfaceDeclaration
    )
      return;
    const load = loadedBy(node);
    if (load !== undefined) loads.push({ node, ...load });
    if (isImportDeclaration(node)) return;
    const what = syntaxOf(node);
    if (what !== undefined) syntax.push({ node, what });
    if (isIdentifier(node) || (isStringLiteral(node) && isMember(node))) names.push(node);
    node.forEachChild(visit);
  };
  file.forEachChild(visit);
  return { names, syntax, loads };
};

/** The member of an object that a node names, as `.name`, `["name"]` or in a destructuring. */
const isMember = (node: Node): boolean => {
  const { parent } = node;
  if (isPropertyAccessExpression(parent)) return parent.name === node;
  if (isElementAccessExpression(parent)) return parent.argumentExpression === node;
  return false;
};

const judgeMember = (policy: Policy, symbol: TsSymbol, paths: readonly string[]) => {
  const owner = symbol.getParent()?.name ?? "";
  const member = `${owner}.${symbol.name}`;
  // What Node adds to the language's own types (an iterator's, an array's) is typing only.
  const isNode = paths.every((path) => path.includes("@types/node/"));
  if (isNode && !policy.globals.has(owner)) return member;
  return policy.members.has(member) || policy.members.has(`*.${symbol.name}`) ? member : undefined;
};

/** `Math` passed on, indexed or taken apart is whatever of it is forbidden. */
const judgeGlobal = (policy: Policy, node: Node, name: string): string | undefined => {
  if (!policy.globals.has(name)) return name;
  const owned = [...policy.members].some((member) => member.startsWith(`${name}.`));
  const isPlain = isPropertyAccessExpression(node.parent) && node.parent.expression === node;
  return owned && !isPlain ? name : undefined;
};

/** What a name reaches that the policy does not allow: `Date`, or `Math.random` for a member. */
const judge = (policy: Policy, node: Node, symbol: TsSymbol | undefined): string | undefined => {
  if (node.parent.kind === SyntaxKind.BindingElement && policy.members.has(`*.${node.getText()}`))
    return `*.${node.getText()}`;
  if (symbol === undefined) return undefined;
  // It has no declaration of its own.
  if (symbol.name === "globalThis") return "globalThis";
  const paths = symbol.declarations.map(({ path }) => path);
  if (paths.length === 0 || !paths.every(isForeign)) return undefined;
  if (isMember(node)) return judgeMember(policy, symbol, paths);
  // A name that was imported from a package is judged as such.
  const isAmbient = paths.some((path) => /\/lib\.|@types\/node\//.test(path));
  return isAmbient ? judgeGlobal(policy, node, symbol.name) : undefined;
};

/** What of a package a name uses: `ed25519.verify`, or `ed25519` where the whole of it is passed on. */
const usedOf = (
  node: Node,
  taken: ReadonlyMap<string, string>,
): { readonly specifier: string; readonly name: string } | undefined => {
  const from = isIdentifier(node) ? taken.get(node.text) : undefined;
  if (from === undefined) return undefined;
  const { parent } = node;
  // A member or a key of the same name is not what was imported.
  if (isMember(node) || (isPropertyAssignment(parent) && parent.name === node)) return undefined;
  const [specifier = "", name = ""] = from.split(" ");
  if (!isPropertyAccessExpression(parent)) return { specifier, name };
  return { specifier, name: `${name}.${parent.name.getText()}` };
};

const inspect = (walk: Walk, file: SourceFile, path: readonly string[]): string[] => {
  const here = path.at(-1) ?? "";
  const exceptions = walk.policy.exceptions.get(here);
  const report = (node: Node, what: string): void => {
    if (exceptions?.has(what)) {
      walk.used.add(`${here} ${what}`);
      return;
    }
    const { line } = file.getLineAndCharacterOfPosition(node.getStart(file));
    walk.findings.push({ at: `${here}:${line + 1}`, what, path });
  };
  const { names, syntax, loads } = collect(file);
  for (const { node, what } of syntax) report(node, what);
  const symbols = walk.checker.getSymbolAtLocation(names);
  for (const [i, node] of names.entries()) {
    const what = judge(walk.policy, node, symbols[i]);
    if (what !== undefined) report(node, what);
  }
  const next: string[] = [];
  const taken = new Map<string, string>();
  for (const { node, specifier, names: bound } of loads) {
    if (specifier.startsWith(".")) {
      next.push(relative(walk.root, join(dirname(join(walk.root, here)), specifier)));
      continue;
    }
    const isKnown = walk.policy.packages.has(specifier);
    if (!isKnown || bound.size === 0 || bound.has("*")) report(node, specifier);
    else for (const [local, name] of bound) taken.set(local, `${specifier} ${name}`);
  }
  for (const node of names) {
    const used = usedOf(node, taken);
    if (used !== undefined && !walk.policy.packages.get(used.specifier)?.has(used.name)) {
      report(node, `${used.specifier} ${used.name}`);
    }
  }
  return next;
};

/**
 * Everything that `roots` reach and that the policy does not allow, in the order in which a walk in
 * breadth meets it: the paths are shortest ones.
 * @param overlay files that are not on the disk, or are otherwise there, by path from `root`.
 */
export const reach = (
  root: string,
  roots: readonly string[],
  policy: Policy,
  overlay: ReadonlyMap<string, string> = new Map(),
): {
  readonly findings: readonly Finding[];
  readonly files: number;
  readonly used: Set<string>;
} => {
  const at = (name: string): string | undefined => overlay.get(relative(root, name));
  const api = new API({
    cwd: root,
    fs: {
      readFile: (name) => at(name),
      directoryExists: (name) =>
        [...overlay.keys()].some((key) => dirname(join(root, key)) === name) ? true : undefined,
      fileExists: (name) => (at(name) === undefined ? undefined : true),
    },
  });
  try {
    const snapshot = api.updateSnapshot({ openProjects: [join(root, "tsconfig.json")] });
    const project = snapshot.getProjects()[0];
    if (project === undefined) throw new Error("no project");
    const { program, checker } = project;
    const walk: Walk = { root, program, checker, policy, findings: [], used: new Set() };
    const seen = new Set<string>(roots);
    const queue: (readonly string[])[] = roots.map((name) => [name]);
    for (let path = queue.shift(); path !== undefined; path = queue.shift()) {
      const name = path.at(-1) ?? "";
      const file = program.getSourceFile(join(root, name));
      if (file === undefined) {
        const why = existsSync(join(root, name)) ? "is outside of the project" : "is missing";
        throw new Error(`${name} ${why}: ${path.join(" -> ")}`);
      }
      for (const found of inspect(walk, file, path)) {
        if (seen.has(found)) continue;
        seen.add(found);
        queue.push([...path, found]);
      }
    }
    return { findings: walk.findings, files: seen.size, used: walk.used };
  } finally {
    api.close();
  }
};
