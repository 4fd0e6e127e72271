"""WHAT IS TOLD OF ONE JOB: one record, and its forms. How it looks on a terminal is `cli.render`.

The record: `job_report` (what `job info -o json` prints), with `manifest` (what it ran, on what, how it ended), `usage` (where the time went) and `logged_curves`.
Its words, the same in every form: `report_words`, `figure_words`, `usage_words`, `record_words`. Its forms: `markdown`, and `page` with `figure_grid` (HTML, of
`results.pages`). To add a form: a file here that turns a `JobReport` into it, and its name in `cli.report_format`.

Who may enter: instances, cli, api, server. What it may import: `results` and floors below.
"""
