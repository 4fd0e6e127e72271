"""WHERE AN INSTANCE LIES, AND WHETHER IT MAY: the root, its file system, the configuration, logins to others.

Doors: `root` (may this directory be used), `file_system`, `configuration` (the user's YAML file), `servers` (logins), `access` (who may ask the server of this root), `check` (what is missing here).

Who may enter: `instances`, cli and api. What it may import: `storage`, `settings` and floors below.
"""
