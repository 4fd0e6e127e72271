"""WHERE THINGS LIE: small contracts, and the implementations that keep them.

Doors: `protocols` (what the rest of the program may ask of rows, tables and blobs), `task_contract` (all that a worker knows of storage,
and what answers it), `part` (what a task finds out about a range: as values, as bytes, as a record), `layout` (every path on disk),
`stores` (Stores: all of them together, opened by `open_stores(ref)`; `remote` has those of a server). Behind them: `dataset_rows` (rows with versions), `result_parts`
(what jobs found), `log_files` (what user code printed), `columns` (values as Arrow, for both), `blobs` (content-addressed bytes), `catalog` (what exists, and the ledger, in
SQL), `objects` with `object_accounts` (S3). The contract of tasks is met by `task_side` in the driver and brought to a worker by
`carriers`; what crosses is encoded there by `task_codec`. `in_use` says who has a folder open, so that nothing of it is collected.

Who may enter: datasets, models, runtimes, results and the floors above. `protocols`, `part` and `task_contract` need the standard library alone.
Start reading at `protocols.py` for what is kept, at `task_contract.py` for how a job reaches it.
"""
