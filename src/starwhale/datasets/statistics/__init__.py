"""Statistics of one version: per column counts, missing and distinct values, ranges, histograms, top values, balance, media sizes.

Where to start: `compute.py` reads the version, one column at a time; `columns.py` says what is gathered of each kind, by `parts.py` of plain ones and `media.py` of
media; `facts.py` is what comes out; `kept.py` keeps it once per version. `numbers.py` and `counting.py` are pure.
Record: docs/decisions/0023-dataset-statistics.md.

Who may enter: the other modules of `datasets`, and everything above. It reads through `storage` and opens no media.
"""
