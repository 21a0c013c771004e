/**
 * What runs in the page that verifies itself: the verifier of src/ledger/verify on the proof and the genesis
 * that the page holds. It asks nobody, and shows values as text only.
 */
import { toHex } from "../../crypto/bytes.ts";
import { falconVerify } from "../../crypto/falcon.ts";
import { fail, type Result } from "../../errors.ts";
import { parseGenesis } from "../../ledger/genesis.ts";
import { parseBundle } from "../../ledger/verify/bundle.ts";
import { trustGenesis } from "../../ledger/verify/trust.ts";
import { type Verification, verifyBundle } from "../../ledger/verify/verify-bundle.ts";
import { describe, sentencesOf } from "./describe.ts";

/** The little of a browser's document that is used. */
type PageElement = {
  textContent: string | null;
  value: string;
  readonly dataset: Record<string, string>;
  append(...children: PageElement[]): void;
  addEventListener(type: "input", listener: () => void): void;
};
type PageDocument = {
  getElementById(id: string): PageElement | null;
  createElement(tag: string): PageElement;
};
declare const document: PageDocument;

const element = (id: string): PageElement => {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no ${id}`);
  return found;
};

const make = (tag: string, text: string, result?: string): PageElement => {
  const made = document.createElement(tag);
  made.textContent = text;
  if (result !== undefined) made.dataset["result"] = result;
  return made;
};

const row = (...cells: PageElement[]): PageElement => {
  const made = document.createElement("tr");
  made.append(...cells);
  return made;
};

const setResult = (target: PageElement, result: string, text: string): void => {
  target.dataset["result"] = result;
  target.textContent = text;
};

type Checked = { readonly genesis: string | undefined; readonly verification: Verification };

const failed = (result: Result<never>): Verification => ({ checks: [], result });

const verifyPage = (): Checked => {
  const genesis = parseGenesis(element("genesis").textContent ?? "");
  if (!genesis.ok) return { genesis: undefined, verification: failed(genesis) };
  const hash = toHex(genesis.value.hash);
  const bundle = parseBundle(element("proof").textContent ?? "");
  if (!bundle.ok) return { genesis: hash, verification: failed(bundle) };
  const trust = trustGenesis(genesis.value);
  return { genesis: hash, verification: verifyBundle(bundle.value, trust, falconVerify) };
};

const show = ({ checks, result }: Verification): void => {
  const verdict = element("verdict");
  if (result.ok) setResult(verdict, "ok", "Verified in this browser, against the genesis below.");
  else setResult(verdict, "failed", `Not verified: ${result.code}: ${result.detail}`);
  for (const check of checks) {
    element("checks").append(
      row(
        make("td", check.id),
        make("td", check.result, check.result.replaceAll(" ", "-")),
        make("td", check.detail),
      ),
    );
  }
  // Nothing of a proof that failed is shown as if it were so.
  if (!result.ok) return;
  for (const [name, value] of describe(result.value)) {
    element("facts").append(row(make("th", name), make("td", value)));
  }
  for (const text of sentencesOf(result.value)) element("statements").append(make("li", text));
  for (const text of result.value.assumptions) element("assumptions").append(make("li", text));
};

const compareGenesis = (own: string | undefined): void => {
  const input = element("genesis-input");
  const answer = element("genesis-answer");
  input.addEventListener("input", () => {
    const text = input.value.trim().toLowerCase();
    if (text === "") setResult(answer, "none", "");
    else if (!/^[0-9a-f]{64}$/.test(text)) setResult(answer, "malformed", "not 64 hex digits");
    else if (text === own) setResult(answer, "same", "the same genesis");
    else setResult(answer, "other", "another genesis: this proof is not of your chain");
  });
};

const run = (): void => {
  try {
    const { genesis, verification } = verifyPage();
    element("genesis-hash").textContent = genesis ?? "";
    compareGenesis(genesis);
    show(verification);
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    show(failed(fail("internal", detail)));
  }
};

run();
