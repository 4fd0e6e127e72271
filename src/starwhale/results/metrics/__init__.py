"""METRICS: each with its formula, its source and a worked example in its docstring.

Doors: one module per metric; each takes plain columns and returns a value.

Who may enter: `results`, `handlers` and everything above. What it may import: the standard library, and NumPy where it pays.
"""
