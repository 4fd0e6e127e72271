"""DATASETS: build, commit, open, iterate, shard, compare.

Doors: `Dataset`, which works on opened stores, and one module per verb. `importers/` reads other people's files,
`ecosystem/` hands rows to their libraries.

Who may enter: handlers and everything above it. What it may import: `storage` and floors below; `models`, `runtimes` and `results`
are strangers.
"""
