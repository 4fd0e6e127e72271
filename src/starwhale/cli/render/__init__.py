"""HOW RESULTS LOOK ON A TERMINAL: one file per kind of thing; each takes a value and draws it. No calls, no rules.

Doors: `render_table` (every list), `render_report` with `render_figures` and `render_steps` (a job, in the words of `results.reports`), `render_flips` (a comparison),
`render_statistics` (a dataset); while something runs: `job_progress`, `stage_line`, `archive_progress`.

Who may enter: cli. What it may import: what it draws, and Rich, inside functions.
"""
