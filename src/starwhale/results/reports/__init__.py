"""WHAT IS TOLD OF ONE JOB, as values: how they look on a terminal is `cli.render`, in a notebook `api.notebook`.

Doors: `job_report` (what `job info` and the end of `model run` show), `manifest` (what it ran, on what, how it ended), `usage` (where the time went).
To add a format: a file here that turns a `JobReport` into it.

Who may enter: instances, cli, api, server. What it may import: `results` and floors below.
"""
