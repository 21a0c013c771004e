/**
 * Writes the page that verifies itself: one file with the proof, the genesis and the verifier. What its script
 * shows it shows as text.
 */
import { dataBlock, policyOf, scriptBeside } from "../../page/self-contained.ts";

const STYLE = `
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1b1b}
table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #ddd;padding:.3rem .6rem;text-align:left;
vertical-align:top;overflow-wrap:anywhere}th{white-space:nowrap;overflow-wrap:normal}
#verdict{font-weight:600;padding:.6rem;background:#eee}
#verdict[data-result=ok]{background:#d8f3dc}#verdict[data-result=failed]{background:#ffd6d6}
td[data-result=failed]{color:#b00020}input{width:100%;font:inherit}code{overflow-wrap:anywhere}
`;

const HEAD = '<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>Tetrad proof</title>\n';

const BODY = `<h1>A proof from a Tetrad ledger</h1>
<p id="verdict" data-result="checking">This page needs JavaScript to verify itself.</p>
<table id="facts"></table>
<h2>What was proven</h2><ul id="statements"></ul>
<h2>What was checked</h2><table id="checks"></table>
<h2>Your genesis</h2>
<p>The proof was checked against the genesis that this page brings along, whose hash is
<code id="genesis-hash"></code>. Whoever made the page could have brought another one: compare it with the
hash that you know from elsewhere.</p>
<input id="genesis-input" aria-label="genesis hash to compare" placeholder="paste the genesis hash that you trust">
<p id="genesis-answer" data-result="none"></p>
<h2>What it rests on</h2><ul id="assumptions"></ul>
`;

/** `proof` and `genesis` are the texts of a bundle and of the genesis file, both JSON. */
export const proofPage = (proof: string, genesis: string, script: string): string => {
  const policy = policyOf(script, STYLE);
  return (
    `${HEAD}<meta http-equiv="Content-Security-Policy" content="${policy}">\n` +
    `<meta name="viewport" content="width=device-width">\n<style>${STYLE}</style>\n${BODY}` +
    dataBlock("proof", proof) +
    dataBlock("genesis", genesis) +
    `<script>${script}</script>\n</html>\n`
  );
};

/** The verifier as one script. */
export const pageScript = (): Promise<string> => scriptBeside(import.meta.url, "page-script");
