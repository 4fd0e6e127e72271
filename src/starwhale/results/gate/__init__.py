"""MAY IT GO IN: rules that a run has to keep, each kept, broken, or not to be told from the rows that there are.

Start at `judge.judge_gate` (rules and runs in, one finding per rule out). `rules` reads the rule language, `rules_file` a file of rules,
`findings` and `report` are what is found; `telling` says it in words and as JSON, `markdown` for a pull request, `junit` for a CI server.

The procedure is declared in docs/decisions/0040-gates.md: pass and fail are decided on intervals, never on points.

Who may enter: `results` and everything above it. What it may import: `results.compare`, the standard library, and NumPy where it pays.
"""
