"""DATASETS: build, commit, open, iterate, shard, compare.

Doors: `dataset.Dataset`, which works on opened `stores` and has one module per verb: `build`, `open` (with `elsewhere`, on an object store), `commit`, `diff` and
`compare`, `copy`, `tags`, `verify`, `describe`. Reading: `readable_rows` (what `Dataset` offers of it), `reading`, `rows` (`DataRow`), `damaged` (where some of it cannot be
read), `reference` (for other processes). Writing: `writable`, `changes`, `names` (of features), `info`. Rooms: `importers/` reads other people's
files, `ecosystem/` hands rows to their libraries, `statistics/` says what is in a version.

To add a verb: a module here that takes the dataset; the class gets one line at most.

Who may enter: handlers and everything above it. What it may import: `storage` and floors below; `models`, `runtimes` and `results`
are strangers.
"""
