"""WHAT EXISTS AND WHO WORKS ON WHAT: projects, versions, tags, jobs, steps, tasks, attempts, ranges, events.

Doors: `driver` (one SQLite file through SQLAlchemy, every writing transaction immediate), `records` (its rows as values), a file per noun, `ledger`
(ranges and leases: a lease ends here, by its commit, with its attempt or with its worker), `task_access` (who may act for an attempt from elsewhere), and the Alembic `migrations`.

To add a column: `schema`, a migration, the record, and, so that it has a checksum and leaves with an archive, `row_sums` or `kept_sums`, and `whole_job`.

Who may enter: `storage.stores`, and every room above through the opened stores. What it may import: `storage.layout` and floors below.
"""
