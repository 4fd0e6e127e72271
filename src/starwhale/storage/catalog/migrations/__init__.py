"""HOW THE CATALOG'S TABLES CHANGE: one Alembic script per change under `versions/`, applied when a root is opened.

Door: `apply.prepare(path, lock)`. Alembic takes a fifth of a second to import, so the revision of a database is read with plain SQL, and
Alembic is imported only where something has to be done.

To change a table: change `schema.py`, add a script, append its revision to `apply.REVISIONS`; a test compares the two.
"""
