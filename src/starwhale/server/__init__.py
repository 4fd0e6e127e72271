"""THE HTTP API AND THE CONSOLE: one file of routes per noun, each calling the same verb as the command line.

Nothing is built here yet: `swcli server` and `swcli ui` answer that they are not built.

Who may enter: nobody; it is started as a program. What it may import: `instances` and floors below; `cli` and `api` are strangers.
"""
