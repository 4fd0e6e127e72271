"""DELETED FOR GOOD: what users removed, and files that nothing refers to.

Doors: `collect`; `collect_environments` and `collect_files` are its two kinds of files.

Who may enter: `instances.instance`, and rooms above for the types. What it may import: everything below.
"""
