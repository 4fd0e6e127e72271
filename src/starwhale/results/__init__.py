"""RESULTS: log what a job found, and read it back.

Doors: the recorder that a task logs to, the reader of tables and summaries; `metrics/` computes, `compare/` judges differences.

Who may enter: handlers and everything above it. What it may import: `storage` and floors below; `datasets`, `models` and `runtimes`
are strangers.
"""
