"""The style sheet of the report. Text contrasts above 4.5 : 1 in light and dark; charts take their colours here."""

CSS = """
:root {
  color-scheme: light dark;
  --ground: #f4f6f7; --panel: #ffffff; --ink: #17222c; --muted: #566472; --line: #dfe5e9;
  --accent: #0e6a70; --accent-ink: #0b585d; --track: #edf1f3; --above: #16929a; --below: #d9822b;
  --good: #1d6b3c; --good-ground: #e3f2e8; --bad: #a3341f; --bad-ground: #fbe9e4;
  --shadow: 0 1px 2px rgb(23 34 44 / .06); --edge: rgb(23 34 44 / .16);
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #10161b; --panel: #182128; --ink: #e6edf2; --muted: #9fadb8; --line: #2a3640;
    --accent: #3fb3b5; --accent-ink: #7fd3d4; --track: #222d36; --above: #1b8d93; --below: #b8641a;
    --good: #86d3a1; --good-ground: #16301f; --bad: #f2a08d; --bad-ground: #3a1d17;
    --shadow: none; --edge: rgb(0 0 0 / .5);
  }
}
* { box-sizing: border-box; }
html { scroll-behavior: smooth; -webkit-text-size-adjust: 100%; }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
body {
  margin: 0; background: var(--ground); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", Arial, sans-serif;
}
h1, h2, h3, h4, p, dl, dd, ul, figure { margin: 0; padding: 0; }
header, main, footer { max-width: 1120px; margin: 0 auto; padding: 0 24px; }
a { color: var(--accent-ink); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.skip { position: absolute; left: -999px; }
.skip:focus { left: 8px; top: 8px; background: var(--panel); padding: 8px 12px; z-index: 2; }

header { padding-top: 40px; padding-bottom: 8px; }
.eyebrow {
  color: var(--accent-ink); font-weight: 600; font-size: 14px; letter-spacing: .02em;
  overflow-wrap: anywhere;
}
h1 { font-size: 34px; line-height: 1.2; letter-spacing: -.015em; font-weight: 680; margin-top: 4px; }
.state {
  display: flex; flex-wrap: wrap; gap: 8px 14px; align-items: center; margin-top: 12px;
  color: var(--muted); font-size: 15px;
}
.chip { font-weight: 600; font-size: 14px; padding: 2px 10px; border-radius: 999px; }
.chip.good { color: var(--good); background: var(--good-ground); }
.chip.bad { color: var(--bad); background: var(--bad-ground); }

nav {
  position: sticky; top: 0; z-index: 1; background: var(--ground);
  border-bottom: 1px solid var(--line); margin-top: 16px;
}
nav ul {
  max-width: 1120px; margin: 0 auto; padding: 4px 24px; display: flex; flex-wrap: wrap; gap: 0 22px;
  list-style: none; scrollbar-width: none;
}
nav ul::-webkit-scrollbar { display: none; }
nav a {
  display: block; padding: 7px 0; white-space: nowrap; color: var(--muted); text-decoration: none;
  font-size: 15px;
}
nav a:hover { color: var(--ink); }

.tiles { display: grid; grid-template-columns: repeat(4, 1fr); gap: 14px; margin: 28px 0 8px; }
.tiles > div {
  background: var(--panel); border: 1px solid var(--line); border-radius: 10px; padding: 14px 16px;
  box-shadow: var(--shadow); min-width: 0;
}
.tiles dt { font-size: 14px; color: var(--muted); }
.tiles strong {
  display: block; font-size: 25px; line-height: 1.25; font-weight: 640; letter-spacing: -.01em;
  font-variant-numeric: tabular-nums;
}
.tiles span { display: block; margin-top: 2px; font-size: 13.5px; line-height: 1.35; color: var(--muted); }

section { padding-top: 44px; scroll-margin-top: 36px; }
h2 { font-size: 24px; line-height: 1.25; letter-spacing: -.01em; font-weight: 660; }
.lead { margin-top: 4px; color: var(--muted); max-width: 74ch; }
.cards, .triple {
  display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 18px; margin-top: 18px;
}
.cards .triple, .cards .flow { margin-top: 0; }
.triple { grid-template-columns: repeat(3, minmax(0, 1fr)); }
.wide { grid-column: 1 / -1; }
.short { align-self: start; }
.flow { columns: 2; column-gap: 18px; }
.flow .card { break-inside: avoid; margin-bottom: 18px; }
.between { margin: 2px 0 -6px; }
.card {
  background: var(--panel); border: 1px solid var(--line); border-radius: 10px;
  padding: 18px 20px 20px; box-shadow: var(--shadow); min-width: 0;
}
h3 { font-size: 17px; line-height: 1.35; font-weight: 620; }
.card > * + * { margin-top: 12px; }
.card > .note { margin-top: 2px; }
.note, .empty { color: var(--muted); font-size: 14.5px; }
.card > p:not(.note) { font-size: 15px; }

svg {
  display: block; width: 100%; height: auto; overflow: visible; font-family: inherit;
  font-variant-numeric: tabular-nums;
}
svg.phone { display: none; }
svg.small { max-width: 420px; }
svg.spark { width: 120px; height: 24px; }
.spark polyline { fill: none; stroke: var(--accent); stroke-width: 2; stroke-linejoin: round; }
.spark .yes { stroke: var(--muted); stroke-width: 1; }

.scroll {
  overflow-x: auto; background-repeat: no-repeat; background-attachment: local, local, scroll, scroll;
  background-size: 32px 100%, 32px 100%, 10px 100%, 10px 100%; background-position: 0 0, 100% 0, 0 0, 100% 0;
  background-image: linear-gradient(to right, var(--panel) 40%, transparent),
    linear-gradient(to left, var(--panel) 40%, transparent),
    linear-gradient(to right, var(--edge), transparent), linear-gradient(to left, var(--edge), transparent);
}
table { border-collapse: collapse; width: 100%; font-size: 14.5px; }
caption { text-align: left; font-weight: 600; padding-bottom: 4px; }
caption.quiet {
  position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
  white-space: nowrap;
}
th, td {
  text-align: left; padding: 6px 14px 6px 0; border-bottom: 1px solid var(--line); vertical-align: top;
  font-weight: 400;
}
th:last-child, td:last-child { padding-right: 0; }
tbody tr:last-child > * { border-bottom: 0; }
thead th { color: var(--muted); font-size: 13px; vertical-align: bottom; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
thead th.n { white-space: normal; }
.meter { display: inline-flex; align-items: center; gap: 10px; justify-content: flex-end; width: 100%; }
.meter .track {
  flex: 1 1 90px; min-width: 40px; max-width: 120px; height: 8px; border-radius: 2px;
  background: var(--track); overflow: hidden;
}
.meter .track span { display: block; height: 100%; background: var(--accent); }
.meter .figure { min-width: 62px; }
.bad { color: var(--bad); font-weight: 650; }
.warned { font-weight: 650; }
details { font-size: 15px; }
summary { cursor: pointer; color: var(--accent-ink); width: fit-content; }
details[open] > summary { margin-bottom: 8px; }
code { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: .92em; }

.people {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(230px, 1fr)); gap: 24px 28px;
  list-style: none;
}
h4 { font-size: 16px; line-height: 1.35; font-weight: 620; }
.number {
  display: inline-block; min-width: 1.5em; margin-right: .5em; text-align: center; border-radius: 5px;
  background: var(--track); color: var(--muted); font-weight: 600;
}
.people p { font-size: 15px; margin-top: 3px; }
.people .note { font-size: 14px; }
.traits { list-style: none; margin-top: 8px; font-size: 14px; color: var(--muted); }
.traits li { display: grid; grid-template-columns: 2.9em 1fr auto; gap: 0 8px; }
.traits b {
  color: var(--ink); font-variant-numeric: tabular-nums;
  font-weight: 600;
}
.facts { display: grid; grid-template-columns: 1fr auto; gap: 7px 16px; font-size: 15px; }
.facts dt { color: var(--muted); }
.facts dd { text-align: right; font-variant-numeric: tabular-nums; }
.terms { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 12px 32px; font-size: 15px; }
.terms dt { font-weight: 600; }
.terms dd { color: var(--muted); }
.plain { list-style: none; font-size: 15px; }
.plain p { color: var(--muted); font-size: 14.5px; }
.plain li + li { margin-top: 10px; }
.plain li { overflow-wrap: anywhere; }
footer { padding-top: 36px; padding-bottom: 48px; color: var(--muted); font-size: 14px; }

@media (max-width: 960px) {
  .cards, .flow { grid-template-columns: minmax(0, 1fr); columns: 1; }
  .triple { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  svg.desk { max-width: 620px; }
  .card.wide svg.desk { max-width: none; }
}
@media (max-width: 700px) {
  header, main, footer { padding-left: 14px; padding-right: 14px; }
  nav ul { padding: 0 14px; gap: 18px; flex-wrap: nowrap; overflow-x: auto; }
  header { padding-top: 24px; }
  h1 { font-size: 27px; }
  .tiles { grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 10px; margin-top: 18px; }
  .tiles > div { padding: 11px 13px; }
  .tiles strong { font-size: 20px; }
  .tiles span { font-size: 13px; }
  section { padding-top: 34px; }
  .triple, .terms { grid-template-columns: minmax(0, 1fr); }
  .card { padding: 15px 16px 17px; }
  svg.phone { display: block; max-width: 420px; }
  svg.desk { display: none; }
  table { font-size: 14px; }
  th, td { padding-right: 10px; }
  .meter .track { max-width: 70px; }
}
@media print {
  nav, .skip { display: none; }
  .card { break-inside: avoid; box-shadow: none; }
  body { background: none; font-size: 12px; }
}
"""
