"""RESULTS: read what a job found, and say what it is worth. (What user code logs is gathered in `handlers.log_buffer`.)

Doors: `read` (tables and summaries of a job), `logged` (tables under an id of a script's own), `scan` with `where` (some rows of a table), `frame` (a table as a data frame),
`figure` (a value with everything that has to be known of it; made by `estimate`, `metric_rows`, `classification_figures`, kept by `job_figures` with `curve` and
`confusion`, which `measure_curves` and the metrics make), `reproduction` with `agreement` (did another job find the same), `tried` (counts what was tried online).
`row_index`, `row_sorting`, `row_counts` and `where_columns` make millions of rows quick to sort and filter, `scored_rows` with `thresholds` what a threshold
over scores makes of them. Rooms: `metrics/` computes, `compare/` judges differences, `gate/` says whether rules are kept, `reports/` tells one job, `pages/` is what their pages have in common.

Who may enter: handlers and everything above it. What it may import: `storage` and floors below; `datasets`, `models` and `runtimes`
are strangers.
"""
