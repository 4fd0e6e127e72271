"""OTHER PEOPLE'S FILES AS ROWS: CSV, JSON, JSON Lines, folders of media, Python handlers.

Doors: one module per source; each takes a place and yields rows, and says file, line and column of what it cannot read.

Who may enter: the modules of `datasets`. What it may import: `media`, `domain`, `errors`; no store.
"""
