"""THE ROUTES OF `/api/v1`: one file per noun; each calls the verb that the command line calls, and says its value as JSON.

`versions.py` is what datasets, models and runtimes have in common, `listed_files.py` what models and runtimes do. Who may enter: `server.app`
alone. What it may import: all floors below the server.
"""
