"""ROWS OF A PYTHON HANDLER of `dataset build`, which runs in a process of its own.

Doors: `rows_elsewhere.read_elsewhere` (the parent's side), `rows_worker` (the child, a program).

Who may enter: instances. What it may import: `handlers`, `storage`, `execution.tasks` and floors below.
"""
