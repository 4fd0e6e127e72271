"""MODELS: package code and weights as one version, unpack a version, compare two.

Nothing is built here yet: `swcli model run --workdir` needs no package, and `swcli model build` answers that it is not built.

Who may enter: handlers and everything above it. What it may import: `storage` and floors below; `datasets`, `runtimes` and `results`
are strangers. Handlers that were discovered are handed in by `instances`.
"""
