"""`swcli`: one file per noun; each command parses, makes one call, and renders.

Doors: `main`. No rule of the program lives here: a command that decides something has a verb missing on the instance.

Who may enter: nobody. What it may import: `instances` and floors below; heavy ones only inside the command that needs them.
"""
