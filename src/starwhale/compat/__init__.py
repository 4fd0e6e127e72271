"""OLD IMPORT PATHS: `starwhale.utils.console`, `starwhale.base.uri.resource` and their kind, as scripts still write them.

Doors: one finder that the front door registers. Nothing is defined here that could be re-exported.

Who may enter: nobody but the front door. What it may import: floors below; names of the SDK are asked of the front door.
"""
