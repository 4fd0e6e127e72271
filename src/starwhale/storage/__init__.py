"""WHERE THINGS LIE: small contracts, and the implementations that keep them.

Doors: `protocols` (what the rest of the program may ask of storage), `layout` (every path on disk), `stores` (Stores: all of them
together, opened by `open_stores(ref)`). Behind them: `tables` (dataset rows, result parts), `blobs` (content-addressed bytes),
`catalog` (what exists, and the ledger, in SQL), `remote` (the task-side contract over a pipe). `in_use` says who has a folder open, so that
nothing of it is collected.

Who may enter: datasets, models, runtimes, results and the floors above. `protocols` needs the standard library alone.
Start reading at `protocols.py`.
"""
