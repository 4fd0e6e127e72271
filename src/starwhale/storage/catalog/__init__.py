"""WHAT EXISTS AND WHO WORKS ON WHAT: projects, versions, tags, jobs, steps, tasks, attempts, ranges, events.

Doors: `catalog` (every noun of it together), `engine` (one SQLite file through SQLAlchemy, every writing transaction immediate; `sqlite_errors`), `records` and `job_records` (its rows as
values), `schema` and the Alembic `migrations`. A file per noun: `projects`, `bundles`, `versions_tags`, `jobs` with `job_address` and `job_facts`, `parts`, `events` with
`wishes` and `changes`, `driver` (which process runs a job), `ledger` (ranges and leases: a lease ends here, by its commit, with its attempt, with its worker, or unrenewed; rows of it are `ledger_rows`),
`task_access` (who may act for an attempt from elsewhere).
What cuts across: `newest` (opening a dataset, without SQLAlchemy), `retry` (failed rows again), `copies`, `references` (what may be deleted), `whole_job` (a
job as plain values), `contract` (what others may ask over HTTP), and checksums of rows: `row_sums`, `part_sums`, `kept_sums`.

To add a column: `schema`, a migration, the record, and, so that it has a checksum and leaves with an archive, `row_sums` or `kept_sums`, and `whole_job`.

Who may enter: `storage.stores`, and every room above through the opened stores. What it may import: `storage.layout` and floors below.
"""
