"""WHAT EXISTS AND WHO WORKS ON WHAT: projects, versions, tags, jobs, steps, tasks, attempts, ranges, events.

Doors: the classes that meet `storage.protocols.Catalog`, `Ledger` and `EventLog` on SQLite through SQLAlchemy, and the Alembic
migrations that make their tables.

Who may enter: `storage.stores`, which picks one. What it may import: `storage.protocols`, `storage.layout`, and floors below.
"""
