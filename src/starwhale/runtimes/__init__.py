"""RUNTIMES: lock, restore and describe the environment that user code needs.

Nothing is built here yet: a job runs in the interpreter that runs `swcli`, and `swcli runtime` answers that it is not built.

Who may enter: handlers and everything above it. What it may import: `storage` and floors below; `datasets`, `models` and `results`
are strangers.
"""
