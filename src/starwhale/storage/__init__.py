"""WHERE THINGS LIE: small contracts, and the implementations that keep them.

Doors: `protocols` (what the rest of the program may ask of storage, `TaskStores` among it: all that a worker knows), `layout` (every path on
disk), `stores` (Stores: all of them together, opened by `open_stores(ref)`). Behind them: `dataset_rows` (rows with versions), `result_parts`
(what jobs found), `columns` (values as Arrow, for both), `blobs` (content-addressed bytes), `catalog` (what exists, and the ledger, in SQL),
`objects` with `object_accounts` (S3). The task-side contract is met by `task_side` in the driver, and brought to a worker by `carriers`, with
`task_codec` for what crosses. `in_use` says who has a folder open, so that nothing of it is collected.

Who may enter: datasets, models, runtimes, results and the floors above. `protocols` needs the standard library alone.
Start reading at `protocols.py`.
"""
