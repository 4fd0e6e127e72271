"""CALLS OF PREDICT, row by row: with `handlers.call` the only places that call what the user wrote.

Doors: `predict_rows` (one call after another), `predict_async` (many in flight, bounded by `gate` and `in_flight`), `online` (what is served, for rows
of no dataset). `shape` decides how a function is called, `outputs` what it returned as columns, `range_part` the part that is made of a range. When a call fails: `retry`,
`busy_signal` (HTTP 429 and the like), `row_clock` (it takes too long).

Who may enter: `serving`, `execution.tasks`, `execution.debug_run`. What it may import: `handlers` and floors below, with the standard library alone.
"""
