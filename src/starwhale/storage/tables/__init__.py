"""DATASET ROWS WITH VERSIONS, AND RESULT PARTS WITH THEIR QUERIES.

Doors: the classes that meet `storage.protocols.DatasetStore` and `ResultStore`.

Who may enter: `storage.stores`, which picks one. What it may import: `storage.protocols`, `storage.layout`, and floors below.
pyarrow is imported only in files of this room that are themselves imported on first use.
"""
