"""THE PUBLIC PYTHON SDK: the names that `import starwhale` gives.

Doors: one module per noun, thin: a verb per line, over `instance.<noun>`. A name that is not built yet raises `NotBuiltYetError`;
`docs/reference/compatibility.md` lists them.

Who may enter: users' scripts. What it may import: `instances` and floors below.
"""
