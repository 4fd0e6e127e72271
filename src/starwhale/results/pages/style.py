"""How the page of a report looks: one sheet of style, light or dark as the reader's system is; nothing is fetched."""

from __future__ import annotations

LIGHT = {
    "ground": "#ffffff", "raised": "#f6f7f9", "ink": "#1b1f24", "soft": "#59636e", "line": "#d8dde3", "rail": "#e6e9ed",
    "accent": "#1f63c6", "good": "#1a7f37", "bad": "#c8322b", "deep": "#ffffff",
    "c0": "#1f63c6", "c1": "#c2570c", "c2": "#1a7f37", "c3": "#8b3fc0", "c4": "#b3261e", "c5": "#0f7d8c", "c6": "#8a6d00", "c7": "#b83280",
}  # fmt: skip
"""Colours on white, by their names; texts in them can be read (contrast of 4.5 and more)."""
DARK = {
    "ground": "#14171c", "raised": "#1d2128", "ink": "#e6e9ee", "soft": "#9aa4b1", "line": "#343a44", "rail": "#2a2f38",
    "accent": "#6ea8ff", "good": "#4cc26a", "bad": "#ff7b72", "deep": "#0d1014",
    "c0": "#6ea8ff", "c1": "#f0a35e", "c2": "#4cc26a", "c3": "#c490f0", "c4": "#ff7b72", "c5": "#4fc3d3", "c6": "#d9b53d", "c7": "#f088c0",
}  # fmt: skip
"""The same on black."""
MIDDLE = {
    "ground": "transparent", "raised": "rgba(128,128,128,.12)", "ink": "currentColor", "soft": "#7d8794", "line": "rgba(128,128,128,.35)",
    "rail": "rgba(128,128,128,.22)", "accent": "#3f80e0", "good": "#2e9e4f", "bad": "#dc4c44", "deep": "#ffffff",
    "c0": "#3f80e0", "c1": "#d9762b", "c2": "#2e9e4f", "c3": "#a45fd6", "c4": "#dc4c44", "c5": "#2596a5", "c6": "#a8861a", "c7": "#d0559a",
}  # fmt: skip
"""Colours for a page of which nobody knows whether it is light or dark: the output of a notebook's cell."""
TIME = {
    "start": "c6", "load": "c3", "read": "c5", "decode": "c2", "predict": "c0", "run": "c0", "wait": "c1", "write": "c7", "other": "soft",
}  # fmt: skip
"""Colour of an activity."""
_RULES = """
.R{color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;overflow-wrap:anywhere}
.R h1{font-size:1.5rem;line-height:1.25;margin:0 0 .25rem}
.R h2{font-size:1.05rem;margin:2rem 0 .6rem;padding-bottom:.3rem;border-bottom:1px solid var(--line)}
.R h3{font-size:.95rem;margin:1.1rem 0 .35rem}
.R p{margin:.35rem 0}.R .soft{color:var(--soft)}.R .small{font-size:.85rem}.R .bad{color:var(--bad)}.R .good{color:var(--good)}
.R code,.R pre{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:.88em}
.R pre{white-space:pre-wrap;background:var(--raised);padding:.6rem .8rem;border-radius:6px;margin:.4rem 0}
.R .columns{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,460px),1fr));gap:0 2.5rem;align-items:start}
.R .columns>*{min-width:0}
.R .figures{display:grid;grid-template-columns:minmax(7rem,auto) max-content max-content minmax(7rem,34rem) max-content;gap:.3rem 1rem;align-items:center;justify-content:start}
.R .figures>.head,.R th{color:var(--soft);font-weight:500;font-size:.82rem;text-align:left}
.R .figures.three{grid-template-columns:minmax(6rem,auto) max-content minmax(8rem,1fr)}
.R .num{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.R .figures>.head.num,.R th.num{text-align:right}
.R .figures>.wide{grid-column:1/-1}
.R .scroll{overflow-x:auto;max-width:100%}
.R table{border-collapse:collapse;font-size:.9rem;overflow-wrap:normal}
.R td,.R th{padding:.22rem .9rem .22rem 0;vertical-align:top;text-align:left}
.R td.num,.R th.num{text-align:right}.R th{white-space:nowrap}.R td{max-width:24rem;overflow-wrap:break-word}
.R tbody tr{border-top:1px solid var(--rail)}
.R dl{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:.2rem 1rem;margin:.3rem 0}
.R dl.many{grid-template-columns:repeat(auto-fill,minmax(min(100%,20rem),1fr));gap:.2rem 2.5rem}.R dl.many>div{display:flex;gap:1rem;justify-content:space-between;border-bottom:1px solid var(--rail)}
.R dt{color:var(--soft)}.R dd{margin:0;white-space:pre-line}
.R ul.legend{list-style:none;display:flex;flex-wrap:wrap;gap:.15rem 1rem;padding:0;margin:.35rem 0;font-size:.85rem}
.R .legend i{display:inline-block;width:.75em;height:.75em;border-radius:2px;margin-right:.4em}
.R details{margin:.5rem 0}.R summary{cursor:pointer;color:var(--soft)}
.R svg{display:block;overflow:visible}.R svg text{fill:var(--ink);font-size:12px;font-family:inherit}
.R svg .tick,.R .scale text{fill:var(--soft);font-size:11px}
.R .rail{stroke:var(--rail);stroke-width:1}.R .interval{stroke:var(--accent);stroke-width:2}.R .dot{fill:var(--accent)}
.R .reference{stroke:var(--soft);stroke-width:1;stroke-dasharray:3 3}.R .grid{stroke:var(--rail);stroke-width:1}
.R .curve{fill:none;stroke-width:1.8;stroke-linejoin:round}.R .curve.rest{stroke:var(--soft);stroke-width:1;opacity:.5}
.R .heat .right{fill:var(--accent)}.R .heat .wrong{fill:var(--bad)}.R .heat .frame{fill:none;stroke:var(--line)}
.R .heat .count{font-variant-numeric:tabular-nums}.R .heat .count.deep{fill:var(--deep)}
@media(max-width:640px){
.R h1{font-size:1.25rem}
.R .figures{grid-template-columns:minmax(0,1fr) max-content max-content;gap:.15rem .8rem}
.R .figures.three{grid-template-columns:minmax(0,1fr) max-content}
.R .figures>.draw{grid-column:1/-1;grid-row:auto;margin-bottom:.45rem}.R .figures>.head.draw{display:none}
.R .figures>.n{display:none}
.R dl{grid-template-columns:minmax(0,7.5rem) minmax(0,1fr);gap:.2rem .8rem}
}
"""


def rules(root: str) -> str:
    """Return the rules for everything within elements of a class.

    Args:
        root: The class; other parts of a page that it stands in are left alone.
    """
    colors = "".join(
        f".{root} .curve.{name},.{root} .interval.{name}{{stroke:var(--{name})}}.{root} .dot.{name},.{root} i.{name}{{fill:var(--{name});background:var(--{name})}}"
        for name in (each for each in LIGHT if each[0] == "c" and each[1:].isdigit())
    )
    colors += f".{root} i.rest{{background:var(--soft)}}"
    colors += "".join(
        f".{root} .t-{name}{{fill:var(--{color});background:var(--{color})}}" for name, color in TIME.items()
    )
    return _RULES.replace(".R", f".{root}") + colors


def variables(colors: dict[str, str]) -> str:
    """Return colours as variables of a sheet."""
    return ";".join(f"--{name}:{color}" for name, color in colors.items())
