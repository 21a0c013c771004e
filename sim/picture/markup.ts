/** Markup and style of the picture; every word about the run itself comes from the data. */

export const PICTURE_STYLE = `
:root{color-scheme:light dark;--bg:#fbfbfa;--panel:#fff;--ink:#1d2327;--soft:#626b73;--line:#dcdfe2;--hair:#eceeef;
--bad:#b3261e;--badbg:#fdecea;--good:#1b7f4b;--accent:#2458c5}
:root[data-theme=dark]{--bg:#14171a;--panel:#1b1f23;--ink:#e6e9ec;--soft:#9aa4ad;--line:#343a40;--hair:#262b30;
--bad:#ff8a80;--badbg:#3a1f1f;--good:#6fd39b;--accent:#8ab4ff;color-scheme:dark}
:root[data-theme=light]{color-scheme:light}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:14px/1.45 system-ui,-apple-system,"Segoe UI",sans-serif}
header{padding:14px 20px 6px}
h1{font-size:17px;line-height:1.35;margin:0;font-weight:650;overflow-wrap:anywhere}
#badge{display:inline-block;font-size:12px;font-weight:700;letter-spacing:.04em;border-radius:4px;padding:1px 7px;
margin-right:8px;vertical-align:1px;background:var(--badbg);color:var(--bad)}
#badge[data-ok=yes]{background:transparent;color:var(--good);border:1px solid currentColor}
#rule{margin:4px 0 0;color:var(--soft)}
#facts{display:flex;flex-wrap:wrap;gap:2px 18px;margin:6px 0 0;color:var(--soft);font-size:13px}
#facts b{font-weight:500;color:var(--ink)}
code{font:12.5px/1.4 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
button{font:inherit;color:inherit;background:var(--panel);border:1px solid var(--line);border-radius:6px;
padding:2px 9px;cursor:pointer}
button:hover{border-color:var(--soft)}
button:focus-visible,canvas:focus-visible{outline:2px solid var(--accent);outline-offset:1px}
.bar{display:flex;flex-wrap:wrap;gap:6px;padding:6px 20px;align-items:center}
.bar .gap{flex:1}
.chip{display:inline-flex;align-items:center;gap:6px;border-radius:999px;padding:1px 10px 1px 8px;font-size:13px}
.chip i{width:14px;height:3px;border-radius:2px;display:inline-block}
.chip small{color:var(--soft);font-size:11.5px}
.chip[aria-pressed=false]{opacity:.5;text-decoration:line-through}
#stage{position:relative;margin:2px 20px 0;border:1px solid var(--line);border-radius:8px;background:var(--panel);
overflow:hidden}
#chart{display:block;width:100%;cursor:grab;touch-action:pan-y}
#chart.drag{cursor:grabbing}
#map{display:block;width:100%;height:44px;border-top:1px solid var(--line);cursor:ew-resize;touch-action:none}
#tip{position:absolute;pointer-events:none;max-width:340px;background:var(--panel);border:1px solid var(--line);
border-radius:6px;box-shadow:0 4px 16px rgba(0,0,0,.16);padding:6px 10px;font-size:12.5px;white-space:pre-line;
overflow-wrap:anywhere;visibility:hidden;z-index:2}
#detail{margin:6px 20px 0;min-height:21px;color:var(--soft);font-size:13px;overflow-wrap:anywhere}
#signs{display:flex;flex-wrap:wrap;gap:4px 18px;padding:4px 20px;color:var(--soft);font-size:12.5px}
#signs b{font-weight:600;color:var(--ink)}
#left{margin:2px 20px;color:var(--soft);font-size:12.5px}
details{margin:6px 20px;border-top:1px solid var(--hair);padding-top:6px}
summary{cursor:pointer;font-weight:600}
pre{font:12px/1.45 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow:auto;max-height:420px;
background:var(--panel);border:1px solid var(--line);border-radius:6px;padding:10px}
table{border-collapse:collapse;font-size:13px;width:100%}
td,th{text-align:left;padding:3px 10px 3px 0;border-bottom:1px solid var(--hair);vertical-align:top}
th{color:var(--soft);font-weight:500}
td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
#causes{margin:6px 0 10px;padding-left:20px;overflow-wrap:anywhere}#causes li{margin:2px 0}
#stuck{overflow-x:auto}#stuck h2{font-size:13px;font-weight:600;margin:12px 0 2px}
tr[tabindex]{cursor:pointer}tr[tabindex]:hover td{background:var(--hair)}
footer{padding:4px 20px 24px;color:var(--soft);font-size:12px}
`;

export const PICTURE_BODY = `
<header><h1><span id="badge">...</span><span id="verdict">This page needs JavaScript to draw.</span></h1>
<p id="rule"></p><div id="facts"></div></header>
<div class="bar" id="kinds" role="group" aria-label="kinds of messages that are shown"></div>
<div class="bar" id="tools"><button id="fit" title="everything that was collected (F)">Whole run</button>
<button id="focus" title="the end, or the failure (E)">The end</button>
<button id="in" title="closer (+)">+</button><button id="out" title="farther (-)">&minus;</button>
<button id="scale" title="shorten times in which nothing happens, or do not">True time</button>
<button id="all">All kinds</button><button id="votes">Consensus only</button><span class="gap"></span>
<span id="range"></span><button id="theme">Dark</button></div>
<div id="stage"><canvas id="chart" tabindex="0" role="img"
aria-label="space-time diagram: one line a node, time from left to right"></canvas>
<canvas id="map" aria-hidden="true"></canvas><div id="tip" role="status"></div></div>
<div id="detail"></div>
<div id="signs"><span><b>&#9679;</b> process started</span><span><b>&#10005;</b> process ended</span>
<span><b>&#9670;
 h7 +2</b> block 7 executed, with 2 events</span><span><b>v12</b> view 12, from the node's first statement in it</span>
<span><b>&#8943;</b> no process</span><span><b>&#8594;&#215;</b> message lost</span>
<span><b>&#9651;
</b> warning or error logged</span>
<span>shaded: a fault or an adversary</span><span>grey: nothing happens for a while, shortened</span></div>
<div id="left"></div>
<details id="stuckbox" open><summary id="stuckname">Why it is stuck</summary><ul id="causes"></ul><div id="stuck"></div></details>
<details id="faultbox"><summary>Faults and adversaries</summary><table id="faults"></table></details>
<details><summary>Events</summary><table id="events"></table></details>
<details><summary>Scenario</summary><pre id="scenario"></pre></details>
<footer>Drag to move, wheel to zoom, click a message or a sign to keep its description, click a node's name to see
its messages only, double click a kind to see it alone. Keys: arrows, + and -, F, E, Escape.</footer>
`;
